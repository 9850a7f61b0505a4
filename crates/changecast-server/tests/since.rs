//! Where to begin: `since`, `Last-Event-ID`, and what an id that leads nowhere gets.

use serde_json::{Value, json};

use crate::support::{
    Connection, Entry, Message, NdjsonClient, SseBlock, SseClient, Subscriber, TestServer,
    WsClient, numbers,
};

/// A server whose log holds the numbers 1 to 5, and its epoch.
async fn with_five() -> (TestServer, String) {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "").await;
    let epoch = client.hello().await["epoch"].as_str().expect("an epoch").to_owned();
    server.insert_numbers(1..=5).await;
    assert_eq!(client.changes(5).await.len(), 5);
    (server, epoch)
}

/// The event that the tests insert once everybody is connected.
fn is_six(entry: &Entry) -> bool {
    entry.change.document()["n"] == 6
}

#[tokio::test]
async fn since_is_now_earliest_the_last_few_or_an_id() {
    let (server, epoch) = with_five().await;
    let cases = [
        (String::new(), 6..=6),
        ("since=now".into(), 6..=6),
        ("since=last:0".into(), 6..=6),
        ("since=last:2".into(), 4..=6),
        ("since=last:5".into(), 1..=6),
        ("since=last:10000".into(), 1..=6),
        ("since=last:2&topic=test.test".into(), 4..=6),
        ("since=earliest".into(), 1..=6),
        (format!("since={epoch}-0"), 1..=6),
        (format!("since={epoch}-3"), 4..=6),
        (format!("since={epoch}-5"), 6..=6),
        (format!("last_event_id={epoch}-3"), 4..=6),
        (format!("lastEventId={epoch}-3&since=now"), 4..=6),
        (format!("last_event_id=&since={epoch}-3"), 4..=6),
    ];
    let mut followers = Vec::new();
    for (query, expected) in cases {
        let mut sse = SseClient::follow(&server, &query).await;
        let mut ndjson = NdjsonClient::follow(&server, &query).await;
        let mut ws = WsClient::follow(&server, &query).await;
        let hello = sse.hello().await;
        assert_eq!(hello["resumed"], query.contains(&epoch), "{query}");
        assert_eq!(ndjson.hello().await["resumed"], hello["resumed"], "{query}");
        assert_eq!(ws.hello().await["resumed"], hello["resumed"], "{query}");
        followers.push((query, expected, sse, ndjson, ws));
    }
    server.insert_numbers([6]).await;
    for (query, expected, mut sse, mut ndjson, mut ws) in followers {
        let expected: Vec<i64> = expected.collect();
        assert_eq!(numbers(&sse.changes_until(is_six).await), expected, "SSE, {query}");
        assert_eq!(numbers(&ndjson.changes_until(is_six).await), expected, "NDJSON, {query}");
        assert_eq!(numbers(&ws.changes_until(is_six).await), expected, "/ws, {query}");
    }
}

#[tokio::test]
async fn the_page_of_a_quiet_topic_starts_with_its_own_last_changes() {
    let server = TestServer::start().await;
    server.put_in("quiet", "1", &json!({"n": 1})).await;
    server.insert_numbers(2..=20).await;
    server.logged(20).await;
    let mut client = SseClient::follow(&server, "topic=test.quiet&since=last:5").await;
    client.hello().await;
    assert_eq!(numbers(&client.changes(1).await), [1]);
    let mut socket = WsClient::connect(&server, "/socket?since=last:2", &[]).await;
    assert_eq!(socket.next_json().await["fullDocument"]["n"], 19);
    assert_eq!(socket.next_json().await["fullDocument"]["n"], 20);
}

/// Follows with the header that a reconnecting browser sends.
async fn with_last_event_id(server: &TestServer, query: &str, id: &str) -> SseClient {
    let path = format!("/events?{query}");
    let client = SseClient::connect(server.address(), &path, &[("Last-Event-ID", id)]).await;
    assert_eq!(client.head.status, 200, "{query} {id}");
    client
}

#[tokio::test]
async fn the_header_of_a_browser_that_reconnects_wins_over_its_url() {
    let (server, epoch) = with_five().await;
    let header = format!("{epoch}-4");
    for query in [
        "since=earliest".to_owned(),
        "since=last:3".into(),
        format!("since={epoch}-1"),
        format!("last_event_id={epoch}-2"),
    ] {
        let mut client = with_last_event_id(&server, &query, &header).await;
        let hello = client.hello().await;
        assert_eq!(hello["resumed"], true, "{query}");
        assert_eq!(hello["position"], header, "{query}");
        assert_eq!(numbers(&client.changes(1).await), [5], "{query}");
    }
    let mut client = with_last_event_id(&server, "since=last:1", "").await;
    client.hello().await;
    assert_eq!(numbers(&client.changes(1).await), [5], "an empty header is none");
}

/// What a client gets whose id leads nowhere: a hello that does not claim to resume, the gap, and
/// then everything from where the gap says.
async fn check_gap<S: Subscriber>(mut client: S, server: &TestServer, reason: &str, next: i64) {
    assert_eq!(client.hello().await["resumed"], false);
    let gap = client.gap().await;
    assert_eq!((&gap["scope"], &gap["action"]), (&json!("log"), &json!("refetch")), "{gap}");
    let told = gap["reason"].as_str().expect("a reason in words");
    assert!(told.contains(reason), "{told}");
    if next == 6 {
        server.insert_numbers([6]).await;
    }
    assert_eq!(client.change().await.change.document()["n"], next);
}

#[tokio::test]
async fn g2_an_unreadable_id_of_a_browser_is_a_gap_then_now() {
    let (server, _) = with_five().await;
    let client = with_last_event_id(&server, "since=earliest", "garbage").await;
    check_gap(client, &server, "from now", 6).await;
}

#[tokio::test]
async fn g2_an_id_of_the_future_is_a_gap_then_now() {
    let (server, epoch) = with_five().await;
    let client = with_last_event_id(&server, "", &format!("{epoch}-999")).await;
    check_gap(client, &server, "future", 6).await;
}

#[tokio::test]
async fn g2_an_id_of_another_log_is_a_gap_then_all_of_this_one() {
    let (server, _) = with_five().await;
    let foreign = "zzzzzzzz-3";
    let client = with_last_event_id(&server, "", foreign).await;
    check_gap(client, &server, "another log", 1).await;
    let query = format!("since={foreign}");
    check_gap(SseClient::follow(&server, &query).await, &server, "another log", 1).await;
    check_gap(NdjsonClient::follow(&server, &query).await, &server, "another log", 1).await;
    check_gap(WsClient::follow(&server, &query).await, &server, "another log", 1).await;
    server.metric_becomes("changecast_subscriber_gaps_total{transport=\"sse\"}", 2).await;
}

#[tokio::test]
async fn g2_a_client_that_breaks_off_before_the_gap_is_told_again() {
    let (server, _) = with_five().await;
    let mut client = with_last_event_id(&server, "", "zzzzzzzz-3").await;
    client.hello().await;
    // Its last id is now the hello's.
    let mut client = client.reconnect().await;
    assert_eq!(client.hello().await["resumed"], false);
    client.gap().await;
    let mut client = client.reconnect().await;
    assert_eq!(client.hello().await["resumed"], true, "once told, not told again");
    assert_eq!(numbers(&client.changes(5).await), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_header_that_is_no_text_is_a_gap_too() {
    let (server, _) = with_five().await;
    let mut connection = Connection::open(server.address()).await;
    let host = server.address();
    let start = format!("GET /events HTTP/1.1\r\nHost: {host}\r\nLast-Event-ID: ");
    connection.send(&[start.as_bytes(), b"\xff\xfe\r\n\r\n"].concat()).await;
    assert_eq!(connection.head().await.status, 200);
    let mut seen = Vec::new();
    while !seen.iter().any(|line: &String| line == "event: gap") {
        seen.push(connection.line().await);
    }
    assert!(seen.iter().any(|line| line == "event: hello"), "{seen:?}");
}

#[tokio::test]
async fn the_gap_of_an_event_source_carries_the_id_to_go_on_from() {
    let (server, epoch) = with_five().await;
    let mut client = with_last_event_id(&server, "", "zzzzzzzz-3").await;
    client.hello().await;
    let block: SseBlock = client.block().await.expect("the stream goes on");
    assert_eq!(block.event.as_deref(), Some("gap"));
    assert_eq!(block.id, Some(format!("{epoch}-0")));
    let gap: Value = block.json();
    assert_eq!(gap["from"], "zzzzzzzz-3");
    assert!(matches!(client.next().await, Message::Change(_)));
}
