//! What the builder puts together: routes, topics, names, defaults.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get as on_get;
use changecast::hub::{Message, PublishError};
use changecast::model::{Topic, TopicPattern};
use changecast::server::{BuildError, Policy};
use changecast::source::watcher::Watcher;

use crate::support::{ask, builder, get, soon, text};

fn watcher(name: &str) -> Arc<Watcher> {
    Arc::new(Watcher::poll(name, Duration::from_secs(3600), || async { Ok(1) }).unwrap())
}

#[tokio::test]
async fn routes_of_the_programs_own_go_before_ours_and_behind_the_guard() {
    let own = Router::new()
        .route("/", on_get(async || "my page"))
        .route("/hello", on_get(async || "hello").post(async || "written"));
    let server = builder().routes(own).build().await.unwrap();
    let router = server.router();
    assert_eq!(text(ask(&router, get("/")).await).await, "my page");
    assert_eq!(text(ask(&router, get("/hello")).await).await, "hello");
    assert_eq!(text(ask(&router, get("/healthz")).await).await, r#"{"status":"ok"}"#);
    let missing = ask(&router, get("/nothing")).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert!(text(missing).await.contains("urn:changecast:problem:not-found"));
    let rebound = Request::get("/hello").header("host", "evil.example").body(Body::empty());
    assert_eq!(ask(&router, rebound.unwrap()).await.status(), StatusCode::FORBIDDEN);
    let foreign = Request::post("/hello").header("host", "localhost");
    let foreign = foreign.header("origin", "https://evil.example").body(Body::empty());
    assert_eq!(ask(&router, foreign.unwrap()).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn it_works_below_a_path_of_another_router() {
    let server = builder().build().await.unwrap();
    let app = Router::new().nest("/live", server.router());
    assert_eq!(ask(&app, get("/live/healthz")).await.status(), StatusCode::OK);
    let events = ask(&app, get("/live/events")).await;
    assert_eq!(events.headers()["content-type"], "text/event-stream");
}

#[tokio::test]
async fn only_the_program_publishes_where_it_says_so() {
    let reserved = builder().publish_over_http().reserve(TopicPattern::parse("mine.*").unwrap());
    let server = reserved.source(watcher("score")).build().await.unwrap();
    let post = async |topic: &str| {
        let request = Request::post(format!("/publish/{topic}")).header("host", "localhost");
        let request = request.header("content-type", "application/json").body("1".into());
        ask(&server.router(), request.unwrap()).await.status()
    };
    assert_eq!(post("other.news").await, StatusCode::ACCEPTED);
    assert_eq!(post("mine.news").await, StatusCode::FORBIDDEN);
    assert_eq!(post("score.current").await, StatusCode::FORBIDDEN);
    let publish = async |topic: &str| {
        let topic = Topic::parse(topic).unwrap();
        server.publisher().publish(Message { topic, json: "1".into(), key: None }).await
    };
    assert!(publish("mine.news").await.is_ok());
    assert!(matches!(publish("score.current").await, Err(PublishError::Owned { .. })));
}

#[tokio::test]
async fn what_cannot_be_told_apart_is_not_built() {
    let twice = builder().source(watcher("a.x")).source(watcher("a.y")).build().await;
    assert!(matches!(twice, Err(BuildError::DuplicateName(name)) if &*name == "a"));
    let reserved = builder().source(watcher("a")).reserve(TopicPattern::parse("a.*").unwrap());
    assert!(matches!(reserved.build().await, Err(BuildError::Reserved { .. })));
}

#[tokio::test]
async fn s4_01_pages_of_other_origins_open_no_websocket_unless_they_are_allowed() {
    let upgrade = || {
        Request::get("/")
            .header("host", "localhost")
            .header("origin", "https://other.example")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(Body::empty())
            .unwrap()
    };
    let server = builder().build().await.unwrap();
    assert_eq!(ask(&server.router(), upgrade()).await.status(), StatusCode::FORBIDDEN);
    let everybody = Policy { hosts: vec![], origins: vec!["*".into()] };
    let server = builder().policy(everybody).build().await.unwrap();
    assert_eq!(ask(&server.router(), upgrade()).await.status(), StatusCode::SWITCHING_PROTOCOLS);
}

#[tokio::test]
async fn a_router_keeps_the_server_at_work_and_the_last_to_go_ends_it() {
    let working = Arc::new(());
    let held = Arc::clone(&working);
    let (calls, mut called) = tokio::sync::mpsc::channel(1);
    let millisecond = Duration::from_millis(1);
    let watcher = Watcher::poll("score", millisecond, move || {
        let (calls, held) = (calls.clone(), Arc::clone(&held));
        async move {
            calls.send(Arc::strong_count(&held)).await?;
            Ok(1)
        }
    });
    let server = builder().source(Arc::new(watcher.unwrap())).build().await.unwrap();
    let router = server.router();
    drop(server);
    for _ in 0..3 {
        soon("call", called.recv()).await.unwrap();
    }
    drop(router);
    // Its function is dropped with it, and so is what that would have sent.
    while soon("end", called.recv()).await.is_some() {}
    assert_eq!(Arc::strong_count(&working), 1);
}
