//! Coming back to the same server: nothing lost, nothing twice, on any transport.

use serde_json::json;

use crate::support::{
    Entry, Message, NdjsonClient, SseClient, Subscriber, TestServer, WsClient, numbers,
};

async fn after_some_changes<S: Subscriber>() {
    let server = TestServer::start().await;
    let mut client = S::follow(&server, "topic=test.test").await;
    client.hello().await;
    server.insert_numbers(1..=5).await;
    let mut seen = client.changes(3).await;
    drop_and_write(&server, 6..=9).await;

    let mut client = client.come_back(&server).await;
    assert_eq!(client.hello().await["resumed"], true);
    seen.extend(client.changes(6).await);
    server.insert_numbers([10]).await;
    seen.extend(client.changes(1).await);
    assert_eq!(numbers(&seen), (1..=10).collect::<Vec<_>>());
}

async fn drop_and_write(server: &TestServer, numbers: std::ops::RangeInclusive<i64>) {
    server.put_in("elsewhere", "1", &json!({})).await;
    server.insert_numbers(numbers).await;
}

#[tokio::test]
async fn g5_sse_goes_on_after_the_last_change_it_saw() {
    after_some_changes::<SseClient>().await;
}

#[tokio::test]
async fn g5_ndjson_goes_on_after_the_last_change_it_saw() {
    after_some_changes::<NdjsonClient>().await;
}

#[tokio::test]
async fn g5_websocket_goes_on_after_the_last_change_it_saw() {
    after_some_changes::<WsClient>().await;
}

async fn after_nothing_but_hello<S: Subscriber>() {
    let server = TestServer::start().await;
    server.insert_numbers(1..=3).await;
    server.logged(3).await;
    let mut client = S::follow(&server, "").await;
    client.hello().await;
    server.insert_numbers(4..=6).await;
    let mut client = client.come_back(&server).await;
    assert_eq!(client.hello().await["resumed"], true);
    assert_eq!(numbers(&client.changes(3).await), [4, 5, 6]);
}

#[tokio::test]
async fn g5_sse_goes_on_after_nothing_but_hello() {
    after_nothing_but_hello::<SseClient>().await;
}

#[tokio::test]
async fn g5_ndjson_goes_on_after_nothing_but_hello() {
    after_nothing_but_hello::<NdjsonClient>().await;
}

#[tokio::test]
async fn g5_websocket_goes_on_after_nothing_but_hello() {
    after_nothing_but_hello::<WsClient>().await;
}

#[tokio::test]
async fn g3_a_client_that_reconnects_all_the_time_sees_everything_once() {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    let mut seen = Vec::new();
    for number in 1..=30 {
        server.insert_numbers([number]).await;
        // Sometimes it has seen the change already, sometimes not.
        if number % 3 == 0 {
            seen.extend(client.changes(1).await);
        }
        client = client.reconnect().await;
        assert_eq!(client.hello().await["resumed"], true);
    }
    let is_last = |entry: &Entry| entry.change.document()["n"] == 30;
    if !seen.last().is_some_and(is_last) {
        seen.extend(client.changes_until(is_last).await);
    }
    assert_eq!(numbers(&seen), (1..=30).collect::<Vec<_>>());
}

/// A small history, every id that was sent along with it, and what followed each.
async fn history() -> (TestServer, Vec<(String, usize)>, Vec<Entry>) {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "since=earliest").await;
    let hello = client.hello().await;
    let mut ids = vec![(hello["position"].as_str().expect("an id").to_owned(), 0)];
    server.insert_numbers(1..=4).await;
    server.patch("2", &json!({"n": null, "x": 1})).await;
    server.put_in("other", "1", &json!({"n": 6})).await;
    server.put("3", &json!({"n": 7})).await;
    server.delete("1").await;
    server.other_program().insert_numbers_at_once(9..=10);
    let entries = client.changes(10).await;
    ids.extend(entries.iter().enumerate().map(|(index, entry)| (entry.id.clone(), index + 1)));
    (server, ids, entries)
}

async fn from_every_id<S: Subscriber>() {
    let (server, ids, entries) = history().await;
    for (id, place) in ids {
        let mut client = S::follow(&server, &format!("since={id}")).await;
        assert_eq!(client.hello().await["resumed"], true, "{id}");
        let rest = &entries[place..];
        assert_eq!(client.changes(rest.len()).await, rest, "{id}");
        // And nothing more: the next one is what is written now.
        let marker = format!("marker-{place}");
        server.put_in("markers", &marker, &json!({})).await;
        let is_marker = |entry: &Entry| entry.change.document()["_id"] == marker;
        let more = client.changes_until(is_marker).await;
        assert!(more.iter().all(|entry| entry.change.topic() == "test.markers"), "{id}");
        assert_eq!(more.len(), place + 1, "{id}: earlier markers, and this one");
    }
}

#[tokio::test]
async fn g5_sse_resumes_from_every_id_that_was_ever_sent() {
    from_every_id::<SseClient>().await;
}

#[tokio::test]
async fn g5_ndjson_resumes_from_every_id_that_was_ever_sent() {
    from_every_id::<NdjsonClient>().await;
}

#[tokio::test]
async fn g5_websocket_resumes_from_every_id_that_was_ever_sent() {
    from_every_id::<WsClient>().await;
}

#[tokio::test]
async fn g6_a_quiet_subscriber_is_told_how_far_it_has_been_served() {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "topic=test.quiet&bookmarks=event").await;
    let hello = client.hello().await;
    server.insert_numbers(1..=5).await;
    let bookmark = client.control("bookmark").await;
    let epoch = hello["epoch"].as_str().expect("an epoch");
    assert_eq!(bookmark.id, Some(format!("{epoch}-5")));
}

#[tokio::test]
async fn g6_a_browsers_cursor_moves_without_an_event() {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "topic=test.quiet").await;
    client.hello().await;
    server.insert_numbers(1..=5).await;
    let block = client.block().await.expect("the stream goes on");
    assert!(block.id.is_some_and(|id| id.ends_with("-5")));
    assert_eq!((block.event, block.data), (None, None));

    let mut client = client.reconnect().await;
    let position = client.hello().await["position"].clone();
    assert!(position.as_str().expect("an id").ends_with("-5"), "{position}");
    server.put_in("quiet", "1", &json!({})).await;
    assert!(matches!(client.next().await, Message::Change(_)));
}
