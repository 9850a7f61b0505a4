//! Much at once.

use crate::mongodb::told_until;
use crate::support::{NdjsonClient, Postgres, PostgresDatabase, Subscriber};

use super::{watched, watched_with};

/// What the process may hold in memory, at most: mebibytes. The rows of the test are more.
const MEMORY_MAX_MIB: u64 = 400;

#[tokio::test]
async fn g10_a_transaction_of_200_000_rows_does_not_have_to_fit_the_memory() {
    const ROWS: i64 = 200_000;
    // Its own server: in a shared one, every new slot would wait for the end of the transaction.
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    database.run("ALTER TABLE items ADD note text").await;
    let (mut server, client) = watched(&database).await;
    drop(client);
    database
        .run(&format!(
            "INSERT INTO items SELECT i, i, repeat('x', 4000) FROM generate_series(0, {}) i",
            ROWS - 1
        ))
        .await;
    let mut client = NdjsonClient::follow(&server, "since=earliest").await;
    client.hello().await;
    let mut count = 0;
    while count < ROWS {
        let entry = client.change().await;
        assert_eq!(entry.change.document()["n"], count);
        assert_eq!(entry.change.0["txn"]["last"], count == ROWS - 1);
        count += 1;
    }
    let peak = server.process().memory_peak_mib();
    assert!(peak < MEMORY_MAX_MIB, "{peak} MiB");
}

#[tokio::test]
async fn g2_a_row_of_100_megabytes_is_told_without_its_value_and_the_stream_goes_on() {
    let database = PostgresDatabase::new().await;
    database.run("ALTER TABLE items ADD note text").await;
    let (_server, mut client) = watched_with(&database.source("")).await;
    database.run("INSERT INTO items VALUES (1, 1, repeat('\"', 100000000))").await;
    database.run("INSERT INTO items VALUES (2, 2, 'small')").await;
    let told = told_until(&mut client, 2).await;
    assert_eq!(told.numbers(), [1, 2]);
    let huge = &told.changes[0].change.0;
    assert_eq!(huge["unavailable"], serde_json::json!(["fullDocument.note"]));
}

#[tokio::test]
async fn invalid_utf8_is_replaced_and_stops_nothing() {
    let database = PostgresDatabase::new_ascii().await;
    let (server, mut client) = watched(&database).await;
    database.run("ALTER TABLE items ADD note text").await;
    database.run("INSERT INTO items VALUES (1, 1, convert_from('\\xff41', 'SQL_ASCII'))").await;
    let event = client.change().await.change.0;
    assert_eq!(event["fullDocument"]["note"], "\u{fffd}A");
    let name = format!("changecast_source_replaced_text_total{{source=\"{}\"}}", database.name);
    server.metric_becomes(&name, 1).await;
}
