//! Random documents, events and filters. Names and values are few, so that they often meet.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value as Json, json};

const NAMES: [&str; 4] = ["a", "b", "0", "1"];

/// A value that needs no other.
fn scalar() -> impl Strategy<Value = Json> {
    select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(1.0),
        json!(-0.0),
        json!(2.5),
        json!({"$numberLong": "9007199254740993"}),
        json!(9_007_199_254_740_992_i64),
        json!({"$numberDecimal": "1.0"}),
        json!({"$numberDecimal": "2.50"}),
        json!({"$numberDecimal": "0.1"}),
        json!({"$numberDouble": "NaN"}),
        json!({"$numberDecimal": "NaN"}),
        json!("a"),
        json!("open"),
        json!({"$symbol": "a"}),
        json!({"$oid": "5d505646cf6d4fe581014ab2"}),
        json!({"$date": "2024-01-01T00:00:00Z"}),
        json!({"$date": {"$numberLong": "1704067200000"}}),
        json!({"$undefined": true}),
        json!({"$minKey": 1}),
        json!({"$binary": {"base64": "AQI=", "subType": "00"}}),
        json!({"$binary": {"base64": "AQI", "subType": "0"}}),
        json!({"$regularExpression": {"pattern": "a", "options": ""}}),
    ])
}

pub(super) fn value() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            fields(inner).prop_map(Json::Object),
        ]
    })
}

fn fields(value: impl Strategy<Value = Json>) -> impl Strategy<Value = Map<String, Json>> {
    let field = (select(&NAMES[..]).prop_map(str::to_owned), value);
    prop::collection::vec(field, 0..4).prop_map(|fields| fields.into_iter().collect())
}

pub(super) fn document() -> impl Strategy<Value = Json> {
    fields(value()).prop_map(Json::Object)
}

/// A path into the documents of events, or to what stands around them.
fn path() -> impl Strategy<Value = String> {
    let inside = prop::collection::vec(select(&NAMES[..]), 1..3);
    let root =
        select(vec!["fullDocument", "fullDocument", "fullDocument", "fullDocumentBeforeChange"]);
    prop_oneof![
        8 => (root, inside).prop_map(|(root, inside)| format!("{root}.{}", inside.join("."))),
        1 => Just("fullDocument".to_owned()),
        1 => Just("operationType".to_owned()),
        1 => Just("documentKey._id".to_owned()),
    ]
}

/// Operators and their operands, mostly equality.
fn operators() -> impl Strategy<Value = Json> {
    let list = || prop::collection::vec(scalar(), 0..4);
    prop_oneof![
        4 => scalar(),
        1 => value(),
        2 => (select(vec!["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), value())
            .prop_map(|(name, value)| json!({ name: value })),
        3 => (select(vec!["$in", "$nin", "$all"]), list()).prop_map(|(name, list)| json!({ name: list })),
        1 => any::<bool>().prop_map(|exists| json!({ "$exists": exists })),
        1 => Just(json!({ "$type": "number" })),
        1 => Just(json!({ "$not": { "$regex": "o" } })),
        1 => scalar().prop_map(|value| json!({ "$elemMatch": { "a": value } })),
        1 => scalar().prop_map(|value| json!({ "$not": { "$lt": value } })),
    ]
}

/// A filter's text; a few are refused.
pub(super) fn filter() -> impl Strategy<Value = Json> {
    let fields = prop::collection::vec((path(), operators()), 1..3);
    let leaf = fields.prop_map(|fields| Json::Object(fields.into_iter().collect()));
    leaf.prop_recursive(3, 12, 3, |inner| {
        let parts = prop::collection::vec(inner.clone(), 1..3);
        let logical = (select(vec!["$and", "$or", "$nor", "$and"]), parts, inner);
        logical.prop_map(|(name, parts, beside)| {
            let mut all = beside;
            all[name] = parts.into();
            all
        })
    })
}

/// An event with any of its images there, null or missing.
pub(super) fn event() -> impl Strategy<Value = Json> {
    let image = || prop_oneof![3 => document().prop_map(Some), 1 => Just(Some(Json::Null)), 2 => Just(None)];
    let unavailable = prop::option::weighted(
        0.2,
        prop::collection::vec(
            select(vec![
                "a",
                "fullDocument.a",
                "fullDocumentBeforeChange",
                "fullDocument.b.0",
                "*",
                "fullDocumentBeforeChange.a",
            ]),
            0..2,
        ),
    );
    let operation = select(vec!["insert", "update", "replace", "delete", "delete", "drop"]);
    (operation, image(), image(), unavailable, scalar()).prop_map(
        |(operation, after, before, unavailable, id)| {
            let mut event = json!({ "operationType": operation, "documentKey": { "_id": id } });
            let members = [("fullDocument", after), ("fullDocumentBeforeChange", before)];
            for (name, member) in members {
                if let Some(member) = member {
                    event[name] = member;
                }
            }
            if let Some(unavailable) = unavailable {
                event["unavailable"] = unavailable.into();
            }
            event
        },
    )
}
