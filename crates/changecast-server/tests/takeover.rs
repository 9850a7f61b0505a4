//! A socket that leaves HTTP for a stream: what was before, what comes with it, and what HTTP/1.0
//! makes of it.

use serde_json::json;

use crate::support::{
    Connection, RawFrame, RawWebSocket, Subscriber, TestServer, WsClient, masked,
};

fn get(path: &str, version: &str, server: &TestServer) -> String {
    format!("GET {path} {version}\r\nHost: {}\r\n\r\n", server.address())
}

async fn lines_until(connection: &mut Connection, last: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        lines.push(connection.line().await);
        if lines.last().is_some_and(|line| line.contains(last)) {
            return lines;
        }
    }
}

#[tokio::test]
async fn a_stream_may_be_the_second_answer_of_a_connection() {
    let server = TestServer::start().await;
    let mut connection = Connection::open(server.address()).await;
    connection.send(get("/healthz", "HTTP/1.1", &server).as_bytes()).await;
    let head = connection.head().await;
    let length = head.header("content-length").expect("a length").parse().expect("a number");
    connection.exactly(length).await.expect("a body");
    connection.send(get("/events", "HTTP/1.1", &server).as_bytes()).await;
    assert_eq!(connection.head().await.header("content-type"), Some("text/event-stream"));
    lines_until(&mut connection, "event: hello").await;
    server.put("1", &json!({})).await;
    lines_until(&mut connection, r#""operationType":"insert""#).await;
}

#[tokio::test]
async fn a_stream_asked_for_before_the_answer_before_it_comes_after_it() {
    let server = TestServer::start().await;
    let mut connection = Connection::open(server.address()).await;
    // The page first: its answer is far larger than what a socket takes at once.
    let requests = get("/", "HTTP/1.1", &server).repeat(20) + &get("/events", "HTTP/1.1", &server);
    connection.send(requests.as_bytes()).await;
    for _ in 0..20 {
        let head = connection.head().await;
        assert_eq!(head.status, 200);
        let length = head.header("content-length").expect("a length").parse().expect("a number");
        connection.exactly(length).await.expect("the whole page");
    }
    assert_eq!(connection.head().await.header("content-type"), Some("text/event-stream"));
    lines_until(&mut connection, "event: hello").await;
}

#[tokio::test]
async fn http_1_0_gets_a_body_without_chunks_that_ends_with_the_connection() {
    let mut server = TestServer::start().await;
    let mut connection = Connection::open(server.address()).await;
    connection.send(get("/events", "HTTP/1.0", &server).as_bytes()).await;
    let head = connection.head().await;
    assert_eq!((head.status, head.header("transfer-encoding")), (200, None));
    assert_eq!(connection.line().await, ": changecast");
    lines_until(&mut connection, "data:").await;
    assert_eq!(connection.line().await, "");
    server.put("1", &json!({})).await;
    let lines = lines_until(&mut connection, "data:").await;
    assert!(lines[0].starts_with("id: "), "{lines:?}");
    server.terminate().await;
    let rest = String::from_utf8(connection.until_closed().await).expect("text");
    assert!(rest.trim_start().starts_with("retry: ") && rest.ends_with("\n\n"), "{rest:?}");
}

#[tokio::test]
async fn a_body_in_chunks_is_ended_and_the_connection_with_it() {
    let mut server = TestServer::start().await;
    let mut connection = Connection::open(server.address()).await;
    connection.send(get("/events", "HTTP/1.1", &server).as_bytes()).await;
    let head = connection.head().await;
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(head.header("connection"), Some("close"));
    assert!(head.header("date").is_some());
    server.terminate().await;
    assert!(connection.until_closed().await.ends_with(b"\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn a_command_that_comes_with_the_handshake_is_answered() {
    let server = TestServer::start().await;
    let command = masked(RawFrame::TEXT, br#"{"type":"subscribe","topics":["test.test"]}"#);
    let mut socket = RawWebSocket::connect_saying(&server, "/ws?topic=no.such", "", &command).await;
    assert_eq!(socket.json().await["type"], "hello");
    assert_eq!(socket.json().await["type"], "subscribed");
    server.put("1", &json!({})).await;
    assert_eq!(socket.json().await["topic"], "test.test");
}

#[tokio::test]
async fn g10_who_does_not_read_answers_is_not_asked_for_more_questions() {
    let server = TestServer::start().await;
    let mut rude = RawWebSocket::connect(&server, "/ws?topic=nobody.writes", "").await;
    let question = masked(RawFrame::TEXT, br#"{"type":"unsubscribe","topics":["no.such"]}"#);
    let questions = question.repeat(1000);
    let mut sent = 0;
    // The server stops reading, and holds what it cannot write; the sockets between us are full.
    while server.metric("changecast_held_bytes").await == Some(0) {
        sent += rude.try_send(&questions[sent % questions.len()..]);
    }
    assert!(server.metric("changecast_held_bytes").await.is_some_and(|held| held < 1 << 20));
    let mut other = WsClient::follow(&server, "").await;
    other.hello().await;
    server.put("1", &json!({})).await;
    other.changes(1).await;
    // What was asked is answered all the same, once it is read.
    assert_eq!(rude.json().await["type"], "hello");
    for _ in 0..sent / question.len() {
        assert_eq!(rude.json().await["type"], "error");
    }
}
