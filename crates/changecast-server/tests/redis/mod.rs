//! Changes of a real Redis, carried by the real binary.
//!
//! Every test has a server of its own, save those that leave the shared one as it is.

mod check;
mod cluster;
mod documents;
mod entries;
mod failover;
mod lists;
mod live;
mod losses;
mod outages;
mod refusals;
mod tls;

use serde_json::Value;

use crate::support::{Control, Entry, RedisServer, SseClient, Subscriber, TestServer};

/// A changecast that watches a stream `orders`, and a subscriber that has got its hello.
async fn watched(redis: &RedisServer) -> (TestServer, SseClient) {
    watched_as(&redis.url(), "stream=orders").await
}

/// The same with another choice; the source is called `shop`.
async fn watched_as(url: &str, query: &str) -> (TestServer, SseClient) {
    let server = TestServer::start_with(&["--source", &source(url, query)]).await;
    let client = follow(&server).await;
    (server, client)
}

/// The same, but the source may not be live when this returns.
async fn watched_in_vain(url: &str, query: &str) -> (TestServer, SseClient) {
    let server = TestServer::start_unready(&["--source", &source(url, query)], &[]).await;
    let client = follow(&server).await;
    (server, client)
}

async fn follow(server: &TestServer) -> SseClient {
    let mut client = SseClient::follow(server, "").await;
    client.hello().await;
    client
}

fn source(url: &str, query: &str) -> String {
    format!("{url}?name=shop&{query}")
}

/// What `RedisServer::add` added, in the order in which it came.
fn numbers(entries: &[Entry]) -> Vec<i64> {
    let number = |entry: &Entry| entry.change.document()["n"].as_str().map(str::parse);
    entries.iter().map(|entry| number(entry).expect("a field").expect("a number")).collect()
}

/// The next changes have just these numbers: none is missing, none comes twice.
#[track_caller]
fn check_numbers(entries: &[Entry], expected: std::ops::Range<i64>) {
    assert_eq!(numbers(entries), expected.collect::<Vec<_>>());
}

async fn only_source(server: &TestServer) -> Value {
    server.get_json("/sources").await["sources"][0].clone()
}

async fn becomes(client: &mut SseClient, state: &str) -> Value {
    loop {
        let Control { data, .. } = client.control("source").await;
        if data["state"] == state {
            return data;
        }
    }
}

/// The source is said to have failed, with these words in the error and in the remedy.
async fn fails(client: &mut SseClient, error: &str, remedy: &str) {
    let news = becomes(client, "failed").await;
    let says = |field: &str, text| news[field].as_str().is_some_and(|said| said.contains(text));
    assert!(says("error", error) && says("remedy", remedy), "{news}");
}
