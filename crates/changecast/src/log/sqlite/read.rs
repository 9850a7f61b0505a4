//! Paging through the file, each page on a connection of its own.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::schema::{KIND_GAP, connect, signed, unsigned};
use super::storage;
use crate::limits;
use crate::log::recent::PageBuilder;
use crate::log::{LogError, Page, place_before};
use crate::model::{Body, Change, Entry, Op, Position, Seq, Timestamp, Topic, TopicSet};

const COLUMNS: &str = "
    SELECT entry.seq, entry.time, source.name, entry.kind, topic.name, entry.op, entry.key, entry.payload
    FROM entry JOIN source ON source.id = entry.source LEFT JOIN topic ON topic.id = entry.topic";

/// What to read.
pub(super) struct Scope {
    pub(super) after: Seq,
    /// The tail: what is newer may not be durable yet.
    pub(super) upto: Seq,
    pub(super) topics: TopicSet,
    /// The rows of `topics` in the topic table.
    pub(super) ids: Vec<i64>,
}

/// Connections for reading, opened as they are needed and kept.
pub(super) struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let permits = Arc::new(Semaphore::new(limits::LOG_READERS_MAX));
        Self { path, permits, idle: Arc::default() }
    }

    /// Runs `read` on a thread that may block.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LogError> {
        let permit =
            Arc::clone(&self.permits).acquire_owned().await.map_err(|_| LogError::Closed)?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let task = spawn_blocking(move || {
            let _permit = permit;
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = kept.map_or_else(|| connect(&path), Ok)?;
            let outcome = read(&connection);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            outcome
        });
        task.await.map_err(|_| LogError::Closed)?.map_err(storage)
    }
}

pub(super) fn page(connection: &Connection, scope: &Scope) -> rusqlite::Result<Page> {
    // One snapshot for both: the trimming that took an entry from the page is the one it tells of.
    let snapshot = connection.unchecked_transaction()?;
    let is_scan = scope.topics.is_all() || scope.ids.len() > limits::MERGED_TOPICS_MAX;
    let mut page = if is_scan { scan(&snapshot, scope) } else { merge(&snapshot, scope) }?;
    let trimmed = trimmed(&snapshot, scope)?;
    page.lost_to = (trimmed > scope.after).then_some(trimmed);
    Ok(page)
}

/// The newest trimmed place of the scope's topics, or of a gap.
fn trimmed(connection: &Connection, scope: &Scope) -> rusqlite::Result<Seq> {
    let mut newest =
        connection.prepare_cached("SELECT trimmed_gap FROM log")?.query_row([], seq)?;
    let mut of_topic = connection.prepare_cached("SELECT trimmed_seq FROM topic WHERE id = ?")?;
    for id in &scope.ids {
        newest = newest.max(of_topic.query_row(params![id], seq)?);
    }
    Ok(newest)
}

/// Reads each topic by its own index.
fn merge(connection: &Connection, scope: &Scope) -> rusqlite::Result<Page> {
    let mut page = PageBuilder::new();
    let seqs = merged_seqs(connection, scope)?;
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE entry.seq = ?"))?;
    let mut covered = scope.after;
    for seq in &seqs {
        if page.is_full() {
            return Ok(page.finish(covered));
        }
        let entry = statement.query_row(params![signed(seq.0)], entry)?;
        if entry.concerns(&scope.topics) {
            page.push(Arc::new(entry));
        }
        covered = *seq;
    }
    let is_last = seqs.len() <= limits::PAGE_ENTRIES_MAX;
    Ok(page.finish(if is_last { scope.upto } else { covered }))
}

/// The places of the next entries of the scope's topics, and of all gaps: one more than a page
/// holds, so that a full page is told from the last one.
fn merged_seqs(connection: &Connection, scope: &Scope) -> rusqlite::Result<Vec<Seq>> {
    let count = limits::PAGE_ENTRIES_MAX + 1;
    let mut seqs = Vec::new();
    let mut of_topic = connection.prepare_cached(
        "SELECT seq FROM entry WHERE topic = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
    )?;
    let (after, upto, limit) = (signed(scope.after.0), signed(scope.upto.0), count as i64);
    for id in &scope.ids {
        let rows = of_topic.query_map(params![id, after, upto, limit], seq)?;
        seqs.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    let mut gaps = connection.prepare_cached(
        "SELECT seq FROM entry WHERE kind = 1 AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
    )?;
    let rows = gaps.query_map(params![after, upto, limit], seq)?;
    seqs.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
    seqs.sort_unstable();
    seqs.truncate(count);
    Ok(seqs)
}

/// Reads the log in its own order and keeps what concerns the scope.
fn scan(connection: &Connection, scope: &Scope) -> rusqlite::Result<Page> {
    let mut statement = connection.prepare_cached(&format!(
        "{COLUMNS} WHERE entry.seq > ? AND entry.seq <= ? ORDER BY entry.seq LIMIT ?"
    ))?;
    let limit = limits::SCAN_ROWS_MAX as i64;
    let mut rows = statement.query(params![signed(scope.after.0), signed(scope.upto.0), limit])?;
    let mut page = PageBuilder::new();
    let mut covered = scope.after;
    let mut row_count = 0;
    while let Some(row) = rows.next()? {
        if page.is_full() {
            return Ok(page.finish(covered));
        }
        row_count += 1;
        let entry = entry(row)?;
        covered = entry.seq;
        if entry.concerns(&scope.topics) {
            page.push(Arc::new(entry));
        }
    }
    let is_last = row_count < limits::SCAN_ROWS_MAX;
    Ok(page.finish(if is_last { scope.upto } else { covered }))
}

pub(super) fn place_of_last(
    connection: &Connection,
    scope: &Scope,
    count: usize,
) -> rusqlite::Result<Seq> {
    let mut seqs = Vec::new();
    if scope.topics.is_all() {
        let mut statement = connection
            .prepare_cached("SELECT seq FROM entry WHERE seq <= ? ORDER BY seq DESC LIMIT ?")?;
        let rows = statement.query_map(params![signed(scope.upto.0), count as i64], seq)?;
        seqs.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
    } else {
        let mut statement = connection.prepare_cached(
            "SELECT seq FROM entry WHERE topic = ? AND seq <= ? ORDER BY seq DESC LIMIT ?",
        )?;
        for id in &scope.ids {
            let rows = statement.query_map(params![id, signed(scope.upto.0), count as i64], seq)?;
            seqs.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
            keep_newest(&mut seqs, count);
        }
        seqs.extend(newest_gaps(connection, scope, count)?);
        keep_newest(&mut seqs, count);
    }
    Ok(place_before(seqs.into_iter(), count, scope.upto))
}

/// Newest first, and never more than asked for, however many topics there are.
fn keep_newest(seqs: &mut Vec<Seq>, count: usize) {
    seqs.sort_unstable_by(|one, two| two.cmp(one));
    seqs.truncate(count);
}

/// The places of the newest gaps that somebody who follows the scope's topics has to see.
fn newest_gaps(connection: &Connection, scope: &Scope, count: usize) -> rusqlite::Result<Vec<Seq>> {
    let mut statement = connection.prepare_cached(&format!(
        "{COLUMNS} WHERE entry.kind = 1 AND entry.seq <= ? ORDER BY entry.seq DESC"
    ))?;
    let mut rows = statement.query(params![signed(scope.upto.0)])?;
    let mut seqs = Vec::new();
    while let Some(row) = rows.next()? {
        if seqs.len() == count {
            break;
        }
        let gap = entry(row)?;
        if gap.concerns(&scope.topics) {
            seqs.push(gap.seq);
        }
    }
    Ok(seqs)
}

/// Halves the range of places until the first entry that is not older than `time` is found: times
/// never fall, so no index is needed.
pub(super) fn place_of_time(
    connection: &Connection,
    time: Timestamp,
    upto: Seq,
) -> rusqlite::Result<Seq> {
    let mut next = connection
        .prepare_cached("SELECT seq, time FROM entry WHERE seq > ? ORDER BY seq LIMIT 1")?;
    // What is up to `older` is older or trimmed, what is after `newer` is not older.
    let (mut older, mut newer) = (0, upto.0);
    while older < newer {
        let middle = older + (newer - older) / 2;
        let found = next
            .query_row(params![signed(middle)], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))
            .optional()?;
        match found {
            Some((seq, found)) if found < time.0 => older = seq,
            _ => newer = middle,
        }
    }
    let first: Option<i64> =
        connection.prepare_cached("SELECT min(seq) FROM entry")?.query_row([], |row| row.get(0))?;
    // Nothing is kept before the first entry, so that is where the trimmed part ends.
    let trimmed = first.map_or(upto.0, |seq| seq.unsigned_abs() - 1);
    Ok(Seq(older.max(trimmed)))
}

pub(super) fn position(
    connection: &Connection,
    source: &str,
) -> rusqlite::Result<Option<Position>> {
    let position: Option<Option<Vec<u8>>> = connection
        .prepare_cached("SELECT position FROM source WHERE name = ?")?
        .query_row(params![source], |row| row.get(0))
        .optional()?;
    Ok(position.flatten().map(Position::new))
}

fn seq(row: &Row<'_>) -> rusqlite::Result<Seq> {
    unsigned(row, 0).map(Seq)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let kind: i64 = row.get(3)?;
    let body = if kind == KIND_GAP {
        Body::Gap(serde_json::from_slice(&bytes(row, 7)?).map_err(|error| corrupt(7, error))?)
    } else {
        let topic: String = row.get(4)?;
        let op: String = row.get(5)?;
        Body::Change(Change {
            topic: Topic::parse(&topic).map_err(|error| corrupt(4, error))?,
            op: Op::from_name(&op),
            key: bytes(row, 6)?,
            event: bytes(row, 7)?,
        })
    };
    let (seq, time) = (Seq(unsigned(row, 0)?), Timestamp(unsigned(row, 1)?));
    Ok(Entry { seq, time, source: row.get(2)?, body })
}

fn bytes(row: &Row<'_>, index: usize) -> rusqlite::Result<Bytes> {
    Ok(match row.get_ref(index)? {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Bytes::copy_from_slice(bytes),
        _ => Bytes::new(),
    })
}

fn corrupt(index: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Blob, Box::new(error))
}
