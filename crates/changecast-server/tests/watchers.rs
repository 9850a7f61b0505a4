//! Watchers in the background, as in "hire a watcher": one for each source, whoever follows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::http_source::json_answer;
use crate::support::{NdjsonClient, Subscriber, TestServer, soon};

/// The URL of a source over a web server that answers with how often it has been asked, or, if it
/// is silent, never.
async fn counter(is_silent: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let count = Arc::new(AtomicU64::new(0));
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match connection.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => return,
                    }
                }
                if is_silent {
                    // Held until the other side gives up.
                    let _ = connection.read_u8().await;
                    return;
                }
                let count = count.fetch_add(1, Ordering::Relaxed) + 1;
                // It may have gone away.
                let _ = connection.write_all(json_answer(&json!(count)).as_bytes()).await;
            });
        }
    });
    format!("http://127.0.0.1:{port}/?name=score&topic=now&every=100ms&allow_private=true")
}

/// Every question has another answer: clients with watchers of their own would each miss some.
#[tokio::test]
async fn s4_02_a_hundred_clients_are_one_question_a_tick() {
    let server = TestServer::start_with(&["--source", &counter(false).await]).await;
    let clients = (0..100).map(|_| async {
        let mut client = NdjsonClient::follow(&server, "since=earliest").await;
        client.hello().await;
        let changes = client.changes(5).await;
        changes.iter().map(|entry| entry.change.document().clone()).collect::<Vec<Value>>()
    });
    for seen in soon("five ticks", join_all(clients)).await {
        assert_eq!(seen, [1, 2, 3, 4, 5].map(|number| json!(number)));
    }
}

/// In the original a slow question held up everything.
#[tokio::test]
async fn s4_03_a_watcher_that_hangs_holds_up_nobody() {
    let source = counter(true).await;
    let server = TestServer::start_unready(&["--source", &source, "--publish"], &[]).await;
    let mut client = NdjsonClient::follow(&server, "").await;
    client.hello().await;
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    assert_eq!(server.get("/").await.status(), StatusCode::OK);
    let publish = server.request(reqwest::Method::POST, "/publish/news.all").json(&json!(1));
    assert_eq!(publish.send().await.expect("an answer").status(), StatusCode::ACCEPTED);
    assert_eq!(client.change().await.change.topic(), "news.all");
}
