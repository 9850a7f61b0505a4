//! `watcher`: a function pushed to everybody, and a WebSocket without a path.

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::support::{Example, soon};

#[tokio::test]
async fn s4_05_the_snippet_of_the_watcher_example_hears_of_the_score() {
    let example = Example::start("watcher").await;
    let page = example.open("/").await.text().await;
    assert!(page.contains("<html"), "{page}");
    let stream = TcpStream::connect(example.address).await.unwrap();
    let url = format!("ws://{}", example.address);
    let connecting = tokio_tungstenite::client_async(url, stream);
    let (mut socket, _) = soon("handshake", connecting).await.unwrap();
    let mut next = async || {
        let message = soon("message", socket.next()).await.unwrap().unwrap();
        serde_json::from_str::<Value>(message.to_text().unwrap()).unwrap()
    };
    assert_eq!(next().await["type"], "hello");
    let mut scores = Vec::new();
    while scores.len() < 2 {
        let message = next().await;
        if message["topic"] == "score.current" {
            scores.push(message["change"]["fullDocument"].clone());
        }
    }
    assert!(scores[0]["home"].is_u64() && scores[0] != scores[1], "{scores:?}");
    example.interrupt().await;
}
