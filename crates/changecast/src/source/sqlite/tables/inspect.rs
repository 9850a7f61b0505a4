//! What SQLite says of a table: its columns, its key, what is unique about it.

use rusqlite::{Connection, OptionalExtension, params};

use crate::source::SourceError;
use crate::source::sqlite::failure;

/// A table that can be watched.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    /// The places of the primary key's columns; one behind the last is the hidden row id.
    pub(super) key: Vec<usize>,
    /// How SQL names the row id, quoted if need be; none `WITHOUT ROWID`.
    pub(super) row_id: Option<String>,
    /// Which columns, each with its collation, are unique together.
    pub(super) unique: Vec<Vec<(String, String)>>,
    /// Unique indexes on expressions or on some rows only: what `REPLACE` removes by one of them
    /// is not seen.
    pub(super) unseen_indexes: Vec<String>,
}

impl Table {
    /// The table called `name`, in whatever case.
    pub(super) fn find(connection: &Connection, name: &str) -> Result<Self, SourceError> {
        let found: Option<(String, String, bool)> = connection
            .query_row(
                "SELECT name, type, wr FROM pragma_table_list
                 WHERE schema = 'main' AND name = ? COLLATE NOCASE",
                params![name],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
            .map_err(failure)?;
        let Some((name, kind, has_no_row_id)) = found else {
            return Err(operator(
                format!("there is no table {name:?}"),
                "see which there are: sqlite3 FILE .tables",
            ));
        };
        if kind != "table" || name.starts_with("sqlite_") || name.starts_with("changecast_") {
            let what = if kind == "table" { "a table of SQLite's or ours" } else { &kind };
            return Err(operator(
                format!("{name:?} is {what}: it cannot be watched"),
                "name the tables that its rows come from",
            ));
        }
        Self::read(connection, name, has_no_row_id)
    }

    fn read(
        connection: &Connection,
        name: String,
        has_no_row_id: bool,
    ) -> Result<Self, SourceError> {
        let described = columns(connection, &name).map_err(failure)?;
        let names: Vec<String> = described.iter().map(|column| column.name.clone()).collect();
        let mut key: Vec<(i64, usize)> = described
            .iter()
            .enumerate()
            .filter(|(_, column)| column.place_in_key > 0)
            .map(|(place, column)| (column.place_in_key, place))
            .collect();
        key.sort_unstable();
        let mut key: Vec<usize> = key.into_iter().map(|(_, place)| place).collect();
        let row_id = (!has_no_row_id).then(|| row_id(&described)).flatten();
        if row_id.is_none() && !has_no_row_id {
            return Err(operator(
                format!(
                    "{name:?} has columns called rowid, _rowid_ and oid, which hide the row id"
                ),
                "give it an INTEGER PRIMARY KEY, or rename one of them",
            ));
        }
        if key.is_empty() {
            key.push(names.len());
        }
        let (unique, unseen_indexes) = unique(connection, &name).map_err(failure)?;
        Ok(Self { name, columns: names, key, row_id, unique, unseen_indexes })
    }

    /// Whether rows are known by their hidden row id.
    pub(super) fn is_keyed_by_row_id(&self) -> bool {
        self.key.contains(&self.columns.len())
    }
}

struct Column {
    name: String,
    declared: String,
    /// From 1; 0 outside the primary key.
    place_in_key: i64,
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    // Generated columns are columns; hidden ones belong to virtual tables.
    let mut statement = connection.prepare(
        "SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid",
    )?;
    let rows = statement.query_map(params![table], |row| {
        Ok(Column { name: row.get(0)?, declared: row.get(1)?, place_in_key: row.get(2)? })
    })?;
    rows.collect()
}

fn row_id(columns: &[Column]) -> Option<String> {
    let is_free =
        |name: &&str| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    if let Some(name) = ["rowid", "_rowid_", "oid"].iter().find(|name| is_free(name)) {
        return Some((*name).to_owned());
    }
    let mut of_key = columns.iter().filter(|column| column.place_in_key > 0);
    let only = of_key.next().filter(|_| of_key.next().is_none())?;
    only.declared.eq_ignore_ascii_case("integer").then(|| identifier(&only.name))
}

type Unique = Vec<Vec<(String, String)>>;

/// The unique indexes, by their columns, and the names of those that are more than columns.
fn unique(connection: &Connection, table: &str) -> rusqlite::Result<(Unique, Vec<String>)> {
    let mut list = connection
        .prepare("SELECT name, partial FROM pragma_index_list(?) WHERE \"unique\" ORDER BY seq")?;
    let indexes = list
        .query_map(params![table], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(String, bool)>>>()?;
    let mut parts = connection
        .prepare("SELECT name, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno")?;
    let (mut unique, mut unseen) = (Vec::new(), Vec::new());
    for (name, is_partial) in indexes {
        let columns = parts
            .query_map(params![name], |row| {
                Ok(row.get::<_, Option<String>>(0)?.zip(row.get::<_, Option<String>>(1)?))
            })?
            .collect::<rusqlite::Result<Option<Vec<_>>>>()?;
        match columns {
            Some(columns) if !is_partial => unique.push(columns),
            _ => unseen.push(name),
        }
    }
    Ok((unique, unseen))
}

/// `name` as SQL spells it, whatever it holds.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn operator(problem: impl Into<String>, remedy: impl Into<String>) -> SourceError {
    SourceError::Operator { problem: problem.into(), remedy: remedy.into() }
}
