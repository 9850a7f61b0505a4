//! The file's format, and what is known of it once it is open.
//!
//! `user_version` is the format. A newer one is refused; an older one is migrated here.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::checksum::{self, Checksum};
use super::shared::Topics;
use super::state::State;
use crate::log::TopicState;
use crate::model::Epoch;

pub(super) const FORMAT: i64 = 3;

/// `kind` of an entry: also the condition of the index that finds gaps.
pub(super) const KIND_CHANGE: i64 = 0;
pub(super) const KIND_GAP: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE log (
        epoch TEXT NOT NULL,
        last_seq INTEGER NOT NULL,
        last_time INTEGER NOT NULL,
        entry_count INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        trimmed_gap INTEGER NOT NULL
    );
    CREATE TABLE source (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        position BLOB
    );
    CREATE TABLE topic (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        source INTEGER NOT NULL REFERENCES source,
        last_seq INTEGER NOT NULL,
        trimmed_seq INTEGER NOT NULL
    );
    CREATE TABLE entry (
        seq INTEGER PRIMARY KEY,
        source INTEGER NOT NULL REFERENCES source,
        topic INTEGER REFERENCES topic,
        time INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        op TEXT,
        key BLOB,
        payload BLOB NOT NULL
    );
    CREATE INDEX entry_of_topic ON entry (topic, seq) WHERE topic IS NOT NULL;
    CREATE INDEX entry_gap ON entry (seq) WHERE kind = 1;
";

/// Format 2: rows have checksums, entries know the one before them, and the log knows whether it
/// was closed. Entries up to `unchecked_to` are from before and have neither.
const TO_FORMAT_2: &str = "
    ALTER TABLE log ADD COLUMN last_gap INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE log ADD COLUMN unchecked_to INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE log ADD COLUMN durability TEXT NOT NULL DEFAULT 'full';
    ALTER TABLE log ADD COLUMN boot TEXT NOT NULL DEFAULT '';
    ALTER TABLE log ADD COLUMN closed INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE log ADD COLUMN schema INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE log ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE source ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE topic ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE entry ADD COLUMN previous INTEGER;
    ALTER TABLE entry ADD COLUMN checksum INTEGER;
    CREATE TABLE probe (id INTEGER PRIMARY KEY, filling BLOB NOT NULL);
    UPDATE log SET unchecked_to = last_seq,
                   last_gap = (SELECT coalesce(max(seq), 0) FROM entry WHERE kind = 1);
";

/// Format 3: what was published under a key, for as long as its entry is kept.
const TO_FORMAT_3: &str = "
    CREATE TABLE publication (
        topic INTEGER NOT NULL REFERENCES topic,
        key TEXT NOT NULL,
        seq INTEGER NOT NULL,
        fingerprint BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (topic, key)
    ) WITHOUT ROWID;
    CREATE INDEX publication_of_entry ON publication (seq);
";

/// What the file says when it is opened.
pub(super) struct Opened {
    pub(super) state: State,
    pub(super) topics: Topics,
}

/// A connection with the settings that writer and readers share.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // FULL: a commit is on the disk before anybody sees its entries (G7).
    connection.pragma_update(None, "synchronous", "full")?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    let epoch = Epoch::from_random(fastrand::u64(..));
    transaction.execute("INSERT INTO log VALUES (?, 0, 0, 0, 0, 0)", params![epoch.as_str()])?;
    to_format_2(&transaction)?;
    to_format_3(&transaction)?;
    transaction.commit()
}

/// Brings a file of an older `format` up to this one.
pub(super) fn migrate(connection: &mut Connection, format: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    if format < 2 {
        to_format_2(&transaction)?;
    } else {
        check_schema(&transaction)?;
    }
    to_format_3(&transaction)?;
    transaction.commit()
}

fn to_format_2(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TO_FORMAT_2)?;
    let sources = load_sources(connection)?;
    for source in sources {
        let sum = checksum::of_source(source.id, &source.name, source.position.as_deref());
        connection
            .execute("UPDATE source SET checksum = ? WHERE id = ?", params![sum, source.id])?;
    }
    for (id, state, _) in load_topics(connection)? {
        let sum = checksum::of_topic(id, &state);
        connection.execute("UPDATE topic SET checksum = ? WHERE id = ?", params![sum, id])?;
    }
    State::load_unchecked(connection)?.0.store(connection)
}

fn to_format_3(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TO_FORMAT_3)?;
    connection.execute("UPDATE log SET schema = ?", params![schema_checksum(connection)?])?;
    connection.pragma_update(None, "user_version", FORMAT)
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Opened> {
    check_schema(connection)?;
    let state = State::load(connection)?;
    if load_sources(connection)?.iter().any(|source| !source.is_sound()) {
        return Err(damaged("a source's position does not match its checksum"));
    }
    Ok(Opened { state, topics: topics(connection, &state)? })
}

/// The topics of the file, which `state` is of.
pub(super) fn topics(connection: &Connection, state: &State) -> rusqlite::Result<Topics> {
    let mut by_name = HashMap::new();
    for (id, topic, checksum) in load_topics(connection)? {
        if checksum::of_topic(id, &topic) != checksum {
            return Err(damaged("a topic's state does not match its checksum"));
        }
        by_name.insert(Arc::clone(&topic.topic), (id, topic));
    }
    Ok(Topics { by_name, trimmed_gap: state.trimmed_gap })
}

fn load_topics(connection: &Connection) -> rusqlite::Result<Vec<(i64, TopicState, i64)>> {
    let mut statement = connection.prepare(
        "SELECT topic.id, topic.name, source.name, last_seq, trimmed_seq, topic.checksum
         FROM topic LEFT JOIN source ON source.id = topic.source",
    )?;
    let rows = statement.query_map([], |row| {
        let state = TopicState {
            topic: row.get(1)?,
            source: row.get(2)?,
            last_seq: unsigned(row, 3)?,
            trimmed_seq: unsigned(row, 4)?,
        };
        Ok((row.get(0)?, state, row.get(5)?))
    })?;
    rows.collect()
}

/// A row of the source table.
pub(super) struct SourceRow {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) position: Option<Vec<u8>>,
    checksum: i64,
}

impl SourceRow {
    pub(super) fn is_sound(&self) -> bool {
        checksum::of_source(self.id, &self.name, self.position.as_deref()) == self.checksum
    }

    /// Reads `id, name, position, checksum`.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            position: row.get(2)?,
            checksum: row.get(3)?,
        })
    }
}

fn load_sources(connection: &Connection) -> rusqlite::Result<Vec<SourceRow>> {
    let mut statement = connection.prepare("SELECT id, name, position, checksum FROM source")?;
    statement.query_map([], SourceRow::read)?.collect()
}

fn check_schema(connection: &Connection) -> rusqlite::Result<()> {
    let schema: i64 = connection.query_row("SELECT schema FROM log", [], |row| row.get(0))?;
    if schema == schema_checksum(connection)? {
        return Ok(());
    }
    Err(damaged("the schema does not match its checksum"))
}

fn schema_checksum(connection: &Connection) -> rusqlite::Result<i64> {
    let mut statement = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")?;
    let mut rows = statement.query([])?;
    let mut sum = Checksum::default();
    while let Some(row) = rows.next()? {
        sum = sum.bytes(row.get_ref(0)?.as_bytes()?).bytes(row.get_ref(1)?.as_bytes()?);
    }
    Ok(sum.finish())
}

/// What SQLite itself would say.
pub(super) fn damaged(what: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(what.to_owned()))
}

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let is_cut_short = error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ);
    is_cut_short || matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Whether a row is not as we write them, where SQLite itself has nothing to complain of.
pub(super) fn is_misshapen(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows,
        Utf8Error,
    };
    matches!(
        error,
        FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | QueryReturnedNoRows
            | Utf8Error(..)
    )
}

/// SQLite's integers are signed; ours never are.
pub(super) fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, value))
}

/// The other way round; what does not fit cannot occur before the sun goes out.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
