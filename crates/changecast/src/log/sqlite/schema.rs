//! The file's format, and what is known of it once it is open.
//!
//! `user_version` is the format. A newer one is refused; an older one will be migrated here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Topics, storage};
use crate::log::{LogError, LogSize, TopicState};
use crate::model::{Epoch, Seq, Timestamp};

const FORMAT: i64 = 1;

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

/// What the file says when it is opened.
pub(super) struct Opened {
    pub(super) epoch: Epoch,
    pub(super) tail: Seq,
    pub(super) last_time: Timestamp,
    pub(super) size: LogSize,
    pub(super) topics: Topics,
}

pub(super) fn open(path: &Path) -> Result<(Connection, Opened), LogError> {
    let mut connection = connect(path).map_err(storage)?;
    let format: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(storage)?;
    if format > FORMAT {
        let path = path.display().to_string();
        return Err(LogError::Newer { path, found: format, known: FORMAT });
    }
    if format == 0 {
        create(&mut connection).map_err(storage)?;
    }
    let state = load(&connection).map_err(storage)?;
    Ok((connection, state))
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

fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    let epoch = Epoch::from_random(fastrand::u64(..));
    transaction.execute("INSERT INTO log VALUES (?, 0, 0, 0, 0, 0)", params![epoch.as_str()])?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

fn load(connection: &Connection) -> rusqlite::Result<Opened> {
    let (epoch, tail, last_time, size, trimmed_gap) = connection
        .query_row(
            "SELECT epoch, last_seq, last_time, entry_count, bytes, trimmed_gap FROM log",
            [],
            |row| {
                let size = LogSize { entry_count: unsigned(row, 3)?, bytes: unsigned(row, 4)? };
                let epoch: String = row.get(0)?;
                Ok((
                    epoch,
                    Seq(unsigned(row, 1)?),
                    Timestamp(unsigned(row, 2)?),
                    size,
                    Seq(unsigned(row, 5)?),
                ))
            },
        )
        .optional()?
        .ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let epoch = epoch.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })?;
    let topics = Topics { by_name: load_topics(connection)?, trimmed_gap };
    Ok(Opened { epoch, tail, last_time, size, topics })
}

fn load_topics(
    connection: &Connection,
) -> rusqlite::Result<std::collections::HashMap<Arc<str>, (i64, TopicState)>> {
    let mut statement = connection.prepare(
        "SELECT topic.id, topic.name, source.name, last_seq, trimmed_seq
         FROM topic JOIN source ON source.id = topic.source",
    )?;
    let rows = statement.query_map([], |row| {
        let topic: Arc<str> = row.get(1)?;
        let state = TopicState {
            topic: Arc::clone(&topic),
            source: row.get(2)?,
            last_seq: unsigned(row, 3)?,
            trimmed_seq: unsigned(row, 4)?,
        };
        Ok((topic, (row.get(0)?, state)))
    })?;
    rows.collect()
}

/// SQLite's integers are signed; ours never are.
pub(super) fn unsigned(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, value))
}

/// The other way round; what does not fit cannot occur before the sun goes out.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
