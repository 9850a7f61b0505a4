//! Changes as they come, one by one.

use super::*;

#[tokio::test]
async fn documents_come_as_change_events() {
    let bed = Bed::new().await;
    let mut stream = follow(&bed.source(orders()), None).await;
    let orders = bed.orders();
    orders.insert_one(doc! { "_id": 1, "item": "tea" }).await.unwrap();
    orders.update_one(doc! { "_id": 1 }, doc! { "$set": { "count": 2 } }).await.unwrap();
    orders.replace_one(doc! { "_id": 1 }, doc! { "item": "rice" }).await.unwrap();
    orders.delete_one(doc! { "_id": 1 }).await.unwrap();

    let changes = stream.changes(4).await;
    let events: Vec<Value> = changes.iter().map(|change| json(&change.event)).collect();
    for (change, event) in changes.iter().zip(&events) {
        assert_eq!(change.topic.as_str(), "shop.orders");
        assert_eq!(&*change.key, br#"{"_id":1}"#);
        assert_eq!(event["operationType"], change.op.name());
        assert_eq!(event["ns"]["db"], bed.database.name());
        assert_eq!(event["ns"]["coll"], "orders");
        assert!(change.event.starts_with(br#"{"_id":{"_data":"82"#), "{event}");
    }
    let ops: Vec<Op> = changes.iter().map(|change| change.op).collect();
    assert_eq!(ops, [Op::Insert, Op::Update, Op::Replace, Op::Delete]);
    assert_eq!(events[0]["fullDocument"]["item"], "tea");
    assert_eq!(events[1]["updateDescription"]["updatedFields"]["count"], 2);
    assert!(events[1].get("fullDocument").is_none(), "not asked for: {}", events[1]);
    assert_eq!(events[2]["fullDocument"]["item"], "rice");
    assert!(events[3].get("fullDocument").is_none());
}

#[tokio::test]
async fn images_come_if_asked_for() {
    let bed = Bed::new().await;
    let images = doc! { "enabled": true };
    let create = doc! { "create": "orders", "changeStreamPreAndPostImages": images };
    bed.database.run_command(create).await.unwrap();
    let mut config = bed.config(orders());
    config.full_document = crate::source::FullDocument::parse("updateLookup").unwrap();
    config.full_document_before_change =
        crate::source::FullDocumentBeforeChange::parse("required").unwrap();
    let mut stream = follow(&source(config), None).await;
    bed.orders().insert_one(doc! { "_id": 1, "count": 1 }).await.unwrap();
    bed.orders().update_one(doc! {}, doc! { "$inc": { "count": 1 } }).await.unwrap();

    assert_eq!(stream.event().await["operationType"], "insert");
    let update = stream.event().await;
    assert_eq!(update["fullDocumentBeforeChange"]["count"], 1, "{update}");
    assert_eq!(update["fullDocument"]["count"], 2);
}

#[tokio::test]
async fn a_change_right_after_watch_is_always_seen() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    for round in 0..50 {
        let mut stream = follow(&source, None).await;
        assert!(stream.position().is_some(), "a position before the first change");
        bed.insert_orders(round..round + 1).await;
        assert_eq!(stream.ids(1).await, [i64::from(round)]);
    }
}

#[tokio::test]
async fn poison_values_are_carried() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    let mut stream = follow(&source, None).await;
    let mut bytes = mongodb::bson::serialize_to_vec(&doc! {
        "_id": 1,
        "text": "a?b",
        "late": mongodb::bson::DateTime::MAX,
        "early": mongodb::bson::DateTime::MIN,
        "big": i64::MAX,
    })
    .unwrap();
    let at = bytes.windows(3).position(|window| window == b"a?b").unwrap();
    bytes[at + 1] = 0xff;
    let poison = RawDocumentBuf::from_bytes(bytes).unwrap();
    bed.database.collection::<RawDocumentBuf>("orders").insert_one(poison).await.unwrap();
    bed.insert_orders(2..3).await;

    let document = &stream.event().await["fullDocument"];
    assert_eq!(document["text"], "a\u{FFFD}b");
    assert_eq!(document["late"]["$date"]["$numberLong"], i64::MAX.to_string());
    assert_eq!(document["early"]["$date"]["$numberLong"], i64::MIN.to_string());
    assert_eq!(document["big"]["$numberLong"], i64::MAX.to_string());
    assert_eq!(stream.ids(1).await, [2], "the stream goes on");
}

#[tokio::test]
async fn dropping_the_stream_kills_the_cursor() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    let mut stream = follow(&source, None).await;
    bed.insert_orders(1..2).await;
    stream.change().await;
    // Between two answers the server may list it twice, or not at all.
    let is_listed = async { while cursor_count(&bed).await != 1 {} };
    timeout(PATIENCE, is_listed).await.expect("there is one cursor");
    // A read that is given up changes nothing.
    drop(timeout(Duration::ZERO, stream.stream.next_delivery()).await);
    bed.insert_orders(2..3).await;
    assert_eq!(stream.ids(1).await, [2]);

    drop(stream);
    let gone = async { while cursor_count(&bed).await > 0 {} };
    timeout(PATIENCE, gone).await.expect("the cursor is killed");
}

/// Cursors on the test's database, whether they are waiting for a change or not.
async fn cursor_count(bed: &Bed) -> usize {
    let admin = bed.database.client().database("admin");
    let mut found = admin
        .aggregate([
            doc! { "$currentOp": { "allUsers": true, "idleCursors": true } },
            doc! { "$match": {
                "ns": format!("{}.orders", bed.database.name()),
                "cursor": { "$exists": true },
            } },
        ])
        .await
        .unwrap();
    let mut count = 0;
    while found.advance().await.unwrap() {
        count += 1;
    }
    count
}
