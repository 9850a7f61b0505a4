//! Another program that writes into the store's file.

use std::path::Path;

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::PATIENCE;

/// It knows SQL and the documented table, nothing of changecast.
pub(crate) struct OtherProgram(Connection);

impl OtherProgram {
    pub(crate) fn open(data: &Path) -> Self {
        let connection = Connection::open(data.join("store.db")).expect("the store opens");
        connection.busy_timeout(PATIENCE).expect("a setting");
        Self(connection)
    }

    /// Runs one statement with the id and the body of a document of the collection `test`.
    pub(crate) fn execute(&self, statement: &str, id: &str, body: &Value) {
        let count = self.0.execute(statement, params![id, body.to_string()]).expect(statement);
        assert_eq!(count, 1, "{statement}");
    }

    pub(crate) fn insert(&self, id: &str, body: &Value) {
        self.execute("INSERT INTO document VALUES ('test', ?1, ?2)", id, body);
    }

    pub(crate) fn update(&self, id: &str, body: &Value) {
        let update = "UPDATE document SET body = ?2 WHERE collection = 'test' AND id = ?1";
        self.execute(update, id, body);
    }

    pub(crate) fn replace(&self, id: &str, body: &Value) {
        self.execute("INSERT OR REPLACE INTO document VALUES ('test', ?1, ?2)", id, body);
    }

    pub(crate) fn delete(&self, id: &str) {
        let delete = "DELETE FROM document WHERE collection = 'test' AND id = ?1";
        let count = self.0.execute(delete, [id]).expect(delete);
        assert_eq!(count, 1, "{delete}");
    }

    /// Inserts documents `{"n": number}` with the number as their id, each in its transaction.
    pub(crate) fn insert_numbers(&self, numbers: impl IntoIterator<Item = i64>) {
        for number in numbers {
            self.insert(&number.to_string(), &json!({"n": number}));
        }
    }

    /// All of them in one transaction.
    pub(crate) fn insert_numbers_at_once(&self, numbers: impl IntoIterator<Item = i64>) {
        self.at_once(|| self.insert_numbers(numbers));
    }

    /// Writes in one transaction.
    pub(crate) fn at_once(&self, write: impl FnOnce()) {
        self.0.execute_batch("BEGIN IMMEDIATE").expect("a transaction begins");
        write();
        self.0.execute_batch("COMMIT").expect("a transaction ends");
    }
}
