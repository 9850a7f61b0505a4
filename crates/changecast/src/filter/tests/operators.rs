//! What each operator means, on plain documents.

use super::*;

#[track_caller]
fn matches(text: &str, documents: &[&str]) {
    for document in documents {
        assert!(plain(text).matches(document.as_bytes()), "{text} should match {document}");
    }
}

#[track_caller]
fn misses(text: &str, documents: &[&str]) {
    for document in documents {
        assert!(!plain(text).matches(document.as_bytes()), "{text} should not match {document}");
    }
}

#[test]
fn equality_is_by_value_and_goes_into_arrays() {
    matches(r#"{"a":1}"#, &[r#"{"a":1}"#, r#"{"a":1.0}"#, r#"{"a":[0,1]}"#]);
    matches(r#"{"a":1}"#, &[r#"{"a":{"$numberLong":"1"}}"#, r#"{"a":{"$numberDecimal":"1.00"}}"#]);
    misses(
        r#"{"a":1}"#,
        &["{}", r#"{"a":"1"}"#, r#"{"a":true}"#, r#"{"a":[[1]]}"#, "[1]", "1", "nonsense"],
    );
    matches(r#"{"a":[1,2]}"#, &[r#"{"a":[1,2]}"#, r#"{"a":[[1,2]]}"#]);
    misses(r#"{"a":[1,2]}"#, &[r#"{"a":[2,1]}"#, r#"{"a":[1,2,3]}"#, r#"{"a":1}"#]);
    matches(r#"{"a":{"x":1,"y":2}}"#, &[r#"{"a":{"x":1,"y":2}}"#]);
    misses(r#"{"a":{"x":1,"y":2}}"#, &[r#"{"a":{"y":2,"x":1}}"#, r#"{"a":{"x":1,"y":2,"z":3}}"#]);
}

#[test]
fn null_is_also_what_is_missing() {
    matches(
        r#"{"a":null}"#,
        &["{}", r#"{"a":null}"#, r#"{"a":{"$undefined":true}}"#, r#"{"a":[1,null]}"#],
    );
    misses(r#"{"a":null}"#, &[r#"{"a":0}"#, r#"{"a":[]}"#]);
    matches(r#"{"a.b":null}"#, &["{}", r#"{"a":5}"#, r#"{"a":[{}]}"#]);
    misses(r#"{"a.b":null}"#, &[r#"{"a":[]}"#, r#"{"a":[1]}"#]);
    matches(r#"{"a":{"$in":[null,7]}}"#, &["{}", r#"{"a":7}"#]);
    misses(r#"{"a":{"$ne":null}}"#, &["{}"]);
    matches(r#"{"a":{"$exists":false}}"#, &["{}"]);
    misses(r#"{"a":{"$exists":false}}"#, &[r#"{"a":null}"#]);
}

#[test]
fn ranges_stay_within_a_type() {
    matches(r#"{"a":{"$gt":5}}"#, &[r#"{"a":5.5}"#, r#"{"a":[1,6]}"#]);
    misses(r#"{"a":{"$gt":5}}"#, &[r#"{"a":"6"}"#, r#"{"a":5}"#, "{}", r#"{"a":true}"#]);
    matches(r#"{"a":{"$gte":"b","$lt":"d"}}"#, &[r#"{"a":"b"}"#, r#"{"a":"cz"}"#]);
    matches(r#"{"a":{"$lte":null}}"#, &["{}", r#"{"a":null}"#]);
    matches(
        r#"{"a":{"$gte":{"$date":"2024-01-01T00:00:00Z"}}}"#,
        &[
            r#"{"a":{"$date":"2024-01-01T01:00:00.5+01:00"}}"#,
            r#"{"a":{"$date":{"$numberLong":"1704067200000"}}}"#,
        ],
    );
    matches(r#"{"a":{"$gt":{"$minKey":1}}}"#, &["{}", r#"{"a":0}"#]);
}

#[test]
fn numbers_compare_without_loss() {
    misses(r#"{"a":9007199254740993}"#, &[r#"{"a":9007199254740992}"#]);
    matches(
        r#"{"a":{"$gt":9007199254740992.0}}"#,
        &[r#"{"a":{"$numberLong":"9007199254740993"}}"#],
    );
    matches(
        r#"{"a":{"$lt":{"$numberDecimal":"0.1000000000000000055511151231257828"}}}"#,
        &[r#"{"a":0.1}"#],
    );
    matches(
        r#"{"a":{"$gt":{"$numberDecimal":"0.1000000000000000055511151231257827"}}}"#,
        &[r#"{"a":0.1}"#],
    );
    misses(r#"{"a":0.1}"#, &[r#"{"a":{"$numberDecimal":"0.1"}}"#]);
    matches(r#"{"a":0}"#, &[r#"{"a":-0.0}"#, r#"{"a":{"$numberDecimal":"-0E+3"}}"#]);
    matches(
        r#"{"a":{"$gt":{"$numberLong":"9223372036854775807"}}}"#,
        &[r#"{"a":9223372036854775808}"#, r#"{"a":1e19}"#],
    );
    matches(
        r#"{"a":{"$numberDouble":"NaN"}}"#,
        &[r#"{"a":{"$numberDouble":"NaN"}}"#, r#"{"a":{"$numberDecimal":"NaN"}}"#],
    );
    misses(r#"{"a":{"$lt":{"$numberDouble":"Infinity"}}}"#, &[r#"{"a":{"$numberDouble":"NaN"}}"#]);
}

#[test]
fn negations_hold_when_no_value_passes() {
    misses(r#"{"a":{"$ne":1}}"#, &[r#"{"a":[1,2]}"#]);
    matches(r#"{"a":{"$not":{"$gt":5}}}"#, &["{}", r#"{"a":"x"}"#, r#"{"a":5}"#]);
    misses(r#"{"a":{"$not":{"$gt":5}}}"#, &[r#"{"a":[1,9]}"#]);
    matches(r#"{"a":{"$nin":[1,2]}}"#, &["{}", r#"{"a":3}"#]);
    matches(r#"{"$nor":[{"a":1},{"b":1}]}"#, &["{}", r#"{"a":2}"#]);
    misses(r#"{"$nor":[{"a":1},{"b":1}]}"#, &[r#"{"b":1}"#]);
}

#[test]
fn arrays_are_asked_as_a_whole_and_by_item() {
    matches(r#"{"a":{"$size":2}}"#, &[r#"{"a":[1,[2]]}"#]);
    misses(r#"{"a":{"$size":2}}"#, &[r#"{"a":[[1,2]]}"#, r#"{"a":2}"#]);
    matches(r#"{"a":{"$all":[1,2]}}"#, &[r#"{"a":[2,3,1]}"#]);
    misses(r#"{"a":{"$all":[]}}"#, &[r#"{"a":[]}"#, "{}"]);
    matches(r#"{"a":{"$elemMatch":{"x":1,"y":2}}}"#, &[r#"{"a":[{"x":1,"y":2}]}"#]);
    misses(
        r#"{"a":{"$elemMatch":{"x":1,"y":2}}}"#,
        &[r#"{"a":[{"x":1},{"y":2}]}"#, r#"{"a":{"x":1,"y":2}}"#],
    );
    matches(r#"{"a":{"$elemMatch":{"$gt":1,"$lt":3}}}"#, &[r#"{"a":[0,2]}"#]);
    misses(r#"{"a":{"$elemMatch":{"$gt":1,"$lt":3}}}"#, &[r#"{"a":[0,4]}"#, r#"{"a":[[2]]}"#]);
    matches(
        r#"{"a":{"$all":[{"$elemMatch":{"x":1}},{"$elemMatch":{"x":2}}]}}"#,
        &[r#"{"a":[{"x":1},{"x":2}]}"#],
    );
}

#[test]
fn paths_go_through_arrays_by_name_and_by_place() {
    matches(r#"{"a.b":1}"#, &[r#"{"a":{"b":1}}"#, r#"{"a":[{"b":0},{"b":1}]}"#]);
    matches(r#"{"a.0":1}"#, &[r#"{"a":[1,2]}"#, r#"{"a":{"0":1}}"#, r#"{"a":[5,{"0":1}]}"#]);
    misses(r#"{"a.0":1}"#, &[r#"{"a":[2,1]}"#, r#"{"a":[[1]]}"#]);
    matches(r#"{"a.1.b":1}"#, &[r#"{"a":[0,{"b":1}]}"#]);
    misses(r#"{"a.01":1}"#, &[r#"{"a":[0,1]}"#]);
    matches(r#"{"":1}"#, &[r#"{"":1}"#]);
    matches(r#"{"a.$id":5}"#, &[r#"{"a":{"$ref":"c","$id":5}}"#]);
    matches(r#"{"a":{"$ref":"c","$id":5}}"#, &[r#"{"a":{"$ref":"c","$id":5}}"#]);
}

#[test]
fn every_type_can_be_asked_for_and_found() {
    let values = [
        ("double", "1.0"),
        ("string", r#""x""#),
        ("object", "{}"),
        ("array", "[]"),
        ("binData", r#"{"$binary":{"base64":"AQI=","subType":"00"}}"#),
        ("binData", r#"{"$uuid":"c8edabc3-f738-4ca3-b68d-ab92a91478a3"}"#),
        ("undefined", r#"{"$undefined":true}"#),
        ("objectId", r#"{"$oid":"5d505646cf6d4fe581014ab2"}"#),
        ("bool", "false"),
        ("date", r#"{"$date":"2019-08-11T17:54:14.692Z"}"#),
        ("null", "null"),
        ("regex", r#"{"$regularExpression":{"pattern":"x","options":""}}"#),
        ("dbPointer", r#"{"$dbPointer":{"$ref":"c","$id":{"$oid":"5d505646cf6d4fe581014ab2"}}}"#),
        ("javascript", r#"{"$code":"f()"}"#),
        ("symbol", r#"{"$symbol":"x"}"#),
        ("javascriptWithScope", r#"{"$code":"f()","$scope":{"x":{"$numberInt":"1"}}}"#),
        ("int", "1"),
        ("timestamp", r#"{"$timestamp":{"t":1,"i":2}}"#),
        ("long", "4294967296"),
        ("decimal", r#"{"$numberDecimal":"1"}"#),
        ("minKey", r#"{"$minKey":1}"#),
        ("maxKey", r#"{"$maxKey":1}"#),
    ];
    for (name, value) in values {
        let document = format!(r#"{{"a":{value}}}"#);
        for (other, _) in values {
            let found =
                plain(&format!(r#"{{"a":{{"$type":"{other}"}}}}"#)).matches(document.as_bytes());
            assert_eq!(found, name == other, "{value} as {other}");
        }
        // Equal to itself, as operand and as event.
        if !matches!(name, "regex" | "undefined") {
            matches(&document, &[&document]);
            matches(&format!(r#"{{"a":{{"$in":[{value}]}}}}"#), &[&document]);
        }
    }
    matches(r#"{"a":{"$type":["number",2]}}"#, &[r#"{"a":1.5}"#, r#"{"a":"x"}"#, r#"{"a":[4]}"#]);
}

#[test]
fn modulo_takes_the_whole_part() {
    matches(
        r#"{"a":{"$mod":[4,1]}}"#,
        &[r#"{"a":5}"#, r#"{"a":5.9}"#, r#"{"a":{"$numberDecimal":"9"}}"#],
    );
    misses(r#"{"a":{"$mod":[4,1]}}"#, &[r#"{"a":-3}"#, r#"{"a":"5"}"#, r#"{"a":1e300}"#, "{}"]);
    matches(r#"{"a":{"$mod":[-1,0]}}"#, &[r#"{"a":{"$numberLong":"-9223372036854775808"}}"#]);
}
