//! The database goes away and comes back, under subscribers that stay.
//!
//! How long it is away is the point, so here, and only here, tests let time pass.

use std::time::Duration;

use serde_json::{Value, json};

use super::{TestDatabase, Told, news_of, told_until};
use crate::support::{
    Mongod, NdjsonClient, SseClient, Subscriber, TestServer, WsClient, numbers, until,
};

/// One of each, connected before the outage and never again.
struct Subscribers {
    sse: SseClient,
    ndjson: NdjsonClient,
    ws: WsClient,
    socket: WsClient,
}

impl Subscribers {
    async fn of(server: &TestServer) -> Self {
        let mut all = Self {
            sse: SseClient::follow(server, "").await,
            ndjson: NdjsonClient::follow(server, "").await,
            ws: WsClient::follow(server, "").await,
            socket: WsClient::connect(server, "/socket", &[]).await,
        };
        all.sse.hello().await;
        all.ndjson.hello().await;
        all.ws.hello().await;
        all
    }

    /// Each has got just these numbers, in order; all have been told of the outage.
    async fn check(&mut self, expected: std::ops::Range<i64>) {
        let expected: Vec<_> = expected.collect();
        let last = *expected.last().expect("some");
        let sse = told_until(&mut self.sse, last).await;
        let ndjson = told_until(&mut self.ndjson, last).await;
        let ws = told_until(&mut self.ws, last).await;
        for told in [&sse, &ndjson, &ws] {
            assert_eq!(told.numbers(), expected, "nothing lost, nothing twice, in order");
            check_news(told);
        }
        assert_eq!(sse.changes, ndjson.changes);
        assert_eq!(sse.changes, ws.changes);
        for number in expected {
            assert_eq!(self.socket.next_json().await["fullDocument"]["n"], number);
        }
    }
}

/// It went, said why, and came back.
fn check_news(told: &Told) {
    let states = told.states();
    assert_eq!((states.first(), states.last()), (Some(&"connecting"), Some(&"live")), "{told:?}");
    assert!(states.iter().all(|state| *state != "failed"), "an outage is nobody's fault: {told:?}");
    assert!(told.news[0]["error"].is_string(), "{told:?}");
}

async fn becomes_degraded(server: &TestServer) {
    until("degraded", async || {
        let ready = server.get("/readyz").await;
        assert_eq!(ready.status(), 200, "g9: who is away has a position, so it still serves");
        let ready: Value = ready.json().await.expect("JSON");
        ready["status"] == "degraded"
    })
    .await;
    for path in ["/", "/healthz", "/sources"] {
        assert_eq!(server.get(path).await.status(), 200, "{path}");
    }
}

/// Writes right before mongod is killed and right after it is back.
async fn check_outage(length: Duration) {
    let mut mongod = Mongod::start().await;
    let database = TestDatabase::on(&mongod).await;
    let server = database.watched().await;
    let mut subscribers = Subscribers::of(&server).await;
    database.insert_numbers(0..20).await;
    mongod.kill();
    becomes_degraded(&server).await;
    tokio::time::sleep(length).await;
    becomes_degraded(&server).await;
    mongod.start_again().await;
    database.insert_numbers(20..40).await;
    subscribers.check(0..40).await;

    // Whatever might have come twice has come by now.
    database.insert_numbers(40..41).await;
    assert_eq!(numbers(&[subscribers.sse.change().await]), [40]);
    assert_eq!(numbers(&[subscribers.ws.change().await]), [40]);
    let ready = server.get_json("/readyz").await;
    assert_eq!(ready["status"], "ok", "{ready}");
    assert_eq!(ready["sources"][0]["gap_count"], 0);
    g5_check_history(&server, 41).await;
}

/// Somebody who comes later sees the same.
async fn g5_check_history(server: &TestServer, count: i64) {
    let mut late = NdjsonClient::follow(server, "since=earliest").await;
    assert_eq!(late.hello().await["waiting"], json!([]));
    let told = told_until(&mut late, count - 1).await;
    assert_eq!(told.numbers(), (0..count).collect::<Vec<_>>());
}

#[tokio::test]
async fn s0_30_g2_g3_a_mongod_killed_and_down_for_3_seconds_costs_nothing() {
    check_outage(Duration::from_secs(3)).await;
}

#[tokio::test]
async fn s0_31_g2_g3_a_mongod_killed_and_down_for_40_seconds_costs_nothing() {
    check_outage(Duration::from_secs(40)).await;
}

#[tokio::test]
async fn s0_30_g9_restarts_one_after_the_other_cost_nothing() {
    let mut mongod = Mongod::start().await;
    let database = TestDatabase::on(&mongod).await;
    let server = database.watched().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    database.insert_numbers(0..5).await;
    for round in 1..4 {
        // In turn a proper restart and a crash, at once, with what was just written unread.
        if round % 2 == 1 {
            mongod.stop().await;
        } else {
            mongod.kill();
        }
        mongod.start_again().await;
        database.insert_numbers(round * 5..round * 5 + 5).await;
    }
    assert_eq!(told_until(&mut client, 19).await.numbers(), (0..20).collect::<Vec<_>>());
    g5_check_history(&server, 20).await;
}

#[tokio::test]
async fn g9_a_mongod_that_hangs_for_long_costs_nothing() {
    let mongod = Mongod::start().await;
    let database = TestDatabase::on(&mongod).await;
    let server = database.watched().await;
    let mut subscribers = Subscribers::of(&server).await;
    let mut watcher = SseClient::follow(&server, "").await;
    watcher.hello().await;
    database.insert_numbers(0..10).await;
    mongod.pause();
    becomes_degraded(&server).await;
    // Not only the probe notices, the stream does, too.
    news_of(&mut watcher, "connecting").await;
    mongod.resume();
    database.insert_numbers(10..20).await;
    subscribers.check(0..20).await;
    g5_check_history(&server, 20).await;
}

#[tokio::test]
async fn g9_a_mongod_that_hangs_for_short_costs_nothing() {
    let mongod = Mongod::start().await;
    let database = TestDatabase::on(&mongod).await;
    let server = database.watched().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    for round in 0..2 {
        let first = round * 10;
        database.insert_numbers(first..first + 5).await;
        mongod.pause();
        becomes_degraded(&server).await;
        mongod.resume();
        database.insert_numbers(first + 5..first + 10).await;
    }
    assert_eq!(told_until(&mut client, 19).await.numbers(), (0..20).collect::<Vec<_>>());
    g5_check_history(&server, 20).await;
}

#[tokio::test]
async fn g5_g7_database_and_changecast_crash_together() {
    let mut mongod = Mongod::start().await;
    let database = TestDatabase::on(&mongod).await;
    let mut server = database.watched().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    database.insert_numbers(0..10).await;
    let mut seen = told_until(&mut client, 4).await.numbers();

    mongod.kill();
    server.kill().await;
    tokio::join!(server.start_again(), mongod.start_again());
    let mut client = client.come_back(&server).await;
    assert_eq!(client.hello().await["resumed"], true);
    database.insert_numbers(10..20).await;
    seen.extend(told_until(&mut client, 19).await.numbers());
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
    g5_check_history(&server, 20).await;
}

#[tokio::test]
async fn s0_28_it_ends_in_order_also_while_its_database_hangs_or_is_gone() {
    let mut mongod = Mongod::start().await;
    let database = TestDatabase::on(&mongod).await;
    let mut server = database.watched().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    mongod.pause();
    becomes_degraded(&server).await;
    assert_eq!(server.terminate().await.code(), Some(0));
    while client.message().await.is_some() {}
    assert!(client.ended_cleanly());

    mongod.resume();
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    assert_eq!(client.hello().await["resumed"], true);
    mongod.kill();
    becomes_degraded(&server).await;
    assert_eq!(server.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn g2_g9_a_database_that_was_replaced_by_another_is_a_gap_for_all_and_followed_on() {
    let mut mongod = Mongod::start().await;
    // In its second life it has been elected more often than the one to come.
    mongod.stop().await;
    mongod.start_again().await;
    let database = TestDatabase::on(&mongod).await;
    let mut server = database.watched().await;
    let mut present = SseClient::follow(&server, "").await;
    let mut absent = WsClient::follow(&server, "").await;
    present.hello().await;
    absent.hello().await;
    database.insert_numbers(0..3).await;
    assert_eq!(numbers(&present.changes(3).await), [0, 1, 2]);

    mongod.replace().await;
    // A fresh server accepts any position, until it should tell what came after it.
    database.insert_numbers(3..4).await;
    let gap = present.gap().await;
    assert_eq!((&gap["scope"], &gap["action"]), (&json!("source"), &json!("refetch")), "{gap}");
    assert_eq!(gap["source"], database.name());
    database.insert_numbers(4..6).await;
    assert_eq!(numbers(&present.changes(2).await), [4, 5]);
    let listing = server.get_json("/sources").await;
    assert_eq!(listing["sources"][0]["gap_count"], 1, "{listing}");

    // Who was away hears of it in its place.
    server.kill().await;
    server.start_again().await;
    let mut absent = absent.come_back(&server).await;
    assert_eq!(absent.hello().await["resumed"], true);
    assert_eq!(numbers(&absent.changes(3).await), [0, 1, 2]);
    assert_eq!(absent.gap().await["reason"], gap["reason"]);
    assert_eq!(numbers(&absent.changes(2).await), [4, 5]);
}
