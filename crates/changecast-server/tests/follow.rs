//! Following by long poll, by time, by the newest states, and with topics that come and go.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{
    Message, NdjsonClient, SseClient, Subscriber, TestServer, WsClient, numbers, soon,
};

/// The messages of a long poll, to its end.
async fn poll(server: &TestServer, query: &str) -> Vec<Message> {
    let mut client = NdjsonClient::follow(server, query).await;
    let mut messages = Vec::new();
    while let Some(message) = soon("the poll's answer", client.message()).await {
        messages.push(message);
    }
    assert!(client.ended_cleanly(), "{query}");
    messages
}

fn kinds(messages: &[Message]) -> Vec<&str> {
    let kind = |message| match message {
        &Message::Change(_) => "change",
        Message::Control(control) => &*control.kind,
    };
    messages.iter().map(kind).collect()
}

#[tokio::test]
async fn a_long_poll_returns_at_once_with_what_is_there_and_ends_with_a_bookmark() {
    let server = TestServer::start().await;
    server.insert_numbers(1..=2).await;
    server.logged(2).await;
    let messages = poll(&server, "since=earliest&wait=60s").await;
    assert_eq!(kinds(&messages), ["hello", "change", "change", "bookmark"]);
    let position = messages.last().and_then(Message::id).expect("a bookmark").to_owned();
    assert!(position.ends_with("-2"), "{position}");
    let nothing = poll(&server, &format!("since={position}&wait=0s")).await;
    assert_eq!(kinds(&nothing), ["hello", "bookmark"], "nothing came in no time");
}

#[tokio::test]
async fn a_long_poll_waits_for_the_next_change_and_a_gap_answers_it_too() {
    let server = TestServer::start().await;
    let mut waiting = NdjsonClient::follow(&server, "wait=60s").await;
    waiting.hello().await;
    server.insert_numbers([1]).await;
    assert_eq!(waiting.change().await.change.document()["n"], 1);
    assert!(matches!(
        soon("a bookmark", waiting.message()).await,
        Some(Message::Control(bookmark)) if bookmark.kind == "bookmark"
    ));
    assert!(soon("the end", waiting.message()).await.is_none());
    let foreign = poll(&server, "last_event_id=aaaaaaaa-1&wait=60s").await;
    assert_eq!(kinds(&foreign), ["hello", "gap", "change", "bookmark"]);
}

#[tokio::test]
async fn wait_is_for_lines_only() {
    let server = TestServer::start().await;
    let answer = server.get("/events?wait=1s").await;
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.expect("a body").contains("application/x-ndjson"));
}

#[tokio::test]
async fn since_takes_a_time() {
    let server = TestServer::start().await;
    server.insert_numbers(1..=3).await;
    server.logged(3).await;
    let sources = server.get_json("/sources").await;
    let now = sources["sources"][0]["last_change"].as_str().expect("a time").to_owned();
    let (mut past, mut future) = (
        SseClient::follow(&server, "since=2020-01-01T00:00:00Z").await,
        SseClient::follow(&server, "since=2999-01-01T00:00:00%2B01:00").await,
    );
    past.hello().await;
    future.hello().await;
    server.insert_numbers([4]).await;
    assert_eq!(numbers(&past.changes(4).await), [1, 2, 3, 4]);
    assert_eq!(numbers(&future.changes(1).await), [4]);
    let mut recent = SseClient::follow(&server, &format!("since={now}")).await;
    recent.hello().await;
    let first = recent.change().await.change.document()["n"].as_i64();
    assert!(first.is_some_and(|n| n <= 4), "{first:?}");
}

/// Writes three states of one document and one of another, with an update between.
async fn write_states(server: &TestServer) {
    let program = server.other_program();
    program.insert("a", &json!({"state": 1}));
    program.insert("b", &json!({"state": 1}));
    program.update("a", &json!({"state": 2}));
    program.replace("a", &json!({"state": 3}));
    server.logged(4).await;
}

async fn states_seen(mode: &str, count: usize) -> Vec<Value> {
    let server = TestServer::start().await;
    write_states(&server).await;
    let mut client = SseClient::follow(&server, &format!("since=earliest&mode={mode}")).await;
    client.hello().await;
    let seen = client.changes(count).await;
    server.insert_numbers([9]).await;
    assert_eq!(client.change().await.change.document()["n"], 9, "{mode}: nothing in between");
    let state =
        |change: &Value| json!([change["documentKey"]["_id"], change["fullDocument"]["state"]]);
    seen.iter().map(|entry| state(&entry.change.0)).collect()
}

#[tokio::test]
async fn latest_tells_of_what_is_waiting_the_newest_state_of_each_document() {
    let all = [json!(["a", 1]), json!(["b", 1]), json!(["a", 2]), json!(["a", 3])];
    assert_eq!(states_seen("queue", 4).await, all);
    assert_eq!(states_seen("latest", 2).await, [json!(["b", 1]), json!(["a", 3])]);
}

#[tokio::test]
async fn a_deleted_document_is_told_as_deleted_not_by_what_it_was() {
    let server = TestServer::start().await;
    let program = server.other_program();
    program.insert("a", &json!({"state": 1}));
    program.delete("a");
    server.logged(2).await;
    let mut client = NdjsonClient::follow(&server, "since=earliest&mode=latest").await;
    client.hello().await;
    assert_eq!(client.change().await.change.0["operationType"], "delete");
}

#[tokio::test]
async fn topics_come_and_go_on_one_websocket_and_nothing_comes_twice() {
    let server = TestServer::start().await;
    let mut client = WsClient::follow(&server, "topic=test.one").await;
    client.hello().await;
    server.put_in("two", "x", &json!({"n": 0})).await;
    server.put_in("one", "x", &json!({"n": 1})).await;
    assert_eq!(client.change().await.change.document()["n"], 1);
    client.send(r#"{"type":"subscribe","topics":["test.two","test.on*"]}"#).await;
    assert_eq!(client.control("error").await.kind, "error", "test.on* is no pattern");
    client.send(r#"{"type":"subscribe","topics":["test.two"]}"#).await;
    let subscribed = client.control("subscribed").await;
    assert_eq!(subscribed.data["topics"], json!(["test.one", "test.two"]));
    server.put_in("two", "y", &json!({"n": 2})).await;
    server.put_in("one", "y", &json!({"n": 3})).await;
    assert_eq!(numbers(&client.changes(2).await), [2, 3], "the two of before stays untold");
    client.send(r#"{"type":"unsubscribe","topics":["test.one"]}"#).await;
    client.control("subscribed").await;
    server.put_in("one", "z", &json!({"n": 4})).await;
    server.put_in("two", "z", &json!({"n": 5})).await;
    assert_eq!(client.change().await.change.document()["n"], 5);
    client.send(r#"{"type":"unsubscribe","topics":["test.one"]}"#).await;
    let refused = client.control("error").await;
    assert!(refused.data["detail"].as_str().is_some_and(|text| text.contains("test.two")));
}

#[tokio::test]
async fn g8_a_thousand_who_come_back_read_the_log_once() {
    let server = TestServer::start().await;
    server.other_program().insert_numbers_at_once(1..=3_000);
    server.logged(3_000).await;
    // All are there before the first begins to read, and none does more with what it reads than count:
    // on a busy machine the server would take the last ones for stuck.
    let mut connected = Vec::new();
    for _ in 0..1_000 {
        let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
        let request = b"GET /events?since=earliest HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request).await.expect("it takes a request");
        connected.push(BufReader::new(stream).lines());
    }
    let mut clients = JoinSet::new();
    for mut lines in connected {
        clients.spawn(async move {
            let mut seen = 0;
            while let Some(line) = lines.next_line().await.expect("the stream goes on") {
                seen += usize::from(line.starts_with(r#"data: {"_id""#));
                if line.contains(r#""n":3000}"#) {
                    break;
                }
            }
            seen
        });
    }
    while let Some(seen) = clients.join_next().await {
        assert_eq!(seen.expect("no panic"), 3_000);
    }
    let pages = server.metric("changecast_log_pages_read_total").await.expect("the metric");
    // Three thousand entries fill three pages; one more may be read where two meet.
    assert!((3..=6).contains(&pages), "{pages} pages for a thousand subscribers");
}

#[tokio::test]
async fn g10_clients_that_never_read_do_not_grow_the_server() {
    let server = TestServer::start().await;
    let mut stalled = Vec::new();
    for _ in 0..10 {
        let mut client = SseClient::follow(&server, "").await;
        client.hello().await;
        stalled.push(client);
    }
    let mut reader = SseClient::follow(&server, "").await;
    reader.hello().await;
    let program = server.other_program();
    let text = "x".repeat(50_000);
    for n in 1..=500 {
        program.insert(&n.to_string(), &json!({"n": n, "text": text}));
    }
    let seen = reader.changes_until(|entry| entry.change.document()["n"] == 500).await;
    assert_eq!(seen.len(), 500, "who reads gets all of it");
    let held = server.metric("changecast_held_bytes").await.expect("the metric");
    assert!(held <= 11 * (64 << 10) + (64 << 10), "{held} bytes held by eleven subscribers");
    for mut client in stalled {
        let seen = client.changes_until(|entry| entry.change.document()["n"] == 500).await;
        assert_eq!(seen.len(), 500, "whoever starts to read again has missed nothing");
    }
}
