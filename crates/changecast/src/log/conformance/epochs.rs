//! When the ids of a log must not go on: an older file, an end that was lost.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::support::{batch_at, change, changes, gap, read_all, seqs, tail_of, topics};
use crate::log::{Durability, Log, LogOptions, Retention, SqliteLog};
use crate::model::{Epoch, Position, Seq, TopicSet};

fn open(path: &Path, durability: Durability) -> SqliteLog {
    let options = LogOptions { durability, ..LogOptions::default() };
    SqliteLog::open_with(path, options).unwrap()
}

fn open_full(path: &Path) -> SqliteLog {
    SqliteLog::open(path, Retention::default()).unwrap()
}

async fn append(log: &SqliteLog, count: usize, position: &str) {
    log.append(batch_at("a", changes("a.x", count), position)).await.unwrap();
}

/// All files of the log as they are now: what the end of the process leaves behind.
fn copy(path: &Path, into: &Path) -> PathBuf {
    for file in fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), into.join(file.file_name())).unwrap();
    }
    into.join(path.file_name().unwrap())
}

fn restart_machine(path: &Path) {
    let file = Connection::open(path).unwrap();
    assert_eq!(file.execute("UPDATE log SET boot = 'another'", []).unwrap(), 1);
}

/// The log goes on with all that it had, whether under new ids or not.
async fn check_holds(log: &SqliteLog, count: u64, position: &str) {
    let (entries, lost_to) = read_all(log, Seq::ZERO, &TopicSet::all()).await;
    assert_eq!((seqs(&entries), lost_to), ((1..=count).collect(), None));
    assert_eq!(log.position("a").await.unwrap(), Some(Position::new(position.to_owned())));
    append(log, 1, "on").await;
    assert_eq!(tail_of(log), Seq(count + 1));
}

/// What a log written with `written` becomes when it is opened with `opened` after its process,
/// and perhaps the machine, ended without a word. Returns the epochs before and after.
async fn end(written: Durability, opened: Durability, machine: bool) -> (Epoch, Epoch) {
    let (dir, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(&dir.path().join("log.db"), written);
    append(&log, 3, "p").await;
    let path = copy(&dir.path().join("log.db"), left.path());
    if machine {
        restart_machine(&path);
    }
    let after = open(&path, opened);
    check_holds(&after, 3, "p").await;
    (log.epoch(), after.epoch())
}

#[tokio::test]
async fn g5_normal_durability_has_a_new_epoch_after_the_machine_went_down_and_only_then() {
    use Durability::{Full, Normal};
    for opened in [Full, Normal] {
        let (before, after) = end(Normal, opened, true).await;
        assert_ne!(before, after);
        for (written, machine) in [(Normal, false), (Full, true), (Full, false)] {
            let (before, after) = end(written, opened, machine).await;
            assert_eq!(before, after, "{written:?}, then {opened:?}, {machine}");
        }
    }
}

#[tokio::test]
async fn g5_normal_durability_keeps_its_epoch_when_it_was_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let log = open(&path, Durability::Normal);
    append(&log, 3, "p").await;
    let epoch = log.epoch();
    log.close().await;
    restart_machine(&path);
    let log = open(&path, Durability::Normal);
    assert_eq!(log.epoch(), epoch);
    check_holds(&log, 3, "p").await;
}

#[tokio::test]
async fn g5_an_older_file_has_a_new_epoch_and_keeps_entries_and_positions() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = dir.path().join("log.db");
    let log = open_full(&path);
    append(&log, 3, "p1").await;
    log.close().await;
    let kept = copy(&path, backup.path());
    let log = open_full(&path);
    let epoch = log.epoch();
    append(&log, 2, "p2").await;
    log.close().await;

    fs::copy(&kept, &path).unwrap();
    let log = open_full(&path);
    assert_ne!(log.epoch(), epoch, "4 and 5 were given out already");
    check_holds(&log, 3, "p1").await;
    let epoch = log.epoch();
    log.close().await;
    assert_eq!(open_full(&path).epoch(), epoch, "once is enough");
}

#[tokio::test]
async fn g5_a_mark_that_is_missing_or_unreadable_or_another_log_s_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, mark) = (dir.path().join("log.db"), dir.path().join("log.mark"));
    let log = open_full(&path);
    append(&log, 3, "p").await;
    log.close().await;
    let good = fs::read_to_string(&mark).unwrap();
    assert!(good.starts_with(log.epoch().as_str()), "{good:?}");
    for text in [None, Some(""), Some("nonsense"), Some("aaaaaaaa 00000000000000000099 sound\n")] {
        match text {
            None => fs::remove_file(&mark).unwrap(),
            Some(text) => fs::write(&mark, text).unwrap(),
        }
        let again = open_full(&path);
        assert_eq!((again.epoch(), tail_of(&again)), (log.epoch(), Seq(3)), "{text:?}");
        again.close().await;
        assert!(fs::read_to_string(&mark).unwrap().starts_with(&good), "{text:?}");
    }
}

/// Takes back what later formats added.
fn as_format_1(path: &Path) {
    let file = Connection::open(path).unwrap();
    file.execute_batch("DROP TABLE probe; DROP TABLE publication; PRAGMA user_version = 1;")
        .unwrap();
    for (table, columns) in [
        ("log", "last_gap unchecked_to durability boot closed schema checksum"),
        ("source", "checksum"),
        ("topic", "checksum"),
        ("entry", "previous checksum"),
    ] {
        for column in columns.split(' ') {
            file.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN {column}")).unwrap();
        }
    }
}

#[tokio::test]
async fn g5_a_file_of_the_first_format_goes_on_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let log = open_full(&path);
    append(&log, 3, "p").await;
    log.append(batch_at("a", vec![gap("a.*"), change("a.y", "{}")], "q")).await.unwrap();
    let (entries, _) = read_all(&log, Seq::ZERO, &TopicSet::all()).await;
    log.close().await;
    as_format_1(&path);
    for count in 5..8 {
        let again = open_full(&path);
        assert_eq!(again.epoch(), log.epoch());
        for set in [TopicSet::all(), topics("a.x a.y")] {
            let (kept, lost_to) = read_all(&again, Seq::ZERO, &set).await;
            assert_eq!((&kept[..5], kept.len(), lost_to), (&entries[..], count, None));
        }
        append(&again, 1, "r").await;
        again.close().await;
    }
}
