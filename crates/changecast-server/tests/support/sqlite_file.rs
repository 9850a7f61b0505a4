//! A SQLite database of somebody else's, in a directory of its own.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Outcome, PATIENCE, run};

pub(crate) struct SqliteDatabase {
    directory: TempDir,
}

impl SqliteDatabase {
    pub(crate) fn new(schema: &str) -> Self {
        let database = Self { directory: TempDir::new().expect("a directory") };
        let connection = database.connection();
        connection.pragma_update(None, "journal_mode", "wal").expect("a setting");
        connection.execute_batch(schema).expect(schema);
        database
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("app.db")
    }

    pub(crate) fn text(&self) -> String {
        self.path().display().to_string()
    }

    pub(crate) fn connection(&self) -> Connection {
        let connection = Connection::open(self.path()).expect("it opens");
        connection.busy_timeout(PATIENCE).expect("a setting");
        connection
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.connection().execute_batch(sql).expect(sql);
    }

    /// What `changecast sqlite` says to this verb about it.
    pub(crate) async fn sqlite(&self, verb: &str, more: &[&str]) -> Outcome {
        let path = self.text();
        let arguments = [&["sqlite", verb, &*path], more].concat();
        run(&arguments).await
    }

    pub(crate) async fn install(&self, tables: &[&str]) {
        let tables: Vec<_> = tables.iter().flat_map(|table| ["--table", table]).collect();
        let outcome = self.sqlite("install", &tables).await;
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }

    pub(crate) fn source(&self, options: &str) -> String {
        format!("--source=sqlite://{}{options}", self.text())
    }
}
