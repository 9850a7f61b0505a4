//! How it ends: every stream with the word when to come back, and the process with 0 (S0-28).

use rustix::process::Signal;
use serde_json::json;

use crate::support::{
    Connection, NdjsonClient, RawFrame, RawWebSocket, SseClient, Subscriber, TestServer, WsClient,
};

async fn ends_every_stream(signal: Signal) {
    let mut server = TestServer::start().await;
    let mut sse = SseClient::follow(&server, "").await;
    let mut ndjson = NdjsonClient::follow(&server, "").await;
    let mut ws = WsClient::follow(&server, "").await;
    let mut socket = WsClient::connect(&server, "/socket", &[]).await;
    sse.hello().await;
    ndjson.hello().await;
    ws.hello().await;
    server.insert_numbers([1]).await;
    sse.changes(1).await;
    ndjson.changes(1).await;
    ws.changes(1).await;
    socket.next_json().await;

    server.process().signal(signal);

    let farewell = sse.block().await.expect("a last block");
    assert!(farewell.retry.is_some_and(|millis| millis >= 1000), "{farewell:?}");
    assert_eq!(sse.block().await, None);
    assert!(sse.ended_cleanly(), "the last chunk is sent");
    assert!(ndjson.message().await.is_none());
    assert!(ndjson.ended_cleanly(), "the last chunk is sent");
    assert_eq!(ws.close_code().await, Some(1001));
    assert_eq!(socket.close_code().await, Some(1001));
    assert_eq!(server.process().exit().await.code(), Some(0));
}

#[tokio::test]
async fn s0_28_sigint_ends_every_stream_and_the_process_with_0() {
    ends_every_stream(Signal::INT).await;
}

#[tokio::test]
async fn s0_28_sigterm_ends_every_stream_and_the_process_with_0() {
    ends_every_stream(Signal::TERM).await;
}

#[tokio::test]
async fn what_was_written_before_the_signal_is_delivered_before_the_end() {
    let mut server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "").await;
    let mut slow = SseClient::follow(&server, "").await;
    client.hello().await;
    server.insert_numbers(1..=50).await;
    client.changes(50).await;
    server.process().signal(Signal::TERM);
    assert!(server.process().exit().await.success());
    // It has read nothing so far: what does not reach it any more it gets when it comes back.
    let mut count = 0;
    while slow.block().await.is_some() {
        count += 1;
    }
    assert!(count >= 1, "at least the hello");
    assert!(slow.ended_cleanly());
}

#[tokio::test]
async fn clients_that_neither_read_nor_answer_do_not_keep_it() {
    let mut server = TestServer::start().await;
    let mut silent = RawWebSocket::connect(&server, "/ws", "").await;
    let _unread = SseClient::follow(&server, "").await;
    let mut idle = Connection::open(server.address()).await;
    idle.send(b"GET / HTTP/1.1\r\n").await;
    assert_eq!(silent.frame().await.first, RawFrame::TEXT);
    assert_eq!(server.terminate().await.code(), Some(0));
    assert_eq!(silent.close_frame().await.close_code(), Some(1001));
}

#[tokio::test]
async fn g8_clients_whose_sockets_are_full_do_not_keep_it() {
    let mut server = TestServer::start().await;
    let _sse = SseClient::follow(&server, "").await;
    let _ndjson = NdjsonClient::follow(&server, "").await;
    let _ws = RawWebSocket::connect(&server, "/ws", "").await;
    let _socket = RawWebSocket::connect(&server, "/socket", "").await;
    let mut reader = SseClient::follow(&server, "").await;
    reader.hello().await;
    let large = json!({"large": "x".repeat(1_000_000)});
    for number in 1..=10 {
        server.put(&number.to_string(), &large).await;
    }
    reader.changes(10).await;
    assert_eq!(server.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let mut server = TestServer::start().await;
    let mut idle = Connection::open(server.address()).await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    idle.send(request.as_bytes()).await;
    assert_eq!(idle.head().await.status, 200);
    server.process().signal(Signal::TERM);
    idle.until_closed().await;
    assert_eq!(server.process().exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut server = TestServer::start().await;
    // A request under way, which the first signal waits for.
    let mut request = Connection::open(server.address()).await;
    let head = format!(
        "PUT /documents/test/test/1 HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: 10\r\n\r\n{{",
        server.address()
    );
    request.send(head.as_bytes()).await;
    // The server knows of it once it has answered another one that came later.
    server.get("/healthz").await;
    server.process().signal(Signal::TERM);
    server.process().stderr_with("draining").await;
    server.process().signal(Signal::TERM);
    assert_eq!(server.process().exit().await.code(), Some(1));
}

#[tokio::test]
async fn it_takes_no_connection_while_it_ends() {
    let mut server = TestServer::start().await;
    let address = server.address();
    server.process().signal(Signal::TERM);
    assert_eq!(server.process().exit().await.code(), Some(0));
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
