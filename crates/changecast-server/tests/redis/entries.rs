//! What entries of streams look like as changes, and that they come in order.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::{check_numbers, follow, numbers, watched, watched_as};
use crate::support::{NdjsonClient, RedisServer, Subscriber, TestServer, WsClient, shared_redis};

#[tokio::test]
async fn an_entry_is_an_insert_with_its_fields_as_text() {
    let redis = RedisServer::start().await;
    let (_server, mut client) = watched(&redis).await;
    let add = ["XADD", "orders", "1700000000123-7", "status", "new", "total", "007", "é", "☃\n"];
    redis.run(&add).await;
    assert_eq!(
        client.change().await.change.0,
        json!({
            "_id": {"_data": "1700000000123-7"},
            "operationType": "insert",
            "wallTime": {"$date": "2023-11-14T22:13:20.123Z"},
            "ns": {"db": "shop", "coll": "orders"},
            "documentKey": {"_id": "1700000000123-7"},
            "fullDocument": {"status": "new", "total": "007", "é": "☃\n"},
        })
    );
}

#[tokio::test]
async fn any_bytes_are_carried() {
    let redis = RedisServer::start().await;
    let (server, mut client) = watched(&redis).await;
    let connecting = redis::Client::open(redis.url()).expect("a URL");
    let mut connection = connecting.get_multiplexed_async_connection().await.expect("a connection");
    let mut add = redis::cmd("XADD");
    add.arg("orders").arg("18446744073709551615-1").arg(b"\xff\x00").arg("x");
    add.arg("raw").arg(b"\x00\xff").arg("twice").arg("1").arg("twice").arg("2").arg("").arg("");
    let _: String = add.query_async(&mut connection).await.expect("an id");
    let change = client.change().await.change;
    assert_eq!(
        change.document(),
        &json!({
            "\u{fffd}\0": "x",
            "raw": {"$binary": {"base64": "AP8=", "subType": "00"}},
            "twice": ["1", "2"],
            "": "",
        })
    );
    server.metric_becomes("changecast_source_replaced_text_total{source=\"shop\"}", 1).await;
}

#[tokio::test]
async fn g3_many_entries_come_in_order_to_every_kind_of_subscriber() {
    let redis = RedisServer::start().await;
    let (server, mut sse) = watched(&redis).await;
    let mut ws = WsClient::follow(&server, "").await;
    ws.hello().await;
    let script = "for n = 0, 4999 do redis.call('XADD', 'orders', '*', 'n', n) end";
    redis.run(&["EVAL", script, "0"]).await;
    check_numbers(&sse.changes(5000).await, 0..5000);
    check_numbers(&ws.changes(5000).await, 0..5000);
}

#[tokio::test]
async fn large_entries_are_carried() {
    let redis = RedisServer::start().await;
    let (_server, mut client) = watched(&redis).await;
    let script = "for n = 0, 39 do \
                  redis.call('XADD', 'orders', '*', 'n', n, 'x', string.rep('x', 1048576)) end";
    redis.run(&["EVAL", script, "0"]).await;
    check_numbers(&client.changes(40).await, 0..40);
}

#[tokio::test]
async fn several_streams_are_one_source_and_each_a_topic() {
    let redis = RedisServer::start().await;
    let (server, mut client) = watched_as(&redis.url(), "stream=orders&stream=audit").await;
    let mut audit = NdjsonClient::follow(&server, "topic=shop.audit").await;
    audit.hello().await;
    redis.add_all("orders", 0..3).await;
    redis.add_all("audit", 100..103).await;
    redis.add("other", 7).await;
    redis.add("orders", 3).await;
    assert_eq!(numbers(&audit.changes(3).await), [100, 101, 102]);
    let all = client.changes(7).await;
    let (orders, rest): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|entry| entry.change.topic() == "shop.orders");
    check_numbers(&orders, 0..4);
    check_numbers(&rest, 100..103);
}

#[tokio::test]
async fn a_stream_that_comes_later_is_read_from_its_first_entry() {
    let redis = RedisServer::start().await;
    let (mut server, mut client) = watched(&redis).await;
    redis.add("orders", 0).await;
    check_numbers(&client.changes(1).await, 0..1);

    // The same where it comes while changecast is away.
    let redis = RedisServer::start().await;
    server.terminate().await;
    let (mut server, client) = watched(&redis).await;
    server.kill().await;
    redis.add_all("orders", 0..2).await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    check_numbers(&client.changes(2).await, 0..2);
}

#[tokio::test]
async fn what_was_there_before_is_not_told_again() {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let stream = format!("entries:{}:{number}", std::process::id());
    let connecting = redis::Client::open(shared_redis()).expect("a URL");
    let connection = connecting.get_multiplexed_async_connection().await;
    let mut connection =
        connection.expect("CHANGECAST_TEST_REDIS answers: run `scripts/services up`");
    let mut add = async |n: i64| {
        let mut command = redis::cmd("XADD");
        command.arg(&stream).arg("*").arg("n").arg(n);
        let _: String = command.query_async(&mut connection).await.expect("an id");
    };
    add(0).await;
    let (_server, mut client) = watched_as(&shared_redis(), &format!("stream={stream}")).await;
    add(1).await;
    check_numbers(&client.changes(1).await, 1..2);
    let _: i64 = redis::cmd("DEL").arg(&stream).query_async(&mut connection).await.expect("gone");
}

#[tokio::test]
async fn a_table_of_the_file_names_streams() {
    let redis = RedisServer::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("changecast.toml");
    let url = redis.url();
    let text = format!("[[source]]\nurl = {url:?}\nname = \"shop\"\nstream = [\"orders\"]\n");
    std::fs::write(&file, text).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let server = TestServer::start_with(&["--config", file]).await;
    let mut client = follow(&server).await;
    redis.add("orders", 0).await;
    check_numbers(&client.changes(1).await, 0..1);
}

#[tokio::test]
async fn the_newer_protocol_is_as_good() {
    let redis = RedisServer::start().await;
    let (_server, mut client) = watched_as(&redis.url(), "stream=orders&protocol=resp3").await;
    redis.add_all("orders", 0..3).await;
    check_numbers(&client.changes(3).await, 0..3);
    let (server, mut client) = watched_as(&redis.url(), "channel=news*&protocol=resp3").await;
    redis.run(&["PUBLISH", "news1", "hello"]).await;
    assert_eq!(client.change().await.change.document(), &json!("hello"));
    let redis = redis.url() + "?name=keys&keyspace=a*&protocol=resp3";
    drop((server, client));
    let server = TestServer::start_unready(&["--source", &redis], &[]).await;
    let mut client = follow(&server).await;
    super::fails(&mut client, "does not tell of changes to keys", "KA").await;
}
