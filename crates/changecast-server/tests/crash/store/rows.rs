//! A SQLite database of somebody else's: a table for each collection, watched by triggers.

use std::path::Path;
use std::process::Command;

use rusqlite::{Connection, params};

use super::{fact, open_sqlite, write_sqlite};
use crate::ledger::{COLLECTIONS, Fact};

/// Makes the database with its tables, and has changecast install its triggers.
pub(crate) fn create(path: &Path) {
    let connection = open_sqlite(path);
    connection.pragma_update(None, "journal_mode", "wal").expect("a setting");
    let mut install = Command::new(env!("CARGO_BIN_EXE_changecast"));
    install.args(["sqlite", "install"]).arg(path);
    for name in COLLECTIONS {
        let create = format!("CREATE TABLE \"{name}\" (_id TEXT PRIMARY KEY, v INTEGER, pad TEXT)");
        connection.execute_batch(&create).expect("a table");
        install.args(["--table", name]);
    }
    let installed = install.output().expect("changecast runs");
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
}

pub(super) fn write(
    connection: &mut Connection,
    batch: &[Fact],
    padding: &str,
) -> rusqlite::Result<()> {
    write_sqlite(connection, batch, |connection, fact| write_row(connection, fact, padding))
}

fn write_row(connection: &Connection, fact: Fact, padding: &str) -> rusqlite::Result<usize> {
    let (table, id) = (fact.collection_name(), fact.id());
    if fact.is_delete() {
        return connection.execute(&format!("DELETE FROM \"{table}\" WHERE _id = ?1"), [id]);
    }
    let statement = match fact.version {
        1 => format!("INSERT INTO \"{table}\" VALUES (?1, ?2, ?3)"),
        version if version % 3 == 0 => {
            format!("INSERT OR REPLACE INTO \"{table}\" VALUES (?1, ?2, ?3)")
        }
        _ => format!("UPDATE \"{table}\" SET v = ?2, pad = ?3 WHERE _id = ?1"),
    };
    connection.execute(&statement, params![id, fact.version, padding])
}

/// Every row, sorted.
pub(crate) fn read(connection: &Connection) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (at, name) in COLLECTIONS.iter().enumerate() {
        let all = format!("SELECT _id, v FROM \"{name}\"");
        let mut statement = connection.prepare(&all).expect("a query");
        let rows =
            statement.query_map([], |row| Ok(fact(at, &row.get::<_, String>(0)?, row.get(1)?)));
        facts.extend(rows.expect("rows").map(|row| row.expect("a row")));
    }
    facts.sort_unstable();
    facts
}
