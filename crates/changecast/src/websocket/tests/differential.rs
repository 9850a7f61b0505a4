//! Random frames through our receiver and through tungstenite: the same events, the same end.
//!
//! Where the two differ on purpose, `Reference::expected` says so:
//!
//! | difference | ours | tungstenite |
//! |---|---|---|
//! | a length in a longer form than it needs | 1002, as RFC 6455, section 5.2, has it | takes it |
//! | a close code that nobody may send | 1002 as a violation | takes it, and answers 1002 |
//! | the close code 1014 (not drawn here) | takes it: IANA lists it | answers 1002 |
//! | a frame above the cap that is wrong in another way, too | 1002 or 1009, what the header shows first | 1009, or what it looks at first |
//! | many fragments (not drawn here) | 1009 | takes any count |
//! | text wrong in a frame that is not all there (not drawn here) | 1007 at that byte | waits for the frame |

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use super::super::{Event, Receiver};
use super::client::{ClientFrame, any_frames, wire};

const MAX: usize = 1024;

/// What was said, and the close code where that was wrong.
#[derive(Debug, PartialEq)]
struct Verdict {
    events: Vec<Event>,
    violation: Option<u16>,
}

fn ours(bytes: &[u8]) -> Verdict {
    let mut receiver = Receiver::new(MAX);
    let mut input = bytes;
    let mut events = Vec::new();
    loop {
        match receiver.receive(&mut input) {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return Verdict { events, violation: None },
            Err(violation) => return Verdict { events, violation: Some(violation.code()) },
        }
    }
}

/// What a client sent, then nothing more for now.
struct Sent(Cursor<Vec<u8>>);

impl Read for Sent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            length => Ok(length),
        }
    }
}

impl Write for Sent {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(bytes: Vec<u8>) -> Verdict {
    let config = WebSocketConfig::default().max_message_size(Some(MAX)).max_frame_size(Some(MAX));
    let mut socket =
        WebSocket::from_raw_socket(Sent(Cursor::new(bytes)), Role::Server, Some(config));
    let mut events = Vec::new();
    loop {
        let violation = match socket.read() {
            Ok(Message::Text(text)) => {
                events.push(Event::Text(text.to_string()));
                continue;
            }
            Ok(Message::Binary(bytes)) => {
                events.push(Event::Binary(bytes));
                continue;
            }
            Ok(Message::Ping(payload)) => {
                events.push(Event::Ping(payload));
                continue;
            }
            Ok(Message::Pong(_)) => {
                events.push(Event::Pong);
                continue;
            }
            // It has put its own answer in the place of a code that nobody may send.
            Ok(Message::Close(Some(close))) if close.reason.as_str() == "Protocol violation" => {
                Some(1002)
            }
            Ok(Message::Close(close)) => {
                let close = close.map(|close| (close.code.into(), close.reason.to_string()));
                events.push(Event::Close(close));
                None
            }
            Ok(Message::Frame(frame)) => panic!("it reads messages, no {frame:?}"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(Error::Protocol(_)) => Some(1002),
            Err(Error::Utf8(_)) => Some(1007),
            Err(Error::Capacity(_)) => Some(1009),
            Err(error) => panic!("{error}"),
        };
        return Verdict { events, violation };
    }
}

/// Tungstenite's verdict, put right where we differ.
fn expected(frames: &[ClientFrame]) -> Verdict {
    let sound = frames.iter().take_while(|frame| !frame.is_in_long_form()).count();
    let (sound, rest) = frames.split_at(sound);
    let mut verdict = theirs(wire(sound));
    let is_over =
        verdict.violation.is_some() || matches!(verdict.events.last(), Some(Event::Close(_)));
    if !is_over && !rest.is_empty() {
        verdict.violation = Some(1002);
    }
    verdict
}

fn has_two_faults(frames: &[ClientFrame]) -> bool {
    frames.iter().any(|frame| frame.payload.len() > MAX)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn what_we_hear_is_what_tungstenite_hears(frames in any_frames()) {
        let (ours, mut expected) = (ours(&wire(&frames)), expected(&frames));
        let codes = (ours.violation, expected.violation);
        if has_two_faults(&frames) && matches!(codes, (Some(1002), Some(1009))) {
            expected.violation = ours.violation;
        }
        prop_assert_eq!(ours, expected);
    }
}

/// What a random draw must have met, or it shows nothing.
#[test]
fn random_frames_meet_every_verdict() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut codes, mut texts, mut closes) = (Vec::new(), 0, 0);
    for _ in 0..2_000 {
        let frames = any_frames().new_tree(&mut runner).expect("frames").current();
        let verdict = ours(&wire(&frames));
        codes.extend(verdict.violation);
        for event in verdict.events {
            match event {
                Event::Text(_) => texts += 1,
                Event::Close(_) => closes += 1,
                _ => {}
            }
        }
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes, [1002, 1007, 1009]);
    assert!(texts > 500 && closes > 20, "{texts} texts, {closes} closes");
}
