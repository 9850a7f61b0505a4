//! Writing rows: each in one transaction, with the foreign keys of the schema in force. The triggers
//! that [`install`](super::super::install) put there tell of it like of anybody's write.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, TransactionBehavior, params_from_iter};
use serde_json::value::RawValue;

use super::super::config::SqliteFileConfig;
use super::key::{self, Condition};
use super::shape::{Column, Shape};
use super::{explain, invalid, value};
use crate::source::{DocumentsError, Write, Written};

pub(super) fn write(
    connection: &mut Connection,
    config: &SqliteFileConfig,
    (table, id): (&str, &str),
    write: &Write,
) -> Result<Written, DocumentsError> {
    connection.pragma_update(None, "foreign_keys", true).map_err(explain)?;
    let behavior = TransactionBehavior::Immediate;
    let transaction = connection.transaction_with_behavior(behavior).map_err(explain)?;
    let shape = Shape::find(&transaction, config, table)?;
    let key = key::read_id(&shape, id)?;
    if key.contains(&Value::Null) {
        return Err(invalid("a row whose key is null cannot be told from others"));
    }
    let row = Target { connection: &transaction, shape: &shape, key };
    let written = match write {
        Write::Put(body) => row.put(&row.read(body)?),
        Write::Patch(body) => row.patch(&row.read(body)?),
        Write::Delete => row.delete(),
    };
    let written = written.map_err(explain)?;
    transaction.commit().map_err(explain)?;
    Ok(written)
}

/// The row that is written.
struct Target<'t> {
    connection: &'t Connection,
    shape: &'t Shape,
    key: Vec<Value>,
}

/// Columns with what they are to hold.
type Given<'t> = Vec<(&'t Column, Value)>;

impl<'t> Target<'t> {
    /// The columns that a body names, but for those of the key, which have to be the id's.
    fn read(&self, body: &str) -> Result<Given<'t>, DocumentsError> {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(body)
            .map_err(|error| invalid(format!("the body is no JSON object: {error}")))?;
        let mut given = Vec::new();
        for (name, json) in &members {
            let read = value::from_json(json.get());
            let value = read.map_err(|problem| {
                invalid(format!("the column {name:?} cannot hold this: {problem}"))
            })?;
            let mut parts = self.shape.key.iter().zip(&self.key);
            if let Some((_, id)) = parts.find(|(part, _)| part.name == *name) {
                if !key::is_same(id, &value) {
                    return Err(invalid(format!(
                        "the body's {name:?} is not the one that the address says: leave it out \
                         or make them equal"
                    )));
                }
                continue;
            }
            let column = self.shape.columns.iter().find(|column| column.name == *name);
            let column = column.ok_or_else(|| invalid(format!("there is no column {name:?}")))?;
            if column.is_generated {
                return Err(invalid(format!(
                    "the database computes the column {name:?}: leave it out"
                )));
            }
            given.push((column, value));
        }
        Ok(given)
    }

    /// Inserts the row or replaces it as a whole: a column that is not named gets its default.
    fn put(&self, given: &Given<'_>) -> rusqlite::Result<Written> {
        if !self.is_there()? {
            self.insert(given)?;
            return Ok(Written::Inserted);
        }
        let is_given = |column: &Column| given.iter().any(|(given, _)| given.name == column.name);
        let defaults = self
            .shape
            .columns
            .iter()
            .filter(|column| !column.is_key && !column.is_generated && !is_given(column));
        let defaults = defaults.map(|column| {
            format!("{} = ({})", column.quoted, column.default.as_deref().unwrap_or("NULL"))
        });
        self.update(given, defaults.collect())
    }

    fn patch(&self, given: &Given<'_>) -> rusqlite::Result<Written> {
        if !self.is_there()? {
            return Ok(Written::Missing);
        }
        self.update(given, Vec::new())
    }

    fn delete(&self) -> rusqlite::Result<Written> {
        let Condition { sql, parameters } = self.condition(1);
        let sql = format!("DELETE FROM {} WHERE {sql}", self.shape.name);
        let count = self.connection.execute(&sql, params_from_iter(parameters))?;
        Ok(if count == 0 { Written::Missing } else { Written::Deleted })
    }

    fn is_there(&self) -> rusqlite::Result<bool> {
        let Condition { sql, parameters } = self.condition(1);
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE {sql})", self.shape.name);
        self.connection.query_row(&sql, params_from_iter(parameters), |row| row.get(0))
    }

    fn insert(&self, given: &Given<'_>) -> rusqlite::Result<()> {
        let key = self.shape.key.iter().map(|part| &*part.quoted);
        let names: Vec<&str> = key.chain(given.iter().map(|(column, _)| &*column.quoted)).collect();
        let places: Vec<String> = (1..=names.len()).map(|number| format!("?{number}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.shape.name,
            names.join(", "),
            places.join(", ")
        );
        let values = self.key.iter().chain(given.iter().map(|(_, value)| value));
        self.connection.execute(&sql, params_from_iter(values))?;
        Ok(())
    }

    /// Sets what is given, and what `more` says.
    fn update(&self, given: &Given<'_>, more: Vec<String>) -> rusqlite::Result<Written> {
        let set =
            (1..).zip(given).map(|(number, (column, _))| format!("{} = ?{number}", column.quoted));
        let set: Vec<String> = set.chain(more).collect();
        if !set.is_empty() {
            let Condition { sql, parameters } = self.condition(given.len() + 1);
            let sql = format!("UPDATE {} SET {} WHERE {sql}", self.shape.name, set.join(", "));
            let values = given.iter().map(|(_, value)| value).chain(&parameters);
            self.connection.execute(&sql, params_from_iter(values))?;
        }
        Ok(Written::Updated)
    }

    fn condition(&self, first: usize) -> Condition {
        key::equal(self.shape, self.key.clone(), first)
    }
}
