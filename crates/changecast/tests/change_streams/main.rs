//! Change streams through the public API: on the embedded store, on a real MongoDB
//! and a real Redis (`scripts/services up`, then `source .services/env`), and on a double that fails as it is told.
//!
//! Tests are named after the row of `docs/ORIGINS.md` that they prove; in brackets beside them are
//! the names of the tests of other drivers whose intent they have.
#![cfg(feature = "mongodb")]
#![allow(clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

mod cancel;
mod close;
mod events;
mod images;
mod iterate;
#[path = "../../../changecast-server/tests/support/mongo_double.rs"]
#[allow(dead_code, reason = "the server's tests use the rest")]
mod mongo_double;
mod options;
mod pipeline;
#[cfg(feature = "redis")]
mod redis;
mod resume;
mod scopes;

use std::future::IntoFuture;
use std::time::Duration;

use changecast::model::Change;
use changecast::source::mongodb::{Mongo, MongoSource};
use changecast::source::sqlite::SqliteStore;
use changecast::source::{ChangeStream, Documents, SourceError, WatchOptions, Write};
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection, Database};
use serde_json::Value;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what has to come.
async fn soon<T>(what: &str, coming: impl IntoFuture<Output = T>) -> T {
    let outcome = tokio::time::timeout(PATIENCE, coming).await;
    outcome.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain: {what}"))
}

fn uri() -> String {
    std::env::var("CHANGECAST_TEST_MONGO").expect(
        "CHANGECAST_TEST_MONGO is set: run `scripts/services up`, then `source .services/env`",
    )
}

/// A test's own database in the real MongoDB.
struct Bed {
    mongo: Mongo,
    database: Database,
}

impl Bed {
    async fn new() -> Self {
        let client = Client::with_uri_str(uri()).await.expect("a client");
        let name = format!("stream_{:016x}", fastrand::u64(..));
        Self { mongo: Mongo::new(uri()), database: client.database(&name) }
    }

    fn name(&self) -> &str {
        self.database.name()
    }

    fn orders(&self) -> Collection<Document> {
        self.database.collection("orders")
    }

    fn source(&self) -> MongoSource {
        self.mongo.collection(self.name(), "orders").expect("a source")
    }

    async fn watch(&self, options: WatchOptions) -> ChangeStream {
        soon("a stream", self.source().watch(options)).await.expect("a stream")
    }

    async fn watch_error(&self, options: WatchOptions) -> SourceError {
        soon("an answer", self.source().watch(options)).await.expect_err("an error")
    }

    async fn insert(&self, ids: std::ops::Range<i32>) {
        for id in ids {
            self.orders().insert_one(doc! { "_id": id }).await.expect("an insert");
        }
    }

    /// With images kept.
    async fn create_with_images(&self) {
        let images = doc! { "enabled": true };
        let create = doc! { "create": "orders", "changeStreamPreAndPostImages": images };
        self.database.run_command(create).await.expect("a collection");
    }
}

/// A store of a test's own.
struct Store {
    store: SqliteStore,
    _directory: tempfile::TempDir,
}

impl Store {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(&directory.path().join("store.db"), "shop").expect("a store");
        Self { store, _directory: directory }
    }

    async fn insert(&self, ids: std::ops::Range<i32>) {
        for id in ids {
            let put = Write::Put("{}".into());
            self.store.write("orders", &id.to_string(), put).await.expect("a write");
        }
    }

    async fn watch(&self, options: WatchOptions) -> ChangeStream {
        self.store.watch(options).await.expect("a stream")
    }
}

async fn next(stream: &mut ChangeStream) -> Change {
    soon("a change", stream.next()).await.expect("a stream that goes on").expect("a change")
}

async fn event(stream: &mut ChangeStream) -> Value {
    json(&next(stream).await)
}

async fn error(stream: &mut ChangeStream) -> SourceError {
    let next = soon("an error", stream.next()).await.expect("a stream that goes on");
    next.expect_err("an error")
}

fn json(change: &Change) -> Value {
    serde_json::from_slice(&change.event).expect("JSON")
}

fn id(change: &Change) -> i32 {
    let id = &json(change)["documentKey"]["_id"];
    let text = id.as_str().map_or_else(|| id.to_string(), ToOwned::to_owned);
    text.parse().expect("a number")
}

async fn ids(stream: &mut ChangeStream, count: usize) -> Vec<i32> {
    let mut ids = Vec::new();
    while ids.len() < count {
        ids.push(id(&next(stream).await));
    }
    ids
}

async fn operations(stream: &mut ChangeStream, count: usize) -> Vec<String> {
    let mut operations = Vec::new();
    while operations.len() < count {
        let event = event(stream).await;
        operations.push(event["operationType"].as_str().expect("a word").to_owned());
    }
    operations
}
