//! Putting the triggers and the changelog into a database, and taking them out.
//!
//! | table | holds |
//! |---|---|
//! | `changecast_changelog` | the changes: id, time, op, layout, images before and after |
//! | `changecast_layout` | which table and columns an image is of; a table that is installed anew gets a new one |
//! | `changecast_pending` | what a statement is about to replace |
//! | `changecast_state` | format, identity, and how many changes are kept when nobody reads them |

use std::path::Path;

use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

use super::inspect::{Table, operator};
use super::triggers;
use crate::limits;
use crate::model::Topic;
use crate::source::SourceError;
use crate::source::sqlite::failure;
use crate::source::sqlite::schema::NOW;

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

const REMOVAL: &str = "
    DROP TRIGGER IF EXISTS changecast_cap;
    DROP TABLE changecast_pending;
    DROP TABLE changecast_changelog;
    DROP TABLE changecast_layout;
    DROP TABLE changecast_state;
";

/// A table whose changes are written down from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Installed {
    /// Its name.
    pub table: String,
    /// Whether it had been installed like this before, so that nothing was to do.
    pub was_there: bool,
    /// Unique indexes on expressions or on some rows only: a row of which `REPLACE` gets rid
    /// because of one of them goes unseen.
    pub unseen_indexes: Vec<String>,
}

/// What is in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The tables that are, or were, installed.
    pub tables: Vec<TableStatus>,
    /// Rows of the changelog.
    pub row_count: u64,
    /// How many it keeps when nobody reads them.
    pub rows_max: u64,
    /// SQLite's journal mode: with another than `wal`, readers and writers wait for each other.
    pub journal_mode: String,
}

/// One table that is, or was, installed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableStatus {
    /// Its name.
    pub table: String,
    /// What is wrong with it; nothing while its changes are written down as they should be.
    pub problem: Option<String>,
    /// Whether changes go by unseen because of that, rather than only some of their columns.
    pub is_unseen: bool,
}

/// Writes down the changes of `tables` from now on. A table that was installed before, and has
/// changed since, is installed anew, which followers are told of as a gap. `rows_max` caps the
/// changelog for when nobody reads it.
///
/// # Errors
/// [`SourceError::Operator`] when there is no such file or table, or it cannot be watched. Then
/// nothing is installed.
pub fn install(
    path: &Path,
    tables: &[String],
    rows_max: Option<u64>,
) -> Result<Vec<Installed>, SourceError> {
    let mut connection = open(path)?;
    let transaction = begin(&mut connection)?;
    if !is_there(&transaction)? {
        create(&transaction).map_err(failure)?;
    }
    check_format(&transaction, path)?;
    if let Some(rows_max) = rows_max {
        let rows_max = i64::try_from(rows_max.max(1)).unwrap_or(i64::MAX);
        transaction
            .execute("UPDATE changecast_state SET rows_max = ?", params![rows_max])
            .map_err(failure)?;
    }
    let installed = tables.iter().map(|table| install_table(&transaction, table));
    let installed = installed.collect::<Result<Vec<_>, _>>()?;
    transaction.commit().map_err(failure)?;
    Ok(installed)
}

/// Takes `tables` out again, or everything where none is named, or none is left. Returns the
/// names of those that were taken out.
///
/// # Errors
/// When there is no such file, or it cannot be written. Then nothing is taken out.
pub fn uninstall(path: &Path, tables: &[String]) -> Result<Vec<String>, SourceError> {
    let mut connection = open(path)?;
    let transaction = begin(&mut connection)?;
    if !is_there(&transaction)? {
        return Ok(Vec::new());
    }
    check_format(&transaction, path)?;
    let mut removed = Vec::new();
    for layout in layouts(&transaction).map_err(failure)? {
        let is_named = |name: &String| name.eq_ignore_ascii_case(&layout.collection);
        if tables.is_empty() || tables.iter().any(is_named) {
            retire(&transaction, &layout).map_err(failure)?;
            removed.push(layout.collection);
        }
    }
    if layouts(&transaction).map_err(failure)?.is_empty() {
        transaction.execute_batch(REMOVAL).map_err(failure)?;
    }
    transaction.commit().map_err(failure)?;
    Ok(removed)
}

/// Says what is installed, and whether it is as it should be; none where nothing is.
///
/// # Errors
/// When there is no such file, or it cannot be read.
pub fn status(path: &Path) -> Result<Option<Status>, SourceError> {
    let connection = open(path)?;
    let snapshot = connection.unchecked_transaction().map_err(failure)?;
    if !is_there(&snapshot)? {
        return Ok(None);
    }
    check_format(&snapshot, path)?;
    let tables = survey(&snapshot)?;
    let (row_count, rows_max): (i64, i64) = snapshot
        .query_row(
            "SELECT (SELECT count(*) FROM changecast_changelog), rows_max FROM changecast_state",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(failure)?;
    let journal_mode =
        snapshot.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(failure)?;
    let (row_count, rows_max) = (row_count.unsigned_abs(), rows_max.unsigned_abs());
    Ok(Some(Status { tables, row_count, rows_max, journal_mode }))
}

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

fn begin(connection: &mut Connection) -> Result<Transaction<'_>, SourceError> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)
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

fn create(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
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

fn install_table(transaction: &Transaction<'_>, name: &str) -> Result<Installed, SourceError> {
    let table = Table::find(transaction, name)?;
    // Whatever the source is called: a short name leaves the table the most room.
    Topic::new("x", &table.name)
        .map_err(|error| error.to_string())
        .and_then(|_| {
            let is_short = table.name.len() <= limits::COLLECTION_BYTES_MAX;
            is_short.then_some(()).ok_or_else(|| "it is too long".into())
        })
        .map_err(|why| {
            operator(
                format!("the table {:?} cannot be part of a topic: {why}", table.name),
                "give the table another name",
            )
        })?;
    let known = layouts(transaction).map_err(failure)?;
    let known = known.into_iter().find(|layout| layout.collection == table.name);
    let unseen_indexes = table.unseen_indexes.clone();
    let installed = |was_there| Installed { table: table.name.clone(), was_there, unseen_indexes };
    if let Some(layout) = &known {
        if problem_of(transaction, layout)?.is_none() {
            return Ok(installed(true));
        }
        retire(transaction, layout).map_err(failure)?;
    }
    let layout = add(transaction, &table).map_err(failure)?;
    if known.is_some() {
        let sql =
            format!("INSERT INTO changecast_changelog (time, op, layout) VALUES ({NOW}, ?, ?)");
        transaction.execute(&sql, params![INSTALLED_ANEW, layout]).map_err(failure)?;
    }
    Ok(installed(false))
}

fn add(transaction: &Transaction<'_>, table: &Table) -> rusqlite::Result<i64> {
    let (columns, key) = describe(table);
    let mut insert = transaction.prepare(
        "INSERT INTO changecast_layout (collection, columns, key, active) VALUES (?, ?, ?, 1)",
    )?;
    let layout = insert.insert(params![table.name, columns, key])?;
    for (_, trigger) in triggers::of(table, layout) {
        transaction.execute_batch(&trigger)?;
    }
    Ok(layout)
}

/// Columns and key as a layout spells them.
fn describe(table: &Table) -> (String, String) {
    let json = "names and numbers are JSON";
    (
        serde_json::to_string(&table.columns).expect(json),
        serde_json::to_string(&table.key).expect(json),
    )
}

fn retire(transaction: &Transaction<'_>, layout: &Layout) -> rusqlite::Result<()> {
    for trigger in triggers::names(layout.id) {
        transaction.execute_batch(&format!("DROP TRIGGER IF EXISTS {trigger}"))?;
    }
    transaction
        .execute("UPDATE changecast_layout SET active = 0 WHERE id = ?", params![layout.id])?;
    Ok(())
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

/// How every installed table is.
pub(super) fn survey(connection: &Connection) -> Result<Vec<TableStatus>, SourceError> {
    let mut tables = Vec::new();
    for layout in layouts(connection).map_err(failure)? {
        let (problem, is_unseen) = problem_of(connection, &layout)?.unzip();
        let is_unseen = is_unseen.unwrap_or(false);
        tables.push(TableStatus { table: layout.collection, problem, is_unseen });
    }
    Ok(tables)
}

/// What is wrong with an installed table, and whether its changes go by unseen.
fn problem_of(
    connection: &Connection,
    layout: &Layout,
) -> Result<Option<(String, bool)>, SourceError> {
    let table = match Table::find(connection, &layout.collection) {
        Ok(table) => table,
        Err(SourceError::Operator { .. }) => {
            return Ok(Some(("the table is gone, or has another name".into(), true)));
        }
        Err(error) => return Err(error),
    };
    let is_as_described = describe(&table) == (layout.columns.clone(), layout.key.clone());
    let (mut newest, mut is_as_made) = (0, true);
    for (name, sql) in triggers::of(&table, layout.id) {
        let found: Option<(i64, String)> = connection
            .query_row(
                "SELECT rowid, sql FROM sqlite_schema
                 WHERE type = 'trigger' AND name = ? AND tbl_name = ?",
                params![name, table.name],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(failure)?;
        let Some((row, found)) = found else {
            return Ok(Some(("its triggers are gone".into(), true)));
        };
        newest = newest.max(row);
        is_as_made &= found == sql;
    }
    match (is_as_described, is_as_made) {
        (false, _) => Ok(Some(("its columns or its key have changed".into(), false))),
        (true, false) => Ok(Some(("what is unique, or a trigger, has changed".into(), false))),
        (true, true) => later_trigger(connection, &table, newest),
    }
}

/// SQLite runs the newest trigger first: one that changes the row before ours has told of it turns
/// the order round.
fn later_trigger(
    connection: &Connection,
    table: &Table,
    newest: i64,
) -> Result<Option<(String, bool)>, SourceError> {
    let later: Option<String> = connection
        .query_row(
            "SELECT name FROM sqlite_schema
             WHERE type = 'trigger' AND tbl_name = ? AND rowid > ? LIMIT 1",
            params![table.name, newest],
            |row| row.get(0),
        )
        .optional()
        .map_err(failure)?;
    Ok(later.map(|name| {
        (format!("the trigger {name:?} is newer than ours, and would be run before them"), false)
    }))
}
