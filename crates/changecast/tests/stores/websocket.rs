//! `WebSocketSubscriber`: the frames, the handshakes that fail, and the ends.

use axum::Router;
use axum::routing::{any, get};
use changecast::handlers::WebSocketSubscriber;
use changecast::limits;
use changecast::stores::{DataStore, Message as Told, QueueOptions, QueueStore, Store};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::clients::Socket;
use super::server::{Server, Under};
use super::support::Answer;
use super::until_followed_by;

async fn serve(under: Under, handler: WebSocketSubscriber) -> Server {
    Server::start(under, Router::new().route("/", get(handler))).await
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn s1_20_a_frame_is_the_envelope_and_values_keep_their_types() {
    for under in Under::BOTH {
        let store = QueueStore::new();
        let server = serve(under, WebSocketSubscriber::new(&store)).await;
        let mut socket = Socket::open(server.address, "/").await;
        until_followed_by(&store, 1).await;
        store.submit(json!("test")).await.unwrap();
        assert_eq!(socket.text().await, r#"{"data": "test"}"#, "{under:?}");
        store.submit(json!(1.0)).await.unwrap();
        assert_eq!(socket.text().await, r#"{"data": 1.0}"#, "{under:?}");
        for value in [json!({"a": [1, null]}), json!(null), json!("</script>\r\n\0é")] {
            store.submit(value.clone()).await.unwrap();
            assert_eq!(parse(&socket.text().await), json!({ "data": value }), "{under:?}");
        }
        store.submit_message(Told::new(json!(1)).with_event("tick").with_id("own")).await.unwrap();
        let expected = json!({"data": 1, "event": "tick", "id": "own"});
        assert_eq!(parse(&socket.text().await), expected, "{under:?}");
    }
}

#[tokio::test]
async fn s1_05_a_newcomer_gets_the_value_of_now() {
    for under in Under::BOTH {
        let store = DataStore::new(7);
        let server = serve(under, WebSocketSubscriber::new(&store)).await;
        let mut socket = Socket::open(server.address, "/").await;
        assert_eq!(socket.text().await, r#"{"data": 7}"#, "{under:?}");
    }
}

#[tokio::test]
async fn s1_15_with_ids_a_socket_resumes_too_and_hears_of_a_gap() {
    for under in Under::BOTH {
        let store = QueueStore::with_options(QueueOptions::default().with_history_count(3));
        let server = serve(under, WebSocketSubscriber::new(&store).with_ids()).await;
        let mut socket = Socket::open(server.address, "/").await;
        assert_eq!(parse(&socket.text().await)["type"], "hello");
        store.submit(0).await.unwrap();
        let id = parse(&socket.text().await)["id"].as_str().unwrap().to_owned();
        for number in 1..=3 {
            store.submit(number).await.unwrap();
        }
        let path = format!("/?since={id}");
        let mut back = Socket::open(server.address, &path).await;
        assert_eq!(parse(&back.text().await)["resumed"], true, "{under:?}");
        assert_eq!(parse(&back.text().await)["data"], 1, "{under:?}");
        store.submit(4).await.unwrap();
        let mut late = Socket::open(server.address, &path).await;
        assert_eq!(parse(&late.text().await)["type"], "hello");
        assert_eq!(parse(&late.text().await)["type"], "gap", "{under:?}");
        assert_eq!(parse(&late.text().await)["data"], 2, "{under:?}");
    }
}

#[tokio::test]
async fn s1_21_fifty_plain_gets_leave_no_subscriber() {
    for under in Under::BOTH {
        let store = QueueStore::<u32>::new();
        let router = Router::new()
            .route("/", get(WebSocketSubscriber::new(&store)))
            .route("/any", any(WebSocketSubscriber::new(&store)));
        let server = Server::start(under, router).await;
        let mut audience = store.feed().audience();
        audience.borrow_and_update();
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        for _ in 0..50 {
            for (method, path, headers, status) in [
                ("GET", "/", "", "400"),
                ("POST", "/", "", "405"),
                ("POST", "/any", upgrade, "405"),
                ("HEAD", "/any", upgrade, "405"),
                ("GET", "/", "Upgrade: websocket\r\nConnection: Upgrade\r\n", "400"),
            ] {
                let address = server.address;
                let request =
                    format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
                let answer = Answer::to(address, &request).await;
                let expected = format!("HTTP/1.1 {status} ");
                assert!(answer.head.starts_with(&expected), "{under:?}: {request}{}", answer.head);
            }
        }
        assert!(!audience.has_changed().unwrap(), "{under:?}: nobody came, not even for a moment");
    }
}

#[tokio::test]
async fn s1_22_a_ping_is_answered_a_close_echoed_and_a_disconnect_noticed_without_a_message() {
    for under in Under::BOTH {
        let store = QueueStore::<u32>::new();
        let server = serve(under, WebSocketSubscriber::new(&store)).await;
        let mut polite = Socket::open(server.address, "/").await;
        let rude = Socket::open(server.address, "/").await;
        until_followed_by(&store, 2).await;
        polite.say(Message::Ping("hi".into())).await;
        assert_eq!(polite.hear().await, Some(Message::Pong("hi".into())), "{under:?}");

        drop(rude);
        until_followed_by(&store, 1).await;

        polite.say(Message::Text("nobody asked".into())).await;
        polite.say(Message::Close(None)).await;
        assert!(matches!(polite.hear().await, Some(Message::Close(_))), "{under:?}");
        until_followed_by(&store, 0).await;
    }
}

#[tokio::test]
async fn s4_01_pages_of_other_origins_are_refused_unless_they_are_allowed() {
    for under in Under::BOTH {
        let store = DataStore::new(1);
        let router = Router::new()
            .route("/", get(WebSocketSubscriber::new(&store)))
            .route("/one", get(WebSocketSubscriber::new(&store).allow_origin("https://ok.example")))
            .route("/all", get(WebSocketSubscriber::new(&store).allow_any_origin()));
        let server = Server::start(under, router).await;
        let own = format!("http://{}", server.address);
        for (path, origin, expected) in [
            ("/", own.as_str(), true),
            ("/", "https://evil.example", false),
            ("/", "null", false),
            ("/one", "https://ok.example", true),
            ("/one", "https://evil.example", false),
            ("/all", "https://evil.example", true),
        ] {
            let opened = Socket::from_origin(server.address, path, origin).await;
            match opened {
                Ok(_) => assert!(expected, "{under:?}: {path} {origin}"),
                Err(status) => assert_eq!((expected, status), (false, 403), "{path} {origin}"),
            }
        }
        until_followed_by(&store, 0).await;
    }
}

#[tokio::test]
async fn g10_a_message_that_is_too_long_ends_the_connection() {
    for under in Under::BOTH {
        let store = QueueStore::<u32>::new();
        let server = serve(under, WebSocketSubscriber::new(&store)).await;
        let mut socket = Socket::open(server.address, "/").await;
        let long = "x".repeat(limits::WEBSOCKET_MESSAGE_BYTES_MAX + 1);
        socket.say(Message::Text(long.into())).await;
        let Some(Message::Close(Some(close))) = socket.hear().await else {
            panic!("{under:?}: no close")
        };
        assert_eq!(u16::from(close.code), 1009, "{under:?}");
        until_followed_by(&store, 0).await;
    }
}

#[tokio::test]
async fn a_socket_is_told_to_come_back_when_the_store_or_our_server_ends() {
    for under in Under::BOTH {
        let store = QueueStore::<u32>::new();
        let server = serve(under, WebSocketSubscriber::new(&store)).await;
        let mut socket = Socket::open(server.address, "/").await;
        until_followed_by(&store, 1).await;
        let end = match under {
            Under::Axum => {
                store.feed().close();
                None
            }
            Under::Changecast => Some(tokio::spawn(server.end())),
        };
        let Some(Message::Close(Some(close))) = socket.hear().await else {
            panic!("{under:?}: no close")
        };
        assert_eq!(u16::from(close.code), 1001, "{under:?}");
        // Answers it.
        assert_eq!(socket.hear().await, None);
        if let Some(end) = end {
            end.await.unwrap();
        }
    }
}
