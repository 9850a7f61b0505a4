//! Publishing over HTTP: what is taken, what is refused, and that a key makes it once.

use std::collections::BTreeMap;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{NdjsonClient, SseClient, Subscriber, TestServer, http_client, soon};

async fn open() -> TestServer {
    TestServer::start_with(&["--publish"]).await
}

async fn post(server: &TestServer, topic: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let mut request = server.request(Method::POST, &format!("/publish/{topic}"));
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    soon("an answer", request.body(body.to_owned()).send()).await.expect("an answer")
}

/// The event id of a message that was taken.
async fn published(response: Response) -> String {
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let answer: Value = response.json().await.expect("JSON");
    answer["id"].as_str().expect("an id").to_owned()
}

async fn refused(response: Response, status: u16, said: &str) {
    let found = response.status().as_u16();
    let problem: Value = response.json().await.expect("JSON");
    assert_eq!(found, status, "{problem}");
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains(said), "{detail}");
}

#[tokio::test]
async fn a_message_comes_as_an_insert_with_the_id_that_was_answered() {
    let server = open().await;
    let mut client = SseClient::follow(&server, "topic=news.*").await;
    client.hello().await;
    for body in [r#"{"rain":true}"#, "[1,2]", "\"text\"", "0", "null"] {
        let id = published(post(&server, "news.weather.eu", &[], body).await).await;
        let entry = client.change().await;
        assert_eq!(entry.id, id);
        let event = &entry.change.0;
        assert_eq!(event["operationType"], "insert");
        assert_eq!(event["ns"], json!({"db": "news", "coll": "weather.eu"}));
        assert_eq!(event["fullDocument"], serde_json::from_str::<Value>(body).expect("JSON"));
        assert_eq!(event["documentKey"]["_id"], event["_id"]["_data"]);
    }
    let topics = server.get_json("/topics").await;
    assert_eq!(topics["topics"][0]["topic"], "news.weather.eu");
    assert_eq!(topics["topics"][0]["source"], "news");
    let metrics = server.get("/metrics").await.text().await.expect("text");
    assert!(metrics.contains(r#"changecast_published_total{outcome="appended"} 5"#), "{metrics}");
}

#[tokio::test]
async fn a_message_is_filtered_and_resumed_like_any_change() {
    let server = open().await;
    let first = published(post(&server, "news.a", &[], r#"{"n":1}"#).await).await;
    published(post(&server, "news.a", &[], r#"{"n":2}"#).await).await;
    published(post(&server, "news.a", &[], r#"{"n":3}"#).await).await;
    let filter = crate::support::matching(&json!({"fullDocument.n": 3}));
    let mut client = NdjsonClient::follow(&server, &format!("since={first}&{filter}")).await;
    client.hello().await;
    assert_eq!(client.change().await.change.document(), &json!({"n": 3}));
}

#[tokio::test]
async fn publishing_is_closed_unless_it_is_opened() {
    let server = TestServer::start().await;
    refused(post(&server, "news.a", &[], "1").await, 403, "--publish").await;
}

#[tokio::test]
async fn a_topic_of_a_source_takes_no_message() {
    let server = open().await;
    for topic in ["test.test", "test.other"] {
        refused(post(&server, topic, &[], "1").await, 403, "belongs to the source \"test\"").await;
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused_in_words() {
    let server = open().await;
    refused(post(&server, "news", &[], "1").await, 400, "dot").await;
    refused(post(&server, "news.*", &[], "1").await, 400, "star").await;
    refused(post(&server, "news.a", &[], "{").await, 400, "JSON").await;
    refused(post(&server, "news.a", &[], "").await, 400, "JSON").await;
    refused(post(&server, "news.a", &[], r#""\ud800""#).await, 400, "JSON").await;
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    refused(post(&server, "news.a", &[], &large).await, 413, "larger").await;
    for kind in ["text/plain", "application/cloudevents-batch+json"] {
        refused(
            post(&server, "news.a", &[("content-type", kind)], "[]").await,
            415,
            "Content-Type",
        )
        .await;
    }
    let foreign = [("origin", "https://evil.example")];
    refused(post(&server, "news.a", &foreign, "1").await, 403, "origin").await;
    for keys in
        [&[("idempotency-key", "")][..], &[("idempotency-key", "a"), ("idempotency-key", "b")]]
    {
        refused(post(&server, "news.a", keys, "1").await, 400, "Idempotency-Key").await;
    }
    let get = server.get("/publish/news.a").await;
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(server.get_json("/topics").await["topics"], json!([]));
}

#[tokio::test]
async fn g3_the_same_key_is_the_same_message_also_after_a_crash() {
    let port = "--port=0";
    let mut server = TestServer::start_with(&["--publish", port]).await;
    let key = [("idempotency-key", "k-1")];
    let first = published(post(&server, "news.a", &key, r#"{"n":1}"#).await).await;
    assert_eq!(published(post(&server, "news.a", &key, r#"{ "n": 1 }"#).await).await, first);
    server.kill().await;
    server.start_again().await;
    let quoted = [("idempotency-key", "\"k-1\"")];
    assert_eq!(published(post(&server, "news.a", &quoted, r#"{"n":1}"#).await).await, first);
    refused(post(&server, "news.a", &key, r#"{"n":2}"#).await, 422, &first).await;
    let elsewhere = published(post(&server, "news.b", &key, r#"{"n":2}"#).await).await;
    assert_ne!(elsewhere, first);
    let mut reader = NdjsonClient::follow(&server, "since=earliest").await;
    reader.hello().await;
    let entries = reader.changes(2).await;
    assert_eq!((&entries[0].id, &entries[1].id), (&first, &elsewhere));
}

#[tokio::test]
async fn g3_concurrent_twins_get_one_id() {
    let server = open().await;
    let twins = (0..40).map(|_| post(&server, "news.a", &[("idempotency-key", "twin")], "1"));
    let mut ids = Vec::new();
    for response in futures_util::future::join_all(twins).await {
        ids.push(published(response).await);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

const EVENT: &str = r#"{"specversion":"1.0","id":"7","source":"/shop","type":"paid","datacontenttype":"application/json","data":{"n":1}}"#;

#[tokio::test]
async fn a_cloudevent_is_a_message_in_both_modes_and_its_own_key() {
    let server = open().await;
    let structured = [("content-type", "application/cloudevents+json; charset=utf-8")];
    let first = published(post(&server, "news.a", &structured, EVENT).await).await;
    assert_eq!(published(post(&server, "news.a", &structured, EVENT).await).await, first);
    let other = EVENT.replace("\"n\":1", "\"n\":2");
    refused(post(&server, "news.a", &structured, &other).await, 422, "key").await;
    let binary = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "8"),
        ("ce-source", "/shop"),
        ("ce-type", "paid"),
        ("ce-traceparent", "00-x"),
    ];
    let second = published(post(&server, "news.a", &binary, r#"{"n":1}"#).await).await;
    assert_eq!(published(post(&server, "news.a", &binary, r#"{"n":1}"#).await).await, second);
    let mut reader = NdjsonClient::follow(&server, "since=earliest").await;
    reader.hello().await;
    let entries = reader.changes(2).await;
    assert_eq!(*entries[0].change.document(), serde_json::from_str::<Value>(EVENT).expect("JSON"));
    let document = entries[1].change.document();
    assert_eq!(document["data"], json!({"n": 1}));
    assert_eq!(document["id"], "8");
    assert_eq!(document["traceparent"], "00-x");
    let without: Vec<_> = binary.into_iter().filter(|(name, _)| *name != "ce-type").collect();
    refused(post(&server, "news.a", &without, "1").await, 400, "type").await;
    refused(post(&server, "news.a", &structured, "{}").await, 400, "specversion").await;
}

/// Sends one message until it is answered, as a careful client does.
async fn publish_surely(url: String, n: i64) {
    let client = http_client();
    loop {
        let request = client.post(&url).header("idempotency-key", n.to_string());
        let answer = request.json(&json!({"n": n})).send().await;
        match answer.map(|answer| answer.status()) {
            Ok(StatusCode::ACCEPTED) => return,
            Ok(StatusCode::SERVICE_UNAVAILABLE) | Err(_) => tokio::task::yield_now().await,
            Ok(status) => panic!("{status}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g3_g7_killed_in_the_midst_of_publishing_each_message_is_there_once() {
    const PUBLISHERS: i64 = 4;
    const MESSAGES: i64 = 100;
    let mut server = TestServer::start_restartable_with(&["--publish"]).await;
    let url = server.url("/publish/news.a");
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let url = url.clone();
            tokio::spawn(async move {
                for n in 0..MESSAGES {
                    publish_surely(url.clone(), publisher * MESSAGES + n).await;
                }
            })
        })
        .collect();
    for round in 1..=5 {
        let mut reader = NdjsonClient::follow(&server, "since=earliest").await;
        reader.hello().await;
        reader.changes(round * 50).await;
        server.kill().await;
        server.start_again().await;
    }
    for publisher in publishers {
        soon("a publisher's end", publisher).await.expect("it does not panic");
    }
    let mut reader = NdjsonClient::follow(&server, "since=earliest&wait=1s").await;
    reader.hello().await;
    let total = usize::try_from(PUBLISHERS * MESSAGES).expect("small");
    let mut seen = BTreeMap::new();
    for entry in reader.changes(total).await {
        *seen.entry(entry.change.document()["n"].as_i64().expect("a number")).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), total);
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
    let topics = server.get_json("/topics").await;
    assert_eq!(topics["topics"][0]["last_seq"], total);
}
