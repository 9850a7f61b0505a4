//! Watching: a thread of its own reads the changelog in order and hands out every row.
//!
//! It knows one file and whoever listens, and not who writes: writers in this process wake it,
//! those in others are noticed by `PRAGMA data_version`.
//!
//! | invariant | what it buys |
//! |---|---|
//! | ids are read without a hole; a hole is lost history | nothing is skipped in silence |
//! | `data_version` is read before the rows | a commit between the two is seen in the next round |
//! | no read transaction is open while a delivery waits | a slow reader never keeps the WAL growing |

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::events::{Encoder, Row};
use super::position::Place;
use super::{failure, schema};
use crate::limits;
use crate::model::Position;
use crate::source::{ChangeStream, Delivery, DeliverySender, SourceError, WatchOptions};

/// Wakes the threads that watch, right after a commit.
#[derive(Default)]
pub(super) struct Wake {
    commit_count: Mutex<u64>,
    moved: Condvar,
}

impl Wake {
    pub(super) fn notify(&self) {
        *self.commit_count() += 1;
        self.moved.notify_all();
    }

    /// Waits until there were other than `seen` commits, but no longer than `timeout`.
    fn wait(&self, seen: u64, timeout: Duration) -> u64 {
        let waited =
            self.moved.wait_timeout_while(self.commit_count(), timeout, |now| *now == seen);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn commit_count(&self) -> MutexGuard<'_, u64> {
        self.commit_count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a stream on the store at `path`, where `options` say, or from now.
pub(super) fn open(
    path: &Path,
    name: Arc<str>,
    wake: Arc<Wake>,
    options: &WatchOptions,
) -> Result<ChangeStream, SourceError> {
    let connection = schema::connect(path)?;
    let place = establish(&connection, options.token())?;
    let (sender, stream) = ChangeStream::new(Some(place.to_position()));
    let encoder = Encoder { name, identity: place.identity.clone() };
    let batch_size = options.batch_size.map_or(limits::BATCH_CHANGES_MAX, |count| count as usize);
    let batch_size = batch_size.clamp(1, limits::BATCH_CHANGES_MAX);
    let watcher = Watcher { connection, encoder, place, batch_size, wake, sender };
    thread::Builder::new()
        .name("sqlite-watch".into())
        .spawn(move || watcher.run())
        .map_err(|error| SourceError::Unavailable(error.to_string()))?;
    Ok(stream)
}

/// Fixes the place, all in one snapshot of the file.
fn establish(connection: &Connection, position: Option<&Position>) -> Result<Place, SourceError> {
    let snapshot = connection.unchecked_transaction().map_err(failure)?;
    let identity: String = snapshot
        .query_row("SELECT identity FROM changelog_state", [], |row| row.get(0))
        .map_err(failure)?;
    let newest = newest(&snapshot).map_err(failure)?;
    let time = |id: i64| {
        snapshot
            .query_row(
                "SELECT CAST(time AS INTEGER) FROM changelog WHERE id = ?",
                params![id],
                |row| row.get(0),
            )
            .optional()
            .map_err(failure)
    };
    let Some(position) = position else {
        return Ok(Place { identity, id: newest, time: time(newest)? });
    };
    let place = Place::from_position(position)?;
    if place.identity != identity {
        return Err(lost("this is another database than the one watched before"));
    }
    if place.id > newest {
        return Err(lost("the database is older than the position: restored from a copy?"));
    }
    if let (Some(then), Some(now)) = (place.time, time(place.id)?)
        && then != now
    {
        return Err(lost("the database took another course: restored from a copy?"));
    }
    check_next(&snapshot, &place, newest)?;
    Ok(place)
}

/// The id that the newest row has, or had. The row counts beside SQLite's own record, which a
/// statement with `OR FAIL` leaves behind.
fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changelog'), 0),
                        coalesce((SELECT max(id) FROM changelog), 0))",
        )?
        .query_row([], |row| row.get(0))
}

fn check_next(snapshot: &Connection, place: &Place, newest: i64) -> Result<(), SourceError> {
    let next: Option<i64> = snapshot
        .query_row("SELECT min(id) FROM changelog WHERE id > ?", params![place.id], |row| {
            row.get(0)
        })
        .map_err(failure)?;
    if place.id < newest && next != Some(place.id + 1) {
        return Err(pruned());
    }
    Ok(())
}

struct Watcher {
    connection: Connection,
    encoder: Encoder,
    place: Place,
    /// How many rows are read at once.
    batch_size: usize,
    wake: Arc<Wake>,
    sender: DeliverySender,
}

impl Watcher {
    fn run(mut self) {
        if let Err(error) = self.follow() {
            // Nobody listening any more is as good.
            let _ = self.sender.send_blocking(Err(error));
        }
    }

    /// Returns once nobody listens any more.
    fn follow(&mut self) -> Result<(), SourceError> {
        let (mut seen, mut answered) = (0, 0);
        while !self.sender.is_closed() {
            let asked = self.sender.asked();
            let version = self.data_version()?;
            while self.deliver_batch()? {}
            if asked > answered && self.sender.answer_nothing_blocking(asked) {
                answered = asked;
            }
            while !self.sender.is_closed()
                && self.sender.asked() == answered
                && self.data_version()? == version
            {
                let now = self.wake.wait(seen, limits::DATA_VERSION_EVERY);
                if now != seen {
                    seen = now;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Changes when another connection has committed.
    fn data_version(&self) -> Result<i64, SourceError> {
        let mut statement =
            self.connection.prepare_cached("PRAGMA data_version").map_err(failure)?;
        statement.query_row([], |row| row.get(0)).map_err(failure)
    }

    /// Hands out the next rows; whether there may be more.
    fn deliver_batch(&mut self) -> Result<bool, SourceError> {
        let rows = self.read_batch()?;
        for row in &rows {
            if row.id != self.place.id + 1 {
                return Err(pruned());
            }
            self.place.id = row.id;
            self.place.time = Some(row.time);
            let change = self.encoder.change(row);
            let position = Some(self.place.to_position());
            if !self.sender.send_blocking(Ok(Delivery { change, position })) {
                return Ok(false);
            }
        }
        Ok(!rows.is_empty())
    }

    fn read_batch(&self) -> Result<Vec<Row>, SourceError> {
        let snapshot = self.connection.unchecked_transaction().map_err(failure)?;
        let rows = read_rows(&snapshot, self.place.id, self.batch_size).map_err(failure)?;
        if rows.is_empty() && newest(&snapshot).map_err(failure)? != self.place.id {
            return Err(pruned());
        }
        Ok(rows)
    }
}

fn read_rows(snapshot: &Connection, after: i64, batch_size: usize) -> rusqlite::Result<Vec<Row>> {
    let mut statement = snapshot.prepare_cached(
        "SELECT id, CAST(time AS INTEGER), op, collection, document_id, before, after FROM changelog
         WHERE id > ? ORDER BY id LIMIT ?",
    )?;
    let mut found = statement.query(params![after, batch_size as i64])?;
    let mut rows = Vec::new();
    let mut bytes = 0;
    while bytes < limits::BATCH_BYTES_MAX
        && let Some(row) = found.next()?
    {
        let row = read_row(row)?;
        bytes += row.weight();
        rows.push(row);
    }
    Ok(rows)
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get(0)?,
        time: row.get(1)?,
        op: text(row.get_ref(2)?).unwrap_or_default(),
        collection: text(row.get_ref(3)?).unwrap_or_default(),
        document_id: text(row.get_ref(4)?).unwrap_or_default(),
        before: text(row.get_ref(5)?),
        after: text(row.get_ref(6)?),
    })
}

/// SQLite checks neither types nor UTF-8: what is there becomes text.
fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

fn pruned() -> SourceError {
    lost("the changelog no longer has what follows the position")
}

fn lost(reason: &str) -> SourceError {
    SourceError::HistoryLost(reason.into())
}
