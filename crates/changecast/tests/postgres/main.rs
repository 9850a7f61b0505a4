//! PostgreSQL's change streams by themselves, without a log or a server, on the server that
//! `scripts/services` runs.

#![cfg(feature = "postgres")]
#![allow(clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use changecast::source::postgres::{PostgresConfig, PostgresSource};
use changecast::source::{Source, SourceError, WatchOptions};
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

/// A database of a test's own, and a source that watches its table `items`.
async fn bed(test: &str) -> (Client, PostgresSource) {
    let server = std::env::var("CHANGECAST_TEST_POSTGRES")
        .expect("run `scripts/services up`, then `source .services/env`");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    let name = format!("lib_{test}_{now:x}");
    let admin = connect(&format!("{server}/postgres")).await;
    admin.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database");
    let url = format!("{server}/{name}");
    let client = connect(&url).await;
    client.batch_execute("CREATE TABLE items (n int PRIMARY KEY)").await.expect("a table");
    let config = PostgresConfig::from_url(&format!("{url}?table=items")).expect("a URL");
    (client, PostgresSource::new(config, Arc::default()))
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect(url);
    tokio::spawn(connection);
    client
}

async fn insert(client: &Client, number: i32) {
    let sql = format!("INSERT INTO items VALUES ({number})");
    client.batch_execute(&sql).await.expect("a row");
}

fn number(change: &changecast::model::Change) -> Value {
    let event: Value = serde_json::from_slice(&change.event).expect("JSON");
    event["fullDocument"]["n"].clone()
}

#[tokio::test]
async fn a_change_right_after_watch_is_always_seen_and_try_next_tells_when_there_is_none() {
    let (client, source) = bed("try").await;
    let mut stream = source.watch(WatchOptions::new()).await.expect("a stream");
    assert!(stream.try_next().await.expect("an answer").is_none());
    for n in 0..20 {
        insert(&client, n).await;
        let change = stream.try_next().await.expect("an answer").expect("it is committed");
        assert_eq!(number(&change), json!(n));
        assert!(stream.try_next().await.expect("an answer").is_none());
    }
}

#[tokio::test]
async fn g3_g5_a_stream_goes_on_after_its_token_also_inside_of_a_transaction() {
    let (client, source) = bed("resume").await;
    let mut stream = source.watch(WatchOptions::new()).await.expect("a stream");
    let all = "INSERT INTO items SELECT generate_series(0, 9)";
    client.batch_execute(all).await.expect("rows");
    for n in 0..4 {
        let change = stream.next().await.expect("a change").expect("a change");
        assert_eq!(number(&change), json!(n));
    }
    let token = stream.resume_token().cloned().expect("a token");
    drop(stream);
    let mut stream = again(&source, WatchOptions::new().start_after(token)).await;
    for n in 4..10 {
        let change = stream.next().await.expect("a change").expect("a change");
        assert_eq!(number(&change), json!(n));
    }
}

/// The server takes a moment to let go of the slot.
async fn again(source: &PostgresSource, options: WatchOptions) -> changecast::source::ChangeStream {
    loop {
        match source.watch(options.clone()).await {
            Ok(stream) => return stream,
            Err(SourceError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn g7_what_is_not_acknowledged_comes_again_and_a_slot_has_one_reader() {
    let (client, source) = bed("slot").await;
    let mut stream = source.watch(WatchOptions::new()).await.expect("a stream");
    insert(&client, 1).await;
    stream.next().await.expect("a change").expect("a change");
    let error = source.watch(WatchOptions::new()).await.expect_err("the slot is taken");
    assert!(error.to_string().contains("slot="), "{error}");
    drop(stream);
    let mut stream = again(&source, WatchOptions::new()).await;
    let change = stream.next().await.expect("a change").expect("a change");
    assert_eq!(number(&change), json!(1), "without a token it begins where the slot stands");
    // The slot does not move before it is told to, and then does.
    let token = stream.resume_token().cloned().expect("a token");
    source.acknowledge(&token).await;
    let written: Value = serde_json::from_slice(token.as_bytes()).expect("JSON");
    let lsn = written["lsn"].as_str().expect("a place").to_owned();
    let sql = format!(
        "SELECT 1 FROM pg_replication_slots
         WHERE database = current_database() AND confirmed_flush_lsn = '{lsn}'"
    );
    while client.query(&sql, &[]).await.expect("an answer").is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_by_name() {
    let (_client, source) = bed("refuse").await;
    let options = WatchOptions::new().pipeline(json!([]));
    let error = source.watch(options).await.expect_err("no pipelines");
    assert!(error.to_string().contains("pipeline"), "{error}");
}
