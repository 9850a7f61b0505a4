//! A database that is put in another's place knows nothing of what came before: that is told at
//! once, although it takes any position and nothing ever changes in it.

use std::time::{SystemTime, UNIX_EPOCH};

use mongodb::bson::doc;
use serde_json::json;

use super::TestDatabase;
use super::logins::{PASSWORD, users};
use crate::support::{Mongod, SseClient, Subscriber, TestServer, numbers, until};

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Positions and elections are told apart by the second.
async fn seconds_later(count: u64) {
    let start = seconds();
    until("the next seconds", async || seconds() > start + count).await;
}

/// A server and a client that has seen 0 to 2.
async fn followed(database: &TestDatabase) -> (TestServer, SseClient) {
    let server = database.watched().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    database.insert_numbers(0..3).await;
    assert_eq!(numbers(&client.changes(3).await), [0, 1, 2]);
    (server, client)
}

/// The client is told of the gap next, and then of what the new database does.
async fn check_gap(database: &TestDatabase, client: &mut SseClient, words: &str) {
    let gap = client.gap().await;
    assert_eq!((&gap["scope"], &gap["action"]), (&json!("source"), &json!("refetch")), "{gap}");
    assert!(gap["reason"].as_str().is_some_and(|reason| reason.contains(words)), "{gap}");
    database.insert_numbers(3..5).await;
    assert_eq!(numbers(&client.changes(2).await), [3, 4]);
}

async fn check_count(server: &TestServer, expected: u64) {
    let listing = server.get_json("/sources").await;
    assert_eq!(listing["sources"][0]["gap_count"], expected, "{listing}");
}

#[tokio::test]
async fn g2_a_replaced_database_is_a_gap_at_once() {
    let mut mongod = Mongod::start().await;
    let database = TestDatabase::on(&mongod).await;
    let (server, mut client) = followed(&database).await;
    mongod.replace().await;
    check_gap(&database, &mut client, "the database was replaced").await;
    check_count(&server, 1).await;
}

#[tokio::test]
async fn g2_a_database_replaced_while_changecast_was_down_is_a_gap_at_once() {
    let mut mongod = Mongod::start().await;
    let database = TestDatabase::on(&mongod).await;
    let (mut server, client) = followed(&database).await;
    server.kill().await;
    mongod.replace().await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    assert_eq!(client.hello().await["resumed"], true);
    check_gap(&database, &mut client, "the database was replaced").await;

    // From here on it is known: nothing is told twice.
    server.kill().await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    database.insert_numbers(5..6).await;
    assert_eq!(numbers(&client.changes(1).await), [5]);
    check_count(&server, 0).await;
}

#[tokio::test]
async fn g2_a_restored_database_is_a_gap_at_once() {
    let mut mongod = Mongod::start().await;
    mongod.back_up().await;
    seconds_later(3).await;
    let database = TestDatabase::on(&mongod).await;
    let (mut server, client) = followed(&database).await;
    server.kill().await;
    seconds_later(1).await;
    mongod.restore().await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    assert_eq!(client.hello().await["resumed"], true);
    check_gap(&database, &mut client, "restored from a backup").await;
}

/// Lets in a user who may read one database, and no more; the database as its administrator.
async fn with_a_reader(mongod: &Mongod, name: Option<&str>) -> TestDatabase {
    let root = users(mongod, PASSWORD, &[]).await;
    let mut database = TestDatabase::of(root.clone(), mongod.uri_for("ada", PASSWORD));
    if let Some(name) = name {
        database.database = root.database(name);
    }
    let role = doc! { "role": "read", "db": database.name() };
    let grant = doc! { "grantRolesToUser": "ada", "roles": [role] };
    root.database("admin").run_command(grant).await.expect("a right");
    database
}

#[tokio::test]
async fn g2_a_replaced_database_is_a_gap_at_once_for_a_user_who_may_only_read() {
    let mut mongod = Mongod::guarded().await;
    let database = with_a_reader(&mongod, None).await;
    let (mut server, client) = followed(&database).await;
    // An end and a new beginning of the same database are none.
    mongod.stop().await;
    mongod.start_again().await;
    server.kill().await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    database.insert_numbers(10..11).await;
    assert_eq!(numbers(&client.changes(1).await), [10]);

    server.kill().await;
    seconds_later(1).await;
    mongod.replace().await;
    let database = with_a_reader(&mongod, Some(database.name())).await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    assert_eq!(client.hello().await["resumed"], true);
    check_gap(&database, &mut client, "the database was replaced").await;
}
