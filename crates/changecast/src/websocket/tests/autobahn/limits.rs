//! Sections 9 and 10: sizes, fragments, pieces, many messages, automatic fragmentation.

use super::super::client::{fragments, frame, text};
use super::{Case, check};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The suite's own patterns, as often as it takes.
fn payload(pattern: &[u8], length: usize) -> Vec<u8> {
    pattern.iter().copied().cycle().take(length).collect()
}

const TEXT: &[u8] = b"BAsd7&jh23";
const BINARY: &[u8] = b"\x00\xfe\x23\xfa\xf0";

#[test]
fn section_9_1_and_9_2_messages_up_to_16_mib() {
    let lengths = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB];
    // The largest once each: the cuts of the others are as good.
    for (length, place) in lengths.into_iter().zip(1..) {
        for (number, opcode, pattern) in [("9.1", 1, TEXT), ("9.2", 2, BINARY)] {
            let payload = payload(pattern, length);
            let case = Case::new(format!("{number}.{place}"), [frame(opcode, &payload)]);
            let case = case.answered(0x80 | opcode, payload).then_closes();
            if length < MIB {
                case.check_all();
            } else {
                let bytes = super::wire(&case.sent);
                case.check(&bytes, fastrand::usize(1..bytes.len()));
            }
        }
    }
}

#[test]
fn section_9_3_and_9_4_4_mib_in_fragments() {
    let sizes = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];
    for (size, place) in sizes.into_iter().zip(1..) {
        for (number, opcode, pattern) in [("9.3", 1, b"*"), ("9.4", 2, b"\xFE")] {
            let payload = payload(pattern, 4 * MIB);
            let sent = fragments(opcode, &payload, size);
            let case = Case::new(format!("{number}.{place}"), sent);
            let case = case.answered(0x80 | opcode, payload).then_closes();
            let bytes = super::wire(&case.sent);
            case.check(&bytes, fastrand::usize(1..bytes.len()));
        }
    }
}

#[test]
fn section_9_5_and_9_6_1_mib_in_pieces() {
    let sizes = [64, 128, 256, 512, 1024, 2048];
    for (size, place) in sizes.into_iter().zip(1..) {
        for (number, opcode, pattern) in [("9.5", 1, TEXT), ("9.6", 2, BINARY)] {
            let payload = payload(pattern, MIB);
            let case = Case::new(format!("{number}.{place}"), [frame(opcode, &payload)]);
            let case = case.answered(0x80 | opcode, payload).then_closes();
            case.check_in_pieces(size);
        }
    }
}

#[test]
fn section_9_7_and_9_8_a_thousand_messages() {
    let mut cases = Vec::new();
    for (length, place) in [0, 16, 64, 256, 1024, 4096].into_iter().zip(1..) {
        for (number, opcode, byte) in [("9.7", 1, b'*'), ("9.8", 2, 0xFE)] {
            let payload = vec![byte; length];
            let sent = std::iter::repeat_n(frame(opcode, &payload), 1000);
            let case = Case::new(format!("{number}.{place}"), sent);
            let answer = |case: Case, _| case.answered(0x80 | opcode, &payload);
            cases.push((0..1000).fold(case, answer).then_closes());
        }
    }
    check(cases, 12);
}

#[test]
fn section_10_fragments_that_a_library_makes() {
    let payload = vec![b'*'; 65_536];
    let case = Case::new("10.1.1", fragments(1, &payload, 1300));
    check(vec![case.echoes(payload).then_closes()], 1);
}

#[test]
fn a_message_above_the_cap_is_closed_with_1009() {
    let too_long = vec![b'*'; 16 * MIB + 1];
    let case = Case::new("above the cap", [text(too_long)]).closed(1009);
    // The header is enough: nothing of the message is sent.
    case.check(&super::wire(&case.sent)[..14], 14);
}
