//! The driver against a real mongod: `scripts/services up`, then `source .services/env`.
//!
//! Every test has a database of its own, so that all can run at once.

mod capture;
mod errors;
mod filters;
mod mongod;
mod offline;
mod outage;
mod resume;
mod scopes;

use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::{Client, Collection, Database};
use serde_json::Value;
use tokio::time::timeout;

use super::{MongoConfig, MongoSource, Scope};
use crate::model::{Change, Op, Position};
use crate::source::{ChangeStream, Delivery, Source, SourceError, WatchOptions};
use crate::telemetry::Telemetry;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn uri() -> String {
    environment("CHANGECAST_TEST_MONGO")
}

fn environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `scripts/services up`, then `source .services/env`")
    })
}

/// A test's own database.
struct Bed {
    database: Database,
}

impl Bed {
    async fn new() -> Self {
        let client = Client::with_uri_str(uri()).await.expect("a client");
        let bed = Self { database: client.database(&format!("test_{:016x}", fastrand::u64(..))) };
        let ping = bed.database.run_command(doc! { "ping": 1 });
        timeout(PATIENCE, ping).await.expect("mongod answers").expect(
            "the mongod that CHANGECAST_TEST_MONGO names does not answer: `scripts/services up`",
        );
        bed
    }

    fn config(&self, scope: Scope) -> MongoConfig {
        let mut config = MongoConfig::new(uri(), self.database.name(), scope);
        config.name = "shop".into();
        config
    }

    fn source(&self, scope: Scope) -> MongoSource {
        source(self.config(scope))
    }

    fn orders(&self) -> Collection<Document> {
        self.database.collection("orders")
    }

    fn items(&self) -> Collection<Document> {
        self.database.collection("items")
    }

    async fn insert_orders(&self, ids: std::ops::Range<i32>) {
        let documents = ids.map(|id| doc! { "_id": id });
        self.orders().insert_many(documents).await.expect("insert");
    }
}

fn source(config: MongoConfig) -> MongoSource {
    MongoSource::new(config, Arc::new(Telemetry::new())).expect("a source")
}

fn orders() -> Scope {
    Scope::Collection("orders".into())
}

fn orders_and_items() -> Scope {
    Scope::Collections(vec!["orders".into(), "items".into()])
}

/// Opens a stream after `position`, or from now.
async fn follow(source: &MongoSource, position: Option<Position>) -> Followed {
    Followed { stream: try_follow(source, position).await.expect("a stream") }
}

async fn try_follow(
    source: &MongoSource,
    position: Option<Position>,
) -> Result<ChangeStream, SourceError> {
    let watch = source.watch(after(position));
    timeout(PATIENCE, watch).await.expect("the server answers")
}

fn after(position: Option<Position>) -> WatchOptions {
    WatchOptions { start_after: position, ..WatchOptions::new() }
}

/// What a failed `watch` said.
async fn watch_error(source: &MongoSource, position: Option<Position>) -> SourceError {
    try_follow(source, position).await.expect_err("an error")
}

/// A stream that is waited for.
struct Followed {
    stream: ChangeStream,
}

impl Followed {
    async fn delivery(&mut self) -> Result<Delivery, SourceError> {
        let next =
            timeout(PATIENCE, self.stream.next_delivery()).await.expect("a delivery in time");
        next.expect("a stream that goes on")
    }

    async fn change(&mut self) -> Change {
        loop {
            if let Some(change) = self.delivery().await.expect("a delivery").change {
                return change;
            }
        }
    }

    /// What ends the stream.
    async fn error(&mut self) -> SourceError {
        loop {
            if let Err(error) = self.delivery().await {
                return error;
            }
        }
    }

    async fn event(&mut self) -> Value {
        json(&self.change().await.event)
    }

    async fn changes(&mut self, count: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        while changes.len() < count {
            changes.push(self.change().await);
        }
        changes
    }

    /// The keys of the next inserts.
    async fn ids(&mut self, count: usize) -> Vec<i64> {
        let changes = self.changes(count).await;
        changes.iter().map(|change| json(&change.key)["_id"].as_i64().expect("a number")).collect()
    }

    /// What the next changes did, and in which topic.
    async fn operations(&mut self, count: usize) -> Vec<(Op, String)> {
        let changes = self.changes(count).await;
        changes.into_iter().map(|change| (change.op, change.topic.as_str().to_owned())).collect()
    }

    fn position(&self) -> Option<Position> {
        self.stream.resume_token().cloned()
    }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}
