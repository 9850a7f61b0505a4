//! What is installed in a database, and whether it is as it should be.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::inspect::Table;
use super::schema::{Layout, check_format, describe, is_there, layouts, open};
use super::triggers;
use crate::source::SourceError;
use crate::source::sqlite::failure;

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
pub(super) fn problem_of(
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
