//! Redis no longer has what was not read yet: always a gap, never silence.

use serde_json::json;

use super::{check_numbers, only_source, watched};
use crate::support::{RedisServer, SseClient, Subscriber, TestServer};

/// The next message is a gap of this source, with these words; afterwards it goes on.
pub(super) async fn check_gap(
    redis: &RedisServer,
    server: &TestServer,
    client: &mut SseClient,
    words: &str,
) {
    let gap = client.gap().await;
    assert_eq!((&gap["scope"], &gap["source"]), (&json!("source"), &json!("shop")), "{gap}");
    assert_eq!(gap["action"], "refetch");
    assert!(gap["reason"].as_str().is_some_and(|reason| reason.contains(words)), "{gap}");
    redis.add_all("orders", 900..903).await;
    check_numbers(&client.changes(3).await, 900..903);
    assert_eq!(only_source(server).await["gap_count"], 1);
}

/// Reads three entries, and lets `meanwhile` happen while changecast is away.
async fn check_while_away(words: &str, meanwhile: impl AsyncFnOnce(&mut RedisServer)) {
    let mut redis = RedisServer::start().await;
    let (mut server, mut client) = watched(&redis).await;
    redis.add_all("orders", 0..3).await;
    check_numbers(&client.changes(3).await, 0..3);
    server.kill().await;
    meanwhile(&mut redis).await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    check_gap(&redis, &server, &mut client, words).await;
}

#[tokio::test]
async fn g2_what_was_trimmed_while_away_is_a_gap() {
    check_while_away("7 entries were trimmed", async |redis| {
        redis.add_all("orders", 3..20).await;
        redis.run(&["XTRIM", "orders", "MAXLEN", "10"]).await;
    })
    .await;
}

#[tokio::test]
async fn g2_one_entry_that_was_deleted_unread_is_a_gap() {
    check_while_away("1 entries were trimmed or deleted", async |redis| {
        redis.add("orders", 3).await;
        let id = redis.add("orders", 4).await;
        redis.add("orders", 5).await;
        redis.run(&["XDEL", "orders", &id]).await;
    })
    .await;
}

#[tokio::test]
async fn g2_a_stream_that_is_gone_is_a_gap() {
    check_while_away("deleted", async |redis| {
        redis.run(&["DEL", "orders"]).await;
    })
    .await;
}

#[tokio::test]
async fn g2_a_stream_that_was_made_anew_is_a_gap() {
    check_while_away("older than what was read", async |redis| {
        redis.run(&["DEL", "orders"]).await;
        redis.add("orders", 0).await;
    })
    .await;
}

#[tokio::test]
async fn g2_a_stream_that_was_made_anew_and_grew_longer_is_a_gap() {
    check_while_away("another course", async |redis| {
        redis.run(&["DEL", "orders"]).await;
        redis.add_all("orders", 0..50).await;
    })
    .await;
}

#[tokio::test]
async fn g2_a_redis_that_lost_its_data_is_a_gap() {
    check_while_away("deleted", async |redis| {
        redis.kill();
        redis.start_again().await;
    })
    .await;
}

#[tokio::test]
async fn g2_another_server_whose_counts_happen_to_fit_is_a_gap() {
    check_while_away("another server", async |redis| {
        redis.kill();
        redis.start_again().await;
        redis.add_all("orders", 0..13).await;
        redis.run(&["XTRIM", "orders", "MAXLEN", "10"]).await;
    })
    .await;
}

#[tokio::test]
async fn g2_an_id_that_went_backwards_is_a_gap() {
    check_while_away("older than what was read", async |redis| {
        redis.run(&["DEL", "orders"]).await;
        for number in 1..20 {
            redis.run(&["XADD", "orders", &format!("{number}-0"), "n", "0"]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_read_may_be_trimmed_without_a_gap() {
    let redis = RedisServer::start().await;
    let (mut server, mut client) = watched(&redis).await;
    redis.add_all("orders", 0..10).await;
    check_numbers(&client.changes(10).await, 0..10);
    redis.run(&["XTRIM", "orders", "MAXLEN", "0"]).await;
    redis.add_all("orders", 10..15).await;
    check_numbers(&client.changes(5).await, 10..15);
    server.kill().await;
    redis.run(&["XTRIM", "orders", "MAXLEN", "2"]).await;
    redis.add_all("orders", 15..20).await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    check_numbers(&client.changes(5).await, 15..20);
    assert_eq!(only_source(&server).await["gap_count"], 0);
}

#[tokio::test]
async fn g2_flushall_under_a_stream_that_is_followed_is_a_gap() {
    let redis = RedisServer::start().await;
    let (server, mut client) = watched(&redis).await;
    redis.add_all("orders", 0..3).await;
    check_numbers(&client.changes(3).await, 0..3);
    redis.run(&["FLUSHALL"]).await;
    check_gap(&redis, &server, &mut client, "deleted").await;
}

#[tokio::test]
async fn g2_what_is_trimmed_between_two_reads_is_a_gap() {
    let redis = RedisServer::start().await;
    let (server, mut client) = watched(&redis).await;
    redis.add_all("orders", 0..3).await;
    check_numbers(&client.changes(3).await, 0..3);
    // In one step, so that nobody reads in between.
    let script = "for n = 3, 7 do redis.call('XADD', 'orders', '*', 'n', n) end
                  redis.call('XTRIM', 'orders', 'MAXLEN', 2)";
    redis.run(&["EVAL", script, "0"]).await;
    check_gap(&redis, &server, &mut client, "3 entries were trimmed").await;
}

#[tokio::test]
async fn g2_a_stream_that_is_renamed_and_made_anew_while_it_is_followed_is_a_gap() {
    let redis = RedisServer::start().await;
    let (server, mut client) = watched(&redis).await;
    redis.add_all("orders", 0..3).await;
    check_numbers(&client.changes(3).await, 0..3);
    let script = "redis.call('RENAME', 'orders', 'old')
                  redis.call('XADD', 'orders', '*', 'n', 3)";
    redis.run(&["EVAL", script, "0"]).await;
    check_gap(&redis, &server, &mut client, "older than what was read").await;
}

#[tokio::test]
async fn g2_g9_an_entry_of_100_megabytes_is_a_gap_in_its_place_and_holds_up_nothing() {
    let redis = RedisServer::start().await;
    let (server, mut client) = watched(&redis).await;
    redis.add("orders", 0).await;
    let script = "redis.call('XADD', 'orders', '*', 'x', string.rep('x', 100 * 1048576))";
    redis.run(&["EVAL", script, "0"]).await;
    redis.add("orders", 1).await;
    check_numbers(&client.changes(1).await, 0..1);
    let gap = client.gap().await;
    assert!(gap["reason"].as_str().is_some_and(|reason| reason.contains("bytes")), "{gap}");
    check_numbers(&client.changes(1).await, 1..2);
    let source = only_source(&server).await;
    assert_eq!((&source["state"], &source["gap_count"]), (&json!("live"), &json!(1)), "{source}");
}
