//! The store from outside: as other programs write it, as clients do, and as somebody watches.

mod changelog;
mod documents;
mod event;
mod file;
mod loss;
mod random;
mod watching;

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::time::timeout;

use super::SqliteStore;
use crate::model::{Change, Position};
use crate::source::{ChangeStream, Delivery, Source as _, SourceError, WatchOptions};

/// A store in a directory of its own.
struct Fixture {
    directory: TempDir,
    store: SqliteStore,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("store.db"), "test").unwrap();
        Self { directory, store }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    /// A connection as any program has it.
    fn connection(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        // Only power cuts need more.
        connection.pragma_update(None, "synchronous", "normal").unwrap();
        connection
    }

    async fn watch(&self) -> ChangeStream {
        self.store.watch(WatchOptions::default()).await.unwrap()
    }

    async fn watch_after(&self, position: &Position) -> Result<ChangeStream, SourceError> {
        self.store.watch(WatchOptions::new().start_after(position.clone())).await
    }
}

pub(super) async fn next(stream: &mut ChangeStream) -> Result<Delivery, SourceError> {
    let next = timeout(Duration::from_secs(20), stream.next_delivery()).await;
    next.expect("a delivery comes in time").expect("the stream goes on")
}

pub(super) async fn next_change(stream: &mut ChangeStream) -> Change {
    loop {
        if let Some(change) = next(stream).await.unwrap().change {
            return change;
        }
    }
}

fn event(change: &Change) -> serde_json::Value {
    serde_json::from_slice(&change.event).unwrap()
}

/// What the changelog holds: op, document, body before, body after.
fn changelog(connection: &Connection) -> Vec<(String, String, Option<String>, Option<String>)> {
    let mut statement = connection
        .prepare(
            "SELECT op, collection || '/' || document_id, before, after FROM changelog ORDER BY id",
        )
        .unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}
