//! `format=`: the same changes in the shape that a client asks for, on every transport.

use serde_json::{Value, json};

use crate::support::{Connection, SseClient, Subscriber, TestServer, WsClient, exchange};

/// The first lines of data that come as NDJSON, as they are.
async fn lines(server: &TestServer, query: &str, count: usize) -> Vec<Value> {
    let request = server.request(reqwest::Method::GET, &format!("/events?{query}&wait=30s"));
    let response =
        request.header("accept", "application/x-ndjson").send().await.expect("an answer");
    assert_eq!(response.status(), 200, "{query}");
    let text = response.text().await.expect("text");
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let changes: Vec<Value> = all.filter(|line| line.get("type").is_none()).collect();
    assert_eq!(changes.len(), count, "{text}");
    changes
}

async fn with_three_changes() -> TestServer {
    let server = TestServer::start().await;
    server.put("1", &json!({"x": 1})).await;
    server.patch("1", &json!({"x": 2})).await;
    server.delete("1").await;
    server.logged(3).await;
    server
}

#[tokio::test]
async fn data_is_the_document_alone() {
    let server = with_three_changes().await;
    let lines = lines(&server, "since=earliest&format=data", 3).await;
    let changes: Vec<_> = lines.iter().map(|line| line["change"].clone()).collect();
    let gone = json!({"$operation": "delete", "documentKey": {"_id": "1"}});
    assert_eq!(changes, [json!({"_id": "1", "x": 1}), json!({"_id": "1", "x": 2}), gone]);
    assert!(lines.iter().all(|line| line["id"].is_string() && line["topic"] == "test.test"));
}

#[tokio::test]
async fn cloudevents_have_what_the_specification_requires() {
    let server = with_three_changes().await;
    for line in lines(&server, "since=earliest&format=cloudevents", 3).await {
        let event = &line["change"];
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["id"], line["id"], "the id that resumes");
        assert_eq!(event["source"], "urn:changecast:test.test");
        assert_eq!(event["subject"], "1");
        let operation = event["data"]["operationType"].as_str().expect("a change event");
        assert_eq!(event["type"], format!("changecast.{operation}"));
        assert!(event["time"].as_str().expect("a time").ends_with('Z'), "{event}");
    }
}

#[tokio::test]
async fn debezium_has_its_envelope() {
    let server = with_three_changes().await;
    let lines = lines(&server, "since=earliest&format=debezium", 3).await;
    let told: Vec<_> = lines
        .iter()
        .map(|line| &line["change"])
        .map(|it| (it["op"].clone(), it["before"]["x"].clone(), it["after"]["x"].clone()))
        .collect();
    let expected =
        [("c", json!(null), json!(1)), ("u", json!(1), json!(2)), ("d", json!(2), json!(null))];
    assert_eq!(told, expected.map(|(op, before, after)| (json!(op), before, after)));
    assert!(lines.iter().all(|line| line["change"]["source"]["connector"] == "changecast"));
}

#[tokio::test]
async fn control_messages_are_the_same_in_every_format_and_each_id_resumes() {
    let server = with_three_changes().await;
    for format in ["change", "data", "cloudevents", "debezium"] {
        let query = format!("since=earliest&format={format}");
        let mut client = SseClient::follow(&server, &query).await;
        assert_eq!(client.hello().await["waiting"], json!([]), "{format}");
        let told = lines(&server, &query, 3).await;
        let rest = format!("since={}&format={format}", told[1]["id"].as_str().expect("an id"));
        assert_eq!(lines(&server, &rest, 1).await, told[2..], "{format}");
    }
}

#[tokio::test]
async fn server_sent_events_and_websockets_carry_the_same_line() {
    let server = with_three_changes().await;
    for format in ["data", "cloudevents", "debezium"] {
        let query = format!("since=earliest&format={format}");
        let expected = lines(&server, &query, 3).await;
        let path = format!("/events?{query}");
        let mut client = SseClient::connect(server.address(), &path, &[]).await;
        let mut blocks = Vec::new();
        while blocks.len() < 3 {
            let block = client.block().await.expect("the stream goes on");
            if block.event.is_none() && block.data.is_some() {
                blocks.push(block.json());
            }
        }
        let changes: Vec<_> = expected.iter().map(|line| line["change"].clone()).collect();
        assert_eq!(blocks, changes, "{format}");
        let mut socket = WsClient::follow(&server, &query).await;
        let mut frames = Vec::new();
        while frames.len() < 3 {
            let frame = socket.next_json().await;
            if frame.get("type").is_none() {
                frames.push(frame);
            }
        }
        assert_eq!(frames, expected, "{format}");
    }
}

#[tokio::test]
async fn a_format_that_is_not_known_or_cannot_be_is_refused() {
    let server = TestServer::start().await;
    for query in ["format=xml", "format=", "format=Data", "format=data&format=data"] {
        let response = server.get(&format!("/events?{query}")).await;
        assert_eq!(response.status(), 400, "{query}");
    }
    let problem: Value = server.get_json("/events?format=xml").await;
    let detail = problem["detail"].as_str().expect("words");
    assert!(detail.contains("change, data, cloudevents, debezium"), "{detail}");
    let address = server.address();
    for (path, status) in
        [("/socket?format=data", 400), ("/ws?format=xml", 400), ("/ws?format=data", 101)]
    {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        if status == 101 {
            let mut connection = Connection::open(address).await;
            connection.send(request.as_bytes()).await;
            assert_eq!(connection.head().await.status, 101, "{path}");
        } else {
            assert_eq!(exchange(address, &request).await.head.status, status, "{path}");
        }
    }
}
