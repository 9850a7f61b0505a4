//! `RedisStore` on a real Redis.

use axum::Router;
use axum::routing::get;
use changecast::handlers::{EventSource, WebSocketSubscriber};
use changecast::stores::{Message, RedisPayload, RedisStore, Store, StoreError};
use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::cmd;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::clients::{Socket, event, events};
use super::server::{Server, Under};
use super::support::soon;
use super::until_followed_by;

/// One of these tests breaks everybody's connections.
static ALONE: Mutex<()> = Mutex::const_new(());

struct Bed {
    url: String,
    channel: String,
    connection: MultiplexedConnection,
    _alone: MutexGuard<'static, ()>,
}

impl Bed {
    async fn new() -> Self {
        let _alone = ALONE.lock().await;
        let url = std::env::var("CHANGECAST_TEST_REDIS").expect(
            "CHANGECAST_TEST_REDIS is set: run `scripts/services up`, then `source .services/env`",
        );
        let channel = format!("channel_{:016x}", fastrand::u64(..));
        let client = redis::Client::open(&*url).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        Self { url, channel, connection, _alone }
    }

    /// Publishes as any other program does.
    async fn publish(&mut self, channel: &str, payload: &[u8]) {
        let mut command = cmd("PUBLISH");
        command.arg(channel).arg(payload);
        let heard: i64 = command.query_async(&mut self.connection).await.unwrap();
        assert_eq!(heard, 1, "the store listens to {channel}");
    }
}

#[tokio::test]
async fn s1_08_what_any_program_publishes_on_any_of_the_channels_arrives_over_sse_and_websocket() {
    let mut bed = Bed::new().await;
    let (one, other) = (format!("{}_1", bed.channel), format!("{}.x", bed.channel));
    let channels = [one.clone(), format!("{}.*", bed.channel)];
    let store = RedisStore::connect(&bed.url, channels).await.unwrap();
    for under in Under::BOTH {
        let router = Router::new()
            .route("/events", get(EventSource::new(&store)))
            .route("/socket", get(WebSocketSubscriber::new(&store)));
        let server = Server::start(under, router).await;
        let mut stream = events(server.address, "/events", "").await;
        let mut socket = Socket::open(server.address, "/socket").await;
        until_followed_by(&store, 2).await;
        bed.publish(&one, b"hello\nthere").await;
        bed.publish(&other, r#"{"k": "é"}"#.as_bytes()).await;
        assert_eq!(event(&mut stream).await.data, "hello\nthere", "{under:?}");
        assert_eq!(event(&mut stream).await.data, r#"{"k":"é"}"#, "{under:?}");
        assert_eq!(socket.text().await, r#"{"data": "hello\nthere"}"#, "{under:?}");
        assert_eq!(socket.text().await, r#"{"data": {"k":"é"}}"#, "{under:?}");
        drop((stream, socket));
        until_followed_by(&store, 0).await;
    }
}

#[tokio::test]
async fn s1_09_bytes_that_are_no_text_arrive_as_base64_and_end_nothing() {
    let mut bed = Bed::new().await;
    let store = RedisStore::connect(&bed.url, [bed.channel.clone()]).await.unwrap();
    let router = Router::new()
        .route("/events", get(EventSource::new(&store)))
        .route("/socket", get(WebSocketSubscriber::new(&store)));
    let server = Server::start(Under::Axum, router).await;
    let mut stream = events(server.address, "/events", "").await;
    let mut socket = Socket::open(server.address, "/socket").await;
    let mut subscriber = store.subscribe().await.unwrap();
    until_followed_by(&store, 3).await;
    let channel = bed.channel.clone();
    bed.publish(&channel, &[0xff, 0x00, 0x7f]).await;
    bed.publish(&channel, b"after").await;

    let binary = json!({"$binary": {"base64": "/wB/", "subType": "00"}});
    assert_eq!(serde_json::from_str::<Value>(&event(&mut stream).await.data).unwrap(), binary);
    assert_eq!(event(&mut stream).await.data, "after");
    let text: Value = serde_json::from_str(&socket.text().await).unwrap();
    assert_eq!(text, json!({ "data": binary }));
    assert_eq!(socket.text().await, r#"{"data": "after"}"#);
    let mut next = async || soon("message", subscriber.next()).await.unwrap().unwrap().value;
    assert_eq!(next().await, RedisPayload::Binary(vec![0xff, 0x00, 0x7f]));
    assert_eq!(next().await, RedisPayload::Text("after".to_owned()));
}

#[tokio::test]
async fn s1_08_two_stores_hear_what_one_submits() {
    let bed = Bed::new().await;
    let one = RedisStore::connect(&bed.url, [bed.channel.clone()]).await.unwrap();
    let other = RedisStore::connect(&bed.url, [bed.channel.clone()]).await.unwrap();
    let mut subscribers = [one.subscribe().await.unwrap(), other.subscribe().await.unwrap()];
    one.submit("to all".into()).await.unwrap();
    for subscriber in &mut subscribers {
        let heard = soon("message", subscriber.next()).await.unwrap().unwrap();
        assert_eq!(heard.value, RedisPayload::from("to all"));
    }
    let named = Message::new(RedisPayload::from("x")).with_event("name");
    assert!(matches!(one.submit_message(named).await, Err(StoreError::Invalid(_))));
}

#[tokio::test]
async fn s1_08_a_connection_that_breaks_is_made_anew_and_the_time_between_is_a_gap() {
    let mut bed = Bed::new().await;
    let store = RedisStore::connect(&bed.url, [bed.channel.clone()]).await.unwrap();
    let mut subscriber = store.subscribe().await.unwrap();
    store.submit("before".into()).await.unwrap();
    let heard = soon("message", subscriber.next()).await.unwrap().unwrap();
    assert_eq!(heard.value, RedisPayload::from("before"));

    let mut kill = cmd("CLIENT");
    kill.arg("KILL").arg("TYPE").arg("pubsub");
    let killed: i64 = kill.query_async(&mut bed.connection).await.unwrap();
    assert!(killed > 0);
    let gap = soon("gap", subscriber.next()).await.unwrap().expect_err("a gap");
    assert!(matches!(gap, StoreError::Gap { .. }), "{gap}");
    // It is told once the store listens again.
    store.submit("after".into()).await.unwrap();
    let heard = soon("message", subscriber.next()).await.unwrap().unwrap();
    assert_eq!(heard.value, RedisPayload::from("after"));
}

#[tokio::test]
async fn s1_08_a_redis_that_is_not_there_is_an_error_at_the_start_without_the_password() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("redis://:secret@{closed}");
    let error = RedisStore::connect(&url, ["a"]).await.expect_err("nobody is there");
    assert!(matches!(error, StoreError::Redis(_)), "{error}");
    let mut whole = format!("{error} {error:?}");
    let bad = RedisStore::connect("no url :secret@", ["a"]).await.expect_err("no URL");
    whole.push_str(&format!("{bad} {bad:?}"));
    assert!(!whole.contains("secret"), "{whole}");
}
