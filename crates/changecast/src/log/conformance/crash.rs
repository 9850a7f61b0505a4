//! Dying in the midst of writing: the files are copied while appends are under way, which is what
//! a crash leaves behind, and the copy is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::support::{batch_at, change, read_all, seqs, tail_of};
use crate::log::{Log, Retention, SqliteLog};
use crate::model::{Body, Entry, Position, Seq, TopicSet};

const WRITERS: usize = 3;

/// Copies the file, then its write-ahead log. Too little is written here for a checkpoint, so the
/// file itself stands still and the two belong together.
fn copy(from: &Path, into: &Path) -> PathBuf {
    let copy = into.join("log.db");
    std::fs::copy(from, &copy).unwrap();
    let wal = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    std::fs::copy(wal(from), wal(&copy)).unwrap();
    copy
}

/// One change that says which batch of its writer it is of, and its place in it.
fn bodies(writer: usize, index: usize) -> Vec<Body> {
    (0..=index % 3).map(|part| change(&format!("s{writer}.x"), format!("{index}.{part}"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g4_g7_a_crash_leaves_a_prefix_and_each_position_is_that_of_its_last_batch() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let log = Arc::new(SqliteLog::open(&path, Retention::default()).unwrap());
    let epoch = log.epoch();
    let enough = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (log, enough) = (Arc::clone(&log), Arc::clone(&enough));
            tokio::spawn(async move {
                // Some 200 pages of write-ahead log each at most: a checkpoint comes at 1,000.
                for index in 0..60 {
                    if enough.load(Ordering::Relaxed) {
                        break;
                    }
                    let source = format!("s{writer}");
                    let batch = batch_at(&source, bodies(writer, index), &index.to_string());
                    log.append(batch).await.unwrap();
                }
            })
        })
        .collect();

    let mut copies = Vec::new();
    let mut tail = log.tail();
    for _ in 0..12 {
        // One more commit, then a copy in the midst of the next.
        if tail.changed().await.is_err() {
            break;
        }
        let durable = *tail.borrow_and_update();
        let into = tempfile::tempdir().unwrap();
        let copied = copy(&path, into.path());
        copies.push((durable, copied, into));
    }
    enough.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let (original, _) = read_all(&*log, Seq::ZERO, &TopicSet::all()).await;
    for (durable, copied, _into) in copies {
        let survivor = SqliteLog::open(&copied, Retention::default()).unwrap();
        assert_eq!(survivor.epoch(), epoch);
        assert!(tail_of(&survivor) >= durable, "what was shown is not taken back");
        check_survivor(&survivor, &original).await;
    }
}

async fn check_survivor(survivor: &SqliteLog, original: &[Arc<Entry>]) {
    let (kept, lost_to) = read_all(survivor, Seq::ZERO, &TopicSet::all()).await;
    assert_eq!(kept, original[..kept.len()], "a prefix, to the byte");
    assert_eq!(lost_to, None);
    assert_eq!(tail_of(survivor).0, kept.len() as u64);
    assert_eq!(survivor.size().entry_count, kept.len() as u64);
    for writer in 0..WRITERS {
        let source = format!("s{writer}");
        let position = survivor.position(&source).await.unwrap();
        let batch_count = position.map_or(0, |position| 1 + number(&position));
        let expected: Vec<Body> =
            (0..batch_count).flat_map(|index| bodies(writer, index)).collect();
        let own = kept.iter().filter(|entry| *entry.source == *source);
        assert_eq!(own.map(|entry| entry.body.clone()).collect::<Vec<_>>(), expected);
    }
    let next = survivor.append(batch_at("s0", bodies(0, 0), "again")).await.unwrap();
    assert_eq!(next.0, kept.len() as u64 + 1, "it goes on where it stopped");
    let (after, _) = read_all(survivor, Seq::ZERO, &TopicSet::all()).await;
    assert!(seqs(&after).is_sorted_by(|one, two| one + 1 == *two));
}

fn number(position: &Position) -> usize {
    std::str::from_utf8(position.as_bytes()).unwrap().parse().unwrap()
}
