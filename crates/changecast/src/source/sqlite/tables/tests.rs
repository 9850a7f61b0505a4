//! Tables of somebody else's, as other programs write them and as somebody watches them.

mod documents;
mod events;
mod installing;
mod random;
mod watching;

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use super::{SqliteFile, SqliteFileConfig, install, status, uninstall};
use crate::model::Position;
use crate::source::sqlite::tests::{next, next_change};
use crate::source::{ChangeStream, Source as _, SourceError, WatchOptions};

/// A database in a directory of its own.
struct Fixture {
    directory: TempDir,
}

impl Fixture {
    /// With this schema, and these tables installed.
    fn new(schema: &str, tables: &[&str]) -> Self {
        let fixture = Self { directory: tempfile::tempdir().unwrap() };
        let connection = Connection::open(fixture.path()).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch(schema).unwrap();
        if !tables.is_empty() {
            fixture.install(tables);
        }
        fixture
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("app.db")
    }

    fn install(&self, tables: &[&str]) {
        install(&self.path(), &names(tables), None).unwrap();
    }

    /// A connection as any program has it.
    fn connection(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection.pragma_update(None, "synchronous", "normal").unwrap();
        connection
    }

    fn source(&self, tables: &[&str]) -> SqliteFile {
        let mut config = SqliteFileConfig::new(self.path());
        config.tables = names(tables);
        SqliteFile::new(config).unwrap()
    }

    async fn watch(&self) -> ChangeStream {
        self.source(&[]).watch(WatchOptions::new()).await.unwrap()
    }

    async fn watch_after(&self, position: &Position) -> Result<ChangeStream, SourceError> {
        self.source(&[]).watch(WatchOptions::new().start_after(position.clone())).await
    }
}

fn names(tables: &[&str]) -> Vec<String> {
    tables.iter().map(|&name| name.to_owned()).collect()
}

async fn next_event(stream: &mut ChangeStream) -> Value {
    serde_json::from_slice(&next_change(stream).await.event).unwrap()
}

/// The error that ends the stream, whatever comes before it.
async fn end(stream: &mut ChangeStream) -> SourceError {
    loop {
        if let Err(error) = next(stream).await {
            return error;
        }
    }
}

/// What an event comes down to: operation, key, image before, image after.
fn summary(event: &Value) -> String {
    let image = |name: &str| event.get(name).map_or("-".into(), ToString::to_string);
    format!(
        "{} {} {} {}",
        event["operationType"].as_str().unwrap(),
        event["documentKey"],
        image("fullDocumentBeforeChange"),
        image("fullDocument")
    )
}

/// With `schema`, and table `t` installed, `statements` bring exactly the `expected` events.
async fn check(schema: &str, statements: &str, expected: &[&str]) {
    let fixture = Fixture::new(schema, &["t"]);
    let mut stream = fixture.watch().await;
    let connection = fixture.connection();
    connection.execute_batch("CREATE TABLE fence (x)").unwrap();
    fixture.install(&["fence"]);
    connection.execute_batch(statements).unwrap();
    connection.execute_batch("INSERT INTO fence VALUES (1)").unwrap();
    let mut found = Vec::new();
    loop {
        let event = next_event(&mut stream).await;
        if event["ns"]["coll"] == "fence" {
            break;
        }
        found.push(summary(&event));
    }
    assert_eq!(found, expected, "{statements}");
}
