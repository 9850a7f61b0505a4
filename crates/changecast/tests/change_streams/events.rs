//! Events as the server makes them, after the specification's files.

use serde_json::json;

use super::*;

/// [change_operations: insert, update, replace, delete, drop, invalidate; wallTime; to of rename]
#[tokio::test]
async fn s2_21_every_operation_has_its_shape() {
    let bed = Bed::new().await;
    let mut stream = bed.watch(WatchOptions::new()).await;
    let orders = bed.orders();
    orders.insert_one(doc! { "_id": 1, "list": [1, 2, 3] }).await.expect("an insert");
    let update = doc! { "$set": { "count": 2 }, "$unset": { "none": 1 } };
    orders.update_one(doc! { "_id": 1 }, update).await.expect("an update");
    orders.replace_one(doc! { "_id": 1 }, doc! { "a": 1 }).await.expect("a replacement");
    orders.delete_one(doc! { "_id": 1 }).await.expect("a delete");
    let to = format!("{}.items", bed.name());
    let rename = doc! { "renameCollection": format!("{}.orders", bed.name()), "to": to };
    bed.database.client().database("admin").run_command(rename).await.expect("a rename");

    let insert = event(&mut stream).await;
    assert_eq!(insert["fullDocument"], json!({ "_id": 1, "list": [1, 2, 3] }));
    assert!(insert["wallTime"]["$date"].is_string(), "{insert}");
    assert!(insert["clusterTime"]["$timestamp"].is_object(), "{insert}");
    assert_eq!(insert["ns"], json!({ "db": bed.name(), "coll": "orders" }));
    let update = event(&mut stream).await;
    let description = &update["updateDescription"];
    assert_eq!(description["updatedFields"], json!({ "count": 2 }), "{update}");
    assert_eq!(
        (&description["removedFields"], &description["truncatedArrays"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(event(&mut stream).await["fullDocument"], json!({ "_id": 1, "a": 1 }));
    let delete = event(&mut stream).await;
    assert_eq!(delete["documentKey"], json!({ "_id": 1 }));
    assert!(delete.get("fullDocument").is_none());
    let rename = event(&mut stream).await;
    assert_eq!(rename["operationType"], "rename");
    assert_eq!(rename["to"], json!({ "db": bed.name(), "coll": "items" }));
    assert_eq!(event(&mut stream).await["operationType"], "invalidate");
}

/// [Test array truncation]
#[tokio::test]
async fn s2_21_a_truncated_array_is_told() {
    let bed = Bed::new().await;
    let document = doc! { "_id": 1, "list": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] };
    bed.orders().insert_one(document).await.expect("an insert");
    let mut stream = bed.watch(WatchOptions::new()).await;
    let cut = vec![doc! { "$set": { "list": [1, 2, 3, 4, 5, 6, 7, 8] } }];
    bed.orders().update_one(doc! { "_id": 1 }, cut).await.expect("an update");
    let update = event(&mut stream).await;
    let truncated = &update["updateDescription"]["truncatedArrays"];
    assert_eq!(*truncated, json!([{ "field": "list", "newSize": 8 }]), "{update}");
}

/// [uuid_representations, document_id_order, raw] Documents come byte by byte, in their order.
#[tokio::test]
async fn s2_21_documents_keep_their_order_and_their_types() {
    let bed = Bed::new().await;
    let mut stream = bed.watch(WatchOptions::new()).await;
    let uuid = mongodb::bson::Uuid::from_bytes([7; 16]);
    let document = doc! { "_id": { "b": 1, "a": uuid }, "z": 1_i64 << 60, "y": 0.5 };
    bed.orders().insert_one(document).await.expect("an insert");
    let change = next(&mut stream).await;
    let uuid = r#"{"$binary":{"base64":"BwcHBwcHBwcHBwcHBwcHBw==","subType":"04"}}"#;
    let key = format!(r#"{{"_id":{{"b":1,"a":{uuid}}}}}"#);
    assert_eq!(std::str::from_utf8(&change.key).ok(), Some(&*key));
    let event = std::str::from_utf8(&change.event).expect("text");
    assert!(event.contains(r#""z":{"$numberLong":"1152921504606846976"},"y":0.5"#), "{event}");
}

/// [watch_with_session, txnNumber, lsid]
#[tokio::test]
async fn s2_21_what_a_transaction_does_says_so() {
    let bed = Bed::new().await;
    bed.insert(1..2).await;
    let mut stream = bed.watch(WatchOptions::new()).await;
    let mut session = bed.database.client().start_session().await.expect("a session");
    session.start_transaction().await.expect("a transaction");
    for id in 2..4 {
        let orders = bed.orders();
        let document = doc! { "_id": id };
        orders.insert_one(document).session(&mut session).await.expect("an insert");
    }
    session.commit_transaction().await.expect("a commit");
    let (one, two) = (event(&mut stream).await, event(&mut stream).await);
    assert_eq!(one["txnNumber"], two["txnNumber"]);
    assert!(one["lsid"].is_object(), "{one}");
}
