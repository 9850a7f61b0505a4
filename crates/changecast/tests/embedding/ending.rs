//! How an embedded server ends: every stream is told, nothing hangs, and the log is closed.

use changecast::hub::{Message, PublishError};
use changecast::model::Topic;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite;

use crate::support::{Served, Way, builder, soon};

fn message() -> Message {
    Message { topic: Topic::parse("a.b").unwrap(), json: "1".into(), key: None }
}

#[tokio::test]
async fn our_own_server_tells_every_stream_and_ends() {
    let server = Served::start(builder(), Way::Ours).await;
    let mut sse = server.get("/events").await;
    sse.until("hello").await;
    let mut websocket = server.open_websocket("/ws").await.unwrap();
    assert_eq!(websocket.next().await["type"], "hello");
    server.handle.drain();
    assert!(matches!(
        websocket.message().await,
        tungstenite::Message::Close(Some(close)) if u16::from(close.code) == 1001
    ));
    assert!(sse.rest().await.contains("retry:"));
    soon("end", server.serving).await.unwrap().unwrap();
    assert!(matches!(server.publisher.publish(message()).await, Err(PublishError::Log(_))));
    // Twice is as good as once.
    soon("end", server.handle.stop()).await;
}

#[tokio::test]
async fn a_shutdown_of_the_programs_own_does_the_same() {
    let server = builder().build().await.unwrap();
    let publisher = server.publisher();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(listener, async move {
        let _ = ended.await;
    }));
    publisher.publish(message()).await.unwrap();
    end.send(()).unwrap();
    soon("end", serving).await.unwrap().unwrap();
    assert!(publisher.publish(message()).await.is_err());
}

#[tokio::test]
async fn a_plain_axum_server_ends_with_it() {
    let server = builder().build().await.unwrap();
    let (handle, draining) = (server.handle(), server.handle());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let serving = axum::serve(listener, server.router()).with_graceful_shutdown(async move {
        let _ = ended.await;
        draining.drain();
    });
    let serving = tokio::spawn(serving.into_future());
    let served = Served { address, publisher: server.publisher(), handle, serving };
    let mut sse = served.get("/events").await;
    sse.until("hello").await;
    let mut websocket = served.open_websocket("/ws").await.unwrap();
    assert_eq!(websocket.next().await["type"], "hello");
    end.send(()).unwrap();
    assert!(matches!(websocket.message().await, tungstenite::Message::Close(_)));
    assert!(sse.rest().await.contains("retry:"));
    drop(websocket);
    soon("end", served.serving).await.unwrap().unwrap();
    soon("end", served.handle.stop()).await;
    assert!(served.publisher.publish(message()).await.is_err());
}

#[tokio::test]
async fn a_server_that_is_drained_grants_no_stream() {
    let server = builder().build().await.unwrap();
    server.handle().drain();
    let events = crate::support::ask(&server.router(), crate::support::get("/events")).await;
    assert!(crate::support::text(events).await.starts_with("retry: "));
}
