//! `match=`: which changes come, on every transport, live and from the log.

use reqwest::StatusCode;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use crate::support::{
    Entry, Message, NdjsonClient, SseClient, Subscriber, TestServer, WsClient, matching, numbers,
    soon,
};

fn op(entry: &Entry) -> &str {
    entry.change.0["operationType"].as_str().expect("an operation")
}

/// What happened to which document, as a filtered subscriber hears it.
fn told(entries: &[Entry]) -> Vec<String> {
    let word = |entry: &Entry| {
        let id = entry.change.0["documentKey"]["_id"].as_str().expect("a key");
        format!("{} {id}", op(entry))
    };
    entries.iter().map(word).collect()
}

/// Open orders come, stay, go, or never were any.
async fn write_orders(server: &TestServer) {
    for (id, status) in [("1", "open"), ("2", "paid"), ("3", "open"), ("4", "open")] {
        server.put(id, &json!({"status": status, "n": 1})).await;
    }
    server.patch("1", &json!({"n": 2})).await;
    server.patch("2", &json!({"n": 2})).await;
    server.patch("3", &json!({"status": "paid"})).await;
    server.delete("4").await;
    server.delete("2").await;
    server.patch("3", &json!({"status": "open"})).await;
}

const OPEN_ORDERS: [&str; 7] =
    ["insert 1", "insert 3", "insert 4", "update 1", "leave 3", "leave 4", "update 3"];

async fn follows_open_orders<S: Subscriber>() {
    let server = TestServer::start().await;
    let query = matching(&json!({"fullDocument.status": "open"}));
    let mut live = S::follow(&server, &query).await;
    live.hello().await;
    write_orders(&server).await;
    let seen = live.changes(OPEN_ORDERS.len()).await;
    assert_eq!(told(&seen), OPEN_ORDERS);

    let mut replayed = S::follow(&server, &format!("{query}&since=earliest")).await;
    replayed.hello().await;
    assert_eq!(replayed.changes(seen.len()).await, seen, "the past is filtered as the present is");

    let mut resumed = S::follow(&server, &format!("{query}&since={}", seen[2].id)).await;
    assert_eq!(resumed.hello().await["resumed"], true);
    assert_eq!(resumed.changes(4).await, seen[3..], "G5");

    server.put("last", &json!({"status": "open"})).await;
    for client in [&mut live, &mut replayed, &mut resumed] {
        assert_eq!(told(&client.changes(1).await), ["insert last"], "and nothing in between");
    }
}

#[tokio::test]
async fn sse_brings_what_matches() {
    follows_open_orders::<SseClient>().await;
}

#[tokio::test]
async fn ndjson_brings_what_matches() {
    follows_open_orders::<NdjsonClient>().await;
}

#[tokio::test]
async fn websocket_brings_what_matches() {
    follows_open_orders::<WsClient>().await;
}

#[tokio::test]
async fn who_leaves_is_told_by_key_and_not_shown() {
    let server = TestServer::start().await;
    let query = matching(&json!({"fullDocument.status": "open"}));
    let mut client = SseClient::follow(&server, &query).await;
    let mut unfiltered = SseClient::follow(&server, "").await;
    client.hello().await;
    unfiltered.hello().await;
    server.put("1", &json!({"status": "open"})).await;
    server.patch("1", &json!({"status": "secret"})).await;
    let (seen, all) = (client.changes(2).await, unfiltered.changes(2).await);
    assert_eq!(seen[0], all[0]);
    let (leave, update) = (&seen[1], &all[1]);
    assert_eq!(leave.id, update.id, "its own id: resuming after it is exact");
    assert_eq!(leave.change.change_id(), update.change.change_id());
    assert_eq!(op(leave), "leave");
    assert_eq!(leave.change.0["documentKey"], json!({"_id": "1"}));
    assert!(!leave.change.0.to_string().contains("secret"), "{:?}", leave.change);
}

#[tokio::test]
async fn g6_a_filter_that_nothing_passes_moves_the_cursor_all_the_same() {
    let server = TestServer::start().await;
    server.insert_numbers(1..=5).await;
    server.logged(5).await;
    let query = matching(&json!({"fullDocument.n": -1}));
    for since in ["now", "earliest"] {
        let mut poll =
            NdjsonClient::follow(&server, &format!("{query}&since={since}&wait=0s")).await;
        poll.hello().await;
        let Some(Message::Control(bookmark)) = soon("a bookmark", poll.message()).await else {
            panic!("nothing matches");
        };
        assert!(bookmark.id.is_some_and(|id| id.ends_with("-5")), "since {since}");
    }
}

#[tokio::test]
async fn g2_a_gap_passes_every_filter() {
    let server = TestServer::start_with(&["--retention-entries", "20"]).await;
    let query = matching(&json!({"fullDocument.n": {"$in": [1, 100]}}));
    let mut client = NdjsonClient::follow(&server, &query).await;
    client.hello().await;
    server.insert_numbers(1..=2).await;
    client.change().await;
    server.other_program().insert_numbers_at_once(3..=100);
    server.metric_becomes("changecast_source_changes_total{source=\"test\"}", 100).await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    assert_eq!(client.gap().await["scope"], "log");
    assert_eq!(numbers(&client.changes(1).await), [100]);
}

#[tokio::test]
async fn many_filters_on_one_field_each_get_their_own() {
    let server = TestServer::start().await;
    let mut clients = Vec::new();
    for user in 0..100 {
        let mut client = NdjsonClient::follow(
            &server,
            &matching(&json!({"fullDocument.user": user, "operationType": "insert"})),
        )
        .await;
        client.hello().await;
        clients.push(client);
    }
    for n in 0..300 {
        server.put(&format!("{n}"), &json!({"n": n, "user": n % 100})).await;
    }
    for (user, client) in (0..).zip(&mut clients) {
        assert_eq!(numbers(&client.changes(3).await), [user, user + 100, user + 200]);
    }
    server.put("end", &json!({"n": 1_000, "user": (0..100).collect::<Vec<_>>()})).await;
    for client in &mut clients {
        assert_eq!(numbers(&client.changes(1).await), [1_000], "and nothing in between");
    }
}

#[tokio::test]
async fn a_websocket_follows_topics_under_filters_that_come_and_go() {
    let server = TestServer::start().await;
    let mut client = WsClient::follow(&server, "topic=test.nothing").await;
    client.hello().await;
    client
        .send(r#"{"type":"subscribe","topics":["test.test"],"match":{"fullDocument.n":{"$lt":3}}}"#)
        .await;
    let answer = client.next_json().await;
    assert_eq!(answer["topics"], json!(["test.nothing"]));
    let filtered = json!([{"topics": ["test.test"], "match": {"fullDocument.n": {"$lt": 3}}}]);
    assert_eq!(answer["filtered"], filtered);
    client
        .send(r#"{"type":"subscribe","topics":["test.*"],"match":{"fullDocument.n":{"$lte":3}}}"#)
        .await;
    assert_eq!(client.next_json().await["type"], "subscribed");
    server.insert_numbers(1..=5).await;
    assert_eq!(numbers(&client.changes(3).await), [1, 2, 3], "each once, though two match");
    client.send(r#"{"type":"unsubscribe","topics":["test.*"]}"#).await;
    assert_eq!(client.next_json().await["type"], "subscribed");
    server.insert_numbers([3, 0]).await;
    server.put("2", &json!({"n": 2, "x": 1})).await;
    let seen = client.changes(2).await;
    assert_eq!(numbers(&seen), [0, 2]);
    client.send(r#"{"type":"subscribe","topics":["a.b"],"match":{"ns":{"$near":1}}}"#).await;
    let refused = client.next_json().await;
    assert_eq!(refused["type"], "error");
    assert!(refused["detail"].as_str().expect("words").contains("$near"), "{refused}");
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_is_refused_in_words() {
    let server = TestServer::start().await;
    for (filter, words) in [
        ("{", "JSON"),
        ("[]", "object"),
        (r#"{"fullDocument.a":{"$gte":1,"$ltee":2}}"#, "$lte"),
        (r#"{"$where":"1"}"#, "$where"),
        (r#"{"fullDocument.a":{"$regex":"("}}"#, "$regex"),
    ] {
        let encoded: String = byte_serialize(filter.as_bytes()).collect();
        for path in ["/events", "/ws"] {
            let answer = server.get(&format!("{path}?match={encoded}")).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{filter}");
            if path == "/events" {
                let problem: Value = answer.json().await.expect("a problem");
                let detail = problem["detail"].as_str().expect("words");
                assert!(detail.contains(words), "{filter}: {detail}");
            }
        }
    }
}
