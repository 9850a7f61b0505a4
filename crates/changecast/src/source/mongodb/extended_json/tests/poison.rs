//! Bytes that are wrong on purpose: what is replaced, what is refused, and where.

use proptest::prelude::*;

use super::super::reference::check_document;
use super::super::{BsonError, DEPTH_MAX, Document, write_document};
use super::comparison::document;
use super::{Problem, check, check_error, check_lossy, element, frame, one, string, written};

#[test]
fn invalid_utf8_is_replaced_and_counted() {
    let bad = string(b"a\xff\xfeb");
    check_lossy(&one(0x02, &bad), "{\"v\":\"a\u{fffd}\u{fffd}b\"}", 2);
    check_lossy(&one(0x0d, &bad), "{\"v\":{\"$code\":\"a\u{fffd}\u{fffd}b\"}}", 2);
    check_lossy(&one(0x0e, &bad), "{\"v\":{\"$symbol\":\"a\u{fffd}\u{fffd}b\"}}", 2);
    check_lossy(&element(0x0a, b"\xff", b""), "{\"\u{fffd}\":null}", 1);
    let regex =
        "{\"v\":{\"$regularExpression\":{\"pattern\":\"\u{fffd}\",\"options\":\"x\u{fffd}i\"}}}";
    check_lossy(&one(0x0b, b"\xff\0x\xffi\0"), regex, 2);
    let scoped = [b"\x12\0\0\0".as_slice(), &string(b"\xff"), &frame(b"\x0a\xfe\0")].concat();
    check_lossy(
        &one(0x0f, &scoped),
        "{\"v\":{\"$code\":\"\u{fffd}\",\"$scope\":{\"\u{fffd}\":null}}}",
        2,
    );
}

#[test]
fn frames_that_lie_are_refused_where_they_lie() {
    check_error(b"", 0, Problem::Truncated);
    check_error(b"\x05\0\0", 0, Problem::Truncated);
    check_error(b"\x04\0\0\0\0", 0, Problem::Length);
    check_error(b"\xff\xff\xff\xff\0", 0, Problem::Length);
    check_error(b"\xff\xff\xff\x7f\0", 4, Problem::Truncated);
    check_error(b"\x05\0\0\0\x01", 4, Problem::Terminator);
    check_error(b"\x05\0\0\0\0\0", 5, Problem::Length);
    check_error(&frame(b"\x0aab"), 5, Problem::Terminator);
    check_error(&frame(b"\0"), 5, Problem::Terminator);
    check_error(&frame(b"\0\0"), 4, Problem::UnknownType(0));
    check_error(&one(0x14, b""), 4, Problem::UnknownType(0x14));
    check_error(&one(0x08, b"\x02"), 7, Problem::Boolean(2));
    check_error(&one(0x02, b"\0\0\0\0"), 7, Problem::Length);
    check_error(&one(0x02, b"\x02\0\0\0ab"), 12, Problem::Terminator);
    check_error(&one(0x05, b"\xff\xff\xff\xff\0"), 7, Problem::Length);
    check_error(&one(0x03, b"\x06\0\0\0\0\x01"), 12, Problem::Terminator);
    check_error(&one(0x12, b"1234567"), 7, Problem::Truncated);
}

#[test]
fn errors_say_what_and_where() {
    let error = written(&one(0x14, b"")).expect_err("0x14 is no type");
    assert_eq!(error.to_string(), "unknown bson type 0x14 at byte 4");
    assert!(std::error::Error::source(&error).is_none());
}

#[test]
fn an_iterator_ends_after_its_error() {
    let bytes = frame(b"\x0aa\0\x14b\0\x0ac\0");
    let mut elements = Document::new(&bytes).expect("the frame is sound").elements();
    assert!(matches!(elements.next(), Some(Ok(element)) if element.key == b"a"));
    assert!(matches!(elements.next(), Some(Err(error)) if error.offset == 7));
    assert!(elements.next().is_none());
}

#[test]
fn an_error_leaves_the_output_as_it_was() {
    let mut out = b"before".to_vec();
    let error = write_document(&frame(b"\x0aa\0\x14b\0"), &mut out);
    assert_eq!(error, Err(BsonError { offset: 7, problem: Problem::UnknownType(0x14) }));
    assert_eq!(out, b"before");
}

/// `levels` documents in each other, every one but the innermost through `tag`.
fn nested(levels: usize, tag: u8) -> Vec<u8> {
    (1..levels).fold(frame(b""), |inner, _| element(tag, b"", &inner))
}

#[test]
fn nesting_is_capped() {
    for tag in [0x03, 0x04] {
        written(&nested(DEPTH_MAX, tag)).expect("the cap itself is allowed");
        let error = written(&nested(DEPTH_MAX + 1, tag)).expect_err("one more is not");
        assert_eq!(error, BsonError { offset: 4 + 6 * DEPTH_MAX, problem: Problem::TooDeep });
        assert!(written(&nested(10_000, tag)).is_err());
    }
}

#[test]
fn a_poisoned_document_is_still_written_whole() {
    let date = 1_000_000_000_000_000_i64.to_le_bytes();
    let bytes = frame(
        &[b"\x09d\0".as_slice(), &date, b"\x02s\0", &string(b"\xff\xfe"), b"\x10n\0\x01\0\0\0"]
            .concat(),
    );
    let date = r#"{"$date":{"$numberLong":"1000000000000000"}}"#;
    let expect = format!("{{\"d\":{date},\"s\":\"\u{fffd}\u{fffd}\",\"n\":1}}");
    check_lossy(&bytes, &expect, 2);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_document(&bytes);
        check_document(&frame(&bytes));
    }

    #[test]
    fn any_value_bytes_never_panic(
        tag in 0..0x15_u8,
        bytes in prop::collection::vec(0..0x18_u8, 0..40),
    ) {
        check_document(&one(tag, &bytes));
    }

    #[test]
    fn damaged_documents_never_panic(
        document in document(),
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..4),
    ) {
        let mut bytes = document.to_vec().expect("the document encodes");
        check_document(bytes.get(..cut.index(bytes.len())).unwrap_or_default());
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
            check_document(&bytes);
        }
    }

    #[test]
    fn any_string_bytes_are_written_as_from_utf8_lossy_reads_them(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), 0x20..0x7f_u8, Just(0xc3), Just(0xf0)],
            0..40,
        ),
    ) {
        let lossy = String::from_utf8_lossy(&bytes);
        let expect = serde_json::to_string(&lossy).expect("it serializes");
        let invalid = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
        check_lossy(&one(0x02, &string(&bytes)), &format!(r#"{{"v":{expect}}}"#), invalid as u64);
    }

    #[test]
    fn any_decimal_is_written_as_bson_displays_it(bytes in any::<[u8; 16]>(), shift in 0..128_u32) {
        for bits in [u128::from_le_bytes(bytes), u128::from_le_bytes(bytes) >> shift] {
            // A small significand with an exponent near zero is where the notation changes.
            let near = (bits & 0xffff_ffff) | (0x3028 + (bits >> 64 & 0x1f)) << 112;
            for bytes in [bits.to_le_bytes(), near.to_le_bytes()] {
                let text = bson::Decimal128::from_bytes(bytes).to_string();
                check(0x13, &bytes, &format!(r#"{{"$numberDecimal":"{text}"}}"#));
            }
        }
    }
}
