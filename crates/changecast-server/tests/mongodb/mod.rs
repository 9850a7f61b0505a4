//! Changes of a real MongoDB, carried by the real binary.
//!
//! Tests that leave the database alone share one mongod, each with a database of its own; those
//! that kill, pause or misconfigure it start their own.

mod absent;
mod changes;
mod check;
mod deployments;
mod documents;
mod endings;
mod filters;
mod load;
mod logins;
mod outages;
mod restarts;
mod scopes;
mod values;

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::{Client, Collection, Database};
use serde_json::Value;
use tokio::time::timeout;

use crate::support::{
    Entry, Message, Mongod, Subscriber, TestServer, insert_surely, numbers, shared_mongo, soon,
};

/// How long a test waits for the end of something that has many parts.
pub(crate) const LONG_PATIENCE: Duration = Duration::from_secs(180);

/// A test's own database.
pub(crate) struct TestDatabase {
    pub(crate) database: Database,
    pub(crate) uri: String,
}

impl TestDatabase {
    /// In the shared mongod.
    pub(crate) async fn new() -> Self {
        let uri = shared_mongo();
        let client = Client::with_uri_str(&uri).await.expect("a client");
        let bed = Self::of(client, uri);
        let ping = soon("mongod", bed.database.run_command(doc! { "ping": 1 }).into_future()).await;
        ping.expect("the mongod of CHANGECAST_TEST_MONGO answers: run `scripts/services up`");
        bed
    }

    /// In a mongod of the test's own, be it there or not.
    pub(crate) async fn on(mongod: &Mongod) -> Self {
        Self::of(mongod.client().await, mongod.uri())
    }

    fn of(client: Client, uri: String) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("e2e_{}_{number}_{now:x}", std::process::id());
        Self { database: client.database(&name), uri }
    }

    fn name(&self) -> &str {
        self.database.name()
    }

    pub(crate) fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }

    /// The collection that most tests watch.
    pub(crate) fn items(&self) -> Collection<Document> {
        self.collection("items")
    }

    fn raw_items(&self) -> Collection<RawDocumentBuf> {
        self.database.collection("items")
    }

    /// `<database>.<collection>`.
    pub(crate) fn namespace(&self, collection: &str) -> String {
        format!("{}.{collection}", self.name())
    }

    /// A changecast that watches `items`.
    async fn watched(&self) -> TestServer {
        self.watched_at(&["items"]).await
    }

    /// A changecast that watches these collections.
    async fn watched_at(&self, collections: &[&str]) -> TestServer {
        let namespaces: Vec<_> = collections.iter().map(|name| self.namespace(name)).collect();
        TestServer::start_with(&arguments(&self.uri, &namespaces)).await
    }

    /// The same, but its source may not be live when this returns.
    async fn watched_in_vain(&self, uri: &str) -> TestServer {
        TestServer::start_unready(&arguments(uri, &[self.namespace("items")]), &[]).await
    }

    /// Inserts documents `{"n": number}` into `items`, one after the other.
    pub(crate) async fn insert_numbers(&self, numbers: Range<i64>) {
        for number in numbers {
            insert_surely(&self.items(), &numbered(number)).await;
        }
    }
}

fn arguments<'a>(uri: &'a str, namespaces: &'a [String]) -> Vec<&'a str> {
    let namespaces = namespaces.iter().flat_map(|namespace| ["--ns", namespace]);
    ["--mongo", uri].into_iter().chain(namespaces).collect()
}

pub(crate) fn numbered(number: i64) -> Document {
    doc! { "_id": number, "n": number }
}

/// What a subscriber was told, news of sources apart from changes.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) changes: Vec<Entry>,
    /// The data of `source` messages.
    pub(crate) news: Vec<Value>,
}

impl Told {
    pub(crate) fn numbers(&self) -> Vec<i64> {
        numbers(&self.changes)
    }

    /// The states of the source, in order.
    fn states(&self) -> Vec<&str> {
        self.news.iter().map(|news| news["state"].as_str().expect("a state")).collect()
    }
}

/// Follows up to the document with this number; a gap on the way is a failure.
pub(crate) async fn told_until<S: Subscriber>(client: &mut S, last: i64) -> Told {
    told_until_change(client, |entry| entry.change.number() == Some(last)).await
}

/// Follows up to the change that `is_last`; a gap on the way is a failure.
pub(crate) async fn told_until_change<S: Subscriber>(
    client: &mut S,
    is_last: impl Fn(&Entry) -> bool,
) -> Told {
    let mut told = Told::default();
    let following = async {
        loop {
            match client.message().await.expect("the stream goes on") {
                Message::Change(entry) => {
                    told.changes.push(entry);
                    if told.changes.last().is_some_and(&is_last) {
                        return;
                    }
                }
                Message::Control(control) if control.kind == "source" => {
                    told.news.push(control.data);
                }
                Message::Control(control) => assert_eq!(control.kind, "bookmark", "{control:?}"),
            }
        }
    };
    let outcome = timeout(LONG_PATIENCE, following).await;
    outcome.unwrap_or_else(|_| panic!("the last change did not come; so far: {told:?}"));
    told
}

/// Waits for news of a source in this state, and returns them.
pub(crate) async fn news_of<S: Subscriber>(client: &mut S, state: &str) -> Value {
    let waiting = async {
        loop {
            let news = client.control("source").await.data;
            if news["state"] == state {
                return news;
            }
        }
    };
    let news = timeout(LONG_PATIENCE, waiting).await;
    news.unwrap_or_else(|_| panic!("no source became {state}"))
}
