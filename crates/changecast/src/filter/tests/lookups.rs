//! Index keys, and the conditions that are used for them.

use super::*;

#[track_caller]
fn key(value: &str) -> Key {
    let filter = plain(&format!(r#"{{"a":{value}}}"#));
    let keys = filter.equality().unwrap_or_else(|| panic!("{value} has no key")).keys();
    keys[0]
}

#[test]
fn equal_values_have_one_key() {
    for equal in [
        &["1", "1.0", "1e0", r#"{"$numberLong":"1"}"#, r#"{"$numberDecimal":"1.000"}"#][..],
        &["0", "-0.0", r#"{"$numberDecimal":"-0E+9"}"#],
        &["2.5", r#"{"$numberDecimal":"2.50"}"#, r#"{"$numberDouble":"2.5"}"#],
        &["1e300", r#"{"$numberDouble":"1e300"}"#],
        &[r#"{"$numberDouble":"NaN"}"#, r#"{"$numberDecimal":"NaN"}"#],
        &[r#"{"$numberDouble":"Infinity"}"#, r#"{"$numberDecimal":"Infinity"}"#],
        &[
            r#"{"$numberDecimal":"9223372036854775808"}"#,
            "9223372036854775808",
            "9223372036854775808.0",
        ],
        &[r#""x""#, r#"{"$symbol":"x"}"#, r#""\u0078""#],
        &[r#"{"$date":"1970-01-01T00:00:00.001Z"}"#, r#"{"$date":1}"#],
        &[r#"{"$oid":"5D505646CF6D4FE581014AB2"}"#, r#"{"$oid":"5d505646cf6d4fe581014ab2"}"#],
    ] {
        for other in equal {
            assert_eq!(key(equal[0]), key(other), "{} and {other}", equal[0]);
        }
    }
    let different = [
        "null",
        "0",
        "1",
        "true",
        "false",
        r#""""#,
        r#""1""#,
        "0.1",
        r#"{"$numberDecimal":"0.1"}"#,
        r#"{"$date":1}"#,
    ];
    for (at, one) in different.iter().enumerate() {
        for other in &different[at + 1..] {
            assert_ne!(key(one), key(other), "{one} and {other}");
        }
    }
}

#[test]
fn the_condition_that_tells_most_apart_is_used() {
    for (text, path, count) in [
        (r#"{"fullDocument.user":5}"#, "fullDocument.user", 1),
        (
            r#"{"operationType":"insert","fullDocument.user":{"$in":[1,1.0,2]}}"#,
            "fullDocument.user",
            2,
        ),
        (
            r#"{"fullDocument.a":{"$in":[1,2]},"$and":[{"fullDocument.b":{"$eq":3,"$gt":1}}]}"#,
            "fullDocument.b",
            1,
        ),
        (r#"{"operationType":"insert","fullDocument.n":{"$gt":5}}"#, "operationType", 1),
        (r#"{"fullDocument.tags":{"$all":["x","y"]}}"#, "fullDocument.tags", 1),
    ] {
        let filter = filter(text);
        let equality = filter.equality().expect(text);
        assert_eq!(
            (equality.path().to_string().as_str(), equality.keys().len()),
            (path, count),
            "{text}"
        );
    }
    for text in [
        "{}",
        r#"{"fullDocument.a":{"$gt":5}}"#,
        r#"{"fullDocument.a":{"$in":[]}}"#,
        r#"{"fullDocument.a":{"$ne":5}}"#,
        r#"{"fullDocument.a":[1]}"#,
        r#"{"fullDocument.a":{"b":1}}"#,
        r#"{"fullDocument.a":{"$in":[1,[2]]}}"#,
        r#"{"$or":[{"fullDocument.a":1},{"fullDocument.b":1}]}"#,
        r#"{"fullDocument.a":{"$elemMatch":{"b":1}}}"#,
    ] {
        assert!(filter(text).equality().is_none(), "{text}");
    }
}

#[test]
fn keys_cover_items_missing_values_and_the_state_before() {
    let keys =
        |event: &str| match Event::parse(event.as_bytes()).keys(&Path::parse("fullDocument.a")) {
            Keys::All => None,
            Keys::Of(keys) => Some(keys),
        };
    let expected = |values: &[&str]| {
        let mut keys: Vec<Key> = values.iter().map(|value| key(value)).collect();
        keys.sort_unstable();
        Some(keys)
    };
    assert_eq!(keys(r#"{"fullDocument":{"a":[1,"x",[2]]}}"#), expected(&["1", r#""x""#]));
    assert_eq!(keys(r#"{"fullDocument":{}}"#), expected(&["null"]));
    assert_eq!(
        keys(r#"{"fullDocument":{"a":1},"fullDocumentBeforeChange":{"a":2}}"#),
        expected(&["1", "2"])
    );
    assert_eq!(
        keys(r#"{"operationType":"delete","fullDocumentBeforeChange":{"a":2}}"#),
        expected(&["2"])
    );
    assert_eq!(keys(r#"{"operationType":"update","fullDocumentBeforeChange":{"a":2}}"#), None);
    assert_eq!(keys(r#"{"operationType":"delete"}"#), None);
    assert_eq!(keys(r#"{"fullDocument":{"a":1},"unavailable":["a"]}"#), None);
}

#[test]
fn g10_an_event_with_too_many_values_is_asked_about_by_all() {
    let event = |count: usize| {
        let values: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        format!(r#"{{"fullDocument":{{"a":[{}]}}}}"#, values.join(","))
    };
    let path = Path::parse("fullDocument.a");
    let keys = |count| Event::parse(event(count).as_bytes()).keys(&path);
    assert!(
        matches!(keys(limits::EVENT_KEYS_MAX), Keys::Of(keys) if keys.len() == limits::EVENT_KEYS_MAX)
    );
    assert_eq!(keys(limits::EVENT_KEYS_MAX + 1), Keys::All);
}
