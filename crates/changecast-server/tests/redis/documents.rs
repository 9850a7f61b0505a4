//! Values by key, over `/documents`.

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::source;
use crate::support::{RedisServer, TestServer};

async fn opened(redis: &RedisServer, mode: &str) -> TestServer {
    let source = source(&redis.url(), "stream=orders");
    TestServer::start_with(&["--source", &source, "--documents", mode]).await
}

async fn read(server: &TestServer, key: &str) -> (StatusCode, HeaderValue, String) {
    let answer = server.get(&format!("/documents/shop/keys/{key}")).await;
    let kind = answer.headers()[CONTENT_TYPE].clone();
    (answer.status(), kind, answer.text().await.expect("text"))
}

#[tokio::test]
async fn s3_07_a_value_is_read_as_what_it_is() {
    let redis = RedisServer::start().await;
    let server = opened(&redis, "read").await;
    redis.run(&["SET", "json", r#"{"a": [1]}"#]).await;
    redis.run(&["SET", "text", "<script>alert(1)</script>"]).await;
    redis.run(&["HSET", "hash", "a", "1", "b", "é"]).await;
    redis.run(&["RPUSH", "list", "x", "y"]).await;
    redis.run(&["SADD", "set", "x"]).await;
    redis.run(&["ZADD", "scores", "1.5", "x", "2", "y"]).await;
    let json_type = "application/json; charset=UTF-8";
    for (key, kind, text) in [
        ("json", json_type, r#"{"a": [1]}"#),
        ("text", "text/plain; charset=UTF-8", "<script>alert(1)</script>"),
        ("hash", json_type, r#"{"a":"1","b":"é"}"#),
        ("list", json_type, r#"["x","y"]"#),
        ("set", json_type, r#"["x"]"#),
        ("scores", json_type, r#"{"x":1.5,"y":2}"#),
    ] {
        let (status, found, body) = read(&server, key).await;
        assert_eq!(
            (status, found.to_str().ok(), &*body),
            (StatusCode::OK, Some(kind), text),
            "{key}"
        );
    }
    let (status, _, body) = read(&server, "absent").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("there is no document \\\"absent\\\""), "{body}");
    redis.add("orders", 0).await;
    assert_eq!(read(&server, "orders").await.0, StatusCode::BAD_REQUEST);
    let elsewhere = server.get("/documents/shop/other/json").await;
    assert_eq!(elsewhere.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn s3_07_a_value_is_written_and_removed() {
    let redis = RedisServer::start().await;
    let server = opened(&redis, "write").await;
    let path = "/documents/shop/keys/a:1";
    let send = async |method: Method, body: &str| {
        let request = server.request(method, path).header(CONTENT_TYPE, "application/json");
        request.body(body.to_owned()).send().await.expect("an answer").status()
    };
    assert_eq!(send(Method::PUT, "{").await, StatusCode::BAD_REQUEST);
    assert_eq!(send(Method::PUT, r#"{"a":1}"#).await, StatusCode::CREATED);
    assert_eq!(send(Method::POST, "[2]").await, StatusCode::NO_CONTENT);
    assert_eq!(server.get_json(path).await, json!([2]));
    assert_eq!(send(Method::DELETE, "").await, StatusCode::NO_CONTENT);
    assert_eq!(send(Method::DELETE, "").await, StatusCode::NOT_FOUND);
    redis.run(&["HSET", "a:1", "a", "1"]).await;
    assert_eq!(send(Method::PUT, "1").await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn values_are_closed_unless_they_are_opened() {
    let redis = RedisServer::start().await;
    let server = opened(&redis, "off").await;
    redis.run(&["SET", "a", "1"]).await;
    assert_eq!(read(&server, "a").await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn g9_values_are_read_again_once_redis_is_back() {
    let mut redis = RedisServer::start_durable().await;
    let server = opened(&redis, "read").await;
    redis.run(&["SET", "a", "1"]).await;
    assert_eq!(read(&server, "a").await.0, StatusCode::OK);
    redis.kill();
    assert_eq!(read(&server, "a").await.0, StatusCode::SERVICE_UNAVAILABLE);
    redis.start_again().await;
    assert_eq!(read(&server, "a").await.0, StatusCode::OK);
}
