//! Putting the triggers and the changelog into a database, and taking them out.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::inspect::{Table, operator};
use super::schema::{
    INSTALLED_ANEW, Layout, REMOVAL, check_format, create, describe, is_there, layouts, open,
};
use super::status::problem_of;
use super::triggers;
use crate::limits;
use crate::model::Topic;
use crate::source::SourceError;
use crate::source::sqlite::failure;
use crate::source::sqlite::schema::NOW;

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

fn begin(connection: &mut Connection) -> Result<Transaction<'_>, SourceError> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)
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

fn retire(transaction: &Transaction<'_>, layout: &Layout) -> rusqlite::Result<()> {
    for trigger in triggers::names(layout.id) {
        transaction.execute_batch(&format!("DROP TRIGGER IF EXISTS {trigger}"))?;
    }
    transaction
        .execute("UPDATE changecast_layout SET active = 0 WHERE id = ?", params![layout.id])?;
    Ok(())
}
