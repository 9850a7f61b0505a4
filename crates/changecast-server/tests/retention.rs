//! History that the log no longer keeps: whoever would have needed it is told, exactly how much is
//! missing, and goes on from the oldest there is.

use serde_json::{Value, json};

use crate::support::{
    Message, NdjsonClient, SseClient, Subscriber, TestServer, WsClient, numbers, soon,
};

/// Changes of the embedded store that have come into the log.
const APPENDED: &str = "changecast_source_changes_total{source=\"test\"}";

/// The place in the log that an id names.
fn seq(id: &Value) -> i64 {
    let (_, seq) = id.as_str().and_then(|id| id.split_once('-')).expect("an id");
    seq.parse().expect("a number")
}

async fn returns_too_late<S: Subscriber>() {
    let server = TestServer::start_with(&["--retention-entries", "100"]).await;
    let mut client = S::follow(&server, "").await;
    client.hello().await;
    server.insert_numbers([1]).await;
    client.change().await;
    server.other_program().insert_numbers_at_once(2..=400);
    server.metric_becomes(APPENDED, 400).await;

    let mut client = client.come_back(&server).await;
    assert_eq!(client.hello().await["resumed"], false);
    let gap = client.gap().await;
    assert_eq!((&gap["scope"], &gap["action"]), (&json!("log"), &json!("refetch")));
    let (from, to) = (seq(&gap["from"]), seq(&gap["to"]));
    assert!(from < to && to >= 300, "{gap}");
    let kept = client.changes_until(|entry| entry.change.document()["n"] == 400).await;
    assert_eq!(numbers(&kept), (to + 1..=400).collect::<Vec<_>>());
}

#[tokio::test]
async fn g2_an_sse_client_that_returns_too_late_is_told() {
    returns_too_late::<SseClient>().await;
}

#[tokio::test]
async fn g2_an_ndjson_client_that_returns_too_late_is_told() {
    returns_too_late::<NdjsonClient>().await;
}

#[tokio::test]
async fn g2_a_websocket_client_that_returns_too_late_is_told() {
    returns_too_late::<WsClient>().await;
}

/// Reads up to the document `last`: every number comes in its turn, save those that a gap names.
pub(crate) async fn read_with_gaps(client: &mut impl Subscriber, last: i64) -> usize {
    let (mut expected, mut gap_count) = (1, 0);
    while expected <= last {
        match client.next().await {
            Message::Change(entry) => {
                assert_eq!(entry.change.document()["n"], expected, "G1, G2, G3");
                expected += 1;
            }
            Message::Control(gap) => {
                assert_eq!(gap.kind, "gap");
                assert_eq!(seq(&gap.data["from"]), expected - 1, "nothing before it is missing");
                expected = seq(&gap.data["to"]) + 1;
                gap_count += 1;
            }
        }
    }
    gap_count
}

/// A subscriber that replays from the oldest entry and reads nothing more for now.
async fn begins_to_replay(server: &TestServer) -> NdjsonClient {
    let program = server.other_program();
    let text = "x".repeat(4_000);
    for n in 1..=500 {
        program.insert(&n.to_string(), &json!({"n": n, "text": text}));
    }
    server.metric_becomes(APPENDED, 500).await;
    let mut client = NdjsonClient::follow(server, "since=earliest").await;
    client.hello().await;
    client
}

#[tokio::test]
async fn g2_retention_that_cuts_while_a_replay_runs_is_told_in_its_place() {
    let server = TestServer::start_with(&["--retention-bytes", "3000000"]).await;
    let mut client = begins_to_replay(&server).await;
    let text = "x".repeat(4_000);
    let program = server.other_program();
    for n in 501..=3_000 {
        program.insert(&n.to_string(), &json!({"n": n, "text": text}));
    }
    server.metric_becomes(APPENDED, 3_000).await;
    assert!(read_with_gaps(&mut client, 3_000).await >= 1, "its history was cut under it");
}

#[tokio::test]
async fn g2_retention_by_age_is_told_in_its_place() {
    let server = TestServer::start_with(&["--retention-age", "1s"]).await;
    let mut client = NdjsonClient::follow(&server, "").await;
    client.hello().await;
    // More than is kept in memory for a follower that reads none of it.
    let text = "x".repeat(4_000);
    let program = server.other_program();
    let mut last = 2_000;
    program.at_once(|| {
        for n in 1..=last {
            program.insert(&n.to_string(), &json!({"n": n, "text": text}));
        }
    });
    // An entry that comes in makes the log look for those that have become too old: soon it keeps
    // none of the first ones.
    let until_cut = async {
        loop {
            last += 1;
            server.insert_numbers([last]).await;
            let appended = server.metric(APPENDED).await.unwrap_or(0);
            let kept = server.metric("changecast_log_entries").await.expect("the metric");
            if appended >= 2_000 + kept {
                return;
            }
        }
    };
    soon("the log forgets what is too old", until_cut).await;
    assert!(read_with_gaps(&mut client, last).await >= 1, "its history aged away under it");
}
