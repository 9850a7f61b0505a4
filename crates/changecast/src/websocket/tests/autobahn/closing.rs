//! Section 7: closing.

use super::super::client::{ClientFrame, close, frame, ping, text};
use super::{Case, check};

/// A close that the endpoint answers with the same code, and hears nothing after.
fn closes(number: &str, sent: impl IntoIterator<Item = ClientFrame>) -> Case {
    Case::new(number, sent).closed(1000)
}

#[test]
fn section_7_1_after_a_close_nothing_counts() {
    let hello = "Hello World!";
    let long = "BAsd7&jh23".repeat((256 << 10) / 10);
    let cases = vec![
        Case::new("7.1.1", [text(hello)]).echoes(hello).then_closes(),
        closes("7.1.2", [close(1000, ""), frame(8, "")]),
        closes("7.1.3", [close(1000, ""), ping("")]),
        closes("7.1.4", [close(1000, ""), text(hello)]),
        closes("7.1.5", [text("fragment1").not_final(), close(1000, ""), frame(0, "fragment2")]),
        Case::new("7.1.6", [text(&long), text(hello), close(1000, ""), ping("")])
            .echoes(&long)
            .echoes(hello)
            .closed(1000),
    ];
    check(cases, 6);
}

#[test]
fn section_7_3_and_7_5_what_a_close_holds() {
    let not_utf8 =
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64";
    let cases = vec![
        Case::new("7.3.1", [frame(8, "")]).closed_without_a_code(),
        Case::new("7.3.2", [frame(8, "a")]).closed(1002),
        closes("7.3.3", [close(1000, "")]),
        closes("7.3.4", [close(1000, "Hello World!")]),
        closes("7.3.5", [close(1000, "*".repeat(123))]),
        Case::new("7.3.6", [close(1000, "*".repeat(124))]).closed(1002),
        Case::new("7.5.1", [close(1000, not_utf8)]).closed(1007),
    ];
    check(cases, 7);
}

#[test]
fn section_7_7_codes_that_may_be_sent() {
    let codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    let case = |(code, place)| Case::new(format!("7.7.{place}"), [close(code, "")]).closed(code);
    check(codes.into_iter().zip(1..).map(case).collect(), 13);
}

#[test]
fn section_7_9_and_7_13_codes_that_may_not() {
    let codes = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
    let case = |(code, place)| Case::new(format!("7.9.{place}"), [close(code, "")]).closed(1002);
    let mut cases: Vec<Case> = codes.into_iter().zip(1..).map(case).collect();
    cases.push(Case::new("7.13.1", [close(5000, "")]).closed(1002));
    cases.push(Case::new("7.13.2", [close(65_535, "")]).closed(1002));
    check(cases, 11);
}
