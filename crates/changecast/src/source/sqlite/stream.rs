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

use super::events::{Encoder, Event, Row};
use super::position::{Place, Positions};
use super::{failure, schema};
use crate::limits;
use crate::model::{Change, Position};
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

/// Where a database's changes are written down: a changelog whose ids have no holes, and what is
/// known of it, as SQL names them.
pub(super) struct Changelog {
    /// Its rows, with `id` and `time`.
    pub(super) table: &'static str,
    /// One row, with `identity`.
    pub(super) state: &'static str,
    /// Asks for the id that the newest row has, or had.
    pub(super) newest: &'static str,
    /// What the fields of a [`Row`] after its time are called.
    pub(super) columns: &'static str,
}

/// What becomes of the rows of a changelog.
pub(super) trait Decode: Send + 'static {
    /// The change that `row` tells of; none if it changed nothing, or nobody wants to know.
    fn change(&mut self, connection: &Connection, row: &Row)
    -> Result<Option<Change>, SourceError>;

    /// Looks now and then whether changes are still written down.
    fn check(&mut self, connection: &Connection) -> Result<(), SourceError>;
}

impl Decode for Encoder {
    fn change(&mut self, _: &Connection, row: &Row) -> Result<Option<Change>, SourceError> {
        Ok(Encoder::change(self, Event::of_store(row)))
    }

    fn check(&mut self, _: &Connection) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Opens a stream on the store at `path`, where `options` say, or from now.
pub(super) fn open(
    path: &Path,
    name: Arc<str>,
    wake: Arc<Wake>,
    options: &WatchOptions,
) -> Result<ChangeStream, SourceError> {
    let decoder = |identity| Encoder { name, identity };
    follow(schema::connect(path)?, &schema::CHANGELOG, decoder, wake, options)
}

/// The place of the newest change of a store.
pub(super) fn newest(connection: &Connection) -> Result<Place, SourceError> {
    establish(connection, &schema::CHANGELOG, None)
}

/// Opens a stream on a `changelog`, which the decoder reads that is made with its identity.
pub(super) fn follow<D: Decode>(
    connection: Connection,
    changelog: &'static Changelog,
    decoder: impl FnOnce(String) -> D,
    wake: Arc<Wake>,
    options: &WatchOptions,
) -> Result<ChangeStream, SourceError> {
    let place = establish(&connection, changelog, options.token())?;
    let (sender, stream) = ChangeStream::new(Some(place.to_position()));
    let decoder = decoder(place.identity.clone());
    let batch_size = options.batch_size.map_or(limits::BATCH_CHANGES_MAX, |count| count as usize);
    let batch_size = batch_size.clamp(1, limits::BATCH_CHANGES_MAX);
    let positions = Positions::new(&place.identity);
    let watcher =
        Watcher { connection, changelog, decoder, place, positions, batch_size, wake, sender };
    thread::Builder::new()
        .name("sqlite-watch".into())
        .spawn(move || watcher.run())
        .map_err(|error| SourceError::Unavailable(error.to_string()))?;
    Ok(stream)
}

/// Fixes the place, all in one snapshot of the file.
fn establish(
    connection: &Connection,
    changelog: &Changelog,
    position: Option<&Position>,
) -> Result<Place, SourceError> {
    let Changelog { table, state, .. } = changelog;
    let snapshot = connection.unchecked_transaction().map_err(failure)?;
    let identity: String = snapshot
        .query_row(&format!("SELECT identity FROM {state}"), [], |row| row.get(0))
        .map_err(failure)?;
    let newest = changelog.newest(&snapshot).map_err(failure)?;
    let time_of = format!("SELECT CAST(time AS INTEGER) FROM {table} WHERE id = ?");
    let time = |id: i64| {
        snapshot.query_row(&time_of, params![id], |row| row.get(0)).optional().map_err(failure)
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
    changelog.check_next(&snapshot, &place, newest)?;
    Ok(place)
}

impl Changelog {
    fn newest(&self, connection: &Connection) -> rusqlite::Result<i64> {
        connection.prepare_cached(self.newest)?.query_row([], |row| row.get(0))
    }

    fn check_next(
        &self,
        snapshot: &Connection,
        place: &Place,
        newest: i64,
    ) -> Result<(), SourceError> {
        let next = format!("SELECT min(id) FROM {} WHERE id > ?", self.table);
        let next: Option<i64> =
            snapshot.query_row(&next, params![place.id], |row| row.get(0)).map_err(failure)?;
        if place.id < newest && next != Some(place.id + 1) {
            return Err(pruned());
        }
        Ok(())
    }

    fn read(
        &self,
        snapshot: &Connection,
        after: i64,
        batch_size: usize,
    ) -> rusqlite::Result<Vec<Row>> {
        let Self { table, columns, .. } = self;
        let mut statement = snapshot.prepare_cached(&format!(
            "SELECT id, CAST(time AS INTEGER), {columns} FROM {table}
             WHERE id > ? ORDER BY id LIMIT ?"
        ))?;
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
}

struct Watcher<D> {
    connection: Connection,
    changelog: &'static Changelog,
    decoder: D,
    place: Place,
    positions: Positions,
    /// How many rows are read at once.
    batch_size: usize,
    wake: Arc<Wake>,
    sender: DeliverySender,
}

impl<D: Decode> Watcher<D> {
    fn run(mut self) {
        if let Err(error) = self.follow() {
            // Nobody listening any more is as good.
            let _ = self.sender.send_blocking(Err(error));
        }
    }

    /// Returns once nobody listens any more.
    fn follow(&mut self) -> Result<(), SourceError> {
        let mut seen = 0;
        let mut every = limits::DATA_VERSION_EVERY;
        while !self.sender.is_closed() {
            let question = self.sender.question();
            let version = self.data_version()?;
            self.deliver()?;
            if let Some(question) = question {
                // Nobody listening any more ends the loop.
                let _ = self.sender.answer_nothing_blocking(question);
            }
            let is_quiet = self.stays_quiet(version, &mut seen, every)?;
            every = if is_quiet {
                limits::DATA_VERSION_QUIET_EVERY
            } else {
                limits::DATA_VERSION_EVERY
            };
        }
        Ok(())
    }

    /// Waits until there is something to see to, such as a commit: others than the `seen` ones of
    /// this process, or by another one, for whom it looks `every` so often. Whether there was
    /// nothing for as long as that may be.
    fn stays_quiet(
        &self,
        version: i64,
        seen: &mut u64,
        every: Duration,
    ) -> Result<bool, SourceError> {
        let looks = limits::FILE_CHECK_EVERY.as_millis() / every.as_millis();
        for _ in 0..looks {
            if self.sender.is_closed()
                || self.sender.question().is_some()
                || self.data_version()? != version
            {
                return Ok(false);
            }
            let now = self.wake.wait(*seen, every);
            if std::mem::replace(seen, now) != now {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands out what there is, and then looks whether more will be written down: what cannot be
    /// read is explained by that, too.
    fn deliver(&mut self) -> Result<(), SourceError> {
        let delivered = loop {
            match self.deliver_batch() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if matches!(delivered, Err(SourceError::HistoryLost(_))) {
            return delivered;
        }
        self.decoder.check(&self.connection)?;
        delivered
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
            let change = self.decoder.change(&self.connection, row)?;
            let position = Some(self.positions.after(row.id, row.time));
            if !self.sender.send_blocking(Ok(Delivery { change, position })) {
                return Ok(false);
            }
        }
        Ok(!rows.is_empty())
    }

    fn read_batch(&self) -> Result<Vec<Row>, SourceError> {
        let snapshot = self.connection.unchecked_transaction().map_err(failure)?;
        let rows =
            self.changelog.read(&snapshot, self.place.id, self.batch_size).map_err(failure)?;
        if rows.is_empty() && self.changelog.newest(&snapshot).map_err(failure)? != self.place.id {
            return Err(pruned());
        }
        Ok(rows)
    }
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
