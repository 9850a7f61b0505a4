//! Sections 1 to 5: framing, pings and pongs, reserved bits, opcodes, fragmentation.

use super::super::client::{ClientFrame, frame, ping, text};
use super::{Case, check};

const HELLO: &str = "Hello, world!";

/// The lengths of 1.1 and 1.2. The suite sends the last in pieces of 997 bytes; here all are cut.
const LENGTHS: [usize; 8] = [0, 125, 126, 127, 128, 65_535, 65_536, 65_536];

#[test]
fn section_1_framing() {
    let mut cases = Vec::new();
    for (length, place) in LENGTHS.into_iter().zip(1..) {
        let payload = vec![b'*'; length];
        let case = Case::new(format!("1.1.{place}"), [text(&payload)]);
        cases.push(case.echoes(payload).then_closes());
        let payload = vec![0xFE; length];
        let case = Case::new(format!("1.2.{place}"), [frame(2, &payload)]);
        cases.push(case.echoes_binary(payload).then_closes());
    }
    check(cases, 16);
}

#[test]
fn section_2_pings_and_pongs() {
    let ponged = |number: &str, payload: &[u8]| {
        Case::new(number, [ping(payload)]).pongs(payload).then_closes()
    };
    let pong = |payload: &str| frame(10, payload);
    let mut cases = vec![
        ponged("2.1", b""),
        ponged("2.2", HELLO.as_bytes()),
        ponged("2.3", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"),
        ponged("2.4", &[0xFE; 125]),
        Case::new("2.5", [ping([0xFE; 126])]).closed(1002),
        ponged("2.6", &[0xFE; 125]),
        Case::new("2.7", [pong("")]).then_closes(),
        Case::new("2.8", [pong("unsolicited pong payload")]).then_closes(),
        Case::new("2.9", [pong("unsolicited pong payload"), ping("ping payload")])
            .pongs("ping payload")
            .then_closes(),
    ];
    for number in ["2.10", "2.11"] {
        let payloads: Vec<String> = (0..10).map(|count| format!("payload-{count}")).collect();
        let case = Case::new(number, payloads.iter().map(ping));
        cases.push(payloads.iter().fold(case, Case::pongs).then_closes());
    }
    check(cases, 11);
}

#[test]
fn section_3_reserved_bits() {
    let second = |number: &str, reserved| {
        let sent = [text(HELLO), text(HELLO).reserved(reserved), ping("")];
        Case::new(number, sent).echoes(HELLO).closed(1002)
    };
    let noise = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff";
    let cases = vec![
        Case::new("3.1", [text(HELLO).reserved(1)]).closed(1002),
        second("3.2", 2),
        second("3.3", 3),
        second("3.4", 4),
        Case::new("3.5", [frame(2, noise).reserved(5)]).closed(1002),
        Case::new("3.6", [frame(2, HELLO).reserved(6)]).closed(1002),
        Case::new("3.7", [frame(8, "").reserved(7)]).closed(1002),
    ];
    check(cases, 7);
}

#[test]
fn section_4_opcodes() {
    let first =
        |number: &str, opcode, payload| Case::new(number, [frame(opcode, payload)]).closed(1002);
    let second = |number: &str, opcode, payload| {
        let sent = [text(HELLO), frame(opcode, payload), ping("")];
        Case::new(number, sent).echoes(HELLO).closed(1002)
    };
    let cases = vec![
        first("4.1.1", 3, ""),
        first("4.1.2", 4, "reserved opcode payload"),
        second("4.1.3", 5, ""),
        second("4.1.4", 6, HELLO),
        second("4.1.5", 7, HELLO),
        first("4.2.1", 11, ""),
        first("4.2.2", 12, "reserved opcode payload"),
        second("4.2.3", 13, ""),
        second("4.2.4", 14, HELLO),
        second("4.2.5", 15, HELLO),
    ];
    check(cases, 10);
}

fn begin(payload: &str) -> ClientFrame {
    text(payload).not_final()
}

fn next(payload: &str) -> ClientFrame {
    frame(0, payload).not_final()
}

fn last(payload: &str) -> ClientFrame {
    frame(0, payload)
}

#[test]
fn section_5_fragmentation() {
    let mut cases = vec![
        Case::new("5.1", [ping("fragment1").not_final(), last("fragment2")]).closed(1002),
        Case::new("5.2", [frame(10, "fragment1").not_final(), last("fragment2")]).closed(1002),
    ];
    // The suite sends each of these as it comes, with a flush after each frame, and byte by byte.
    for number in ["5.3", "5.4", "5.5"] {
        let case = Case::new(number, [begin("fragment1"), last("fragment2")]);
        cases.push(case.echoes("fragment1fragment2").then_closes());
    }
    for number in ["5.6", "5.7", "5.8"] {
        let sent = [begin("fragment1"), ping("ping payload"), last("fragment2")];
        let case = Case::new(number, sent).pongs("ping payload");
        cases.push(case.echoes("fragment1fragment2").then_closes());
    }
    for number in ["5.9", "5.10", "5.11"] {
        let sent = [last("non-continuation payload"), text(HELLO)];
        cases.push(Case::new(number, sent).closed(1002));
    }
    for number in ["5.12", "5.13", "5.14"] {
        let sent = [next("non-continuation payload"), text(HELLO)];
        cases.push(Case::new(number, sent).closed(1002));
    }
    cases.push(broken_after_a_message());
    for (number, first) in [("5.16", next("fragment1")), ("5.17", last("fragment1"))] {
        let once = [first, begin("fragment2"), last("fragment3")];
        cases.push(Case::new(number, [once.clone(), once].concat()).closed(1002));
    }
    cases.push(Case::new("5.18", [begin("fragment1"), text("fragment2")]).closed(1002));
    cases.extend(["5.19", "5.20"].map(pings_between_five_fragments));
    check(cases, 20);
}

fn broken_after_a_message() -> Case {
    let sent = [begin("fragment1"), last("fragment2"), next("fragment3"), text("fragment4")];
    Case::new("5.15", sent).echoes("fragment1fragment2").closed(1002)
}

fn pings_between_five_fragments(number: &str) -> Case {
    let sent = [
        begin("fragment1"),
        next("fragment2"),
        ping("pongme 1!"),
        next("fragment3"),
        next("fragment4"),
        ping("pongme 2!"),
        last("fragment5"),
    ];
    let case = Case::new(number, sent).pongs("pongme 1!").pongs("pongme 2!");
    case.echoes("fragment1fragment2fragment3fragment4fragment5").then_closes()
}
