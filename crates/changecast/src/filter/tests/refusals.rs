//! What is refused, in which words, and at which caps.

use super::*;

#[track_caller]
fn refused(text: &str) -> String {
    Filter::parse(text).expect_err(text).to_string()
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    let message = refused(text);
    for word in words {
        assert!(message.contains(word), "{text}: {message} should say {word}");
    }
}

#[test]
fn an_unknown_operator_is_named_with_its_path_and_the_known_ones() {
    says(
        r#"{"fullDocument.a":{"$gtt":1}}"#,
        &["$gtt", "\"fullDocument.a\"", "did you mean $gt", "$elemMatch"],
    );
    says(r#"{"$orr":[{}]}"#, &["$orr", "did you mean $or", "$nor"]);
    for name in ["$where", "$expr", "$text", "$jsonSchema", "$comment", "$"] {
        says(&format!(r#"{{"{name}":1}}"#), &[name, "not supported", "$and"]);
    }
    for name in ["$near", "$geoWithin", "$bitsAllSet", "$Eq"] {
        says(&format!(r#"{{"ns":{{"{name}":1}}}}"#), &[name, "\"ns\"", "not supported", "$eq"]);
    }
    says(r#"{"ns":{"$eq":1,"x":2}}"#, &["x", "not supported"]);
    for text in [
        r#"{"_id":{"$oid":"zz"}}"#,
        r#"{"_id":{"$in":[{"$oid":"zz"}]}}"#,
        r#"{"_id":{"a":{"$gt":{"$oid":5}}}}"#,
    ] {
        says(text, &["$oid", "Extended JSON"]);
    }
}

#[test]
fn a_field_that_no_event_has_is_refused_with_what_may_be_meant() {
    says(r#"{"status":"open"}"#, &["\"status\"", "\"fullDocument.status\""]);
    says(
        r#"{"$or":[{"fulldocument.a":1}]}"#,
        &["\"fulldocument.a\"", "did you mean \"fullDocument.a\""],
    );
    says(r#"{"operationtype":"x"}"#, &["did you mean \"operationType\""]);
    // Inside a document, names are the document's own.
    filter(r#"{"fullDocument.items":{"$elemMatch":{"status":"open","$or":[{"x":1}]}}}"#);
}

#[test]
fn operands_of_the_wrong_kind_are_refused() {
    for (text, words) in [
        (r#"{"ns":{"$in":5}}"#, ["$in", "array"]),
        (r#"{"ns":{"$nin":[{"$gt":5}]}}"#, ["$nin", "values"]),
        (r#"{"ns":{"$in":[{"$undefined":true}]}}"#, ["$in", "undefined"]),
        (r#"{"ns":{"$undefined":true}}"#, ["$eq", "undefined"]),
        (
            r#"{"ns":{"$ne":{"$regularExpression":{"pattern":"a","options":""}}}}"#,
            ["$ne", "regular"],
        ),
        (r#"{"ns":{"$type":"integer"}}"#, ["$type", "int"]),
        (r#"{"ns":{"$type":[]}}"#, ["$type", "int"]),
        (r#"{"ns":{"$mod":[0,1]}}"#, ["$mod", "divisor"]),
        (r#"{"ns":{"$mod":[2]}}"#, ["$mod", "divisor"]),
        (r#"{"ns":{"$size":-1}}"#, ["$size", "whole number"]),
        (r#"{"ns":{"$size":1.5}}"#, ["$size", "whole number"]),
        (r#"{"ns":{"$all":1}}"#, ["$all", "array"]),
        (r#"{"ns":{"$all":[{"$elemMatch":{}},1]}}"#, ["$all", "$elemMatch"]),
        (r#"{"ns":{"$elemMatch":1}}"#, ["$elemMatch", "document"]),
        (r#"{"ns":{"$not":5}}"#, ["$not", "operators"]),
        (r#"{"ns":{"$not":{}}}"#, ["$not", "operators"]),
        (r#"{"ns":{"$options":"i"}}"#, ["$options", "$regex"]),
        (r#"{"ns":{"$regex":5}}"#, ["$regex", "string"]),
        (r#"{"$and":[]}"#, ["$and", "at least one"]),
        (r#"{"$or":{}}"#, ["$or", "array"]),
        (r#"{"$nor":[1]}"#, ["$nor", "document"]),
        (r#"{"ns.a\u0000b":1}"#, ["NUL", "name"]),
    ] {
        says(text, &words);
    }
    for text in ["", "{", "[]", "5", "null", r#""{}""#, r#"{"$oid":"5d505646cf6d4fe581014ab2"}"#] {
        refused(text);
    }
}

#[test]
fn g10_every_cap_holds_and_is_named() {
    let over = |most: usize, what: &str, make: &dyn Fn(usize) -> String| {
        let result = Filter::parse(&make(most));
        assert!(result.is_ok(), "{what}: {:?}", result.err());
        let message = refused(&make(most + 1));
        assert!(message.contains(what) && message.contains(&most.to_string()), "{what}: {message}");
    };
    let list = |item: &str, count: usize| vec![item; count].join(",");
    over(limits::FILTER_BYTES_MAX, "bytes", &|bytes| {
        format!(r#"{{"ns":"{}"}}"#, "x".repeat(bytes - r#"{"ns":""}"#.len()))
    });
    over(limits::FILTER_DEPTH_MAX, "levels", &|depth| {
        format!(r#"{{"ns":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1))
    });
    over(limits::FILTER_CONDITIONS_MAX, "conditions", &|count| {
        format!(r#"{{"$or":[{}]}}"#, list(r#"{"ns":1}"#, count - 1))
    });
    over(limits::FILTER_LIST_MAX, "list", &|count| {
        format!(r#"{{"ns":{{"$in":[{}]}}}}"#, list("1", count))
    });
    over(limits::FILTER_PATH_PARTS_MAX, "names", &|count| {
        format!(r#"{{"ns{}":1}}"#, ".a".repeat(count - 1))
    });
    over(limits::FILTER_PATH_PLACES_MAX, "numbers", &|count| {
        format!(r#"{{"ns{}":1}}"#, ".0".repeat(count))
    });
    over(limits::FILTER_PATH_PLACES_MAX, "numbers", &|count| {
        format!(r#"{{"ns.0":{{"$elemMatch":{{"a{}":1}}}}}}"#, ".0".repeat(count - 1))
    });
    over(limits::FILTER_REGEX_COUNT_MAX, "regular expressions", &|count| {
        format!(r#"{{"$or":[{}]}}"#, list(r#"{"ns":{"$regex":"a"}}"#, count))
    });
    over(limits::FILTER_REGEX_BYTES_MAX, "bytes", &|bytes| {
        format!(r#"{{"ns":{{"$regex":"{}"}}}}"#, "a".repeat(bytes))
    });
    says(r#"{"ns":{"$regex":"(\\p{L}{99}){99}"}}"#, &["compiled", "bytes"]);
}
