//! A program that attends to its WebSocket's clients: S4-01's `open`, `on_message` and the end.

use async_trait::async_trait;
use axum::Router;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use changecast::handlers::{Incoming, Subscriber, WebSocketSubscriber};
use changecast::stores::{QueueStore, Store};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::clients::Socket;
use super::server::{Server, Under};
use super::support::soon;
use super::until_followed_by;

/// Says what happens, and hands on what is said.
struct Host {
    said: QueueStore<String>,
    diary: mpsc::Sender<String>,
}

impl Host {
    async fn note(&self, line: String) {
        self.diary.send(line).await.unwrap();
    }
}

#[async_trait]
impl Subscriber for Host {
    type Client = String;

    async fn open(&self, request: &Parts) -> Result<String, Response> {
        let name = request.uri.query().unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err((StatusCode::FORBIDDEN, "who are you?").into_response());
        }
        self.note(format!("open {name}")).await;
        Ok(name)
    }

    async fn message(&self, name: &mut String, message: Incoming) -> Option<String> {
        match message {
            Incoming::Text(text) => {
                self.said.submit(format!("{name}: {text}")).await.unwrap();
                None
            }
            Incoming::Binary(bytes) => Some(format!("{} bytes", bytes.len())),
        }
    }

    async fn close(&self, name: String) {
        self.note(format!("close {name}")).await;
    }
}

#[tokio::test]
async fn s4_01_open_may_refuse_message_may_answer_or_publish_and_close_comes_for_each() {
    for under in Under::BOTH {
        let said = QueueStore::new();
        let (diary, mut lines) = mpsc::channel(16);
        let host = Host { said: said.clone(), diary };
        let handler = WebSocketSubscriber::new(&said).with_subscriber(host);
        let server = Server::start(under, Router::new().route("/", get(handler))).await;

        let refused = Socket::from_origin(server.address, "/", "null").await.err();
        assert_eq!(refused, Some(403), "{under:?}: the origin is checked first");
        let own = format!("http://{}", server.address);
        let refused = Socket::from_origin(server.address, "/", &own).await.err();
        assert_eq!(refused, Some(403), "{under:?}: by the program");
        assert_eq!(said.subscriber_count(), 0);

        let mut anna = Socket::open(server.address, "/?anna").await;
        let mut ben = Socket::open(server.address, "/?ben").await;
        until_followed_by(&said, 2).await;
        anna.say(Message::Text("hello".into())).await;
        for socket in [&mut anna, &mut ben] {
            assert_eq!(socket.text().await, r#"{"data": "anna: hello"}"#, "{under:?}");
        }
        ben.say(Message::Binary(vec![0, 255, 1].into())).await;
        assert_eq!(ben.text().await, "3 bytes", "{under:?}: to him alone");
        ben.say(Message::Ping("there?".into())).await;
        assert_eq!(ben.hear().await, Some(Message::Pong("there?".into())));

        let mut line = async || soon("line", lines.recv()).await.unwrap();
        assert_eq!(line().await, "open anna");
        assert_eq!(line().await, "open ben");
        ben.say(Message::Close(None)).await;
        assert_eq!(line().await, "close ben", "{under:?}");
        drop(anna);
        assert_eq!(line().await, "close anna", "{under:?}: though it went without a word");
        until_followed_by(&said, 0).await;
    }
}

/// Attends to a client's message for ever, and says when it begins and when the client is gone.
struct Stuck {
    diary: mpsc::Sender<&'static str>,
}

#[async_trait]
impl Subscriber for Stuck {
    type Client = ();

    async fn open(&self, _: &Parts) -> Result<(), Response> {
        Ok(())
    }

    async fn message(&self, _: &mut (), _: Incoming) -> Option<String> {
        self.diary.send("begins").await.unwrap();
        std::future::pending().await
    }

    async fn close(&self, _: ()) {
        self.diary.send("gone").await.unwrap();
    }
}

#[tokio::test]
async fn s4_01_an_end_does_not_wait_for_a_client_that_is_being_attended_to() {
    for under in Under::BOTH {
        let store = QueueStore::<u32>::new();
        let (diary, mut lines) = mpsc::channel(4);
        let handler = WebSocketSubscriber::new(&store).with_subscriber(Stuck { diary });
        let server = Server::start(under, Router::new().route("/", get(handler))).await;
        let mut stuck = Socket::open(server.address, "/").await;
        stuck.say(Message::Text("anybody?".into())).await;
        let mut line = async || soon("line", lines.recv()).await.unwrap();
        assert_eq!(line().await, "begins");
        let end = match under {
            Under::Axum => {
                store.feed().close();
                None
            }
            Under::Changecast => Some(tokio::spawn(server.end())),
        };
        let Some(Message::Close(Some(close))) = stuck.hear().await else {
            panic!("{under:?}: no close")
        };
        assert_eq!(u16::from(close.code), 1001, "{under:?}");
        assert_eq!(stuck.hear().await, None);
        assert_eq!(line().await, "gone", "{under:?}");
        if let Some(end) = end {
            end.await.unwrap();
        }
    }
}

#[tokio::test]
async fn s4_01_a_client_whose_message_is_attended_to_for_ever_delays_nobody() {
    for under in Under::BOTH {
        let store = QueueStore::new();
        let (diary, _lines) = mpsc::channel(4);
        let handler = WebSocketSubscriber::new(&store).with_subscriber(Stuck { diary });
        let server = Server::start(under, Router::new().route("/", get(handler))).await;
        let mut stuck = Socket::open(server.address, "/").await;
        stuck.say(Message::Text("anybody?".into())).await;
        let mut other = Socket::open(server.address, "/").await;
        until_followed_by(&store, 2).await;
        for number in 0..100 {
            store.submit(number).await.unwrap();
            assert_eq!(other.text().await, format!(r#"{{"data": {number}}}"#), "{under:?}");
        }
    }
}
