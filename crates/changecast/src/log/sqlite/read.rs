//! Paging through the file, each page on a connection of its own.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::entry::{self, Decoded};
use super::schema::{self, SourceRow, connect, signed, unsigned};
use super::shared::Shared;
use super::storage;
use crate::limits;
use crate::log::{LogError, place_before};
use crate::model::{Position, Seq, Timestamp, TopicSet};

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
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, shared: Arc<Shared>) -> Self {
        let permits = Arc::new(Semaphore::new(limits::LOG_READERS_MAX));
        Self { path, shared, permits, idle: Arc::default() }
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
            if outcome.is_ok() {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
            outcome
        });
        task.await.map_err(|_| LogError::Closed)?.map_err(|error| {
            self.shared.note_damage(&error);
            storage(error)
        })
    }
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
        "{} WHERE entry.kind = 1 AND entry.seq <= ? ORDER BY entry.seq DESC",
        entry::COLUMNS
    ))?;
    let mut rows = statement.query(params![signed(scope.upto.0)])?;
    let mut seqs = Vec::new();
    while let Some(row) = rows.next()? {
        if seqs.len() == count {
            break;
        }
        // A damaged one may concern anybody.
        let concerns = match entry::decode(row, Seq::ZERO)? {
            Decoded::Sound(gap) => gap.entry.concerns(&scope.topics),
            Decoded::Damaged => true,
        };
        if concerns {
            seqs.push(seq(row)?);
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
    let row = connection
        .prepare_cached("SELECT id, name, position, checksum FROM source WHERE name = ?")?
        .query_row(params![source], SourceRow::read)
        .optional()?;
    match row {
        Some(row) if !row.is_sound() => {
            Err(schema::damaged("a source's position does not match its checksum"))
        }
        row => Ok(row.and_then(|row| row.position).map(Position::new)),
    }
}

fn seq(row: &Row<'_>) -> rusqlite::Result<Seq> {
    unsigned(row, 0).map(Seq)
}
