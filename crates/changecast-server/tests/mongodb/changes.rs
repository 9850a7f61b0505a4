//! What every transport shows of every kind of change, beside what the driver itself is told.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, RawDocumentBuf, doc};
use mongodb::change_stream::ChangeStream;
use serde_json::{Value, json};

use super::TestDatabase;
use crate::support::{Entry, NdjsonClient, SseClient, Subscriber, TestServer, WsClient, soon};

/// The driver's own change stream.
struct Witness(ChangeStream<RawDocumentBuf>);

impl Witness {
    async fn of(database: &TestDatabase) -> Self {
        let stream = database.items().watch().await.expect("a change stream");
        Self(stream.with_type())
    }

    async fn events(&mut self, count: usize) -> Vec<Value> {
        let mut events = Vec::new();
        while events.len() < count {
            let event = soon("the driver's event", self.0.next()).await;
            let event = event.expect("the stream goes on").expect("an event");
            let event = Document::try_from(event).expect("a document");
            events.push(extended_json(&Bson::Document(event)));
        }
        events
    }
}

/// Relaxed Extended JSON by the specification's own words, as far as these tests need it.
fn extended_json(value: &Bson) -> Value {
    match value {
        Bson::Document(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), extended_json(value))).collect()
        }
        Bson::Array(values) => values.iter().map(extended_json).collect(),
        Bson::String(text) => json!(text),
        Bson::Int32(number) => json!(number),
        Bson::Int64(number) if number.unsigned_abs() <= 1 << 53 => json!(number),
        // Where a browser would round it.
        Bson::Int64(number) => json!({"$numberLong": number.to_string()}),
        Bson::Double(number) => json!(number),
        Bson::Boolean(flag) => json!(flag),
        Bson::Null => Value::Null,
        Bson::ObjectId(id) => json!({"$oid": id.to_hex()}),
        Bson::DateTime(time) => {
            json!({"$date": time.try_to_rfc3339_string().expect("a year of four digits")})
        }
        Bson::Timestamp(time) => json!({"$timestamp": {"t": time.time, "i": time.increment}}),
        Bson::Decimal128(number) => json!({"$numberDecimal": number.to_string()}),
        Bson::Binary(binary) => {
            let base64 = base64::engine::general_purpose::STANDARD.encode(&binary.bytes);
            json!({"$binary": {"base64": base64, "subType": format!("{:02x}", u8::from(binary.subtype))}})
        }
        other => panic!("these tests use no {other:?}"),
    }
}

fn rich_document() -> Document {
    doc! {
        "_id": ObjectId::from_bytes([7; 12]),
        "text": "crème \u{2603} \u{1F600} \"quoted\" \\ \n",
        "whole": 7,
        "long": 1_i64 << 40,
        "longer": i64::MAX,
        "real": 1.5,
        "round": 2.0,
        "price": Bson::Decimal128("1.50".parse().expect("a number")),
        "at": DateTime::from_millis(1_700_000_000_123),
        "bytes": Binary { subtype: BinarySubtype::Generic, bytes: vec![0, 1, 255] },
        "nothing": Bson::Null,
        "flag": true,
        "list": [1, "two", { "three": 3 }],
        "inside": { "deep": { "deeper": [] } },
    }
}

/// Each kind of change once.
async fn change_all_ways(database: &TestDatabase) {
    let items = database.items();
    let id = doc! { "_id": ObjectId::from_bytes([7; 12]) };
    items.insert_one(rich_document()).await.expect("an insert");
    let update = doc! { "$set": { "whole": 8, "inside.new": "x" }, "$unset": { "flag": "" } };
    items.update_one(id.clone(), update).await.expect("an update");
    items.replace_one(id.clone(), doc! { "only": "this" }).await.expect("a replacement");
    items.delete_one(id).await.expect("a deletion");
}

const OPERATIONS: [&str; 4] = ["insert", "update", "replace", "delete"];

async fn check_transport<S: Subscriber>(server: &TestServer, expected: &[Value]) {
    let mut client = S::follow(server, "since=earliest").await;
    assert_eq!(client.hello().await["waiting"], json!([]));
    let entries = client.changes(expected.len()).await;
    check_entries(&entries, expected);
}

fn check_entries(entries: &[Entry], expected: &[Value]) {
    let events: Vec<_> = entries.iter().map(|entry| &entry.change.0).collect();
    assert_eq!(events, expected.iter().collect::<Vec<_>>());
    let ids: Vec<_> = entries.iter().map(|entry| place(&entry.id)).collect();
    assert!(ids.is_sorted_by(|one, two| one < two), "g1: in the order of the log: {ids:?}");
}

/// The place in the log that an event id names.
fn place(id: &str) -> u64 {
    let (_, place) = id.split_once('-').expect("an epoch and a place");
    place.parse().expect("a number")
}

#[tokio::test]
async fn g1_every_transport_shows_what_the_driver_is_told_live() {
    let database = TestDatabase::new().await;
    let server = database.watched().await;
    let mut witness = Witness::of(&database).await;
    let mut sse = SseClient::follow(&server, "").await;
    let mut ndjson = NdjsonClient::follow(&server, "").await;
    let mut ws = WsClient::follow(&server, "").await;
    let mut socket = WsClient::connect(&server, "/socket", &[]).await;
    sse.hello().await;
    ndjson.hello().await;
    ws.hello().await;

    change_all_ways(&database).await;
    let expected = witness.events(4).await;
    let operations: Vec<_> = expected.iter().map(|event| &event["operationType"]).collect();
    assert_eq!(operations, OPERATIONS);

    let entries = sse.changes(4).await;
    check_entries(&entries, &expected);
    assert_eq!(ndjson.changes(4).await, entries);
    assert_eq!(ws.changes(4).await, entries);
    for event in &expected {
        check_origin_frame(socket.next_json().await, event);
    }
}

/// S0-19: the event without its `_id`, then `html` and `html_id`.
fn check_origin_frame(mut frame: Value, event: &Value) {
    let fields = frame.as_object_mut().expect("an object");
    let html = fields.remove("html").expect("html");
    let html_id = fields.remove("html_id").expect("html_id");
    let token = event["_id"]["_data"].as_str().expect("a resume token");
    assert_eq!(html_id, URL_SAFE_NO_PAD.encode(token));
    let opening = format!("<div id=\"change-{}\"><pre>", URL_SAFE_NO_PAD.encode(token));
    assert!(html.as_str().expect("text").starts_with(&opening), "{html}");
    let mut event = event.clone();
    event.as_object_mut().expect("an object").remove("_id");
    assert_eq!(frame, event);
}

#[tokio::test]
async fn g5_every_transport_shows_the_same_from_the_log() {
    let database = TestDatabase::new().await;
    let server = database.watched().await;
    let mut witness = Witness::of(&database).await;
    let mut live = SseClient::follow(&server, "").await;
    live.hello().await;
    change_all_ways(&database).await;
    let expected = witness.events(4).await;
    live.changes(4).await;

    check_transport::<SseClient>(&server, &expected).await;
    check_transport::<NdjsonClient>(&server, &expected).await;
    check_transport::<WsClient>(&server, &expected).await;
    let mut socket = WsClient::connect(&server, "/socket?since=earliest", &[]).await;
    for event in &expected {
        check_origin_frame(socket.next_json().await, event);
    }
}

#[tokio::test]
async fn an_update_tells_what_has_changed_and_a_deletion_the_key() {
    let database = TestDatabase::new().await;
    let server = database.watched().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    change_all_ways(&database).await;
    let entries = client.changes(4).await;
    let [insert, update, replace, delete] = &entries[..] else { panic!("four changes") };
    assert_eq!(insert.change.document()["longer"], json!({"$numberLong": i64::MAX.to_string()}));
    assert_eq!(
        update.change.0["updateDescription"],
        json!({
            "updatedFields": {"inside.new": "x", "whole": 8},
            "removedFields": ["flag"],
            "truncatedArrays": [],
        })
    );
    assert_eq!(update.change.document(), &Value::Null, "s0_36: not asked for");
    let id = json!({"$oid": "070707070707070707070707"});
    assert_eq!(replace.change.document(), &json!({"_id": id, "only": "this"}));
    assert_eq!(delete.change.document(), &Value::Null);
    for entry in &entries {
        assert_eq!(entry.change.0["documentKey"], json!({"_id": id}));
        assert_eq!(entry.change.topic(), database.namespace("items"));
    }
}
