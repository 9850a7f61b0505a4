//! Changes of a real PostgreSQL, carried by the real binary.
//!
//! What all sources promise is in `conformance`; here is what only PostgreSQL has. Tests that leave
//! the server alone share one, each with a database of its own.

mod changes;
mod check;
mod documents;
mod encryption;
mod large;
mod lists;
mod logins;
mod outages;
mod promotion;
mod schema;
mod slots;
mod tables;

use serde_json::Value;

use crate::support::{PostgresDatabase, SseClient, Subscriber, TestServer};

/// A changecast that watches `items`, and somebody who follows it.
async fn watched(database: &PostgresDatabase) -> (TestServer, SseClient) {
    watched_with(&database.source("")).await
}

async fn watched_with(source: &str) -> (TestServer, SseClient) {
    let server = TestServer::start_with(&["--source", source]).await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    (server, client)
}

/// The same, where the source may not be live when this returns.
async fn watched_in_vain(source: &str) -> (TestServer, SseClient) {
    let server = TestServer::start_unready(&["--source", source], &[]).await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    (server, client)
}

/// Waits until the source has failed so.
async fn failure(client: &mut SseClient, error: &str, remedy: &str) {
    let news = crate::mongodb::news_of(client, "failed").await;
    let says = |field: &str, text| news[field].as_str().is_some_and(|said| said.contains(text));
    assert!(says("error", error) && says("remedy", remedy), "{news}");
}

/// The next change as JSON, without what differs from run to run.
async fn change(client: &mut SseClient) -> Value {
    let mut change = client.change().await.change.0;
    let object = change.as_object_mut().expect("an object");
    for name in ["_id", "wallTime", "txn", "ns"] {
        assert!(object.remove(name).is_some(), "{name}");
    }
    change
}
