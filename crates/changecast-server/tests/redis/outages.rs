//! Redis or changecast goes away and comes back.

use serde_json::json;

use super::{becomes, check_numbers, follow, only_source, watched, watched_in_vain};
use crate::support::{NdjsonClient, RedisServer, Subscriber, TestServer, until};

/// Somebody who comes later sees the same, and no gap.
async fn check_history(server: &TestServer, count: i64) {
    let mut late = NdjsonClient::follow(server, "since=earliest").await;
    late.hello().await;
    check_numbers(&late.changes(count as usize).await, 0..count);
    assert_eq!(only_source(server).await["gap_count"], 0);
}

#[tokio::test]
async fn g5_g7_crashes_of_changecast_lose_and_repeat_nothing() {
    let redis = RedisServer::start().await;
    let (mut server, mut client) = watched(&redis).await;
    let mut seen = Vec::new();
    for round in 0..5 {
        let first = round * 20;
        redis.add_all("orders", first..first + 10).await;
        // Some are read, some may be stored but unread, some may be on their way.
        seen.extend(client.changes(4).await);
        server.kill().await;
        redis.add_all("orders", first + 10..first + 20).await;
        server.start_again().await;
        client = client.come_back(&server).await;
        assert_eq!(client.hello().await["resumed"], true);
    }
    seen.extend(client.changes(80).await);
    check_numbers(&seen, 0..100);
    check_history(&server, 100).await;
}

#[tokio::test]
async fn s0_35_a_crash_before_the_first_change_loses_nothing() {
    let redis = RedisServer::start().await;
    redis.add("orders", -1).await;
    let (mut server, client) = watched(&redis).await;
    for number in 0..3 {
        server.kill().await;
        redis.add("orders", number).await;
        server.start_again().await;
    }
    let mut client = client.come_back(&server).await;
    client.hello().await;
    check_numbers(&client.changes(3).await, 0..3);
}

#[tokio::test]
async fn g2_g9_a_redis_that_is_killed_and_keeps_its_data_costs_nothing() {
    let mut redis = RedisServer::start_durable().await;
    let (server, mut client) = watched(&redis).await;
    for round in 0..3 {
        let first = round * 10;
        redis.add_all("orders", first..first + 5).await;
        redis.kill();
        let news = becomes(&mut client_of(&server).await, "connecting").await;
        assert!(news["remedy"].is_string(), "{news}");
        redis.start_again().await;
        redis.add_all("orders", first + 5..first + 10).await;
        check_numbers(&client.changes(10).await, first..first + 10);
    }
    check_history(&server, 30).await;
}

/// A subscriber that hears of an outage, be it over before it came or not.
async fn client_of(server: &TestServer) -> crate::support::SseClient {
    until("an outage that is noticed", async || only_source(server).await["state"] == "connecting")
        .await;
    let mut client = crate::support::SseClient::follow(server, "").await;
    client.hello().await;
    client
}

#[tokio::test]
async fn g9_a_redis_that_hangs_costs_nothing() {
    let redis = RedisServer::start().await;
    let (server, mut client) = watched(&redis).await;
    let mut watcher = follow(&server).await;
    redis.add_all("orders", 0..5).await;
    redis.pause();
    // Not only the probe notices, the stream does, too.
    becomes(&mut watcher, "connecting").await;
    redis.resume();
    redis.add_all("orders", 5..10).await;
    check_numbers(&client.changes(10).await, 0..10);
    check_history(&server, 10).await;
}

#[tokio::test]
async fn g9_a_redis_that_comes_later_is_followed() {
    let mut redis = RedisServer::absent(&["--appendonly", "no"]);
    let (server, mut client) = watched_in_vain(&redis.url(), "stream=orders").await;
    assert_eq!(server.get("/readyz").await.status(), 503);
    let listed = only_source(&server).await;
    assert_eq!((&listed["kind"], &listed["state"]), (&json!("redis"), &json!("connecting")));
    redis.start_again().await;
    becomes(&mut client, "live").await;
    redis.add("orders", 0).await;
    check_numbers(&client.changes(1).await, 0..1);
}

#[tokio::test]
async fn it_ends_in_order_while_redis_hangs() {
    let redis = RedisServer::start().await;
    let (mut server, mut client) = watched(&redis).await;
    redis.pause();
    assert_eq!(server.terminate().await.code(), Some(0));
    while client.message().await.is_some() {}
    assert!(client.ended_cleanly());
}
