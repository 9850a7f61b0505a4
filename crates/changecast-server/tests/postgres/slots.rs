//! The slot: what it keeps, and what follows when it does not.

use crate::check::{checked, finding};
use crate::mongodb::{news_of, told_until};
use crate::support::{Postgres, PostgresDatabase, SseClient, Subscriber, TestServer, until};

use super::{watched, watched_in_vain};

/// A changecast that has carried three rows and has ended, and the client that got them.
async fn watched_for_a_while(database: &PostgresDatabase) -> (TestServer, SseClient) {
    let (mut server, mut client) = watched(database).await;
    database.insert_numbers(0..3).await;
    told_until(&mut client, 2).await;
    assert_eq!(server.terminate().await.code(), Some(0));
    (server, client)
}

/// Starts it again: the client is told of a gap, for a reason with this word.
async fn comes_back_to_a_gap(server: &mut TestServer, client: SseClient, word: &str) -> SseClient {
    server.start_again().await;
    let mut client = client.come_back(server).await;
    client.hello().await;
    let gap = client.gap().await;
    assert!(gap["reason"].as_str().is_some_and(|reason| reason.contains(word)), "{gap}");
    client
}

#[tokio::test]
async fn g7_only_what_is_durable_is_acknowledged_and_unwatched_writes_are_let_go() {
    let database = PostgresDatabase::new().await;
    let (_server, mut client) = watched(&database).await;
    database.run("CREATE TABLE noise (id int PRIMARY KEY, text text)").await;
    database.insert_numbers(0..5).await;
    told_until(&mut client, 4).await;
    database
        .run("INSERT INTO noise SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i")
        .await;
    let written = database.ask("SELECT pg_current_wal_flush_lsn()").await.expect("a place");
    let sql = format!(
        "SELECT 1 FROM pg_replication_slots WHERE slot_name = '{}'
         AND confirmed_flush_lsn >= '{written}'",
        database.slot()
    );
    until("a slot that keeps nothing", async || database.ask(&sql).await.is_some()).await;
    database.insert_numbers(5..6).await;
    assert_eq!(told_until(&mut client, 5).await.numbers(), [5]);
}

#[tokio::test]
async fn g2_a_dropped_slot_is_a_gap_and_followed_on() {
    let database = PostgresDatabase::new().await;
    let (mut server, client) = watched_for_a_while(&database).await;
    let drop = format!("SELECT pg_drop_replication_slot('{}')", database.slot());
    database.run_surely(&drop).await;
    database.insert_numbers(3..6).await;
    let mut client = comes_back_to_a_gap(&mut server, client, "slot").await;
    database.insert_numbers(6..8).await;
    assert_eq!(told_until(&mut client, 7).await.numbers(), [6, 7]);
}

#[tokio::test]
async fn g2_a_slot_that_is_dropped_while_it_is_read_is_a_gap_and_followed_on() {
    let database = PostgresDatabase::new().await;
    let (server, mut client) = watched(&database).await;
    database.insert_numbers(0..3).await;
    told_until(&mut client, 2).await;
    let slot = database.slot();
    // Again, if changecast was faster and reads it once more.
    database
        .run_surely(&format!(
            "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots
             WHERE slot_name = '{slot}' AND active_pid IS NOT NULL;
             SELECT pg_drop_replication_slot('{slot}')"
        ))
        .await;
    let gap = client.gap().await;
    assert!(gap["reason"].as_str().is_some_and(|reason| reason.contains("slot")), "{gap}");
    database.insert_numbers(6..8).await;
    assert_eq!(told_until(&mut client, 7).await.numbers(), [6, 7]);
    assert_eq!(server.get_json("/sources").await["sources"][0]["gap_count"], 1);
}

#[tokio::test]
async fn g2_a_slot_that_was_moved_ahead_is_a_gap_and_no_silent_skip() {
    let database = PostgresDatabase::new().await;
    let (mut server, client) = watched_for_a_while(&database).await;
    database.insert_numbers(3..6).await;
    let advance = format!(
        "SELECT pg_replication_slot_advance('{}', pg_current_wal_flush_lsn())",
        database.slot()
    );
    database.run_surely(&advance).await;
    let mut client = comes_back_to_a_gap(&mut server, client, "ahead").await;
    database.insert_numbers(6..8).await;
    assert_eq!(told_until(&mut client, 7).await.numbers(), [6, 7]);
}

#[tokio::test]
async fn g2_another_cluster_in_its_place_is_a_gap_and_followed_on() {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    let (_server, mut client) = watched(&database).await;
    database.insert_numbers(0..3).await;
    told_until(&mut client, 2).await;
    postgres.replace().await;
    let admin = format!("CREATE DATABASE {}", database.name);
    database.run_in_other(&postgres.url("postgres"), &admin).await;
    database.run_surely("CREATE TABLE IF NOT EXISTS items (id bigint PRIMARY KEY, n bigint)").await;
    let gap = client.gap().await;
    assert!(gap["reason"].as_str().is_some_and(|reason| reason.contains("cluster")), "{gap}");
    database.insert_numbers(6..8).await;
    assert_eq!(told_until(&mut client, 7).await.numbers(), [6, 7]);
}

#[tokio::test]
async fn a_slot_of_another_kind_is_left_alone() {
    let database = PostgresDatabase::new().await;
    let slot = database.slot();
    let make = format!("SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding')");
    database.run(&make).await;
    let (_server, mut client) = watched_in_vain(&database.source("")).await;
    super::failure(&mut client, "test_decoding", "slot=").await;
    database.run(&format!("SELECT pg_drop_replication_slot('{slot}')")).await;
    news_of(&mut client, "live").await;
}

#[tokio::test]
async fn g2_a_slot_whose_wal_was_removed_is_a_gap_and_followed_on() {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    database.run("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'").await;
    database.run("SELECT pg_reload_conf()").await;
    let (mut server, client) = watched_for_a_while(&database).await;
    database.run("CREATE TABLE noise (id serial PRIMARY KEY, text text)").await;
    for _ in 0..3 {
        let sql =
            "INSERT INTO noise (text) SELECT repeat('x', 1000) FROM generate_series(1, 20000)";
        database.run(sql).await;
        database.run("SELECT pg_switch_wal()").await;
        database.run("CHECKPOINT").await;
    }
    let lost = "SELECT 1 FROM pg_replication_slots WHERE wal_status = 'lost'";
    assert!(database.ask(lost).await.is_some(), "the server keeps no more than it was told");
    let (report, outcome) = checked(&["--source", &database.source("")]).await;
    let found = finding(&report, "slot");
    assert_eq!((outcome.code, &found["level"]), (Some(0), &"warning".into()), "{report}");
    assert!(found["detail"].as_str().expect("words").contains("is a gap"), "{found}");
    let mut client = comes_back_to_a_gap(&mut server, client, "slot").await;
    database.insert_numbers(6..8).await;
    assert_eq!(told_until(&mut client, 7).await.numbers(), [6, 7]);
}

#[tokio::test]
async fn g2_changes_from_before_the_publication_was_made_anew_are_a_gap_and_followed_on() {
    let database = PostgresDatabase::new().await;
    let (mut server, client) = watched_for_a_while(&database).await;
    database.run(&format!("DROP PUBLICATION {}", database.slot())).await;
    database.insert_numbers(3..6).await;
    let mut client = comes_back_to_a_gap(&mut server, client, "publication").await;
    until("a source that is live", async || {
        server.get_json("/sources").await["sources"][0]["state"] == "live"
    })
    .await;
    database.insert_numbers(6..8).await;
    assert_eq!(told_until(&mut client, 7).await.numbers(), [6, 7]);
}
