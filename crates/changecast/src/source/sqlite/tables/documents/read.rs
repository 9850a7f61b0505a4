//! Reading rows: one by its key, or a page in the order of the keys.
//!
//! A page is one statement, so it shows one moment of the file. What the stream has told was read
//! from the same file, so that moment is not older.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params_from_iter};

use super::super::config::SqliteFileConfig;
use super::key::{self, Condition};
use super::shape::{KeyPart, Shape};
use super::{explain, invalid, value};
use crate::limits;
use crate::source::sqlite::object::{join, quote};
use crate::source::{DocumentsError, ListPage, Listed};

pub(super) fn get(
    connection: &mut Connection,
    config: &SqliteFileConfig,
    table: &str,
    id: &str,
) -> Result<Option<String>, DocumentsError> {
    let snapshot = connection.transaction().map_err(explain)?;
    let shape = Shape::find(&snapshot, config, table)?;
    let condition = key::equal(&shape, key::read_id(&shape, id)?, 1);
    let mut found = None;
    rows(&snapshot, &shape, Some(condition), 1, |row| {
        found = Some(document(&shape, row)?);
        Ok(true)
    })?;
    Ok(found)
}

pub(super) fn list(
    connection: &mut Connection,
    config: &SqliteFileConfig,
    table: &str,
    wanted: &ListPage,
) -> Result<Listed, DocumentsError> {
    let snapshot = connection.transaction().map_err(explain)?;
    let shape = Shape::find(&snapshot, config, table)?;
    if shape.hides_its_key() {
        return Err(invalid(
            "the table has no primary key, and a column called rowid hides the row's number",
        ));
    }
    let after = wanted.after.as_deref().map(|after| key::read_after(&shape, after)).transpose()?;
    let (mut listed, mut last, mut bytes) = (Listed::default(), None, 0);
    rows(&snapshot, &shape, after, wanted.limit.saturating_add(1), |row| {
        if listed.documents.len() >= wanted.limit || bytes >= limits::LIST_BYTES_MAX {
            listed.next = last.take();
            return Ok(false);
        }
        let document = document(&shape, row)?;
        bytes += document.len();
        let key: Result<Vec<_>, _> =
            shape.key.iter().map(|part| key_value(&shape, part, row)).collect();
        last = Some(key::write_after(key?.into_iter()));
        listed.documents.push(document);
        Ok(true)
    })?;
    Ok(listed)
}

/// Hands out the rows in the order of the key, until `take` has enough.
fn rows(
    connection: &Connection,
    shape: &Shape,
    condition: Option<Condition>,
    limit: usize,
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<bool>,
) -> Result<(), DocumentsError> {
    let columns = shape.columns.iter().map(|column| &column.quoted);
    let hidden = shape.key.iter().filter(|part| part.place.is_none()).map(|part| &part.quoted);
    let names: Vec<&str> = columns.chain(hidden).map(String::as_str).collect();
    let key: Vec<&str> = shape.key.iter().map(|part| &*part.quoted).collect();
    let (condition, parameters) = match condition {
        Some(Condition { sql, parameters }) => (format!("WHERE {sql}"), parameters),
        None => (String::new(), Vec::new()),
    };
    let sql = format!(
        "SELECT {} FROM {} {condition} ORDER BY {} LIMIT {limit}",
        names.join(", "),
        shape.name,
        key.join(", ")
    );
    let reading = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(parameters))?;
        while let Some(row) = rows.next()? {
            if !take(row)? {
                break;
            }
        }
        Ok(())
    };
    reading().map_err(explain)
}

/// The row as an event's `fullDocument`; the hidden row id stands in front where it is the key.
/// What is more than a document may hold is left out and named.
fn document(shape: &Shape, row: &Row<'_>) -> rusqlite::Result<String> {
    let mut members = Vec::with_capacity(shape.columns.len() + 1);
    if !shape.hides_its_key() {
        for part in shape.key.iter().filter(|part| part.place.is_none()) {
            members.push((&*part.name, value::to_json(key_value(shape, part, row)?)));
        }
    }
    let (mut left_out, mut bytes) = (Vec::new(), 0);
    for (place, column) in shape.columns.iter().enumerate() {
        let value = row.get_ref(place)?;
        let more = value::weight(value);
        if bytes + more > limits::COLUMN_BYTES_MAX && !column.is_key {
            left_out.push(quote(&column.name));
            continue;
        }
        bytes += more;
        members.push((&*column.name, value::to_json(value)));
    }
    if !left_out.is_empty() {
        members.push(("$unavailable", format!("[{}]", left_out.join(","))));
    }
    Ok(join(members.iter().map(|(name, json)| (*name, &**json))))
}

fn key_value<'r>(
    shape: &Shape,
    part: &KeyPart,
    row: &'r Row<'_>,
) -> rusqlite::Result<ValueRef<'r>> {
    row.get_ref(part.place.unwrap_or(shape.columns.len()))
}
