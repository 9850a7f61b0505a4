//! What happens to files: replaced, rebuilt, locked, full.

use super::*;
use crate::support::until;

async fn followed(database: &Database) -> (TestServer, NdjsonClient) {
    database.install(&["orders"]).await;
    let server = TestServer::start_with(&[&database.source("")]).await;
    let mut client = NdjsonClient::follow(&server, "").await;
    client.hello().await;
    (server, client)
}

/// The next changes are of these rows.
async fn check_ids(client: &mut NdjsonClient, ids: std::ops::Range<i64>) {
    for id in ids {
        assert_eq!(client.change().await.change.0["documentKey"]["id"], id);
    }
}

fn insert(database: &Database, id: i64) {
    database.execute(&format!("INSERT INTO orders (id) VALUES ({id})"));
}

/// Without a write-ahead log: with one, a file that is replaced under a program is damaged.
fn plain() -> Database {
    let database = Database::new(ORDERS);
    database.execute("PRAGMA journal_mode = delete");
    database
}

#[tokio::test]
async fn g2_another_database_in_its_place_is_a_gap_and_is_followed() {
    let (database, other) = (plain(), plain());
    other.install(&["orders"]).await;
    insert(&other, 100);
    let (server, mut client) = followed(&database).await;
    insert(&database, 1);
    check_ids(&mut client, 1..2).await;
    std::fs::rename(other.path(), database.path()).expect("renamed");
    let gap = client.gap().await;
    assert!(gap["reason"].as_str().is_some_and(|why| why.contains("another database")), "{gap}");
    insert(&database, 101);
    check_ids(&mut client, 101..102).await;
    let source = source(&server).await;
    assert_eq!((&source["state"], &source["gap_count"]), (&json!("live"), &json!(1)), "{source}");
}

#[tokio::test]
async fn vacuum_and_another_journal_mode_cost_nothing() {
    let database = plain();
    let (server, mut client) = followed(&database).await;
    insert(&database, 1);
    database.execute("VACUUM");
    insert(&database, 2);
    check_ids(&mut client, 1..3).await;
    // Whoever reads just now is in the way for a moment.
    let set = async |mode: &str| {
        until("another journal mode", async || {
            let connection = database.connection();
            let set = connection.pragma_update(None, "journal_mode", mode);
            let now = || connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
            set.is_ok() && now().is_ok_and(|now: String| now == mode)
        })
        .await;
    };
    set("wal").await;
    insert(&database, 3);
    database.execute("VACUUM");
    insert(&database, 4);
    check_ids(&mut client, 3..5).await;
    let source = source(&server).await;
    assert_eq!((&source["state"], &source["gap_count"]), (&json!("live"), &json!(0)), "{source}");
}

#[tokio::test]
async fn g9_a_file_that_is_locked_for_long_is_waited_for_and_nothing_is_lost() {
    let database = plain();
    let (server, mut client) = followed(&database).await;
    insert(&database, 1);
    check_ids(&mut client, 1..2).await;
    let writer = database.connection();
    writer
        .execute_batch("BEGIN EXCLUSIVE; INSERT INTO orders (id) VALUES (2), (3)")
        .expect("it has the lock");
    until("a lock that is told", async || {
        let error = source(&server).await["error"].clone();
        error.as_str().is_some_and(|error| error.contains("locked"))
    })
    .await;
    writer.execute_batch("COMMIT").expect("committed");
    insert(&database, 4);
    check_ids(&mut client, 2..5).await;
    assert_eq!(source(&server).await["gap_count"], 0);
}

#[tokio::test]
async fn a_writer_whose_disk_is_full_leaves_no_change_behind() {
    let database = Database::new(ORDERS);
    let (_server, mut client) = followed(&database).await;
    let connection = database.connection();
    let write = |id: i64| {
        let sql = "INSERT INTO orders (id, note) VALUES (?, hex(zeroblob(20000)))";
        connection.execute(sql, [id])
    };
    write(1).expect("there is room");
    let pages: i64 =
        connection.pragma_query_value(None, "page_count", |row| row.get(0)).expect("a count");
    connection.pragma_update(None, "max_page_count", pages + 40).expect("a limit");
    let refused = (2..100).find(|&id| write(id).is_err()).expect("it is full");
    connection.pragma_update(None, "max_page_count", 1_000_000).expect("a limit");
    for id in refused..refused + 3 {
        write(id).expect("there is room again");
    }
    check_ids(&mut client, 1..refused + 3).await;
}
