//! changecast ends, in order or by a crash, while the database goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{TestDatabase, numbered, told_until, told_until_change};
use crate::support::{
    Entry, NdjsonClient, SseClient, Subscriber, TestServer, WsClient, insert_surely, numbers,
};

enum End {
    InOrder,
    ByCrash,
}

async fn end(server: &mut TestServer, how: &End) {
    match how {
        End::InOrder => assert_eq!(server.terminate().await.code(), Some(0)),
        End::ByCrash => server.kill().await,
    }
}

/// Two clients of one transport: one that has read changes, one that has got a hello only.
async fn check_restart<S: Subscriber>(how: End) {
    let database = TestDatabase::new().await;
    let mut server = database.watched().await;
    let mut reader = S::follow(&server, "").await;
    reader.hello().await;
    database.insert_numbers(0..10).await;
    let mut seen = told_until(&mut reader, 9).await.changes;
    let mut newcomer = S::follow(&server, "").await;
    newcomer.hello().await;

    for round in 1..3 {
        let first = round * 10;
        end(&mut server, &how).await;
        database.insert_numbers(first..first + 5).await;
        server.start_again().await;
        reader = reader.come_back(&server).await;
        assert_eq!(reader.hello().await["resumed"], true);
        database.insert_numbers(first + 5..first + 10).await;
        seen.extend(told_until(&mut reader, first + 9).await.changes);
    }
    assert_eq!(numbers(&seen), (0..30).collect::<Vec<_>>(), "nothing lost, nothing twice");

    // It has been away for both rounds.
    let mut newcomer = newcomer.come_back(&server).await;
    assert_eq!(newcomer.hello().await["resumed"], true);
    assert_eq!(told_until(&mut newcomer, 29).await.changes, seen[10..]);
    check_history(&server, &seen).await;
}

/// The log holds just what was seen, under the same ids.
async fn check_history(server: &TestServer, seen: &[Entry]) {
    let mut late = NdjsonClient::follow(server, "since=earliest").await;
    assert_eq!(late.hello().await["waiting"], json!([]));
    let last = seen.last().expect("some").id.clone();
    let told = told_until_change(&mut late, |entry| entry.id == last).await;
    assert_eq!(told.changes, seen);
}

#[tokio::test]
async fn g5_g7_sse_over_a_restart() {
    check_restart::<SseClient>(End::InOrder).await;
}

#[tokio::test]
async fn g5_g7_sse_over_a_crash() {
    check_restart::<SseClient>(End::ByCrash).await;
}

#[tokio::test]
async fn g5_g7_ndjson_over_a_restart() {
    check_restart::<NdjsonClient>(End::InOrder).await;
}

#[tokio::test]
async fn g5_g7_ndjson_over_a_crash() {
    check_restart::<NdjsonClient>(End::ByCrash).await;
}

#[tokio::test]
async fn g5_g7_websocket_over_a_restart() {
    check_restart::<WsClient>(End::InOrder).await;
}

#[tokio::test]
async fn g5_g7_websocket_over_a_crash() {
    check_restart::<WsClient>(End::ByCrash).await;
}

#[tokio::test]
async fn s0_35_a_crash_before_the_first_change_loses_nothing() {
    let database = TestDatabase::new().await;
    let mut server = database.watched().await;
    let mut client = SseClient::follow(&server, "").await;
    let hello = client.hello().await;
    for round in 0..3 {
        server.kill().await;
        database.insert_numbers(round..round + 1).await;
        server.start_again().await;
    }
    let mut client = client.come_back(&server).await;
    let again = client.hello().await;
    assert_eq!((&again["position"], &again["resumed"]), (&hello["position"], &json!(true)));
    assert_eq!(told_until(&mut client, 2).await.numbers(), [0, 1, 2]);
}

/// How many changes the client reads in each life of the server before the next crash.
const READ_BEFORE_CRASH: [usize; 10] = [40, 1, 0, 300, 7, 0, 120, 2, 600, 25];

#[tokio::test]
async fn g3_g5_g7_ten_crashes_in_the_midst_of_writes_lose_and_repeat_nothing() {
    let database = TestDatabase::new().await;
    let mut server = database.watched().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    let writing = Arc::new(AtomicBool::new(true));
    let writer = tokio::spawn(write_while(Arc::clone(&writing), database.items()));

    let mut seen = Vec::new();
    for count in READ_BEFORE_CRASH {
        seen.extend(client.changes(count).await);
        server.kill().await;
        server.start_again().await;
        client = client.come_back(&server).await;
        assert_eq!(client.hello().await["resumed"], true);
    }
    writing.store(false, Ordering::Relaxed);
    let count = writer.await.expect("the writer has not failed");
    seen.extend(told_until(&mut client, count - 1).await.changes);
    assert_eq!(numbers(&seen), (0..count).collect::<Vec<_>>(), "nothing lost, nothing twice");
    check_history(&server, &seen).await;
    database.database.drop().await.expect("it makes room");
}

/// Inserts numbers without a pause; how many in the end.
async fn write_while(
    writing: Arc<AtomicBool>,
    items: mongodb::Collection<mongodb::bson::Document>,
) -> i64 {
    let mut count = 0;
    while writing.load(Ordering::Relaxed) {
        insert_surely(&items, &numbered(count)).await;
        count += 1;
    }
    count
}
