//! Storage that fails while the log is in use: nothing half-written, nothing shown, and all is
//! well again once the cause is gone.

use std::path::Path;

use rusqlite::Connection;

use super::support::{batch, batch_at, change, changes, read_all, seqs, tail_of};
use crate::log::{Log, LogError, LogSize, Retention, SqliteLog};
use crate::model::{Position, Seq, TopicSet};

fn open(path: &Path) -> SqliteLog {
    SqliteLog::open(path, Retention::default()).unwrap()
}

fn fill_disk(connection: &mut Connection) {
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    connection.pragma_update_and_check(None, "max_page_count", pages + 2, |_| Ok(())).unwrap();
}

fn free_disk(connection: &mut Connection) {
    connection.pragma_update_and_check(None, "max_page_count", i64::MAX, |_| Ok(())).unwrap();
}

fn forbid_writing(connection: &mut Connection) {
    connection.pragma_update(None, "query_only", true).unwrap();
}

fn allow_writing(connection: &mut Connection) {
    connection.pragma_update(None, "query_only", false).unwrap();
}

fn fail_commits(connection: &mut Connection) {
    connection.commit_hook(Some(|| true)).unwrap();
}

fn let_commits_pass(connection: &mut Connection) {
    connection.commit_hook(None::<fn() -> bool>).unwrap();
}

/// A transaction that the failed write has left open.
fn leave_open(connection: &mut Connection) {
    connection.execute_batch("BEGIN IMMEDIATE; UPDATE log SET last_seq = 99").unwrap();
}

type Act = fn(&mut Connection);

/// A cause of failure, how it goes, and a word that the fault has.
const CAUSES: [(Act, Act, &str); 3] = [
    (fill_disk, free_disk, "full"),
    (forbid_writing, allow_writing, "readonly"),
    (fail_commits, let_commits_pass, "constraint"),
];

/// The log as it was after one append, and saying so.
async fn check_unmoved(log: &SqliteLog, word: &str) {
    let fault = log.fault().unwrap_or_default();
    assert!(fault.to_lowercase().contains(word), "{word:?} is not in {fault:?}");
    assert_eq!(tail_of(log), Seq(1));
    assert_eq!(log.position("a").await.unwrap(), Some(Position::new("p1")));
    assert_eq!(log.size().entry_count, 1);
    assert_eq!(log.topics().len(), 1);
    let (entries, lost_to) = read_all(log, Seq::ZERO, &TopicSet::all()).await;
    assert_eq!((seqs(&entries), lost_to), (vec![1], None));
}

fn large() -> Vec<crate::model::Body> {
    vec![change("a.new", vec![b'x'; 100_000])]
}

#[tokio::test]
async fn g9_an_append_that_cannot_be_stored_fails_as_a_whole_and_the_next_one_heals() {
    for (harm, heal, word) in CAUSES {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        let log = open(&path);
        log.append(batch_at("a", changes("a.x", 1), "p1")).await.unwrap();
        log.sabotage(harm).await;
        for _ in 0..3 {
            let failed = log.append(batch_at("a", large(), "p2")).await;
            assert!(matches!(failed, Err(LogError::Storage(_))), "{word}: {failed:?}");
            check_unmoved(&log, word).await;
        }
        log.sabotage(heal).await;
        assert_eq!(log.append(batch_at("a", large(), "p2")).await.unwrap(), Seq(2), "{word}");
        assert_eq!(log.fault(), None);
        let epoch = log.epoch();
        log.close().await;
        let log = open(&path);
        assert_eq!((log.epoch(), tail_of(&log)), (epoch, Seq(2)));
        assert_eq!(log.position("a").await.unwrap(), Some(Position::new("p2")));
    }
}

#[tokio::test]
async fn g9_a_fault_ends_by_itself_while_nobody_appends() {
    for (harm, heal, word) in CAUSES {
        let dir = tempfile::tempdir().unwrap();
        let log = open(&dir.path().join("log.db"));
        log.append(batch_at("a", changes("a.x", 1), "p1")).await.unwrap();
        log.sabotage(harm).await;
        log.append(batch_at("a", large(), "p2")).await.unwrap_err();
        for _ in 0..3 {
            log.tend().await;
            check_unmoved(&log, word).await;
        }
        log.sabotage(heal).await;
        log.tend().await;
        assert_eq!(log.fault(), None, "{word}");
        assert_eq!(tail_of(&log), Seq(1), "a probe is no entry");
        assert_eq!(log.append(batch("a", changes("a.x", 1))).await.unwrap(), Seq(2));
    }
}

/// There is room for little, but not for what was to be written: the fault stays.
#[tokio::test]
async fn g9_a_probe_needs_as_much_room_as_what_failed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"));
    log.append(batch_at("a", changes("a.x", 1), "p1")).await.unwrap();
    let room_for_pages = |count: i64| {
        move |connection: &mut Connection| {
            let pages: i64 =
                connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
            connection
                .pragma_update_and_check(None, "max_page_count", pages + count, |_| Ok(()))
                .unwrap();
        }
    };
    log.sabotage(room_for_pages(100)).await;
    let larger = vec![change("a.x", vec![b'x'; 1 << 20])];
    log.append(batch("a", larger)).await.unwrap_err();
    log.tend().await;
    assert!(log.fault().is_some());
    log.sabotage(room_for_pages(400)).await;
    log.tend().await;
    assert_eq!(log.fault(), None);
}

#[tokio::test]
async fn g7_a_transaction_left_in_doubt_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"));
    log.append(batch_at("a", changes("a.x", 1), "p1")).await.unwrap();
    log.sabotage(leave_open).await;
    log.append(batch("a", changes("a.x", 1))).await.unwrap_err();
    assert_eq!(log.append(batch("a", changes("a.x", 1))).await.unwrap(), Seq(2));
    let (entries, lost_to) = read_all(&log, Seq::ZERO, &TopicSet::all()).await;
    assert_eq!((seqs(&entries), lost_to, log.size().entry_count), (vec![1, 2], None, 2));
}

#[tokio::test]
async fn an_empty_log_has_no_fault_and_a_tended_one_none_either() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"));
    log.tend().await;
    assert_eq!((log.fault(), log.size()), (None, LogSize::default()));
}
