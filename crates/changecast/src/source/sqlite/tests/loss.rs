//! What is pruned, and that a stream says so where it needed it.

use super::watching::{insert, next_id};
use super::*;
use crate::limits;
use crate::source::{Documents as _, Write};

#[track_caller]
fn assert_lost(outcome: Result<impl Sized, SourceError>, reason: &str) {
    match outcome.map(|_| ()) {
        Err(SourceError::HistoryLost(found)) => assert!(found.contains(reason), "{found}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn another_database_is_lost_history() {
    let position = Fixture::new().watch().await.resume_token().unwrap().clone();
    assert_lost(Fixture::new().watch_after(&position).await, "another database");
    let foreign = Position::new("resume token");
    assert_lost(Fixture::new().watch_after(&foreign).await, "does not belong");
}

#[tokio::test]
async fn a_restored_database_is_lost_history() {
    let fixture = Fixture::new();
    insert(&fixture.connection(), 0..1);
    let copy = fixture.directory.path().join("copy.db");
    let backup = fixture.connection();
    backup.execute("VACUUM INTO ?", [copy.to_str().unwrap()]).unwrap();
    let mut stream = fixture.watch().await;
    insert(&fixture.connection(), 1..3);
    next_id(&mut stream).await;
    let position = stream.resume_token().unwrap().clone();

    let store = SqliteStore::open(&copy, "test").unwrap();
    let options = || WatchOptions::new().start_after(position.clone());
    assert_lost(store.watch(options()).await, "older than the position");
    std::thread::sleep(Duration::from_millis(2));
    insert(&Connection::open(&copy).unwrap(), 5..9);
    assert_lost(store.watch(options()).await, "another course");
}

#[tokio::test]
async fn a_pruned_position_is_lost_history() {
    let fixture = Fixture::new();
    let position = fixture.watch().await.resume_token().unwrap().clone();
    let connection = fixture.connection();
    insert(&connection, 0..10);
    connection.execute_batch("DELETE FROM changelog WHERE id <= 1").unwrap();
    assert_lost(fixture.watch_after(&position).await, "no longer has");
    connection.execute_batch("DELETE FROM changelog").unwrap();
    assert_lost(fixture.watch_after(&position).await, "no longer has");
}

#[tokio::test]
async fn pruning_under_a_stream_is_lost_history() {
    for pruned in ["DELETE FROM changelog", "DELETE FROM changelog WHERE id = 3"] {
        let fixture = Fixture::new();
        let mut stream = fixture.watch().await;
        let connection = fixture.connection();
        connection.execute_batch("BEGIN").unwrap();
        insert(&connection, 0..5);
        connection.execute_batch(&format!("{pruned}; COMMIT")).unwrap();
        let mut delivered = 0;
        let end = loop {
            match next(&mut stream).await {
                Ok(_) => delivered += 1,
                Err(error) => break error,
            }
        };
        assert_lost(Err::<(), _>(end), "no longer has");
        assert!(delivered <= 2, "{delivered}");
    }
}

#[tokio::test]
async fn what_is_acknowledged_is_pruned_save_the_newest() {
    let fixture = Fixture::new();
    let connection = fixture.connection();
    let mut stream = fixture.watch().await;
    connection.execute_batch("BEGIN").unwrap();
    insert(&connection, 0..3500);
    connection
        .execute_batch("COMMIT; INSERT OR IGNORE INTO document VALUES ('c', 1, '{}')")
        .unwrap();
    for _ in 0..3500 {
        let position = next(&mut stream).await.unwrap().position.unwrap();
        fixture.store.acknowledge(&position).await;
    }
    // Prunings come before this write is answered.
    fixture.store.write("c", "last", Write::Put("{}".into())).await.unwrap();
    let (oldest, pending): (i64, i64) = connection
        .query_row(
            "SELECT min(id), (SELECT count(*) FROM changelog_pending) FROM changelog",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(oldest, 2002, "pruned at 1001 and at 2001");
    assert_eq!(pending, 0);
    assert!(3500 - oldest >= limits::CHANGELOG_KEPT_ROWS);
}
