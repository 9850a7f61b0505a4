//! The writer held against the `bson` crate, on any bytes: for tests and for fuzzing.

use bson::{Bson, JavaScriptCodeWithScope, RawDocument};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::cursor::Problem;
use super::{BsonError, write_document};

/// Whatever comes out is JSON, and what `bson` can read comes out as `bson` prints it.
pub(crate) fn check_document(bytes: &[u8]) {
    let mut out = b"before".to_vec();
    let written = write_document(bytes, &mut out);
    let text = out.strip_prefix(b"before").expect("what was there stays");
    match written {
        Ok(_) => check_json(text),
        Err(error) => {
            assert!(text.is_empty(), "an error leaves the output as it was");
            assert!(error.offset <= bytes.len(), "{error}");
        }
    }
    // `bson` would follow any depth.
    if !matches!(written, Err(BsonError { problem: Problem::TooDeep, .. }))
        && let Some(document) = read_with_bson(bytes)
    {
        let lossy = written.expect("what bson reads is written");
        assert_eq!(lossy.replacements, 0);
        assert_eq!(String::from_utf8_lossy(text), expected(&document.into()));
    }
}

/// None where `bson` cannot read it, or keeps less than there is: of equal keys the last one only.
fn read_with_bson(bytes: &[u8]) -> Option<bson::Document> {
    let document = bson::Document::from_reader(bytes).ok()?;
    let raw = RawDocument::from_bytes(bytes).ok()?;
    let is_whole = raw.iter().count() == document.len()
        && document.to_vec().is_ok_and(|again| again.len() == bytes.len());
    is_whole.then_some(document)
}

/// One JSON value in one line. Nesting may be deeper than most parsers follow.
#[track_caller]
pub(crate) fn check_json(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("the output is UTF-8");
    serde_json::from_str::<&RawValue>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(!text.contains(['\n', '\r']), "one line: {text:?}");
}

/// The last millisecond of 9999.
pub(super) const MILLIS_MAX: i64 = 253_402_300_799_999;

/// What `bson` and serde_json print, with the documented differences applied and object members in
/// the order of the specification (serde_json sorts them unless a feature is on).
pub(super) fn expected(value: &Bson) -> String {
    match value {
        Bson::Document(document) => {
            let field =
                |(key, value): (&String, &Bson)| format!("{}:{}", quoted(key), expected(value));
            format!("{{{}}}", document.iter().map(field).collect::<Vec<_>>().join(","))
        }
        Bson::Array(values) => {
            format!("[{}]", values.iter().map(expected).collect::<Vec<_>>().join(","))
        }
        Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code, scope }) => {
            let scope = expected(&Bson::Document(scope.clone()));
            format!(r#"{{"$code":{},"$scope":{scope}}}"#, quoted(code))
        }
        Bson::Int64(number) if number.unsigned_abs() > 1 << 53 => {
            format!(r#"{{"$numberLong":"{number}"}}"#)
        }
        Bson::DateTime(date) if date.timestamp_millis() > MILLIS_MAX => {
            format!(r#"{{"$date":{{"$numberLong":"{}"}}}}"#, date.timestamp_millis())
        }
        Bson::RegularExpression(_) => ordered(value, "$regularExpression", ["pattern", "options"]),
        Bson::Timestamp(_) => ordered(value, "$timestamp", ["t", "i"]),
        Bson::DbPointer(_) => ordered(value, "$dbPointer", ["$ref", "$id"]),
        _ => value.clone().into_relaxed_extjson().to_string(),
    }
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

fn ordered(value: &Bson, tag: &str, [first, second]: [&str; 2]) -> String {
    let json = value.clone().into_relaxed_extjson();
    let member = |name| json.get(tag).and_then(|inner| inner.get(name)).expect("bson writes it");
    format!(r#"{{"{tag}":{{"{first}":{},"{second}":{}}}}}"#, member(first), member(second))
}
