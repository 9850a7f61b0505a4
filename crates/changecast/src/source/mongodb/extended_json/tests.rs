//! Golden texts per type, a comparison with the `bson` crate, and input nobody should send.

mod comparison;
mod poison;

use super::cursor::Problem;
use super::{BsonError, Document, Element, Lossy, Value, write_document};

/// A document of one element, with key `v`.
fn one(tag: u8, value: &[u8]) -> Vec<u8> {
    element(tag, b"v", value)
}

fn element(tag: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    frame(&[&[tag], key, &[0], value].concat())
}

/// Length, elements, terminator.
fn frame(elements: &[u8]) -> Vec<u8> {
    let length = i32::try_from(elements.len() + 5).expect("test documents are small");
    [&length.to_le_bytes(), elements, &[0]].concat()
}

/// Length, text, terminator.
fn string(text: &[u8]) -> Vec<u8> {
    let length = i32::try_from(text.len() + 1).expect("test strings are small");
    [&length.to_le_bytes(), text, &[0]].concat()
}

fn binary(subtype: u8, payload: &[u8]) -> Vec<u8> {
    let length = i32::try_from(payload.len()).expect("test payloads are small");
    [&length.to_le_bytes(), [subtype].as_slice(), payload].concat()
}

fn written(document: &[u8]) -> Result<(String, u64), BsonError> {
    let mut out = Vec::new();
    let lossy = write_document(document, &mut out)?;
    Ok((String::from_utf8(out).expect("the output is UTF-8"), lossy.replacements))
}

#[track_caller]
fn check(tag: u8, value: &[u8], expect: &str) {
    let text = written(&one(tag, value)).expect("a sound document is written");
    assert_eq!(text, (format!(r#"{{"v":{expect}}}"#), 0));
}

#[track_caller]
fn check_lossy(document: &[u8], expect: &str, replacements: u64) {
    let text = written(document).expect("a sound document is written");
    assert_eq!(text, (expect.to_owned(), replacements));
}

#[track_caller]
fn check_error(document: &[u8], offset: usize, problem: Problem) {
    assert_eq!(written(document), Err(BsonError { offset, problem }));
}

#[test]
fn doubles() {
    for (number, expect) in [
        (1.5, "1.5"),
        (1.0, "1.0"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1e21, "1e+21"),
        (1e-7, "1e-7"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::from_bits(1), "5e-324"),
        (f64::INFINITY, r#"{"$numberDouble":"Infinity"}"#),
        (f64::NEG_INFINITY, r#"{"$numberDouble":"-Infinity"}"#),
        (f64::NAN.copysign(1.0), r#"{"$numberDouble":"NaN"}"#),
        (f64::NAN.copysign(-1.0), r#"{"$numberDouble":"-NaN"}"#),
    ] {
        check(0x01, &number.to_le_bytes(), expect);
    }
}

#[test]
fn integers_beyond_2_to_the_53_are_tagged() {
    check(0x10, &i32::MIN.to_le_bytes(), "-2147483648");
    for (number, expect) in [
        (0, "0"),
        (-1, "-1"),
        (1 << 53, "9007199254740992"),
        (-(1 << 53), "-9007199254740992"),
        ((1 << 53) + 1, r#"{"$numberLong":"9007199254740993"}"#),
        (-(1 << 53) - 1, r#"{"$numberLong":"-9007199254740993"}"#),
        (i64::MAX, r#"{"$numberLong":"9223372036854775807"}"#),
        (i64::MIN, r#"{"$numberLong":"-9223372036854775808"}"#),
    ] {
        check(0x12, &number.to_le_bytes(), expect);
    }
}

#[test]
fn strings_are_escaped_as_serde_json_does() {
    let every: String =
        (0..=0x2ff).filter_map(char::from_u32).chain("/\u{2028}🦀".chars()).collect();
    let expect = serde_json::to_string(&every).expect("a string serializes");
    check(0x02, &string(every.as_bytes()), &expect);
    check(0x02, &string(b""), r#""""#);
    check(0x02, &string(b"a\0b\n\x1f\x7f"), "\"a\\u0000b\\n\\u001f\x7f\"");
    check(0x0d, &string(b"f(\"x\")"), r#"{"$code":"f(\"x\")"}"#);
    check(0x0e, &string(b"sym"), r#"{"$symbol":"sym"}"#);
}

#[test]
fn containers() {
    check(0x03, &frame(b""), "{}");
    check(0x04, &frame(b""), "[]");
    check(0x03, &frame(b"\x0aa\0\x08b\0\x01\x08\0\0"), r#"{"a":null,"b":true,"":false}"#);
    let array = frame(b"\x0a7\0\x03x\0\x05\0\0\0\0\x04\xff\0\x05\0\0\0\0");
    check(0x04, &array, "[null,{},[]]");
    check_lossy(&frame(b"\x0aa\0\x06a\0"), r#"{"a":null,"a":{"$undefined":true}}"#, 0);
}

#[test]
fn binaries() {
    let uuid = r#"{"$binary":{"base64":"AAECAwQFBgcICQoLDA0ODw==","subType":"04"}}"#;
    check(0x05, &binary(4, &Vec::from_iter(0..16)), uuid);
    check(0x05, &binary(0, b""), r#"{"$binary":{"base64":"","subType":"00"}}"#);
    check(0x05, &binary(0xfe, b"\xff"), r#"{"$binary":{"base64":"/w==","subType":"fe"}}"#);
    let old = r#"{"$binary":{"base64":"aGk=","subType":"02"}}"#;
    check(0x05, &binary(2, b"\x02\0\0\0hi"), old);
    check_error(&one(0x05, &binary(2, b"\x01\0\0\0hi")), 17, Problem::Length);
    check_error(&one(0x05, &binary(2, b"\x03\0\0\0hi")), 16, Problem::Truncated);
}

#[test]
fn dates() {
    for (millis, expect) in [
        (0, r#"{"$date":"1970-01-01T00:00:00Z"}"#),
        (1, r#"{"$date":"1970-01-01T00:00:00.001Z"}"#),
        (951_827_696_100, r#"{"$date":"2000-02-29T12:34:56.1Z"}"#),
        (4_107_542_399_120, r#"{"$date":"2100-02-28T23:59:59.12Z"}"#),
        (253_402_300_799_999, r#"{"$date":"9999-12-31T23:59:59.999Z"}"#),
        (253_402_300_800_000, r#"{"$date":{"$numberLong":"253402300800000"}}"#),
        (1_000_000_000_000_000, r#"{"$date":{"$numberLong":"1000000000000000"}}"#),
        (-1, r#"{"$date":{"$numberLong":"-1"}}"#),
        (i64::MIN, r#"{"$date":{"$numberLong":"-9223372036854775808"}}"#),
        (i64::MAX, r#"{"$date":{"$numberLong":"9223372036854775807"}}"#),
    ] {
        check(0x09, &i64::to_le_bytes(millis), expect);
    }
}

#[test]
fn the_other_types() {
    check(0x06, b"", r#"{"$undefined":true}"#);
    check(
        0x07,
        b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x9a\xbc\xff",
        r#"{"$oid":"0001020304050607089abcff"}"#,
    );
    check(0x0a, b"", "null");
    check(0x0b, b"a/\\d\0xmi\0", r#"{"$regularExpression":{"pattern":"a/\\d","options":"imx"}}"#);
    let pointer = [string(b"db.c").as_slice(), &[7; 12]].concat();
    let expect = r#"{"$dbPointer":{"$ref":"db.c","$id":{"$oid":"070707070707070707070707"}}}"#;
    check(0x0c, &pointer, expect);
    check(0x11, b"\x02\0\0\0\xff\xff\xff\xff", r#"{"$timestamp":{"t":4294967295,"i":2}}"#);
    check(0x7f, b"", r#"{"$maxKey":1}"#);
    check(0xff, b"", r#"{"$minKey":1}"#);
}

#[test]
fn code_with_scope() {
    let (code, scope) = (string(b"f"), frame(b"\x10x\0\x01\0\0\0"));
    let with_length = |length: u8| [&[length, 0, 0, 0], code.as_slice(), &scope].concat();
    check(0x0f, &with_length(22), r#"{"$code":"f","$scope":{"x":1}}"#);
    check_error(&one(0x0f, &with_length(24)), 11, Problem::Truncated);
    check_error(&one(0x0f, &with_length(21)), 28, Problem::Truncated);
    check_error(&one(0x0f, &with_length(3)), 7, Problem::Length);
    let trailing = [with_length(23).as_slice(), &[0]].concat();
    check_error(&one(0x0f, &trailing), 29, Problem::Length);
}

#[test]
fn decimals() {
    for (bits, expect) in [
        (0x3040_0000_0000_0000_0000_0000_0000_0001, "1"),
        (0xb040_0000_0000_0000_0000_0000_0000_0000, "-0"),
        (0xb03e_0000_0000_0000_0000_0000_0000_0000, "-0.0"),
        (0x3052_0000_0000_0000_0000_0000_0000_0000, "0E+9"),
        (0x303c_0000_0000_0000_0000_0000_0000_04d2, "12.34"),
        (0x3034_0000_0000_0000_0000_0000_0000_0001, "0.000001"),
        (0x3032_0000_0000_0000_0000_0000_0000_0001, "1E-7"),
        (0x3032_0000_0000_0000_0000_0000_0000_000c, "0.0000012"),
        (0x0000_0000_0000_0000_0000_0000_0000_0001, "1E-6176"),
        (0x5ffe_0000_0000_0000_0000_0000_0000_007b, "1.23E+6113"),
        (0x5fff_ed09_bead_87c0_378d_8e63_ffff_ffff, "9.999999999999999999999999999999999E+6144"),
        (0x5fff_ed09_bead_87c0_378d_8e64_0000_0000, "0E+6111"),
        (0xec10_0000_0000_0000_0000_0000_0000_0001, "-0"),
        (0x7c00_0000_0000_0000_0000_0000_0000_0000, "NaN"),
        (0xfe00_0000_0000_0000_0000_0000_0000_0007, "NaN"),
        (0x7800_0000_0000_0000_0000_0000_0000_0000, "Infinity"),
        (0xf800_0000_0000_0000_0000_0000_0000_0000, "-Infinity"),
    ] {
        check(0x13, &u128::to_le_bytes(bits), &format!(r#"{{"$numberDecimal":"{expect}"}}"#));
    }
}

#[test]
fn top_level_fields_can_be_read_and_written_alone() {
    let mut elements = element(0x02, b"op", &string(b"insert"));
    elements = frame(&[b"\x03ns\0".as_slice(), &elements, b"\x0a\"\0"].concat());
    let document = Document::new(&elements).expect("the frame is sound");
    let fields: Vec<Element<'_>> = document.elements().flatten().collect();
    let [ns, quote] = fields.as_slice() else { panic!("two elements, not {fields:?}") };

    let inner = ns.value.as_document().expect("ns is a document");
    let op = inner.elements().next().expect("it has an element").expect("which is sound");
    assert_eq!((op.key, op.value.as_str().as_deref()), (b"op".as_slice(), Some("insert")));
    assert!(matches!(quote.value, Value::Null) && quote.value.as_str().is_none());

    let mut out = b"{".to_vec();
    let mut lossy = quote.write_field(&mut out).expect("a null is written");
    lossy += ns.value.write(&mut out).expect("a document is written");
    assert_eq!(String::from_utf8_lossy(&out), r#"{"\"":null{"op":"insert"}"#);
    assert_eq!(lossy, Lossy::default());
}
