//! Channels and keys: told as they pass, and honest about what nobody heard.

use serde_json::{Value, json};

use super::{becomes, fails, only_source, watched_as, watched_in_vain};
use crate::support::{RedisServer, SseClient, Subscriber, WsClient, until};

async fn publish(redis: &RedisServer, channel: &str, message: &str) {
    redis.run(&["PUBLISH", channel, message]).await;
}

#[tokio::test]
async fn s1_08_what_is_published_comes_over_sse_and_websocket() {
    let redis = RedisServer::start().await;
    let (server, mut sse) = watched_as(&redis.url(), "channel=news&channel=alerts").await;
    let mut ws = WsClient::follow(&server, "").await;
    ws.hello().await;
    publish(&redis, "news", r#"{"n": 1, "big": 9007199254740993}"#).await;
    publish(&redis, "alerts", "007").await;
    publish(&redis, "other", "unheard").await;
    publish(&redis, "news", "{half").await;
    let seen = sse.changes(3).await;
    assert_eq!(ws.changes(3).await, seen);
    let documents: Vec<_> = seen.iter().map(|entry| entry.change.document()).collect();
    let big = json!({"n": 1, "big": {"$numberLong": "9007199254740993"}});
    assert_eq!(documents, [&big, &json!("007"), &json!("{half")]);
    let topics: Vec<_> = seen.iter().map(|entry| entry.change.topic()).collect();
    assert_eq!(topics, ["shop.news", "shop.alerts", "shop.news"]);
    assert_eq!(seen[0].change.0["operationType"], "insert");
    assert_eq!(seen[0].change.0["documentKey"], Value::Null);
    let listed = only_source(&server).await;
    assert_eq!((&listed["replayable"], &listed["gap_count"]), (&json!(false), &json!(0)));
}

#[tokio::test]
async fn s1_09_bytes_that_are_no_text_are_carried() {
    let redis = RedisServer::start().await;
    let (_server, mut client) = watched_as(&redis.url(), "channel=news").await;
    let connecting = redis::Client::open(redis.url()).expect("a URL");
    let mut connection = connecting.get_multiplexed_async_connection().await.expect("a connection");
    let mut command = redis::cmd("PUBLISH");
    command.arg("news").arg(b"\x00\xff");
    let _: i64 = command.query_async(&mut connection).await.expect("a count");
    let binary = json!({"$binary": {"base64": "AP8=", "subType": "00"}});
    assert_eq!(client.change().await.change.document(), &binary);
}

#[tokio::test]
async fn a_pattern_names_many_channels() {
    let redis = RedisServer::start().await;
    let (_server, mut client) = watched_as(&redis.url(), "channel=news.*").await;
    publish(&redis, "news.it", "1").await;
    publish(&redis, "sport", "2").await;
    publish(&redis, "news.art\n", "3").await;
    let topics: Vec<_> = client.changes(2).await.iter().map(|entry| entry.change.topic()).collect();
    assert_eq!(topics, ["shop.news.it", "shop.news.art\u{fffd}"]);
}

/// Publishes until one arrives: nobody tells when somebody listens again.
async fn publishes_again(redis: &RedisServer, client: &mut SseClient) {
    until("a subscription", async || {
        let count = redis.run(&["PUBLISH", "news", "again"]).await;
        count != redis::Value::Int(0)
    })
    .await;
    assert_eq!(client.change().await.change.document(), &json!("again"));
}

#[tokio::test]
async fn g2_each_time_that_nobody_listened_is_a_gap() {
    let mut redis = RedisServer::start().await;
    let (mut server, mut client) = watched_as(&redis.url(), "channel=news").await;
    publish(&redis, "news", "first").await;
    assert_eq!(client.change().await.change.document(), &json!("first"));

    redis.kill();
    redis.start_again().await;
    let gap = client.gap().await;
    assert!(gap["reason"].as_str().is_some_and(|reason| reason.contains("nobody listened")));
    publishes_again(&redis, &mut client).await;

    server.kill().await;
    publish(&redis, "news", "unheard").await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    assert_eq!(client.gap().await["scope"], "source");
    publishes_again(&redis, &mut client).await;
}

#[tokio::test]
async fn g9_a_redis_that_hangs_is_noticed_also_where_silence_is_normal() {
    let redis = RedisServer::start().await;
    let (_server, mut client) = watched_as(&redis.url(), "channel=news").await;
    redis.pause();
    becomes(&mut client, "connecting").await;
    redis.resume();
    client.control("gap").await;
    publishes_again(&redis, &mut client).await;
}

#[tokio::test]
async fn changes_of_keys_are_told_once_redis_tells_of_them() {
    let redis = RedisServer::start().await;
    let (_server, mut client) = watched_in_vain(&redis.url(), "keyspace=orders:*").await;
    fails(&mut client, "does not tell of changes to keys", "notify-keyspace-events KA").await;
    redis.run(&["CONFIG", "SET", "notify-keyspace-events", "KA"]).await;
    becomes(&mut client, "live").await;
    redis.run(&["HSET", "orders:1", "a", "1"]).await;
    redis.run(&["SET", "users:1", "x"]).await;
    redis.run(&["DEL", "orders:1"]).await;
    let seen = client.changes(2).await;
    let told = |index: usize| {
        let change = &seen[index].change.0;
        (
            change["operationType"].clone(),
            change["documentKey"]["_id"].clone(),
            change["event"].clone(),
        )
    };
    assert_eq!(told(0), (json!("update"), json!("orders:1"), json!("hset")));
    assert_eq!(told(1), (json!("delete"), json!("orders:1"), json!("del")));
    assert_eq!(seen[0].change.topic(), "shop.orders");
}
