//! Section 6: text. The sequences of 6.5 to 6.23 are those of Markus Kuhn's decoder test, as the
//! suite numbers them.

use super::super::client::{fragments, frame, text};
use super::{Case, check};

const KOSME: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
const EDITED: &[u8] = b"edited";

#[test]
fn section_6_1_to_6_3_whole_and_in_fragments() {
    let hello = "Hello-µ@ßöäüàá-UTF-8!!";
    let (first, second) = hello.split_at("Hello-µ@ßöä".len());
    let surrogate = [KOSME, b"\xed\xa0\x80", EDITED].concat();
    let middle = "middle frame payload";
    let empty = || frame(0, "");
    let cases = vec![
        Case::new("6.1.1", [text("")]).echoes("").then_closes(),
        Case::new("6.1.2", [text("").not_final(), empty().not_final(), empty()])
            .echoes("")
            .then_closes(),
        Case::new("6.1.3", [text("").not_final(), frame(0, middle).not_final(), empty()])
            .echoes(middle)
            .then_closes(),
        Case::new("6.2.1", [text(hello)]).echoes(hello).then_closes(),
        Case::new("6.2.2", [text(first).not_final(), frame(0, second)]).echoes(hello).then_closes(),
        Case::new("6.2.3", fragments(1, hello.as_bytes(), 1)).echoes(hello).then_closes(),
        Case::new("6.2.4", fragments(1, KOSME, 1)).echoes(KOSME).then_closes(),
        Case::new("6.3.1", [text(&surrogate)]).closed(1007),
        Case::new("6.3.2", fragments(1, &surrogate, 1)).closed(1007),
    ];
    check(cases, 9);
}

/// The rest of the message is never sent: the end is decided without it.
#[test]
fn section_6_4_wrong_text_fails_at_the_byte_that_makes_it_wrong() {
    // U+110000, wrong from its second byte on.
    let beyond = b"\xf4\x90\x80\x80";
    let whole = [KOSME, beyond, EDITED].concat();
    let until_wrong = KOSME.len() + 2;
    let in_frames = |number: &str, cut: usize, end: usize| {
        let sent = [text(&whole[..cut]).not_final(), frame(0, &whole[cut..end]).not_final()];
        Case::new(number, sent).closed(1007)
    };
    let cases = vec![
        in_frames("6.4.1", KOSME.len(), KOSME.len() + beyond.len()),
        in_frames("6.4.2", until_wrong - 1, until_wrong),
    ];
    check(cases, 2);
    // One frame, of which only a part comes.
    for (number, end) in [("6.4.3", KOSME.len() + beyond.len()), ("6.4.4", until_wrong)] {
        let case = Case::new(number, [text(&whole)]).closed(1007);
        let bytes = super::wire(&case.sent);
        let sent = &bytes[..bytes.len() - (whole.len() - end)];
        (1..=sent.len()).for_each(|cut| case.check(sent, cut));
    }
}

/// The byte before the wrong one is still a beginning of something: nothing is closed too early.
#[test]
fn text_that_may_become_right_is_waited_for() {
    let sent = [text(b"\xf4").not_final(), frame(0, b"\x8f\xbf").not_final(), frame(0, b"\xbf")];
    let case = Case::new("6.4, right", sent).echoes("\u{10FFFF}").then_closes();
    check(vec![case], 1);
}

/// One section: its number, and each sequence with whether it is text.
type Section = (usize, Vec<(bool, Vec<u8>)>);

fn right<const N: usize>(number: usize, sequences: [&[u8]; N]) -> Section {
    (number, sequences.iter().map(|bytes| (true, bytes.to_vec())).collect())
}

fn wrong<const N: usize>(number: usize, sequences: [&[u8]; N]) -> Section {
    (number, sequences.iter().map(|bytes| (false, bytes.to_vec())).collect())
}

fn check_sections(sections: Vec<Section>, expected_count: usize) {
    let cases = sections.into_iter().flat_map(|(section, sequences)| {
        (1..).zip(sequences).map(move |(place, (is_text, bytes))| {
            let case = Case::new(format!("6.{section}.{place}"), [text(&bytes)]);
            if is_text { case.echoes(bytes).then_closes() } else { case.closed(1007) }
        })
    });
    check(cases.collect(), expected_count);
}

#[test]
fn section_6_5_to_6_11_possible_sequences() {
    // Each prefix, and whether it ends between two characters.
    let prefixes = (1..=KOSME.len()).map(|end| {
        let is_whole = [2, 5, 7, 9, 11].contains(&end);
        (is_whole, KOSME[..end].to_vec())
    });
    let (number, mut others) =
        right(11, [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"]);
    others.push((false, b"\xf4\x90\x80\x80".to_vec()));
    let sections = vec![
        right(
            5,
            [
                b"hello$world",
                b"hello\xc2\xa2world",
                b"hello\xe2\x82\xacworld",
                b"hello\xf0\xa4\xad\xa2world",
                KOSME,
            ],
        ),
        (6, prefixes.collect()),
        right(7, [b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
        wrong(8, [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
        right(9, [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
        wrong(10, [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
        (number, others),
    ];
    check_sections(sections, 34);
}

#[test]
fn section_6_12_to_6_16_malformed_sequences() {
    let continuations: Vec<u8> = (0x80..0xBF).collect();
    let starts = [(0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD)];
    let lonely = starts.map(|(first, end)| (first..end).flat_map(|byte| [byte, b' ']).collect());
    let unfinished: [&[u8]; 10] = [
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
    ];
    let sections = vec![
        wrong(
            12,
            [
                b"\x80",
                b"\xbf",
                b"\x80\xbf",
                b"\x80\xbf\x80",
                b"\x80\xbf\x80\xbf",
                b"\x80\xbf\x80\xbf\x80",
                b"\x80\xbf\x80\xbf\x80\xbf",
                &continuations,
            ],
        ),
        (13, lonely.into_iter().map(|bytes: Vec<u8>| (false, bytes)).collect()),
        wrong(14, unfinished),
        wrong(15, [&unfinished.concat()]),
        wrong(16, [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    ];
    check_sections(sections, 27);
}

#[test]
fn section_6_17_to_6_19_overlong_sequences() {
    let sections = vec![
        wrong(
            17,
            [
                b"\xc0\xaf",
                b"\xe0\x80\xaf",
                b"\xf0\x80\x80\xaf",
                b"\xf8\x80\x80\x80\xaf",
                b"\xfc\x80\x80\x80\x80\xaf",
            ],
        ),
        wrong(
            18,
            [
                b"\xc1\xbf",
                b"\xe0\x9f\xbf",
                b"\xf0\x8f\xbf\xbf",
                b"\xf8\x87\xbf\xbf\xbf",
                b"\xfc\x83\xbf\xbf\xbf\xbf",
            ],
        ),
        wrong(
            19,
            [
                b"\xc0\x80",
                b"\xe0\x80\x80",
                b"\xf0\x80\x80\x80",
                b"\xf8\x80\x80\x80\x80",
                b"\xfc\x80\x80\x80\x80\x80",
            ],
        ),
    ];
    check_sections(sections, 15);
}

#[test]
fn section_6_20_and_6_21_surrogates() {
    let single: [&[u8]; 7] = [
        b"\xed\xa0\x80",
        b"\xed\xad\xbf",
        b"\xed\xae\x80",
        b"\xed\xaf\xbf",
        b"\xed\xb0\x80",
        b"\xed\xbe\x80",
        b"\xed\xbf\xbf",
    ];
    let [.., low, _, last] = single;
    let pairs = single[..4].iter().flat_map(|high| [low, last].map(|low| [*high, low].concat()));
    let pairs = pairs.map(|bytes| (false, bytes)).collect();
    check_sections(vec![wrong(20, single), (21, pairs)], 15);
}

#[test]
fn section_6_22_and_6_23_what_is_no_character_but_text() {
    // The last two of each plane.
    let planes = (0..=0x10_u32).flat_map(|plane| [0xFFFE, 0xFFFF].map(|low| plane << 16 | low));
    let specials = 0xFFF9..=0xFFFF;
    let sequence = |code: u32| {
        let character = char::from_u32(code).expect("no surrogate");
        (true, character.to_string().into_bytes())
    };
    let sections =
        vec![(22, planes.map(sequence).collect()), (23, specials.map(sequence).collect())];
    check_sections(sections, 41);
}
