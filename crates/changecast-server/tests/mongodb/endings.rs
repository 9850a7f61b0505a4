//! Drops and renames, after which MongoDB ends a stream and changecast does not.

use mongodb::bson::doc;
use rustix::process::Signal;
use serde_json::Value;

use super::{TestDatabase, numbered};
use crate::support::{SseClient, Subscriber, TestServer, WsClient};

/// What happened, in words: the operation, and the number of the document if there is one.
fn in_words(event: &Value) -> String {
    let operation = event["operationType"].as_str().expect("an operation");
    match event["fullDocument"]["n"].as_i64() {
        Some(number) => format!("{operation} {number}"),
        None => operation.to_owned(),
    }
}

/// The same events on SSE, and on `/ws` with these topics; then the stream goes on.
async fn check(
    database: &TestDatabase,
    server: &TestServer,
    (mut sse, mut ws): (SseClient, WsClient),
    expected: &[(&str, &str)],
) {
    for (words, collection) in expected {
        assert_eq!(&in_words(&sse.change().await.change.0), words);
        let frame = ws.next_json().await;
        assert_eq!(&in_words(&frame["change"]), words);
        assert_eq!(frame["topic"], database.namespace(collection), "{words}");
    }
    database.items().insert_one(numbered(99)).await.expect("an insert");
    assert_eq!(in_words(&sse.change().await.change.0), "insert 99");
    assert_eq!(in_words(&ws.next_json().await["change"]), "insert 99");

    let mut again = SseClient::follow(server, "since=earliest").await;
    again.hello().await;
    for (words, _) in expected {
        assert_eq!(&in_words(&again.change().await.change.0), words, "from the log");
    }
    assert_eq!(in_words(&again.change().await.change.0), "insert 99");
    assert_eq!(server.get_json("/readyz").await["status"], "ok");
}

/// What happens here, changecast sees only once all of it has happened.
async fn behind_the_back_of(server: &mut TestServer, happening: impl Future<Output = ()>) {
    server.process().signal(Signal::STOP);
    happening.await;
    server.process().signal(Signal::CONT);
}

async fn followers(server: &TestServer) -> (SseClient, WsClient) {
    let (mut sse, mut ws) =
        (SseClient::follow(server, "").await, WsClient::follow(server, "").await);
    sse.hello().await;
    ws.hello().await;
    (sse, ws)
}

#[tokio::test]
async fn s0_33_a_drop_is_told_and_what_comes_after_it_too() {
    let database = TestDatabase::new().await;
    let mut server = database.watched().await;
    let followers = followers(&server).await;
    behind_the_back_of(&mut server, async {
        database.insert_numbers(1..2).await;
        database.items().drop().await.expect("a drop");
        database.insert_numbers(2..3).await;
        database.items().drop().await.expect("a second drop");
        database.insert_numbers(3..4).await;
    })
    .await;
    let expected = [
        ("insert 1", "items"),
        ("drop", "items"),
        ("invalidate", "items"),
        ("insert 2", "items"),
        ("drop", "items"),
        ("invalidate", "items"),
        ("insert 3", "items"),
    ];
    check(&database, &server, followers, &expected).await;
}

async fn rename(database: &TestDatabase, from: &str, to: &str) {
    let (from, to) = (database.namespace(from), database.namespace(to));
    let admin = database.database.client().database("admin");
    let command = doc! { "renameCollection": from, "to": to };
    admin.run_command(command).await.expect("a new name");
}

#[tokio::test]
async fn s0_33_a_rename_is_told_and_what_is_inserted_under_the_old_name_too() {
    let database = TestDatabase::new().await;
    let mut server = database.watched().await;
    let followers = followers(&server).await;
    behind_the_back_of(&mut server, async {
        database.insert_numbers(1..2).await;
        rename(&database, "items", "archive").await;
        database.collection("archive").insert_one(numbered(100)).await.expect("unwatched");
        database.insert_numbers(2..3).await;
    })
    .await;
    let expected = [
        ("insert 1", "items"),
        ("rename", "items"),
        ("invalidate", "items"),
        ("insert 2", "items"),
    ];
    check(&database, &server, followers, &expected).await;
}

#[tokio::test]
async fn s0_33_a_dropped_database_is_told_and_what_comes_after_it_too() {
    let database = TestDatabase::new().await;
    let mut server = database.watched().await;
    let followers = followers(&server).await;
    behind_the_back_of(&mut server, async {
        database.insert_numbers(1..2).await;
        database.database.drop().await.expect("a drop");
        database.insert_numbers(2..3).await;
    })
    .await;
    let expected =
        [("insert 1", "items"), ("drop", "items"), ("invalidate", "items"), ("insert 2", "items")];
    check(&database, &server, followers, &expected).await;
}

#[tokio::test]
async fn s0_33_a_whole_database_is_dropped_and_renamed_in_and_the_stream_goes_on() {
    let database = TestDatabase::new().await;
    let server = database.watched_at(&["*"]).await;
    let followers = followers(&server).await;
    database.insert_numbers(1..2).await;
    rename(&database, "items", "archive").await;
    database.insert_numbers(2..3).await;
    database.items().drop().await.expect("a drop");
    database.insert_numbers(3..4).await;
    database.collection("archive").drop().await.expect("a drop");
    database.database.drop().await.expect("a drop");
    database.insert_numbers(4..5).await;
    let expected = [
        ("insert 1", "items"),
        ("rename", "items"),
        ("insert 2", "items"),
        ("drop", "items"),
        ("insert 3", "items"),
        ("drop", "archive"),
        ("drop", "items"),
        ("dropDatabase", "$database"),
        ("invalidate", "$database"),
        ("insert 4", "items"),
    ];
    check(&database, &server, followers, &expected).await;
}

#[tokio::test]
async fn s0_33_g5_a_stream_that_was_ended_while_changecast_was_away_goes_on() {
    let database = TestDatabase::new().await;
    let mut server = database.watched().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    database.insert_numbers(1..2).await;
    assert_eq!(in_words(&client.change().await.change.0), "insert 1");

    server.kill().await;
    database.insert_numbers(2..3).await;
    database.items().drop().await.expect("a drop");
    database.insert_numbers(3..4).await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    for words in ["insert 2", "drop", "invalidate", "insert 3"] {
        assert_eq!(in_words(&client.change().await.change.0), words);
    }
}
