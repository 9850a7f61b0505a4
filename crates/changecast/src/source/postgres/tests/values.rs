//! Values in PostgreSQL's words, as JSON.

use proptest::prelude::*;

use crate::source::postgres::values::{Kind, write};

fn json(kind: &Kind, text: &str) -> String {
    let mut out = Vec::new();
    write(&mut out, kind, text);
    String::from_utf8(out).expect("JSON is UTF-8")
}

#[track_caller]
fn check(kind: Kind, text: &str, expected: &str) {
    assert_eq!(json(&kind, text), expected, "{kind:?} {text}");
}

fn array(kind: Kind) -> Kind {
    Kind::Array(Box::new(kind))
}

#[test]
fn numbers_are_never_rounded() {
    check(Kind::Number, "5", "5");
    check(Kind::Number, "-0.5", "-0.5");
    check(Kind::Number, "9007199254740992", "9007199254740992");
    check(Kind::Number, "9007199254740993", r#"{"$numberLong":"9007199254740993"}"#);
    check(Kind::Number, "0.10000000000000000001", r#"{"$numberDecimal":"0.10000000000000000001"}"#);
    check(Kind::Number, "1e+20", "1e+20");
    check(Kind::Number, "NaN", r#"{"$numberDouble":"NaN"}"#);
    check(Kind::Number, "-Infinity", r#"{"$numberDouble":"-Infinity"}"#);
    check(Kind::Number, "0", "0");
    // No PostgreSQL writes such; whatever comes, the event stays JSON.
    check(Kind::Number, "", r#"{"$numberDouble":""}"#);
    check(Kind::Number, "007", r#"{"$numberDouble":"007"}"#);
}

#[test]
fn times_are_rfc_3339_and_what_that_cannot_write_is_text() {
    check(Kind::Timestamp, "2026-01-02 03:04:05.5+00", r#""2026-01-02T03:04:05.500000Z""#);
    check(Kind::Timestamp, "2026-01-02 03:04:05", r#""2026-01-02T03:04:05.000000""#);
    for text in ["infinity", "0044-03-15 00:00:00 BC", "12026-01-02 03:04:05+00"] {
        check(Kind::Timestamp, text, &format!("{text:?}"));
    }
}

#[test]
fn arrays_are_read_to_their_depth_and_what_is_none_is_text() {
    check(array(Kind::Number), "{}", "[]");
    check(array(Kind::Number), "{1,NULL,3}", "[1,null,3]");
    check(array(Kind::Number), "{{1,2},{3,4}}", "[[1,2],[3,4]]");
    check(array(Kind::Number), "[2:3]={1,2}", "[1,2]");
    check(array(Kind::Text), r#"{a,"b c","NULL","q\"\\"}"#, r#"["a","b c","NULL","q\"\\"]"#);
    check(array(Kind::Bool), "{t,f}", "[true,false]");
    for text in ["", "{", "{1", "1,2", "{1}}", "{\"a"] {
        check(array(Kind::Number), text, &serde_json::to_string(text).expect("JSON"));
    }
}

#[test]
fn bytes_are_base64() {
    check(Kind::Bytes, "\\x00ff", r#"{"$binary":{"base64":"AP8=","subType":"00"}}"#);
    check(Kind::Bytes, "\\x0", r#""\\x0""#);
}

fn kinds() -> impl Strategy<Value = Kind> {
    let kind = prop_oneof![
        Just(Kind::Bool),
        Just(Kind::Number),
        Just(Kind::Json),
        Just(Kind::Bytes),
        Just(Kind::Timestamp),
        Just(Kind::Text),
    ];
    kind.prop_flat_map(|kind| prop_oneof![Just(kind.clone()), Just(array(kind))])
}

proptest! {
    #[test]
    fn any_text_of_any_type_becomes_one_line_of_json(kind in kinds(), text in ".{0,40}") {
        let written = json(&kind, &text);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok(), "{written}");
        prop_assert!(!written.contains('\n'));
    }

    #[test]
    fn an_array_of_texts_comes_back(texts in prop::collection::vec(".{0,8}", 0..5)) {
        let quoted: Vec<String> = texts
            .iter()
            .map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
            .collect();
        let written = json(&array(Kind::Text), &format!("{{{}}}", quoted.join(",")));
        prop_assert_eq!(serde_json::from_str::<Vec<String>>(&written).expect("texts"), texts);
    }
}
