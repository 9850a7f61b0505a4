//! What only the stored log promises: it survives restarts, refuses what it does not understand,
//! and its file, its memory and its readers never disagree.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::support::{batch, batch_at, change, changes, gap, read_all, seqs, tail_of, topics};
use crate::limits;
use crate::log::{Log, LogError, LogSize, Retention, SqliteLog, TopicState};
use crate::model::{Position, Seq, TopicSet};

fn open(path: &Path, retention: Retention) -> Arc<SqliteLog> {
    Arc::new(SqliteLog::open(path, retention).unwrap())
}

fn sorted_topics(log: &SqliteLog) -> Vec<(Arc<str>, Arc<str>, u64, u64)> {
    let flat = |state: TopicState| (state.topic, state.source, state.last_seq, state.trimmed_seq);
    let mut all: Vec<_> = log.topics().into_iter().map(flat).collect();
    all.sort();
    all
}

#[tokio::test]
async fn g5_reopening_keeps_epoch_order_positions_topics_and_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let retention = Retention { entries_max: 64, ..Retention::default() };
    let log = open(&path, retention);
    log.append(batch_at("a", changes("a.x", 50), "p1")).await.unwrap();
    log.append(batch_at("b", vec![gap("b.*"), change("b.y.z", "{}")], "q1")).await.unwrap();
    log.append(batch_at("a", changes("a.w", 30), "p2")).await.unwrap();
    let before = (log.epoch(), tail_of(&*log), sorted_topics(&log), log.size());
    let (entries, lost_to) = read_all(&*log, Seq::ZERO, &TopicSet::all()).await;
    assert!(lost_to.is_some() && before.3 != LogSize::default());
    log.close().await;
    drop(log);

    let log = open(&path, retention);
    assert_eq!((log.epoch(), tail_of(&*log), sorted_topics(&log), log.size()), before);
    let after = read_all(&*log, Seq::ZERO, &TopicSet::all()).await;
    assert_eq!(after, (entries, lost_to), "entries, their times included, are the same");
    assert_eq!(log.position("a").await.unwrap(), Some(Position::new("p2")));
    assert_eq!(log.position("b").await.unwrap(), Some(Position::new("q1")));
    assert_eq!(log.append(batch("a", changes("a.x", 1))).await.unwrap(), before.1.next());
}

#[tokio::test]
async fn a_new_log_has_an_epoch_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let one = open(&dir.path().join("one.db"), Retention::default());
    let two = open(&dir.path().join("two.db"), Retention::default());
    assert_ne!(one.epoch(), two.epoch());
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_with_its_path_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    open(&path, Retention::default()).close().await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let Err(error) = SqliteLog::open(&path, Retention::default()) else {
        panic!("a newer file was opened")
    };
    assert!(matches!(error, LogError::Newer { found: 99, .. }), "{error:?}");
    let text = error.to_string();
    for part in [path.to_str().unwrap(), "99", "newer changecast", "--data"] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn what_memory_no_longer_holds_is_read_from_disk_as_it_was_appended() {
    const SIZE: usize = 256 << 10;
    let count = limits::RECENT_BYTES_MAX / SIZE * 3 / 2;
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"), Retention::default());
    let bodies: Vec<_> = (0..count)
        .map(|index| change(["a.x", "a.y"][index % 2], vec![b'a' + (index % 26) as u8; SIZE]))
        .collect();
    for pair in bodies.chunks(2) {
        log.append(batch("a", pair.to_vec())).await.unwrap();
    }
    for set in [TopicSet::all(), topics("a.y")] {
        let (read, lost_to) = read_all(&*log, Seq::ZERO, &set).await;
        let read: Vec<_> = read.iter().map(|entry| entry.body.clone()).collect();
        let is_chosen = |index: usize| set.is_all() || index % 2 == 1;
        let expected: Vec<_> = (0..count)
            .filter(|index| is_chosen(*index))
            .map(|index| bodies[index].clone())
            .collect();
        assert!(read == expected, "{set}: {} of {}", read.len(), expected.len());
        assert_eq!(lost_to, None);
    }
}

#[tokio::test]
async fn g7_the_tail_moves_only_after_the_file_has_the_entries() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let log = open(&path, Retention::default());
    let mut tail = log.tail();
    let writer = {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            for index in 0..40 {
                let position = index.to_string();
                log.append(batch_at("a", changes("a.x", 1), &position)).await.unwrap();
            }
        })
    };
    let file = Connection::open(&path).unwrap();
    while *tail.borrow_and_update() < Seq(40) {
        tail.changed().await.unwrap();
        let shown = tail.borrow_and_update().0 as i64;
        let stored: i64 =
            file.query_row("SELECT max(seq) FROM entry", [], |row| row.get(0)).unwrap();
        assert!(stored >= shown, "{shown} was shown, {stored} is in the file");
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn g9_a_write_that_fails_stores_nothing_and_the_next_one_heals() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let log = open(&path, Retention::default());
    log.append(batch_at("a", changes("a.x", 1), "p1")).await.unwrap();
    let saboteur = Connection::open(&path).unwrap();
    saboteur
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON entry WHEN new.seq = 4
             BEGIN SELECT RAISE(ABORT, 'disk full'); END",
        )
        .unwrap();
    let failed = log.append(batch_at("a", changes("a.new", 5), "p2")).await;
    assert!(matches!(failed, Err(LogError::Storage(_))), "{failed:?}");
    assert!(log.fault().unwrap().contains("disk full"));
    assert_eq!(tail_of(&*log), Seq(1));
    assert_eq!(log.position("a").await.unwrap(), Some(Position::new("p1")));
    assert_eq!(log.size().entry_count, 1);

    saboteur.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(log.append(batch_at("a", changes("a.new", 5), "p2")).await.unwrap(), Seq(6));
    assert_eq!(log.fault(), None);
    log.close().await;
    drop(log);
    let log = open(&path, Retention::default());
    let (entries, _) = read_all(&*log, Seq::ZERO, &topics("a.new")).await;
    assert_eq!(seqs(&entries), [2, 3, 4, 5, 6]);
}

/// The page of a log that is being trimmed lacks entries only if it says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_a_page_read_while_the_log_is_trimmed_says_what_it_lacks() {
    const LAST: u64 = 1_500;
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention { entries_max: 64, ..Retention::default() };
    let log = open(&dir.path().join("log.db"), retention);
    log.append(batch("a", changes("a.x", 1))).await.unwrap();
    let readers: Vec<_> = [TopicSet::all(), topics("a.x")]
        .into_iter()
        .map(|set| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                while tail_of(&*log) < Seq(LAST) {
                    // At the edge, where memory still reaches, and right before it, on disk.
                    let edge = log.trimmed(&set);
                    for after in [edge, Seq(edge.0.saturating_sub(1))] {
                        let page = log.read(after, &set).await.unwrap();
                        let known_to = page.lost_to.unwrap_or(after);
                        let expected: Vec<_> = (known_to.0 + 1..=page.covered.0).collect();
                        assert_eq!(seqs(&page.entries), expected, "{after}: {:?}", page.lost_to);
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..LAST / 5 {
        log.append(batch("a", changes("a.x", 5))).await.unwrap();
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

/// A topic that appears while a page is read is not jumped over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_a_page_read_while_topics_appear_lacks_none_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let log = open(&path, Retention::default());
    log.append(batch("s", changes("s.first", 1))).await.unwrap();
    log.close().await;
    drop(log);
    // Opened anew, all that follows place 0 is read from the file.
    let log = open(&path, Retention::default());
    let count = limits::MERGED_TOPICS_MAX as u64 - 1;
    let reader = {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let set = topics("s.*");
            let mut covered = Seq::ZERO;
            while covered < Seq(count) {
                let page = log.read(Seq::ZERO, &set).await.unwrap();
                covered = page.covered;
                assert_eq!(seqs(&page.entries), (1..=covered.0).collect::<Vec<_>>());
            }
        })
    };
    for index in 1..count {
        log.append(batch("s", changes(&format!("s.t{index}"), 1))).await.unwrap();
    }
    reader.await.unwrap();
}
