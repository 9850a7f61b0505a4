//! The tests, for any bed.

use std::cell::Cell;

use serde_json::Value;

use super::{Bed, MortalBed};
use crate::mongodb::{told_until, told_until_change};
use crate::support::{
    Entry, NdjsonClient, SseClient, Subscriber, TestServer, WsClient, numbers, until,
};

/// How many changes a client reads in each life of the server before the next crash.
const READ_BEFORE_CRASH: [usize; 6] = [40, 1, 0, 150, 7, 60];

async fn watched<B: Bed>(bed: &mut B) -> TestServer {
    let arguments = bed.arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let server = TestServer::start_with(&arguments).await;
    bed.attach(&server);
    server
}

#[track_caller]
fn check_complete(seen: &[Entry], count: i64) {
    assert_eq!(numbers(seen), (0..count).collect::<Vec<_>>(), "nothing lost, nothing twice");
    let mut ids: Vec<&str> = seen.iter().map(|entry| entry.change.change_id()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), seen.len(), "each change has an id of its own");
}

/// What the log holds, as somebody sees it who comes late.
async fn history(server: &TestServer, last: &Entry) -> Vec<Entry> {
    let mut late = NdjsonClient::follow(server, "since=earliest").await;
    late.hello().await;
    told_until_change(&mut late, |entry| entry.id == last.id).await.changes
}

pub(super) async fn order<B: Bed>() {
    let mut bed = B::new().await;
    let server = watched(&mut bed).await;
    let mut one = SseClient::follow(&server, "").await;
    let mut other = WsClient::follow(&server, "").await;
    one.hello().await;
    other.hello().await;
    bed.write(0..100).await;
    let seen = told_until(&mut one, 99).await.changes;
    check_complete(&seen, 100);
    assert_eq!(told_until(&mut other, 99).await.changes, seen);
}

pub(super) async fn transactions<B: Bed>() {
    let mut bed = B::new().await;
    let server = watched(&mut bed).await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    bed.write(0..1).await;
    bed.write_at_once(1..700).await;
    bed.write_at_once(700..1500).await;
    let seen = told_until(&mut client, 1499).await.changes;
    check_complete(&seen, 1500);
}

pub(super) async fn crashes<B: Bed>() {
    let mut bed = B::new().await;
    let mut server = watched(&mut bed).await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    let is_writing = Cell::new(true);
    let reading = async {
        let mut seen = Vec::new();
        for count in READ_BEFORE_CRASH {
            seen.extend(client.changes(count).await);
            server.kill().await;
            server.start_again().await;
            client = client.come_back(&server).await;
            assert_eq!(client.hello().await["resumed"], true);
        }
        is_writing.set(false);
        (seen, client)
    };
    let (count, (mut seen, mut client)) = tokio::join!(write_while(&is_writing, &bed), reading);
    seen.extend(told_until(&mut client, count - 1).await.changes);
    check_complete(&seen, count);
    let last = seen.last().expect("some");
    assert_eq!(history(&server, last).await, seen);
}

/// Writes numbers without a pause; how many in the end.
async fn write_while(is_writing: &Cell<bool>, bed: &impl Bed) -> i64 {
    let mut count = 0;
    while is_writing.get() {
        bed.write(count..count + 1).await;
        count += 1;
    }
    count
}

pub(super) async fn crashes_inside_transactions<B: Bed>() {
    const SIZE: i64 = 5_000;
    let mut bed = B::new().await;
    let mut server = watched(&mut bed).await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    bed.write(0..1).await;
    let mut seen = client.changes(1).await;
    for (round, count) in (0_i64..).zip([700, 3, 2_500]) {
        let first = 1 + round * SIZE;
        bed.write_at_once(first..first + SIZE).await;
        seen.extend(client.changes(count).await);
        server.kill().await;
        server.start_again().await;
        client = client.come_back(&server).await;
        assert_eq!(client.hello().await["resumed"], true);
        seen.extend(told_until(&mut client, first + SIZE - 1).await.changes);
    }
    check_complete(&seen, 1 + 3 * SIZE);
    let last = seen.last().expect("some");
    assert_eq!(history(&server, last).await, seen);
}

pub(super) async fn absence<B: Bed>() {
    let mut bed = B::new().await;
    let mut server = watched(&mut bed).await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    // A crash before the first change must skip nothing, either.
    server.kill().await;
    bed.write(0..20).await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    let mut seen = told_until(&mut client, 19).await.changes;
    assert_eq!(server.terminate().await.code(), Some(0));
    bed.write_at_once(20..60).await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    assert_eq!(client.hello().await["resumed"], true);
    seen.extend(told_until(&mut client, 59).await.changes);
    check_complete(&seen, 60);
}

pub(super) async fn replay<B: Bed>() {
    let mut bed = B::new().await;
    let server = watched(&mut bed).await;
    let mut live = SseClient::follow(&server, "").await;
    live.hello().await;
    bed.write(0..30).await;
    bed.write_at_once(30..130).await;
    let seen = told_until(&mut live, 129).await.changes;
    let last = seen.last().expect("some");
    assert_eq!(history(&server, last).await, seen, "live and replayed alike");
    let middle = &seen[40].id;
    let mut resumed = WsClient::follow(&server, &format!("since={middle}")).await;
    resumed.hello().await;
    assert_eq!(told_until(&mut resumed, 129).await.changes, seen[41..]);
}

pub(super) async fn position<B: Bed>() {
    let mut bed = B::new().await;
    let mut server = watched(&mut bed).await;
    let before = position_of(&server).await;
    assert!(!before.is_null(), "a source that is live has a position");
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    bed.write(0..10).await;
    told_until(&mut client, 9).await;
    let after = position_of(&server).await;
    assert_ne!(after, before, "who was told of a change finds its position stored");
    server.kill().await;
    server.start_again().await;
    bed.write(10..20).await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    assert_eq!(told_until(&mut client, 19).await.numbers(), (10..20).collect::<Vec<_>>());
}

async fn position_of(server: &TestServer) -> Value {
    server.get_json("/sources").await["sources"][0]["position"].clone()
}

pub(super) async fn database_crash<B: MortalBed>() {
    let mut bed = B::mortal().await;
    let server = watched(&mut bed).await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    let mut seen = Vec::new();
    for round in 0..3 {
        let first = round * 20;
        bed.write(first..first + 10).await;
        bed.kill().await;
        until("a source that is known to be down", async || {
            server.get_json("/sources").await["sources"][0]["state"] != "live"
        })
        .await;
        bed.start_again().await;
        bed.write(first + 10..first + 20).await;
        seen.extend(told_until(&mut client, first + 19).await.changes);
    }
    check_complete(&seen, 60);
}
