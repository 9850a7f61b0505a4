//! What is put into a database beside its own tables, and how it is found there.
//!
//! | table | holds |
//! |---|---|
//! | `changecast_changelog` | the changes: id, time, op, layout, images before and after |
//! | `changecast_layout` | which table and columns an image is of; a table that is installed anew gets a new one |
//! | `changecast_pending` | what a statement is about to replace |
//! | `changecast_state` | format, identity, and how many changes are kept when nobody reads them |

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Transaction, params};

use super::inspect::{Table, operator};
use crate::limits;
use crate::source::SourceError;
use crate::source::sqlite::failure;

const FORMAT: i64 = 1;

/// `op` of a row that says: what was written to this table before may not be here.
pub(super) const INSTALLED_ANEW: &str = "installed anew";

const SCHEMA: &str = "
    CREATE TABLE changecast_state (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        format INTEGER NOT NULL,
        identity TEXT NOT NULL,         -- of this changelog: event ids start with it
        rows_max INTEGER NOT NULL CHECK (rows_max > 0) -- its cap if nobody reads it
    );
    CREATE TABLE changecast_layout (
        id INTEGER PRIMARY KEY,
        collection TEXT NOT NULL,       -- the table's name
        columns TEXT NOT NULL,          -- their names, a JSON array
        key TEXT NOT NULL,              -- the places of those that are the key, a JSON array
        active INTEGER NOT NULL
    );
    CREATE TABLE changecast_changelog (
        id INTEGER PRIMARY KEY,
        time INTEGER NOT NULL,          -- milliseconds since 1970, UTC
        op TEXT NOT NULL,               -- insert, update, replace or delete
        layout INTEGER NOT NULL,
        before TEXT,
        after TEXT
    );
    CREATE TABLE changecast_pending (
        layout INTEGER NOT NULL,
        row INTEGER,
        key TEXT NOT NULL,
        before TEXT NOT NULL
    );
    -- Now and then, so that a write hardly ever pays for it.
    CREATE TRIGGER changecast_cap AFTER INSERT ON changecast_changelog WHEN NEW.id % 256 = 0 BEGIN
        DELETE FROM changecast_changelog
            WHERE id <= NEW.id - (SELECT rows_max FROM changecast_state);
    END;
";

pub(super) const REMOVAL: &str = "
    DROP TRIGGER IF EXISTS changecast_cap;
    DROP TABLE changecast_pending;
    DROP TABLE changecast_changelog;
    DROP TABLE changecast_layout;
    DROP TABLE changecast_state;
";

/// A table that is installed.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) id: i64,
    pub(super) collection: String,
    pub(super) columns: String,
    pub(super) key: String,
}

/// A connection to a database that is there.
pub(super) fn open(path: &Path) -> Result<Connection, SourceError> {
    if !path.exists() {
        return Err(operator(
            format!("there is no file {}", path.display()),
            "create the database, or correct the path; it is looked for again and again",
        ));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| {
        operator(
            format!("{} cannot be opened: {error}", path.display()),
            "let the user that changecast runs as read and write the file and its directory",
        )
    })?;
    connection.busy_timeout(limits::BUSY_TIMEOUT).map_err(failure)?;
    Ok(connection)
}

/// Whether anything of ours is in the database.
pub(super) fn is_there(connection: &Connection) -> Result<bool, SourceError> {
    connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'changecast_state')",
            [],
            |row| row.get(0),
        )
        .map_err(failure)
}

pub(super) fn create(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(SCHEMA)?;
    let rows_max = i64::try_from(limits::FILE_CHANGELOG_ROWS_MAX).unwrap_or(i64::MAX);
    transaction.execute(
        "INSERT INTO changecast_state VALUES (1, ?, lower(hex(randomblob(8))), ?)",
        params![FORMAT, rows_max],
    )?;
    Ok(())
}

pub(super) fn check_format(connection: &Connection, path: &Path) -> Result<(), SourceError> {
    let format: i64 = connection
        .query_row("SELECT format FROM changecast_state", [], |row| row.get(0))
        .map_err(failure)?;
    if format <= FORMAT {
        return Ok(());
    }
    Err(operator(
        format!(
            "what is in {} was installed by a newer changecast (format {format}, this one knows {FORMAT})",
            path.display()
        ),
        "use that version, or let it uninstall and this one install",
    ))
}

/// Columns and key as a layout spells them.
pub(super) fn describe(table: &Table) -> (String, String) {
    let json = "names and numbers are JSON";
    (
        serde_json::to_string(&table.columns).expect(json),
        serde_json::to_string(&table.key).expect(json),
    )
}

/// What is installed.
pub(super) fn layouts(connection: &Connection) -> rusqlite::Result<Vec<Layout>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, collection, columns, key FROM changecast_layout WHERE active ORDER BY collection",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Layout {
            id: row.get(0)?,
            collection: row.get(1)?,
            columns: row.get(2)?,
            key: row.get(3)?,
        })
    })?;
    rows.collect()
}
