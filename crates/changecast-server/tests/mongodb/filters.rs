//! `match=` over a real MongoDB: its types, and updates that come without their document.

use mongodb::bson::{Bson, DateTime, Decimal128, doc, oid::ObjectId};
use serde_json::json;

use super::TestDatabase;
use crate::support::{Entry, SseClient, Subscriber, TestServer, matching};

fn ops(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.change.0["operationType"].as_str().expect("an op")).collect()
}

#[tokio::test]
async fn g2_a_change_whose_document_was_not_sent_is_delivered() {
    let bed = TestDatabase::new().await;
    let server = bed.watched().await;
    let query = matching(&json!({"fullDocument.status": "open"}));
    let mut client = SseClient::follow(&server, &query).await;
    client.hello().await;
    let items = bed.items();
    items.insert_one(doc! { "_id": 1, "status": "paid" }).await.expect("an insert");
    items.update_one(doc! { "_id": 1 }, doc! { "$set": { "x": 1 } }).await.expect("an update");
    items.delete_one(doc! { "_id": 1 }).await.expect("a delete");
    items.insert_one(doc! { "_id": 2, "status": "open" }).await.expect("an insert");
    let seen = client.changes(3).await;
    assert_eq!(ops(&seen), ["update", "delete", "insert"], "nobody can tell, so they come");
}

#[tokio::test]
async fn with_the_document_and_its_image_from_before_a_filter_decides_everything() {
    let bed = TestDatabase::new().await;
    let images = doc! { "create": "items", "changeStreamPreAndPostImages": { "enabled": true } };
    bed.database.run_command(images).await.expect("a collection that keeps images");
    let (base, options) = bed.uri.split_once("/?").expect("options");
    let source = format!(
        "{base}/{}?{options}&collection=items&full_document=whenAvailable\
         &full_document_before_change=whenAvailable",
        bed.name()
    );
    let server = TestServer::start_with(&["--source", &source]).await;
    let query = matching(&json!({"fullDocument.status": "open"}));
    let mut client = SseClient::follow(&server, &query).await;
    client.hello().await;
    let items = bed.items();
    let set = |status: &str| doc! { "$set": { "status": status } };
    items.insert_one(doc! { "_id": 1, "status": "paid" }).await.expect("an insert");
    items.update_one(doc! { "_id": 1 }, doc! { "$set": { "x": 1 } }).await.expect("an update");
    items.update_one(doc! { "_id": 1 }, set("open")).await.expect("an update");
    items.update_one(doc! { "_id": 1 }, set("paid")).await.expect("an update");
    items.delete_one(doc! { "_id": 1 }).await.expect("a delete");
    items.insert_one(doc! { "_id": 2, "status": "open" }).await.expect("an insert");
    items.delete_one(doc! { "_id": 2 }).await.expect("a delete");
    let seen = client.changes(4).await;
    assert_eq!(ops(&seen), ["update", "leave", "insert", "leave"]);
}

#[tokio::test]
async fn filters_know_mongodbs_types() {
    let bed = TestDatabase::new().await;
    let server = bed.watched().await;
    let id = ObjectId::new();
    let date = DateTime::from_millis(1_700_000_000_000);
    let decimal: Decimal128 = "12.50".parse().expect("a decimal");
    let document = doc! {
        "_id": id, "long": 9_007_199_254_740_993_i64, "date": date, "decimal": decimal,
        "list": [1, 2, 3], "nothing": Bson::Null,
    };
    let filters = [
        json!({"documentKey._id": {"$oid": id.to_hex()}}),
        json!({"fullDocument.long": {"$numberLong": "9007199254740993"}}),
        json!({"fullDocument.date": {"$gte": {"$date": "2023-11-14T22:13:20Z"}}}),
        json!({"fullDocument.decimal": {"$eq": 12.5}}),
        json!({"fullDocument.decimal": {"$type": "decimal"}}),
        json!({"fullDocument.list": {"$all": [1, 3]}}),
        json!({"fullDocument.nothing": null, "fullDocument.missing": {"$exists": false}}),
    ];
    let misses = [
        json!({"documentKey._id": id.to_hex()}),
        json!({"fullDocument.long": {"$numberLong": "9007199254740992"}}),
        json!({"fullDocument.list": 4}),
    ];
    let mut hitting = Vec::new();
    for filter in &filters {
        hitting.push(SseClient::follow(&server, &matching(filter)).await);
    }
    let mut missing = Vec::new();
    for filter in &misses {
        let either = json!({"$or": [filter, {"fullDocument.last": true}]});
        missing.push(SseClient::follow(&server, &matching(&either)).await);
    }
    for client in hitting.iter_mut().chain(&mut missing) {
        client.hello().await;
    }
    bed.items().insert_one(document).await.expect("an insert");
    bed.items().insert_one(doc! { "_id": 1, "last": true }).await.expect("an insert");
    for (client, filter) in hitting.iter_mut().zip(&filters) {
        let key = client.change().await.change.0["documentKey"].clone();
        assert_eq!(key, json!({"_id": {"$oid": id.to_hex()}}), "{filter}");
    }
    for (client, filter) in missing.iter_mut().zip(&misses) {
        let key = client.change().await.change.0["documentKey"].clone();
        assert_eq!(key, json!({"_id": 1}), "{filter}");
    }
}
