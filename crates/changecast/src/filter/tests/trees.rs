//! The reader of JSON against serde_json's.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::filter::tree::{Fields, Value};

/// The tree as JSON again; Extended JSON values by a name only.
fn json(value: Value<'_>) -> Json {
    let object = |fields: Fields<'_>| {
        fields.map(|field| (field.key().to_owned(), json(field.value()))).collect()
    };
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => value.into(),
        Value::Int(number) => number.into(),
        Value::Double(number) => number.into(),
        Value::String(text) => text.into(),
        Value::Array(items) => items.map(|item| json(item.value())).collect::<Vec<_>>().into(),
        Value::Object(fields) => Json::Object(object(fields)),
        other => json!({ "special": format!("{other:?}") }),
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_filter("JSON", |number| number.is_finite()).prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        "[\"\\\\\u{1}\u{1f600}é/\n]{0,4}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::hash_map("[^$]{0,3}", inner, 0..4)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_tree_says_what_the_text_says(value in any_json()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let tree = Tree::parse(text).expect("JSON");
            prop_assert_eq!(&json(tree.root()), &value);
        }
    }

    #[test]
    fn what_is_no_json_is_no_tree(text in r#"[\[\]{}:,"tf0-9 .\\u-]{0,12}"#) {
        if serde_json::from_str::<Json>(&text).is_ok() {
            prop_assert!(Tree::parse(text.clone()).is_some(), "{}", text);
        }
    }
}

#[test]
fn escapes_are_read() {
    let tree =
        Tree::parse(r#"{"\u0061\n\"\/":["\ud83d\ude00","\ud83d","\ud83dx","\u00e9"]}"#).unwrap();
    assert_eq!(json(tree.root()), json!({ "a\n\"/": ["😀", "\u{fffd}", "\u{fffd}x", "é"] }));
    for text in
        [r#""\x""#, r#""\u12""#, "\"\n\"", r#"""#, r#"{"a"}"#, "[1,]", "{,}", "[1 2]", "1 2"]
    {
        assert!(Tree::parse(text).is_none(), "{text}");
    }
}

#[test]
fn malformed_extended_json_stays_a_document() {
    for value in [
        json!({ "$oid": "5d50" }),
        json!({ "$oid": "5d505646cf6d4fe581014ab2", "x": 1 }),
        json!({ "$numberInt": "2147483648" }),
        json!({ "$numberLong": "x" }),
        json!({ "$numberDecimal": "1e" }),
        json!({ "$numberDouble": "inf" }),
        json!({ "$date": "yesterday" }),
        json!({ "$date": "2023-02-29T00:00:00Z" }),
        json!({ "$binary": { "base64": "*", "subType": "00" } }),
        json!({ "$timestamp": { "t": -1, "i": 0 } }),
        json!({ "$regularExpression": { "pattern": 1, "options": "" } }),
        json!({ "$dbPointer": { "$ref": "a", "$id": 1 } }),
        json!({ "$minKey": 2 }),
        json!({ "$ref": "a", "$id": 1 }),
        json!({ "$unknown": 1 }),
    ] {
        assert_eq!(json(Tree::parse(value.to_string()).unwrap().root()), value);
    }
}

#[test]
fn dates_are_read_to_the_millisecond() {
    for (text, millis) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T12:15:54.321Z", 951_826_554_321),
        ("2023-12-31T23:59:59.999Z", 1_704_067_199_999),
        ("2024-01-01T01:00:00.5+01:00", 1_704_067_200_500),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ] {
        assert_eq!(tree::parse_date(text), Some(millis), "{text}");
    }
}

#[test]
fn deep_nesting_costs_no_stack() {
    let depth = 1_000_000;
    let text = format!(r#"{{"fullDocument":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(judge(r#"{"fullDocument.a":1}"#, &text), Verdict::Drop);
    let operand = "[".repeat(20) + &"]".repeat(20);
    assert_eq!(judge(&format!(r#"{{"fullDocument":{operand}}}"#), &text), Verdict::Drop);
}
