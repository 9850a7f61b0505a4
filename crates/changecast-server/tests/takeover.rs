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

/// The same request as browsers, proxies and programs write it.
fn requests(host: &str) -> Vec<(&'static str, String)> {
    let get = |target: &str, headers: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")
    };
    let chunks = "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n";
    vec![
        ("closing", get("/events", "Connection: close\r\n")),
        ("an absolute target", get(&format!("http://{host}/events"), "Via: 1.1 proxy\r\n")),
        ("with a body", get("/events", "Content-Length: 5\r\n") + "hello"),
        ("with a body in chunks", get("/events", "Transfer-Encoding: chunked\r\n") + chunks),
        ("with half of a body", get("/events", "Content-Length: 500\r\n") + "hello"),
        ("expecting", get("/events", "Expect: 100-continue\r\nContent-Length: 5\r\n")),
        (
            "upper-case",
            format!("GET /events HTTP/1.1\r\nHOST: {host}\r\nACCEPT: TEXT/EVENT-STREAM\r\n\r\n"),
        ),
        (
            "lower-case",
            format!("GET /events HTTP/1.1\r\nhost:{host}\r\naccept:text/event-stream\r\n\r\n"),
        ),
        (
            "offering h2c",
            get(
                "/events",
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            ),
        ),
        (
            "offering a WebSocket elsewhere",
            get("/events", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        ),
        ("with more behind it", get("/events", "") + &get("/healthz", "")),
    ]
}

#[tokio::test]
async fn a_stream_is_granted_however_the_request_for_it_is_written() {
    let server = TestServer::start().await;
    for (what, request) in requests(&server.address().to_string()) {
        let mut connection = Connection::open(server.address()).await;
        connection.send(request.as_bytes()).await;
        let head = connection.head().await;
        assert_eq!(head.status, 200, "{what}");
        assert_eq!(head.header("content-type"), Some("text/event-stream"), "{what}");
        assert_eq!(head.header("connection"), Some("close"), "{what}");
        assert_eq!(head.header("content-length"), None, "{what}");
        lines_until(&mut connection, "event: hello").await;
        // What comes late, or is said into the stream, is not listened to.
        connection.send(b"world\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n").await;
        server.put(what, &json!({})).await;
        let document = format!(r#""documentKey":{{"_id":"{what}"}}"#);
        let lines = lines_until(&mut connection, &document).await;
        assert!(!lines.iter().any(|line| line.starts_with("HTTP/")), "{what}: {lines:?}");
    }
}

#[tokio::test]
async fn a_reader_that_closes_its_sending_half_has_gone() {
    let server = TestServer::start().await;
    let count = "changecast_subscribers{transport=\"sse\"}";
    let mut connection = Connection::open(server.address()).await;
    connection.send(get("/events", "HTTP/1.1", &server).as_bytes()).await;
    lines_until(&mut connection, "event: hello").await;
    server.metric_becomes(count, 1).await;
    connection.finish().await;
    server.metric_becomes(count, 0).await;
    connection.until_closed().await;
}

#[tokio::test]
async fn a_head_of_a_stream_leaves_the_connection_to_other_requests() {
    let server = TestServer::start().await;
    let mut connection = Connection::open(server.address()).await;
    for _ in 0..3 {
        let head = get("/events", "HTTP/1.1", &server).replace("GET", "HEAD");
        connection.send(head.as_bytes()).await;
        let head = connection.head().await;
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    }
    connection.send(get("/events", "HTTP/1.1", &server).as_bytes()).await;
    assert_eq!(connection.head().await.status, 200);
    lines_until(&mut connection, "event: hello").await;
}

#[tokio::test]
async fn g1_requests_of_all_kinds_in_one_go_are_answered_in_order_then_comes_the_stream() {
    let server = TestServer::start().await;
    let put = |id| {
        format!(
            "PUT /documents/test/test/{id} HTTP/1.1\r\nHost: {}\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}",
            server.address()
        )
    };
    let mut requests = String::new();
    for number in 0..8 {
        requests += &put(number);
        requests += &get("/healthz", "HTTP/1.1", &server);
        requests += &get("/no/such", "HTTP/1.1", &server);
        requests += &get("/", "HTTP/1.1", &server).replace("GET", "HEAD");
    }
    requests += &get("/events?since=earliest", "HTTP/1.1", &server);
    let mut connection = Connection::open(server.address()).await;
    connection.send(requests.as_bytes()).await;
    for _ in 0..8 {
        for expected in [201, 200, 404, 200] {
            let head = connection.head().await;
            assert_eq!(head.status, expected);
            let is_head_only = head.header("etag").is_some();
            let length = head.header("content-length").filter(|_| !is_head_only).unwrap_or("0");
            connection.exactly(length.parse().expect("a number")).await.expect("a body");
        }
    }
    assert_eq!(connection.head().await.header("content-type"), Some("text/event-stream"));
    for number in 0..8 {
        lines_until(&mut connection, &format!(r#""documentKey":{{"_id":"{number}"}}"#)).await;
    }
}

#[tokio::test]
async fn a_handshake_with_a_body_is_refused_as_nobody_could_tell_it_from_frames() {
    let server = TestServer::start().await;
    let command = masked(RawFrame::TEXT, br#"{"type":"subscribe","topics":["*"]}"#);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let length = format!("Content-Length: {}\r\n", command.len());
    for (framing, status) in
        [(&*length, 400), ("Transfer-Encoding: chunked\r\n", 400), ("Content-Length: 0\r\n", 101)]
    {
        for path in ["/ws", "/socket"] {
            let host = server.address();
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{upgrade}{framing}\r\n");
            let mut connection = Connection::open(host).await;
            connection.send(request.as_bytes()).await;
            assert_eq!(connection.head().await.status, status, "{path} {framing}");
        }
    }
}

#[tokio::test]
async fn a_handshake_is_understood_in_any_case() {
    let server = TestServer::start().await;
    let host = server.address();
    let request = format!(
        "GET http://{host}/ws HTTP/1.1\r\nHOST: {host}\r\nconnection:keep-alive, UPGRADE\r\n\
         UPGRADE: WebSocket\r\nsec-websocket-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-Websocket-Version: 13\r\n\r\n"
    );
    let mut connection = Connection::open(host).await;
    connection.send(request.as_bytes()).await;
    let head = connection.head().await;
    assert_eq!((head.status, head.header("content-length")), (101, None));
}
