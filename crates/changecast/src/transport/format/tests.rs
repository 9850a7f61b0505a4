//! Each format, on changes of each kind.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Format;
use crate::model::{Change, Epoch, EventId, Op, Seq, Topic};

fn id() -> EventId {
    EventId { epoch: Epoch::from_random(0), seq: Seq(7) }
}

fn change(event: &Value) -> Change {
    Change {
        topic: Topic::new("shop", "order lines").unwrap(),
        op: Op::from_name(event["operationType"].as_str().unwrap_or("")),
        key: Bytes::new(),
        event: Bytes::from(event.to_string()),
    }
}

#[track_caller]
fn line(format: Format, event: &Value) -> Value {
    let change = change(event);
    serde_json::from_slice(&format.line(id(), &change)).unwrap()
}

fn insert() -> Value {
    json!({
        "_id": {"_data": "1"}, "operationType": "insert",
        "ns": {"db": "shop", "coll": "order lines"}, "documentKey": {"_id": "a"},
        "fullDocument": {"_id": "a", "n": 1}, "wallTime": {"$date": "2026-11-21T07:50:50.465Z"},
    })
}

fn delete() -> Value {
    json!({"operationType": "delete", "ns": {"db": "shop", "coll": "order lines"},
        "documentKey": {"_id": {"$oid": "65a1b2c3d4e5f60718293a4b"}}})
}

#[test]
fn data_is_the_document_or_a_notice_that_there_is_none() {
    assert_eq!(line(Format::Data, &insert()), json!({"_id": "a", "n": 1}));
    let gone = json!({"$operation": "delete",
        "documentKey": {"_id": {"$oid": "65a1b2c3d4e5f60718293a4b"}}});
    assert_eq!(line(Format::Data, &delete()), gone);
    let update = json!({"operationType": "update", "documentKey": {"_id": 1},
        "updateDescription": {"updatedFields": {"x": 1}}});
    let notice = json!({"$operation": "update", "documentKey": {"_id": 1}});
    assert_eq!(line(Format::Data, &update), notice, "the document did not come");
    let drop = json!({"operationType": "drop", "ns": {"db": "shop", "coll": "x"}});
    let notice = json!({"$operation": "drop", "ns": {"db": "shop", "coll": "x"}});
    assert_eq!(line(Format::Data, &drop), notice);
}

#[test]
fn a_document_that_is_not_whole_is_not_taken_for_one() {
    let mut event = insert();
    event["operationType"] = json!("update");
    event["unavailable"] = json!(["fullDocument.big"]);
    let told = line(Format::Data, &event);
    assert_eq!(told["$operation"], "update");
    assert_eq!(told["unavailable"], json!(["fullDocument.big"]));
    assert_eq!(line(Format::Debezium, &event)["unavailable"], json!(["fullDocument.big"]));
}

#[test]
fn a_cloud_event_wraps_the_change() {
    let expected = json!({
        "specversion": "1.0", "id": "aaaaaaaa-7", "source": "urn:changecast:shop.order%20lines",
        "type": "changecast.insert", "subject": "a", "time": "2026-11-21T07:50:50.465Z",
        "datacontenttype": "application/json", "data": insert(),
    });
    assert_eq!(line(Format::CloudEvents, &insert()), expected);
    let gone = line(Format::CloudEvents, &delete());
    assert_eq!(gone["subject"], "65a1b2c3d4e5f60718293a4b");
    assert!(gone.get("time").is_none(), "the database told none: {gone}");
    let two = json!({"operationType": "delete", "documentKey": {"a": 1, "b": "x"}});
    assert_eq!(line(Format::CloudEvents, &two)["subject"], r#"{"a":1,"b":"x"}"#);
}

#[test]
fn debezium_has_both_images_and_a_letter() {
    let told = line(Format::Debezium, &insert());
    assert_eq!(told["before"], Value::Null);
    assert_eq!(told["after"], json!({"_id": "a", "n": 1}));
    assert_eq!((&told["op"], &told["ts_ms"]), (&json!("c"), &json!(1_795_247_450_465_u64)));
    let source = &told["source"];
    assert_eq!((&source["name"], &source["db"]), (&json!("shop"), &json!("shop")));
    assert_eq!(
        (&source["collection"], &source["sequence"]),
        (&json!("order lines"), &json!("aaaaaaaa-7"))
    );
    let gone = line(Format::Debezium, &delete());
    assert_eq!((&gone["op"], &gone["after"]), (&json!("d"), &Value::Null));
    assert_eq!(gone["before"], delete()["documentKey"]);
    for (name, letter) in [
        ("update", "u"),
        ("replace", "u"),
        ("truncate", "t"),
        ("drop", "t"),
        ("leave", "d"),
        ("rename", "m"),
    ] {
        assert_eq!(line(Format::Debezium, &json!({"operationType": name}))["op"], letter, "{name}");
    }
}

#[test]
fn debezium_tells_the_difference_and_the_transaction() {
    let event = json!({"operationType": "update", "documentKey": {"id": 1},
        "clusterTime": {"$timestamp": {"t": 5, "i": 1}}, "txn": {"id": "77", "index": 2, "last": true},
        "updateDescription": {"updatedFields": {"x": 1}}});
    let told = line(Format::Debezium, &event);
    assert_eq!(told["updateDescription"], event["updateDescription"]);
    assert_eq!(told["transaction"], json!({"id": "77", "total_order": 2}));
    assert_eq!((&told["key"], &told["ts_ms"]), (&json!({"id": 1}), &json!(5000)));
    let number = json!({"operationType": "insert", "txnNumber": 4, "fullDocument": {}});
    assert_eq!(line(Format::Debezium, &number)["transaction"], json!({"id": "4"}));
}

#[test]
fn no_event_makes_a_line_that_is_not_json() {
    for event in [
        json!({}),
        json!(null),
        json!([1]),
        json!("text"),
        json!({"operationType": 5}),
        json!({"operationType": "a\"b\n", "ns": 5, "documentKey": null, "fullDocument": null}),
        json!({"wallTime": {"$date": {"$numberLong": "1"}}, "clusterTime": {"$timestamp": 1}}),
        json!({"txn": 1, "txnNumber": {"$numberLong": "9"}}),
    ] {
        for format in Format::ALL {
            let change = change(&event);
            let text = format.line(id(), &change);
            assert!(!text.contains(&b'\n'), "{format:?} {event}");
            assert!(serde_json::from_slice::<Value>(&text).is_ok(), "{format:?} {event}");
        }
    }
}
