//! A server that goes away and comes back.

use super::mongod::{Mongod, first_error, settled};
use super::*;

#[tokio::test]
async fn an_outage_loses_nothing_and_repeats_nothing() {
    let mut mongod = Mongod::start(&["--replSet", "rs0", "--oplogSize", "16"]);
    let source = mongod.source("", "?serverSelectionTimeoutMS=500");
    first_error(&source).await;
    mongod.initiate().await;
    let database = mongod.database("shop").await;
    let collection = database.collection::<Document>("orders");
    // Not all at once: the first member of a replica set has to elect itself.
    let mut stream = Followed { stream: until_followed(&source).await };
    for id in 0..3 {
        collection.insert_one(doc! { "_id": id }).await.unwrap();
    }
    assert_eq!(stream.ids(2).await, [0, 1]);
    let position = stream.position();

    for round in 0..2 {
        mongod.kill();
        let error = stream.error().await;
        assert_eq!(error.remedy(), crate::source::Remedy::Retry, "{error}");
        let error = watch_error(&source, position.clone()).await;
        assert!(error.to_string().ends_with("connection refused"), "{error}");
        mongod.start_again();
        stream = Followed { stream: settled(&source, position.clone()).await.unwrap() };
        collection.insert_one(doc! { "_id": 3 + round }).await.unwrap();
        let expected: Vec<i64> = (2..=3 + round).collect();
        assert_eq!(stream.ids(expected.len()).await, expected);
    }
}

/// Until then it is an operator's turn, who has just been there.
async fn until_followed(source: &MongoSource) -> ChangeStream {
    let attempts = async {
        loop {
            if let Ok(stream) = try_follow(source, None).await {
                return stream;
            }
        }
    };
    timeout(PATIENCE, attempts).await.expect("a replica set")
}
