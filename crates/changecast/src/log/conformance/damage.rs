//! A file that the disk has changed: what is delivered is what was appended, or is told as lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::support::{batch_at, change, changes, gap, read_all, seqs, tail_of, topics};
use crate::log::{Log, LogError, Retention, SqliteLog};
use crate::model::{Entry, Epoch, Position, Seq, TopicSet};

const COUNT: u64 = 300;
const SETS: [&str; 4] = ["*", "a.*", "a.t1", "a.t2 b.x"];

fn open(path: &Path) -> Result<SqliteLog, LogError> {
    SqliteLog::open(path, Retention::default())
}

/// A log of several topics, some gaps, small and large entries, closed; and what it held.
async fn original(path: &Path) -> (Epoch, Vec<Arc<Entry>>) {
    let log = open(path).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for index in 0..COUNT {
        let body = match index % 10 {
            9 => gap("a.*"),
            rest => {
                let size = if index % 40 == 0 { 9_000 } else { random.usize(20..200) };
                let event: Vec<u8> = (0..size).map(|_| random.alphanumeric() as u8).collect();
                change(&format!("a.t{}", rest % 4), event)
            }
        };
        log.append(batch_at("a", vec![body], &index.to_string())).await.unwrap();
    }
    log.append(batch_at("b", changes("b.x", 1), "q")).await.unwrap();
    let (entries, _) = read_all(&log, Seq::ZERO, &TopicSet::all()).await;
    log.close().await;
    (log.epoch(), entries)
}

/// Every page of `set`: exact between what it says is lost and what it says is covered.
async fn check_exact(
    log: &SqliteLog,
    original: &[Arc<Entry>],
    set: &TopicSet,
) -> Result<(), LogError> {
    let mut after = Seq::ZERO;
    while after < tail_of(log) {
        let page = log.read(after, set).await?;
        assert!(page.covered > after);
        let from = page.lost_to.unwrap_or(after);
        let expected: Vec<_> = original
            .iter()
            .filter(|entry| entry.seq > from && entry.seq <= page.covered && entry.concerns(set))
            .collect();
        assert!(page.entries.iter().eq(expected), "{set} after {after}, lost to {from}");
        after = page.covered;
    }
    Ok(())
}

/// A damaged log serves what was appended or says that it cannot; or it is another log.
async fn check_honest(path: &Path, epoch: Epoch, original: &[Arc<Entry>]) -> &'static str {
    let log = match open(path) {
        Ok(log) => log,
        Err(_) => return "refused",
    };
    let tail = tail_of(&log);
    if log.epoch() != epoch && tail == Seq::ZERO {
        log.append(batch_at("a", changes("a.t1", 1), "n")).await.unwrap();
        return "anew";
    }
    assert!(log.epoch() != epoch || tail == Seq(COUNT + 1), "ids are not given out twice");
    for set in SETS {
        if check_exact(&log, original, &topics(set)).await.is_err() {
            assert!(log.fault().is_some_and(|fault| fault.contains("restart")));
            log.append(batch_at("a", changes("a.t1", 1), "n")).await.unwrap_err();
            return "failing";
        }
    }
    for (source, position) in [("a", (COUNT - 1).to_string()), ("b", "q".to_owned())] {
        let stored = log.position(source).await.unwrap();
        assert!(log.epoch() != epoch || stored == Some(Position::new(position)));
    }
    if log.damaged_count() > 0 { "lost" } else { "sound" }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

#[tokio::test]
async fn g2_flipped_bits_are_never_delivered_as_if_all_were_well() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let (epoch, entries) = original(&path).await;
    let bytes = fs::read(&path).unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    let mut outcomes = std::collections::BTreeMap::new();
    for _ in 0..250 {
        let copy = tempfile::tempdir().unwrap();
        let path = copy.path().join("log.db");
        let mut bytes = bytes.clone();
        for _ in 0..random.usize(1..3) {
            let at = random.usize(0..bytes.len());
            bytes[at] ^= 1 << random.u8(0..8);
        }
        fs::write(&path, bytes).unwrap();
        *outcomes.entry(check_honest(&path, epoch, &entries).await).or_insert(0) += 1;
    }
    println!("{outcomes:?}");
    assert!(outcomes["lost"] > 25 && outcomes["sound"] > 10, "{outcomes:?}");
}

/// Damage that the check at the start cannot have seen.
#[tokio::test]
async fn g2_bits_flipped_while_the_log_is_open_are_not_delivered_either() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let (_, entries) = original(&path).await;
    let bytes = fs::read(&path).unwrap();
    let mut random = fastrand::Rng::with_seed(13);
    for _ in 0..120 {
        let copy = tempfile::tempdir().unwrap();
        let path = copy.path().join("log.db");
        fs::write(&path, &bytes).unwrap();
        let log = open(&path).unwrap();
        let mut damaged = bytes.clone();
        // Not the header: SQLite takes another one for another program's doing.
        let at = random.usize(4096..bytes.len());
        damaged[at] ^= 1 << random.u8(0..8);
        fs::write(&path, damaged).unwrap();
        for set in SETS {
            if check_exact(&log, &entries, &topics(set)).await.is_err() {
                assert!(log.fault().is_some_and(|fault| fault.contains("restart")));
            }
        }
    }
}

#[tokio::test]
async fn g2_a_damaged_entry_is_told_as_lost_and_those_around_it_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let log = open(&path).unwrap();
    let bodies = (1..=9).map(|index| change("a.x", format!("this is entry number {index}!")));
    log.append(batch_at("a", bodies.collect(), "p")).await.unwrap();
    log.close().await;
    let mut bytes = fs::read(&path).unwrap();
    for number in ["number 4!", "number 5!", "number 9!"] {
        let at = bytes.windows(9).position(|window| window == number.as_bytes()).unwrap();
        bytes[at] ^= 1;
    }
    fs::write(&path, bytes).unwrap();
    let log = open(&path).unwrap();
    for set in [TopicSet::all(), topics("a.x")] {
        for _ in 0..2 {
            let page = log.read(Seq::ZERO, &set).await.unwrap();
            assert_eq!(
                (seqs(&page.entries), page.covered, page.lost_to),
                (vec![1, 2, 3], Seq(3), None)
            );
            let page = log.read(Seq(3), &set).await.unwrap();
            assert_eq!((seqs(&page.entries), page.covered), (vec![6, 7, 8], Seq(8)));
            assert_eq!(page.lost_to, Some(Seq(5)));
            let page = log.read(Seq(8), &set).await.unwrap();
            assert_eq!((page.entries.len(), page.covered, page.lost_to), (0, Seq(9), Some(Seq(9))));
        }
    }
    assert_eq!(log.damaged_count(), 3, "each once");
    assert_eq!(log.fault(), None, "the log itself works");
    assert_eq!(log.append(batch_at("a", changes("a.x", 1), "p")).await.unwrap(), Seq(10));
}

#[tokio::test]
async fn a_truncated_file_or_write_ahead_log_leaves_a_prefix_or_another_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let (epoch, entries) = original(&path).await;
    let log = open(&path).unwrap();
    log.append(batch_at("a", changes("a.t1", 3), "n")).await.unwrap();
    let (all, _) = read_all(&log, Seq::ZERO, &TopicSet::all()).await;
    assert_eq!(all.len(), entries.len() + 3);
    let (file, wal) = (fs::read(&path).unwrap(), fs::read(beside(&path, "-wal")).unwrap());
    let mark = fs::read(dir.path().join("log.mark")).unwrap();
    let mut random = fastrand::Rng::with_seed(17);
    for index in 0..120 {
        let copy = tempfile::tempdir().unwrap();
        let path = copy.path().join("log.db");
        let (mut file, mut wal) = (file.clone(), wal.clone());
        if index % 2 == 0 {
            wal.truncate(random.usize(0..wal.len()))
        } else {
            file.truncate(random.usize(0..file.len()))
        }
        fs::write(&path, file).unwrap();
        fs::write(beside(&path, "-wal"), wal).unwrap();
        fs::write(copy.path().join("log.mark"), &mark).unwrap();
        let log = open(&path).unwrap();
        let is_whole = tail_of(&log).0 == all.len() as u64;
        assert!(is_whole || log.epoch() != epoch, "{}", tail_of(&log));
        for set in SETS {
            if check_exact(&log, &all, &topics(set)).await.is_err() {
                assert!(log.fault().is_some_and(|fault| fault.contains("restart")));
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_file_is_moved_aside_and_positions_are_kept_where_they_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let (epoch, _) = original(&path).await;
    let mut bytes = fs::read(&path).unwrap();
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page..page + 100].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let log = open(&path).unwrap();
    assert_ne!(log.epoch(), epoch);
    assert_eq!((tail_of(&log), log.fault()), (Seq::ZERO, None));
    assert_eq!(log.position("a").await.unwrap(), Some(Position::new("299")));
    assert_eq!(log.position("b").await.unwrap(), Some(Position::new("q")));
    assert_eq!(log.append(batch_at("b", changes("b.x", 1), "r")).await.unwrap(), Seq(1));
    let epoch = log.epoch();
    log.close().await;
    assert_eq!(open(&path).unwrap().epoch(), epoch, "it is sound from now on");
    assert_eq!(fs::read(aside(dir.path())).unwrap(), bytes, "as it was found");
}

fn aside(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let is_aside = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.starts_with("log.db.damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    };
    files.filter(is_aside).last().expect("a file that was moved aside")
}

#[tokio::test]
async fn a_file_that_is_no_database_is_moved_aside_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let text = "these are my holiday photographs ".repeat(100);
    fs::write(&path, &text).unwrap();
    let log = open(&path).unwrap();
    log.append(batch_at("a", changes("a.x", 1), "p")).await.unwrap();
    assert_eq!(fs::read_to_string(aside(dir.path())).unwrap(), text);
}

#[tokio::test]
async fn damage_met_while_writing_pauses_the_log_until_a_restart_looks_closely() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let log = open(&path).unwrap();
    log.append(batch_at("a", changes("a.x", 2), "p")).await.unwrap();
    log.sabotage(|connection| {
        connection.execute("UPDATE log SET last_seq = 1", []).unwrap();
    })
    .await;
    for _ in 0..2 {
        log.append(batch_at("a", changes("a.x", 1), "q")).await.unwrap_err();
        assert!(log.fault().unwrap().contains("restart"));
        log.tend().await;
    }
    assert_eq!((tail_of(&log), log.size().entry_count), (Seq(2), 2));
    let epoch = log.epoch();
    log.close().await;
    let log = open(&path).unwrap();
    assert_ne!(log.epoch(), epoch);
    assert_eq!(log.fault(), None);
    assert_eq!(log.position("a").await.unwrap(), Some(Position::new("p")));
}
