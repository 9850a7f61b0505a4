//! Which tables are watched, and which cannot be.

use serde_json::json;

use super::{failure, watched_in_vain, watched_with};
use crate::mongodb::news_of;
use crate::support::{PostgresDatabase, Subscriber};

#[tokio::test]
async fn g8_a_table_without_a_key_is_not_broken_by_being_watched() {
    let database = PostgresDatabase::new().await;
    database.run("CREATE TABLE bare (n int); INSERT INTO bare VALUES (1)").await;
    let (_server, mut client) = watched_in_vain(&database.source("&table=bare")).await;
    let remedy = "ALTER TABLE \"public\".\"bare\" REPLICA IDENTITY FULL";
    failure(&mut client, "\"bare\" has no primary key", remedy).await;
    database.run("UPDATE bare SET n = 2").await;

    database.run(remedy).await;
    news_of(&mut client, "live").await;
    database.run("UPDATE bare SET n = 3").await;
    let update = client.change().await.change.0;
    assert_eq!(update["fullDocument"], json!({"n": 3}));
    assert_eq!(update["fullDocumentBeforeChange"], json!({"n": 2}));
    assert_eq!(update.get("documentKey"), None);
}

#[tokio::test]
async fn a_missing_table_is_told_and_watched_once_it_is_there() {
    let database = PostgresDatabase::new().await;
    let (_server, mut client) = watched_in_vain(&database.source("&table=later")).await;
    failure(&mut client, "there is no table \"later\"", "create it").await;
    database.run("CREATE TABLE later (id int PRIMARY KEY)").await;
    news_of(&mut client, "live").await;
    database.run("INSERT INTO later VALUES (7)").await;
    assert_eq!(client.change().await.change.document(), &json!({"id": 7}));
}

#[tokio::test]
async fn schemas_are_watched_as_a_whole_and_names_are_never_run() {
    let database = PostgresDatabase::new().await;
    let odd = r#"odd"".log'; DROP TABLE items; --"#;
    database.run("CREATE SCHEMA audit").await;
    database.run(&format!("CREATE TABLE audit.\"{odd}\" (\"a\"\"b\" int PRIMARY KEY)")).await;
    database.run("CREATE TABLE unwatched (id int PRIMARY KEY)").await;
    let (server, mut client) = watched_with(&database.source("&table=audit.*")).await;
    database.run("INSERT INTO unwatched VALUES (1)").await;
    database.run(&format!("INSERT INTO audit.\"{odd}\" VALUES (2)")).await;
    let event = client.change().await.change.0;
    assert_eq!(event["ns"]["coll"], r#"audit.odd".log'; DROP TABLE items; --"#);
    assert_eq!(event["documentKey"], json!({"a\"b": 2}));
    let topics = server.get_json("/sources").await["sources"][0]["topics"].clone();
    let name = &database.name;
    assert_eq!(topics, json!([format!("{name}.audit.*"), format!("{name}.items")]));
}

#[tokio::test]
async fn without_a_table_all_are_watched_also_new_ones_and_partitions_by_their_whole() {
    let database = PostgresDatabase::new().await;
    let (_server, mut client) = watched_with(&database.source_with("table=*")).await;
    database.run("CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id)").await;
    database.run("CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10)").await;
    database.run("INSERT INTO parts VALUES (3)").await;
    let event = client.change().await.change.0;
    assert_eq!(event["ns"]["coll"], "parts");
}

#[tokio::test]
async fn a_column_that_is_added_is_told_from_then_on() {
    let database = PostgresDatabase::new().await;
    let (_server, mut client) = watched_with(&database.source("")).await;
    database.run("INSERT INTO items VALUES (1, 1)").await;
    database.run("ALTER TABLE items ADD colour text DEFAULT 'red'").await;
    database.run("INSERT INTO items VALUES (2, 2)").await;
    database.run("ALTER TABLE items DROP n").await;
    database.run("INSERT INTO items VALUES (3, 'blue')").await;
    for expected in [
        json!({"id": 1, "n": 1}),
        json!({"id": 2, "n": 2, "colour": "red"}),
        json!({"id": 3, "colour": "blue"}),
    ] {
        assert_eq!(client.change().await.change.document(), &expected);
    }
}
