//! A table as its rows are read and written.

use rusqlite::{Connection, params};

use super::super::config::SqliteFileConfig;
use super::super::inspect::{Table, identifier};
use super::{check_watched, explain, unavailable};
use crate::source::DocumentsError;

/// What documents call the row id of a table without a primary key, as events do.
const ROW_ID: &str = "rowid";

/// A watched table as it is now.
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) key: Vec<KeyPart>,
}

pub(super) struct Column {
    pub(super) name: String,
    pub(super) quoted: String,
    /// Its default as SQL, which the schema holds.
    pub(super) default: Option<String>,
    /// Only the database may write it.
    pub(super) is_generated: bool,
    pub(super) is_key: bool,
}

/// A column of the key, or the hidden row id.
pub(super) struct KeyPart {
    pub(super) name: String,
    pub(super) quoted: String,
    /// Its place among the columns; none for the hidden row id.
    pub(super) place: Option<usize>,
}

impl Shape {
    /// The shape of a table that is watched.
    pub(super) fn find(
        connection: &Connection,
        config: &SqliteFileConfig,
        table: &str,
    ) -> Result<Self, DocumentsError> {
        check_watched(connection, config, table)?;
        let table = Table::find(connection, table).map_err(unavailable)?;
        let mut columns = columns(connection, &table.name).map_err(explain)?;
        let mut key = Vec::new();
        for place in &table.key {
            match columns.get_mut(*place) {
                Some(column) => {
                    column.is_key = true;
                    let (name, quoted) = (column.name.clone(), column.quoted.clone());
                    key.push(KeyPart { name, quoted, place: Some(*place) });
                }
                None => {
                    let quoted = table.row_id.clone().unwrap_or_else(|| ROW_ID.into());
                    key.push(KeyPart { name: ROW_ID.into(), quoted, place: None });
                }
            }
        }
        Ok(Self { name: identifier(&table.name), columns, key })
    }

    /// Whether a column has the name that the hidden row id has in documents.
    pub(super) fn hides_its_key(&self) -> bool {
        let is_hidden = |part: &KeyPart| part.place.is_none();
        let has_name = |column: &Column| column.name == ROW_ID;
        self.key.iter().any(is_hidden) && self.columns.iter().any(has_name)
    }

    pub(super) fn key_names(&self) -> String {
        let names: Vec<&str> = self.key.iter().map(|part| &*part.name).collect();
        names.join(", ")
    }
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    let mut statement = connection.prepare(
        "SELECT name, dflt_value, hidden FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid",
    )?;
    let rows = statement.query_map(params![table], |row| {
        let name: String = row.get(0)?;
        Ok(Column {
            quoted: identifier(&name),
            name,
            default: row.get(1)?,
            is_generated: row.get::<_, i64>(2)? > 1,
            is_key: false,
        })
    })?;
    rows.collect()
}
