//! Streams and keys in pages, and how state and stream join.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::source;
use crate::lists::{State, list};
use crate::support::{Entry, NdjsonClient, RedisServer, Subscriber, TestServer};

async fn opened(redis: &RedisServer, query: &str) -> TestServer {
    let source = source(&redis.url(), query);
    TestServer::start_with(&["--source", &source, "--documents", "read"]).await
}

async fn telling_of_keys() -> RedisServer {
    let redis = RedisServer::start_durable().await;
    redis.run(&["CONFIG", "SET", "notify-keyspace-events", "KA"]).await;
    redis
}

#[tokio::test]
async fn g2_g5_a_streams_pages_and_what_follows_are_all_of_it() {
    let redis = RedisServer::start().await;
    redis.add_all("orders", 0..60).await;
    let server = opened(&redis, "stream=orders").await;
    let enough = AtomicBool::new(false);
    let write = async {
        let mut number = 60;
        while !enough.load(Ordering::Relaxed) {
            redis.add("orders", number).await;
            number += 1;
        }
        number
    };
    let read = async {
        let mut joined = Vec::new();
        for limit in [7, 100, 20] {
            joined.push(list(&server, "/documents/shop/orders", limit).await);
        }
        enough.store(true, Ordering::Relaxed);
        joined
    };
    let (joined, count) = tokio::join!(read, write);
    redis.add("orders", -1).await;
    let (_, expected) = list(&server, "/documents/shop/orders", 1000).await;
    assert_eq!(expected.len(), usize::try_from(count).expect("small") + 1);
    for (position, mut state) in joined {
        let query = format!("topic=shop.orders&since={position}");
        let mut client = NdjsonClient::follow(&server, &query).await;
        assert_eq!(client.hello().await["resumed"], true);
        let is_end = |entry: &Entry| entry.change.number() == Some(-1);
        for Entry { change, .. } in client.changes_until(is_end).await {
            let id = &change.0["documentKey"]["_id"];
            let listed = json!({"_id": id, "value": change.document()});
            state.insert(id.to_string(), listed);
        }
        assert_eq!(state, expected);
    }
    let (id, first) = expected.first_key_value().expect("an entry");
    let path = format!("/documents/shop/orders/{}", id.trim_matches('"'));
    assert_eq!(server.get_json(&path).await, first["value"]);
}

#[tokio::test]
async fn g2_g5_the_keys_pages_and_what_follows_are_all_of_them() {
    let redis = telling_of_keys().await;
    for number in 0..60 {
        redis.run(&["SET", &format!("orders:{number}"), "0"]).await;
    }
    redis.run(&["SET", "other", "1"]).await;
    let server = opened(&redis, "keyspace=orders:*").await;
    let enough = AtomicBool::new(false);
    let write = |seed: u64| {
        let (redis, enough) = (&redis, &enough);
        async move {
            let mut random = seed;
            while !enough.load(Ordering::Relaxed) {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
                let key = format!("orders:{}", (random >> 33) % 300);
                match random >> 62 {
                    0 => redis.run(&["DEL", &key]).await,
                    _ => redis.run(&["SET", &key, &(random >> 40).to_string()]).await,
                };
            }
        }
    };
    let read = async {
        let mut joined = Vec::new();
        for limit in [1, 7, 100] {
            joined.push(list(&server, "/documents/shop/orders", limit).await);
        }
        enough.store(true, Ordering::Relaxed);
        joined
    };
    let (joined, (), ()) = tokio::join!(read, write(1), write(99));
    redis.run(&["SET", "orders:end", "1"]).await;
    let (_, expected) = list(&server, "/documents/shop/orders", 1000).await;
    assert!(expected.contains_key("\"orders:end\"") && !expected.contains_key("\"other\""));
    for (position, mut state) in joined {
        let query = format!("topic=shop.orders&since={position}");
        let mut client = NdjsonClient::follow(&server, &query).await;
        client.hello().await;
        let is_end = |entry: &Entry| entry.change.0["documentKey"]["_id"] == "orders:end";
        // Redis tells which key has changed, and not to what: that is asked for.
        let touched: BTreeSet<String> = client
            .changes_until(is_end)
            .await
            .iter()
            .map(|entry| entry.change.0["documentKey"]["_id"].as_str().expect("a key").to_owned())
            .collect();
        for key in touched {
            look(&server, &key, &mut state).await;
        }
        assert_eq!(state, expected);
    }
}

async fn look(server: &TestServer, key: &str, state: &mut State) {
    let response = server.get(&format!("/documents/shop/keys/{key}")).await;
    let id = json!(key).to_string();
    if response.status() == StatusCode::NOT_FOUND {
        state.remove(&id);
    } else {
        let value: Value = response.json().await.expect("JSON");
        state.insert(id, json!({"_id": key, "value": value}));
    }
}

#[tokio::test]
async fn a_list_of_keys_shows_each_value_as_what_it_is() {
    let redis = telling_of_keys().await;
    let large = "x".repeat((1 << 20) + 1);
    for words in [
        &["SET", "orders:json", r#"{"a": [9007199254740993]}"#][..],
        &["SET", "orders:text", "<script>"],
        &["SET", "orders:large", &large],
        &["HSET", "orders:hash", "a", "1"],
        &["RPUSH", "orders:list", "x", "y"],
        &["XADD", "orders:stream", "*", "n", "1"],
    ] {
        redis.run(words).await;
    }
    let server = opened(&redis, "keyspace=orders:*").await;
    let page = server.get_json("/documents/shop/orders").await;
    let documents = page["documents"].as_array().expect("a list").iter();
    let found: BTreeMap<&str, &Value> =
        documents.map(|document| (document["_id"].as_str().expect("a key"), document)).collect();
    let value = |key: &str| found[key]["value"].clone();
    assert_eq!(value("orders:json"), json!({"a": [9_007_199_254_740_993_u64]}));
    assert_eq!(value("orders:text"), "<script>");
    assert_eq!(value("orders:hash"), json!({"a": "1"}));
    assert_eq!(value("orders:list"), json!(["x", "y"]));
    for key in ["orders:large", "orders:stream"] {
        assert_eq!(found[key], &json!({"_id": key, "$unavailable": ["value"]}));
    }
    assert_eq!((found.len(), &page["next"]), (6, &Value::Null));
}

#[tokio::test]
async fn a_list_that_cannot_be_exact_is_refused_with_the_reason() {
    let mut redis = telling_of_keys().await;
    for number in 0..500 {
        redis.run(&["SET", &format!("orders:{number}"), "1"]).await;
    }
    let server = opened(&redis, "keyspace=orders:*").await;
    let page = server.get_json("/documents/shop/orders?limit=1").await;
    let next = page["next"].as_str().expect("more").to_owned();
    redis.kill();
    redis.start_again().await;
    crate::support::until("another answer than that it is away", async || {
        let path = format!("/documents/shop/orders?limit=1&after={next}");
        let response = server.get(&path).await;
        match response.status() {
            StatusCode::SERVICE_UNAVAILABLE => false,
            status => {
                let text = response.text().await.expect("text");
                assert_eq!(status, StatusCode::CONFLICT, "{text}");
                assert!(text.contains("begin the list again"), "{text}");
                true
            }
        }
    })
    .await;
    for (path, status, said) in [
        ("orders?after=x", 400, "next"),
        ("orders?after=a:1:0", 400, "next"),
        ("keys", 404, "keyspace="),
        ("other", 404, "keyspace="),
    ] {
        let response = server.get(&format!("/documents/shop/{path}")).await;
        let found = response.status().as_u16();
        let text = response.text().await.expect("text");
        assert!(found == status && text.contains(said), "{path}: {found} {text}");
    }
}

#[tokio::test]
async fn a_right_that_a_list_needs_is_named() {
    let redis = telling_of_keys().await;
    let rule = "ACL SETUSER ada on >secret +@read +@connection +multi +exec +psubscribe \
                +punsubscribe +config|get -info &* ~*";
    redis.run(&rule.split_whitespace().collect::<Vec<_>>()).await;
    let source = source(&redis.url_for("ada", "secret"), "keyspace=orders:*");
    let server = TestServer::start_with(&["--source", &source, "--documents", "read"]).await;
    let response = server.get("/documents/shop/orders").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let text = response.text().await.expect("text");
    assert!(text.contains("+info") && !text.contains("secret"), "{text}");
}
