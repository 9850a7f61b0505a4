//! Clients that send slowly, too much, or nothing at all (G10).

use crate::support::{Connection, TestServer};

#[tokio::test]
async fn g10_a_half_sent_header_is_closed() {
    let server = TestServer::start().await;
    let mut connection = Connection::open(server.address()).await;
    connection.send(b"GET /events HTTP/1.1\r\nHost: loc").await;
    connection.until_closed().await;
}

#[tokio::test]
async fn g10_a_connection_that_says_nothing_is_closed() {
    let server = TestServer::start().await;
    let mut silent = Connection::open(server.address()).await;
    let mut idle = Connection::open(server.address()).await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    idle.send(request.as_bytes()).await;
    assert_eq!(idle.head().await.status, 200);
    idle.until_closed().await;
    silent.until_closed().await;
}

#[tokio::test]
async fn g10_a_header_over_the_cap_is_refused() {
    let server = TestServer::start().await;
    let host = server.address();
    for long in [
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Long: {}\r\n\r\n", "x".repeat(20 << 10)),
        format!("GET /?{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "x".repeat(20 << 10)),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\n{}\r\n", "X-Many: 1\r\n".repeat(1000)),
    ] {
        let mut connection = Connection::open(host).await;
        connection.send(long.as_bytes()).await;
        let answer = String::from_utf8_lossy(&connection.until_closed().await).into_owned();
        // Closed at once, or told why first.
        let told = answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 414");
        assert!(told || answer.is_empty(), "{answer}");
    }
}

#[tokio::test]
async fn g10_a_body_that_does_not_come_is_not_waited_for_without_end() {
    let server = TestServer::start().await;
    let mut connection = Connection::open(server.address()).await;
    let request = format!(
        "PUT /documents/test/test/1 HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: 10\r\n\r\n{{}}",
        server.address()
    );
    connection.send(request.as_bytes()).await;
    assert_eq!(connection.head().await.status, 408);
    assert_eq!(server.get("/documents/test/test/1").await.status(), 404);
}

#[tokio::test]
async fn what_is_not_http_is_closed_and_disturbs_nobody() {
    let server = TestServer::start().await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\r\n\r\nhello\r\n\r\n",
        &[0xff; 5000],
    ] {
        let mut connection = Connection::open(server.address()).await;
        connection.send(garbage).await;
        connection.until_closed().await;
    }
    assert_eq!(server.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn g8_a_client_that_never_reads_holds_up_nobody() {
    use crate::support::{SseClient, Subscriber, numbers};
    use serde_json::json;

    let server = TestServer::start().await;
    let mut stalled = Vec::new();
    for _ in 0..3 {
        stalled.push(SseClient::follow(&server, "").await);
    }
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    // More than the sockets' buffers take.
    let large = "x".repeat(500 << 10);
    for number in 1..=30 {
        server.put(&number.to_string(), &json!({"n": number, "large": large})).await;
        assert_eq!(numbers(&client.changes(1).await), [number]);
    }
    // Who was stalled has missed nothing.
    let mut late = stalled.pop().expect("three of them");
    late.hello().await;
    assert_eq!(numbers(&late.changes(30).await), (1..=30).collect::<Vec<_>>());
}
