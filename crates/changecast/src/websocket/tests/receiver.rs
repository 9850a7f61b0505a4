//! The receiver by itself: caps, what it keeps, and that cuts do not count.

use proptest::prelude::*;

use super::super::{Event, Receiver, Violation};
use super::client::{any_frames, close, fragments, frame, ping, text, wire};
use crate::limits;

const MAX: usize = 1024;

/// What a receiver makes of bytes that come in these pieces.
fn receive<'a>(
    receiver: &mut Receiver,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Result<Event, Violation>> {
    let mut said = Vec::new();
    for mut input in pieces {
        loop {
            match receiver.receive(&mut input) {
                Ok(Some(event)) => said.push(Ok(event)),
                Ok(None) => break,
                Err(violation) => said.push(Err(violation)),
            }
        }
        assert!(input.is_empty(), "nothing is left behind");
    }
    said
}

fn receive_all(bytes: &[u8]) -> Vec<Result<Event, Violation>> {
    receive(&mut Receiver::new(MAX), [bytes])
}

#[track_caller]
fn check(bytes: &[u8], expected: Violation) {
    let said = receive_all(bytes);
    assert_eq!(said.last(), Some(&Err(expected)), "{said:?}");
}

#[test]
fn g10_an_idle_receiver_holds_nothing() {
    assert!(size_of::<Receiver>() <= 24, "{}", size_of::<Receiver>());
    let mut receiver = Receiver::new(MAX);
    for frames in [
        vec![text("hi")],
        vec![text("h").not_final(), ping("in between"), frame(0, "i")],
        vec![ping("hi"), frame(2, [0xFF; 300]), frame(10, "hi")],
        vec![text("")],
    ] {
        let bytes = wire(&frames);
        let (last, rest) = bytes.split_last().expect("it is not empty");
        receive(&mut receiver, rest.chunks(1));
        assert_ne!(receiver.held_bytes(), 0, "{frames:?}: something is half there");
        receive(&mut receiver, [[*last].as_slice()]);
        assert_eq!(receiver.held_bytes(), 0, "{frames:?}");
        receive(&mut receiver, [bytes.as_slice()]);
        assert_eq!(receiver.held_bytes(), 0, "{frames:?}, at once");
    }
    receive(&mut receiver, [wire(&[text("h").not_final(), text("h")]).as_slice()]);
    assert_eq!(receiver.held_bytes(), 0, "after a violation");
}

#[test]
fn g10_a_header_that_announces_too_much_is_refused_at_once() {
    let bytes = |length: usize| text(vec![b'x'; length]).bytes();
    assert_eq!(receive_all(&bytes(MAX)[..8]), []);
    check(&bytes(MAX + 1)[..8], Violation::TooLarge);
    check(&bytes(1 << 16)[..14], Violation::TooLarge);
}

#[test]
fn g10_fragments_count_together() {
    let half = text([b'x'; MAX / 2]).not_final();
    let rest = frame(0, [b'x'; MAX / 2]);
    assert_eq!(receive_all(&wire(&[half.clone(), rest.clone()])).len(), 1);
    let one_more = frame(0, "x");
    let frames = [half, rest.not_final(), one_more];
    check(&wire(&frames), Violation::TooLarge);
}

#[test]
fn g10_a_million_tiny_fragments_end_early() {
    let fragments_max = MAX / limits::WEBSOCKET_FRAGMENT_BYTES;
    let mut receiver = Receiver::new(MAX);
    assert_eq!(receive(&mut receiver, [text("").not_final().bytes().as_slice()]), []);
    let empty = frame(0, "").not_final().bytes();
    for count in 2..=1_000_000 {
        let outcome = receiver.receive(&mut empty.as_slice());
        if count == fragments_max + 1 {
            assert_eq!(outcome, Err(Violation::TooManyFragments));
            assert_eq!(receiver.held_bytes(), 0);
        } else {
            assert_eq!(outcome, Ok(None), "{count}");
        }
    }
    // As many as there may be, and they may hold as much as a message may.
    let fragment = [b'x'; limits::WEBSOCKET_FRAGMENT_BYTES];
    let whole = fragments(1, &fragment.repeat(fragments_max), fragment.len());
    assert_eq!(receive_all(&wire(&whole)), [Ok(Event::Text("x".repeat(MAX)))]);
}

#[test]
fn g10_what_is_announced_but_does_not_come_takes_no_memory() {
    let mut receiver = Receiver::new(16 << 20);
    let bytes = wire(&[text(vec![b'x'; 16 << 20])]);
    receive(&mut receiver, [&bytes[..100]]);
    assert!(receiver.held_bytes() < 1024, "{}", receiver.held_bytes());
}

#[test]
fn each_violation_is_named() {
    for (bytes, expected) in [
        (text("hi").unmasked().bytes(), Violation::Unmasked),
        (text("hi").reserved(4).bytes(), Violation::ReservedBits),
        (frame(3, "hi").bytes(), Violation::ReservedOpcode),
        (frame(11, "hi").bytes(), Violation::ReservedOpcode),
        (vec![0x81, 0x80 | 126, 0, 125], Violation::LongForm),
        (vec![0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], Violation::LongForm),
        (vec![0x81, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0], Violation::HighestBit),
        (vec![0x81, 0x80 | 127, 0x7F, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], Violation::TooLarge),
        (ping("hi").not_final().bytes(), Violation::FragmentedControl),
        (ping([0; 126]).bytes(), Violation::LongControl),
        (frame(0, "hi").bytes(), Violation::NothingToContinue),
        (wire(&[text("hi").not_final(), frame(2, "hi")]), Violation::MessageInMessage),
        (frame(8, "x").bytes(), Violation::ShortClose),
        (close(999, "").bytes(), Violation::CloseCode),
        (close(1000, "\u{e9}".as_bytes().split_at(1).0).bytes(), Violation::NotUtf8),
        (text([0xFF]).bytes(), Violation::NotUtf8),
    ] {
        check(&bytes, expected);
        assert!([1002, 1007, 1009].contains(&expected.code()), "{expected}");
        assert!(expected.to_string().len() <= 123, "{expected} fits into a close frame");
    }
}

#[test]
fn close_codes_are_those_that_may_be_sent() {
    let sound: Vec<u16> =
        (0..=u16::MAX).filter(|code| receive_all(&close(*code, "").bytes())[0].is_ok()).collect();
    let expected: Vec<u16> =
        [1000..=1003, 1007..=1014, 3000..=4999].into_iter().flatten().collect();
    assert_eq!(sound, expected);
}

#[test]
fn nothing_is_heard_after_the_end() {
    for last in [close(1000, "bye"), text([0xFF])] {
        let mut receiver = Receiver::new(MAX);
        let bytes = wire(&[last, text("again"), frame(3, "and again")]);
        assert_eq!(receive(&mut receiver, [bytes.as_slice()]).len(), 1);
        assert_eq!(receive(&mut receiver, [bytes.as_slice()]), []);
    }
}

proptest! {
    /// However it is cut, and even where it is no protocol at all.
    #[test]
    fn cuts_do_not_count(
        frames in any_frames(),
        noise in proptest::collection::vec(any::<u8>(), 0..20),
        sizes in proptest::collection::vec(1_usize..40, 1..20),
    ) {
        let bytes = [wire(&frames), noise].concat();
        let whole = receive_all(&bytes);
        let single = receive(&mut Receiver::new(MAX), bytes.chunks(1));
        prop_assert_eq!(&single, &whole);
        let mut rest = bytes.as_slice();
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            let (piece, after) = rest.split_at(*size.min(&rest.len()));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&receive(&mut Receiver::new(MAX), pieces), &whole);
    }
}
