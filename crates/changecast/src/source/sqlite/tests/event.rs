//! Rows become events: the exact text, and every kind of poison.

use super::super::events::{Encoder, Event, Row};
use crate::model::{Change, Op};

fn encoder() -> Encoder {
    Encoder { name: "shop".into(), identity: "0011223344556677".into() }
}

fn row(op: &str, before: Option<&str>, after: Option<&str>) -> Row {
    Row {
        id: 7,
        time: 1_795_247_450_465,
        op: op.into(),
        collection: "orders".into(),
        document_id: "a\"1".into(),
        before: before.map(Into::into),
        after: after.map(Into::into),
    }
}

fn encode(row: &Row) -> (Change, String) {
    let change = encoder().change(Event::of_store(row)).expect("a change");
    let text = String::from_utf8(change.event.to_vec()).unwrap();
    assert!(!text.contains(['\n', '\r']), "{text}");
    serde_json::from_str::<serde_json::Value>(&text).expect("JSON that others can read");
    (change, text)
}

#[track_caller]
fn check(op: &str, before: Option<&str>, after: Option<&str>, middle: &str, end: &str) {
    let (change, text) = encode(&row(op, before, after));
    let expected = format!(
        r#"{{"_id":{{"_data":"0011223344556677-7"}},"operationType":"{op}","wallTime":{{"$date":"2026-11-21T07:50:50.465Z"}},{middle}"ns":{{"db":"shop","coll":"orders"}},"documentKey":{{"_id":"a\"1"}}{end}}}"#
    );
    assert_eq!(text, expected);
    assert_eq!(change.key, r#"{"_id":"a\"1"}"#);
    assert_eq!(change.topic.as_str(), "shop.orders");
    assert_eq!(change.op, Op::from_name(op));
}

#[test]
fn the_fields_come_in_their_order() {
    check(
        "insert",
        None,
        Some("{ \"n\" : 1 ,\r\n \"s\": \"x\\n\" }"),
        r#""fullDocument":{"_id":"a\"1","n":1,"s":"x\n"},"#,
        "",
    );
    check("insert", None, Some("{}"), r#""fullDocument":{"_id":"a\"1"},"#, "");
    check(
        "replace",
        Some(r#"{"n":1}"#),
        Some(r#"{"n":2}"#),
        r#""fullDocument":{"_id":"a\"1","n":2},"#,
        r#","fullDocumentBeforeChange":{"_id":"a\"1","n":1}"#,
    );
    check(
        "update",
        Some(r#"{"n":1,"o":{"x":1,"y":2}}"#),
        Some(r#"{"n":1,"o":{"x":3}}"#),
        r#""fullDocument":{"_id":"a\"1","n":1,"o":{"x":3}},"#,
        r#","updateDescription":{"updatedFields":{"o.x":3},"removedFields":["o.y"],"truncatedArrays":[]},"fullDocumentBeforeChange":{"_id":"a\"1","n":1,"o":{"x":1,"y":2}}"#,
    );
    check(
        "delete",
        Some(r#"{"n":1}"#),
        None,
        "",
        r#","fullDocumentBeforeChange":{"_id":"a\"1","n":1}"#,
    );
}

#[test]
fn an_operation_without_a_name_here_passes_through() {
    check("reticulate", None, None, "", "");
    let same = Some(r#"{"n":1}"#);
    check(
        "touch",
        same,
        same,
        r#""fullDocument":{"_id":"a\"1","n":1},"#,
        r#","fullDocumentBeforeChange":{"_id":"a\"1","n":1}"#,
    );
}

#[test]
fn the_rows_id_is_the_documents_id() {
    check(
        "insert",
        None,
        Some(r#"{"n":1,"\u005fid":"other","o":{"_id":2}}"#),
        r#""fullDocument":{"_id":"a\"1","n":1,"o":{"_id":2}},"#,
        "",
    );
}

#[test]
fn numbers_survive_a_browser() {
    let long = r#"{"$numberLong":"9007199254740993"}"#;
    check(
        "update",
        Some(r#"{"n":9007199254740992}"#),
        Some(r#"{"n":9007199254740993}"#),
        &format!(r#""fullDocument":{{"_id":"a\"1","n":{long}}},"#),
        &format!(
            r#","updateDescription":{{"updatedFields":{{"n":{long}}},"removedFields":[],"truncatedArrays":[]}},"fullDocumentBeforeChange":{{"_id":"a\"1","n":9007199254740992}}"#
        ),
    );
}

#[test]
fn what_changed_nothing_is_no_event() {
    for after in [r#"{"n":1}"#, " { \"n\" : 1 } ", r#"{"n":1,"_id":5}"#] {
        for op in ["update", "replace"] {
            assert!(
                encoder()
                    .change(Event::of_store(&row(op, Some(r#"{"n":1}"#), Some(after))))
                    .is_none()
            );
        }
    }
    assert!(
        encoder()
            .change(Event::of_store(&row("update", Some(r#"{"n":1}"#), Some(r#"{"n":1.0}"#))))
            .is_some()
    );
}

#[test]
fn what_cannot_be_sent_is_named() {
    let deep = |levels: usize| format!(r#"{{"a":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
    check("insert", None, Some(&deep(500)), "", r#","unavailable":["fullDocument"]"#);
    check("insert", None, Some("garbage"), "", r#","unavailable":["fullDocument"]"#);
    check("insert", None, Some("[1]"), "", r#","unavailable":["fullDocument"]"#);
    check(
        "update",
        Some(&deep(500)),
        Some("{}"),
        r#""fullDocument":{"_id":"a\"1"},"#,
        r#","unavailable":["fullDocumentBeforeChange","updateDescription"]"#,
    );
    check(
        "update",
        Some(r#"{"a.b":1}"#),
        Some("{}"),
        r#""fullDocument":{"_id":"a\"1"},"#,
        r#","fullDocumentBeforeChange":{"_id":"a\"1","a.b":1},"unavailable":["updateDescription"]"#,
    );
    let (_, text) = encode(&row("update", Some(&deep(98)), Some(&deep(99))));
    assert!(!text.contains("unavailable"), "{text}");
}

#[test]
fn names_that_the_checks_would_refuse_are_made_harmless() {
    let mut poison = row("x\n\"y", None, Some("{}"));
    poison.time = i64::MIN;
    poison.document_id = "\u{0}\n".repeat(10_000_000);
    for (collection, expected) in [
        ("", "shop.\u{fffd}".to_owned()),
        ("a\nb", "shop.a\u{fffd}b".to_owned()),
        (&"é".repeat(1000), format!("shop.{}", "é".repeat(127))),
    ] {
        poison.collection = collection.into();
        let (change, text) = encode(&poison);
        assert_eq!(change.topic.as_str(), expected);
        assert!(text.len() + change.key.len() < 100_000);
    }
    poison.time = i64::MAX;
    assert!(encode(&poison).1.contains("9999-12-31T23:59:59.999Z"));
}

#[test]
fn half_a_surrogate_pair_is_replaced() {
    check(
        "insert",
        None,
        Some(r#"{"s":"\ud800"}"#),
        r#""fullDocument":{"_id":"a\"1","s":"\ufffd"},"#,
        "",
    );
}
