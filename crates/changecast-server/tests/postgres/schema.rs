//! Tables that become others while they are watched.

use serde_json::json;

use super::{failure, watched, watched_in_vain, watched_with};
use crate::mongodb::{news_of, told_until};
use crate::support::{PostgresDatabase, SseClient, Subscriber, TestServer};

#[tokio::test]
async fn a_column_that_is_renamed_or_of_another_type_is_told_so_from_then_on() {
    let database = PostgresDatabase::new().await;
    let (server, mut client) = watched(&database).await;
    for sql in [
        "INSERT INTO items VALUES (1, 1)",
        "ALTER TABLE items RENAME n TO count",
        "INSERT INTO items VALUES (2, 2)",
        "ALTER TABLE items ALTER count TYPE text USING 'x' || count",
        "INSERT INTO items VALUES (3, '3')",
        "BEGIN; INSERT INTO items VALUES (4, '4'); ALTER TABLE items RENAME count TO n;
         INSERT INTO items VALUES (5, '5'); COMMIT",
    ] {
        database.run(sql).await;
    }
    for expected in [
        json!({"id": 1, "n": 1}),
        json!({"id": 2, "count": 2}),
        json!({"id": 3, "count": "3"}),
        json!({"id": 4, "count": "4"}),
        json!({"id": 5, "n": "5"}),
    ] {
        assert_eq!(client.change().await.change.document(), &expected);
    }
    assert_eq!(server.get_json("/sources").await["sources"][0]["gap_count"], 0);
}

/// The gap that tells of a table which nobody had published.
async fn made_anew(client: &mut SseClient) {
    let gap = client.gap().await;
    let reason = gap["reason"].as_str().expect("words");
    assert!(reason.contains("\"items\" was made anew"), "{gap}");
}

#[tokio::test]
async fn g2_a_table_made_anew_while_it_is_watched_is_a_gap_and_followed_on() {
    let database = PostgresDatabase::new().await;
    database.run("CREATE TABLE others (n int PRIMARY KEY)").await;
    let (server, mut client) = watched_with(&database.source("&table=others")).await;
    database.insert_numbers(0..2).await;
    database.run("DROP TABLE items; INSERT INTO others VALUES (2)").await;
    assert_eq!(told_until(&mut client, 2).await.numbers(), [0, 1, 2], "the others go on");
    database.run("CREATE TABLE items (id bigint PRIMARY KEY, n bigint)").await;
    database.run("INSERT INTO items VALUES (7, 7)").await;
    made_anew(&mut client).await;
    database.insert_numbers(8..10).await;
    assert_eq!(told_until(&mut client, 9).await.numbers(), [8, 9], "nothing comes twice");
    // Under its name, another one.
    database
        .run("ALTER TABLE items RENAME TO old; CREATE TABLE items (LIKE old INCLUDING ALL)")
        .await;
    made_anew(&mut client).await;
    database.insert_numbers(10..12).await;
    assert_eq!(told_until(&mut client, 11).await.numbers(), [10, 11]);
    assert_eq!(server.get_json("/sources").await["sources"][0]["gap_count"], 2);
}

#[tokio::test]
async fn g2_a_table_made_anew_while_nobody_looked_is_a_gap_and_followed_on() {
    let database = PostgresDatabase::new().await;
    let (mut server, mut client) = watched(&database).await;
    database.insert_numbers(0..2).await;
    told_until(&mut client, 1).await;
    server.terminate().await;
    database.run("DROP TABLE items").await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    failure(&mut client, "there is no table \"items\"", "create it").await;
    database.run("CREATE TABLE items (id bigint PRIMARY KEY, n bigint)").await;
    made_anew(&mut client).await;
    database.insert_numbers(2..4).await;
    assert_eq!(told_until(&mut client, 3).await.numbers(), [2, 3]);
}

#[tokio::test]
async fn g2_a_publication_dropped_while_it_is_read_is_a_gap_and_followed_on() {
    let database = PostgresDatabase::new().await;
    let (_server, mut client) = watched(&database).await;
    database.insert_numbers(0..2).await;
    told_until(&mut client, 1).await;
    database.run(&format!("DROP PUBLICATION {}", database.slot())).await;
    let gap = client.gap().await;
    assert!(gap["reason"].as_str().is_some_and(|it| it.contains("publication")), "{gap}");
    database.insert_numbers(2..4).await;
    assert_eq!(told_until(&mut client, 3).await.numbers(), [2, 3]);
}

/// Two partitions, and a changecast that watches the whole, which cannot be live yet.
async fn partitioned(database: &PostgresDatabase) -> (TestServer, SseClient) {
    database.run("CREATE TABLE parts (id int, n int) PARTITION BY RANGE (id)").await;
    for (name, from) in [("low", 0), ("high", 10)] {
        let to = from + 10;
        let sql =
            format!("CREATE TABLE {name} PARTITION OF parts FOR VALUES FROM ({from}) TO ({to})");
        database.run(&sql).await;
    }
    watched_in_vain(&database.source("&table=parts")).await
}

#[tokio::test]
async fn g8_partitions_without_a_key_are_not_broken_by_being_watched() {
    let database = PostgresDatabase::new().await;
    let (_server, mut client) = partitioned(&database).await;
    database.run("INSERT INTO parts VALUES (1, 1)").await;
    let whole = "ALTER TABLE \"public\".\"parts\" REPLICA IDENTITY FULL;";
    failure(&mut client, "\"parts\" has no primary key", whole).await;
    // That of the whole says nothing of its partitions.
    database.run(whole).await;
    let low = "ALTER TABLE \"public\".\"low\" REPLICA IDENTITY FULL;";
    failure(&mut client, "\"high\" has no primary key", low).await;
    database.run("UPDATE parts SET n = 2").await;
    database.run(low).await;
    database.run("ALTER TABLE high REPLICA IDENTITY FULL").await;
    news_of(&mut client, "live").await;
    database.run("UPDATE parts SET n = 3; UPDATE parts SET id = 11").await;
    let update = client.change().await.change.0;
    assert_eq!(update["ns"]["coll"], "parts");
    assert_eq!(update["fullDocument"], json!({"id": 1, "n": 3}));
    // To another partition: gone from the one, new in the other.
    let moved = client.changes(2).await;
    let told = |at: usize| moved[at].change.0["operationType"].clone();
    assert_eq!((told(0), told(1)), (json!("delete"), json!("insert")));
    assert_eq!(moved[1].change.document(), &json!({"id": 11, "n": 3}));
}

#[tokio::test]
async fn g2_a_publication_that_tells_of_partitions_only_is_told_and_mended_without_a_restart() {
    let database = PostgresDatabase::new().await;
    database.run("CREATE TABLE whole (id int PRIMARY KEY) PARTITION BY RANGE (id)").await;
    database.run("CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (10)").await;
    database.run("CREATE PUBLICATION mine FOR TABLE items, whole").await;
    let source = database.source("&table=whole&publication=mine");
    let (_server, mut client) = watched_in_vain(&source).await;
    let mend = "ALTER PUBLICATION \"mine\" SET (publish_via_partition_root = true);";
    failure(&mut client, "as its partitions'", mend).await;
    database.run(mend).await;
    news_of(&mut client, "live").await;
    database.run("INSERT INTO whole VALUES (3)").await;
    assert_eq!(client.change().await.change.0["ns"]["coll"], "whole");
}

#[tokio::test]
async fn an_unlogged_table_is_told_and_mended_without_a_restart() {
    let database = PostgresDatabase::new().await;
    database.run("CREATE UNLOGGED TABLE quick (id int PRIMARY KEY)").await;
    let (_server, mut client) = watched_in_vain(&database.source("&table=quick")).await;
    let mend = "ALTER TABLE \"public\".\"quick\" SET LOGGED;";
    failure(&mut client, "\"quick\" is unlogged", mend).await;
    database.run(mend).await;
    news_of(&mut client, "live").await;
    database.run("INSERT INTO quick VALUES (3)").await;
    assert_eq!(client.change().await.change.document(), &json!({"id": 3}));
}
