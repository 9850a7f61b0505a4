//! What streams that wait cost: alone in its process, since it counts the process's threads.

#![cfg(feature = "mongodb")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use changecast::source::WatchOptions;
use changecast::source::mongodb::Mongo;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use tokio::time::timeout;

const STREAMS: usize = 100;

fn thread_count() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap();
    line.trim().parse().unwrap()
}

#[tokio::test]
async fn s2_19_a_hundred_streams_on_idle_collections_take_no_thread() {
    let uri = std::env::var("CHANGECAST_TEST_MONGO").expect(
        "CHANGECAST_TEST_MONGO is set: run `scripts/services up`, then `source .services/env`",
    );
    let name = format!("threads_{:016x}", fastrand::u64(..));
    let database = Client::with_uri_str(&uri).await.unwrap().database(&name);
    let mongo = Mongo::new(&uri);
    let watch = async |number: usize| {
        let collection = mongo.collection(&name, &format!("c{number}")).unwrap();
        collection.watch(WatchOptions::new()).await.unwrap()
    };
    // The first brings whatever the driver needs once: threads that look up names, most of all.
    let mut streams = vec![watch(0).await];
    let before = thread_count();
    for number in 1..STREAMS {
        streams.push(watch(number).await);
    }
    // Every stream waits now, each for a change of its own: all come, on the one thread of this test.
    let waiting = streams
        .into_iter()
        .map(|mut stream| tokio::spawn(async move { (stream.next().await, stream) }));
    let waiting: Vec<_> = waiting.collect();
    tokio::task::yield_now().await;
    assert!(thread_count() <= before, "{} threads, {before} before", thread_count());
    for number in 0..STREAMS {
        let collection = database.collection::<Document>(&format!("c{number}"));
        collection.insert_one(doc! { "number": number as i64 }).await.unwrap();
    }
    for (number, waiting) in waiting.into_iter().enumerate() {
        let (change, _stream) = timeout(Duration::from_secs(60), waiting).await.unwrap().unwrap();
        let change = change.unwrap().unwrap();
        let event: serde_json::Value = serde_json::from_slice(&change.event).unwrap();
        assert_eq!(event["fullDocument"]["number"], number as i64);
    }
    assert!(thread_count() <= before, "{} threads, {before} before", thread_count());
}
