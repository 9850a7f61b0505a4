//! The embedded store, by its file.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};
use serde_json::json;

use super::{fact, open_sqlite, write_sqlite};
use crate::ledger::{COLLECTIONS, Fact};

/// The store's file, as any other program opens it.
pub(crate) fn open(data: &Path) -> Connection {
    open_sqlite(&data.join("store.db"))
}

pub(super) fn write(
    connection: &mut Connection,
    batch: &[Fact],
    padding: &str,
) -> rusqlite::Result<()> {
    if batch.len() > 4 {
        // What is taken back was never there.
        let undone = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write_row(&undone, batch[0], "taken back")?;
        undone.rollback()?;
    }
    write_sqlite(connection, batch, |connection, fact| write_row(connection, fact, padding))
}

fn write_row(connection: &Connection, fact: Fact, padding: &str) -> rusqlite::Result<usize> {
    let (collection, id) = (fact.collection_name(), fact.id());
    let body = json!({ "v": fact.version, "pad": padding }).to_string();
    if fact.is_delete() {
        let delete = "DELETE FROM document WHERE collection = ?1 AND id = ?2";
        return connection.execute(delete, params![collection, id]);
    }
    let statement = match fact.version {
        1 => "INSERT INTO document VALUES (?1, ?2, ?3)",
        version if version % 3 == 0 => "INSERT OR REPLACE INTO document VALUES (?1, ?2, ?3)",
        _ => "UPDATE document SET body = ?3 WHERE collection = ?1 AND id = ?2",
    };
    connection.execute(statement, params![collection, id, body])
}

/// Every document of the embedded store, sorted.
pub(crate) fn read(connection: &Connection) -> Vec<Fact> {
    let all = "SELECT collection, id, json_extract(body, '$.v') FROM document";
    let mut statement = connection.prepare(all).expect("a query");
    let rows = statement.query_map([], |row| {
        let collection: String = row.get(0)?;
        let at = COLLECTIONS.iter().position(|known| *known == collection).expect("a known one");
        Ok(fact(at, &row.get::<_, String>(1)?, row.get(2)?))
    });
    let mut facts: Vec<_> = rows.expect("rows").map(|row| row.expect("a row")).collect();
    facts.sort_unstable();
    facts
}
