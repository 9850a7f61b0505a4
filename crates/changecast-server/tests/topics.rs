//! Choosing what to follow.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Entry, NdjsonClient, SseClient, Subscriber, TestServer, WsClient};

/// Writes to four collections, the last of which everybody can tell by its name.
async fn write_everywhere(server: &TestServer) {
    for collection in ["orders", "orders.eu", "customers", "end"] {
        server.put_in(collection, "1", &json!({})).await;
    }
}

async fn follow_both(server: &TestServer, query: &str) -> (SseClient, WsClient) {
    let mut sse = SseClient::follow(server, query).await;
    let mut ws = WsClient::follow(server, query).await;
    sse.hello().await;
    ws.hello().await;
    (sse, ws)
}

fn topics(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.change.topic()).collect()
}

#[tokio::test]
async fn a_topic_is_a_name_a_prefix_or_everything_and_may_be_repeated() {
    let server = TestServer::start().await;
    let all = ["test.orders", "test.orders.eu", "test.customers", "test.end"];
    let cases = [
        ("", &all[..]),
        ("topic=*", &all),
        ("topic=test.*", &all),
        ("topic=test.end&topic=*", &all),
        ("topic=test.end", &["test.end"]),
        ("topic=test.orders&topic=test.end", &["test.orders", "test.end"]),
        ("topic=test.end&topic=test.orders&topic=test.end", &["test.orders", "test.end"]),
        ("topic=test.orders.*&topic=test.end", &["test.orders.eu", "test.end"]),
        ("topic=test%2Eorders%2Eeu&topic=test.end", &["test.orders.eu", "test.end"]),
    ];
    let mut followers = Vec::new();
    for (query, expected) in cases {
        followers.push((query, expected, follow_both(&server, query).await));
    }
    write_everywhere(&server).await;
    for (query, expected, (mut sse, mut ws)) in followers {
        let is_last = |entry: &Entry| entry.change.topic() == "test.end";
        assert_eq!(topics(&sse.changes_until(is_last).await), expected, "{query}");
        assert_eq!(topics(&ws.changes_until(is_last).await), expected, "{query}");
    }
}

#[tokio::test]
async fn a_topic_that_nobody_writes_yet_is_no_error() {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "topic=nowhere.nothing&topic=test.later").await;
    assert_eq!(client.hello().await["resumed"], false);
    write_everywhere(&server).await;
    server.put_in("later", "1", &json!({})).await;
    assert_eq!(client.change().await.change.topic(), "test.later");
}

#[tokio::test]
async fn s0_03_a_collections_name_may_hold_dots() {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "topic=test.a.b").await;
    client.hello().await;
    server.put_in("a", "1", &json!({})).await;
    server.put_in("a.b", "1", &json!({})).await;
    let change = client.change().await.change;
    assert_eq!(change.0["ns"], json!({"db": "test", "coll": "a.b"}));
}

#[tokio::test]
async fn g5_a_replay_of_chosen_topics_is_what_they_would_have_seen_live() {
    let server = TestServer::start().await;
    write_everywhere(&server).await;
    let query = "since=earliest&topic=test.orders&topic=test.end";
    let mut client = NdjsonClient::follow(&server, query).await;
    client.hello().await;
    assert_eq!(topics(&client.changes(2).await), ["test.orders", "test.end"]);
}

#[tokio::test]
async fn what_is_not_known_is_refused_by_name() {
    let server = TestServer::start().await;
    for (query, named) in [
        ("topics=test.test", "topics"),
        ("Topic=test.test", "Topic"),
        ("sinse=now", "sinse"),
        ("topic=nodots", "nodots"),
        ("topic=", "topic"),
        ("topic=.x", "topic"),
        ("topic=x.", "topic"),
        ("topic=a%00.b", "topic"),
        ("since=yesterday", "yesterday"),
        ("since=", "since"),
        ("since=last:", "last:N"),
        ("since=last:-1", "last:N"),
        ("since=last:1000000000", "last:N"),
        ("since=abcdefgh-", "since"),
        ("since=ABCDEFGH-1", "since"),
        ("since=now&since=now", "once"),
        ("bookmarks=yes", "bookmarks"),
    ] {
        for path in ["/events", "/events?"] {
            let joint = if path.ends_with('?') { "" } else { "?" };
            let response = server.get(&format!("{path}{joint}{query}")).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
            let content_type = response.headers()["content-type"].to_str().expect("text");
            assert_eq!(content_type, "application/problem+json", "{query}");
            let problem: Value = response.json().await.expect("JSON");
            assert_eq!(problem["status"], 400, "{query}");
            let kind = problem["type"].as_str().expect("text");
            assert!(kind.starts_with("urn:changecast:problem:"), "{query}: {problem}");
            let detail = problem["detail"].as_str().expect("text");
            assert!(detail.contains(named), "{query}: {detail}");
        }
    }
}

#[tokio::test]
async fn g10_more_topics_than_the_cap_are_refused() {
    let server = TestServer::start().await;
    let topics =
        |count| (0..count).map(|n| format!("topic=test.c{n}")).collect::<Vec<_>>().join("&");
    SseClient::follow(&server, &topics(100)).await.hello().await;
    let response = server.get(&format!("/events?{}", topics(101))).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}
