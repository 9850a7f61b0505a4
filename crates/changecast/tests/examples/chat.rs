//! `chat`: two who talk, and one who comes later.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::support::{Example, soon};

struct Guest(WebSocketStream<TcpStream>);

impl Guest {
    async fn come(example: &Example) -> Self {
        let stream = TcpStream::connect(example.address).await.unwrap();
        let url = format!("ws://{}/chat", example.address);
        Self(client_async(url, stream).await.unwrap().0)
    }

    /// The next line that ends so.
    async fn hear(&mut self, end: &str) -> String {
        loop {
            let message = soon("message", self.0.next()).await.unwrap().unwrap();
            if let Message::Text(text) = message {
                let line: Value = serde_json::from_str(&text).unwrap();
                let line = line["data"].as_str().unwrap();
                if line.ends_with(end) {
                    return line.to_owned();
                }
            }
        }
    }
}

#[tokio::test]
async fn what_one_says_everybody_hears_also_who_comes_later() {
    let example = Example::start("chat").await;
    assert!(example.open("/").await.text().await.contains("new WebSocket("));
    let mut one = Guest::come(&example).await;
    let mut other = Guest::come(&example).await;
    other.hear("has come").await;
    one.0.send(Message::Text("hello, you".into())).await.unwrap();
    let line = one.hear("hello, you").await;
    assert!(line.starts_with("guest "), "{line}");
    assert_eq!(other.hear("hello, you").await, line);
    drop(one);
    other.hear("has gone").await;
    let mut late = Guest::come(&example).await;
    assert_eq!(late.hear("hello, you").await, line);
    example.interrupt().await;
}
