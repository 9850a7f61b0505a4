//! The hook that says who may do what: on every route, and for what is wanted later.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use changecast::model::{Topic, TopicPattern, TopicSet};
use changecast::server::{Refusal, Wanted};
use tokio_tungstenite::tungstenite;

use crate::support::{BOTH, Served, ask, builder, get, text};

fn topics(patterns: &[&str]) -> TopicSet {
    TopicSet::new(patterns.iter().map(|text| TopicPattern::parse(text).unwrap()))
}

fn documents(id: Option<&str>) -> Wanted {
    let (source, collection) = ("s".into(), "c".into());
    Wanted::ReadDocuments { source, collection, id: id.map(Into::into) }
}

fn write() -> Wanted {
    Wanted::WriteDocument { source: "s".into(), collection: "c".into(), id: "1".into() }
}

/// Every route that has to ask, and what it asks for.
fn routes() -> Vec<(&'static str, &'static str, Wanted)> {
    let lines = "Accept: application/x-ndjson\r\n";
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let json = "Content-Type: application/json\r\n";
    let follow = || Wanted::Follow(topics(&["a.b", "c.*"]));
    vec![
        ("GET /events?topic=a.b&topic=c.*", "", follow()),
        ("HEAD /events?topic=a.b&topic=c.*", "", follow()),
        ("GET /events", "", Wanted::Follow(TopicSet::all())),
        ("GET /events?topic=a.b&topic=c.*", lines, follow()),
        ("GET /events?topic=a.b&topic=c.*&wait=1s", lines, follow()),
        ("GET /ws?topic=a.b&topic=c.*", upgrade, follow()),
        ("GET /socket?topic=a.b&topic=c.*", upgrade, follow()),
        ("GET /?topic=a.b&topic=c.*", upgrade, follow()),
        ("GET /documents/s/c/1", "", documents(Some("1"))),
        ("GET /documents/s/c", "", documents(None)),
        ("PUT /documents/s/c/1", json, write()),
        ("POST /documents/s/c/1", json, write()),
        ("PATCH /documents/s/c/1", json, write()),
        ("DELETE /documents/s/c/1", json, write()),
        ("POST /publish/a.b", json, Wanted::Publish(Topic::parse("a.b").unwrap())),
        ("GET /topics", "", Wanted::Status),
        ("GET /sources", "", Wanted::Status),
        ("GET /readyz", "", Wanted::Status),
        ("GET /metrics", "", Wanted::Status),
    ]
}

#[tokio::test]
async fn a_refusal_is_the_answer_of_every_route() {
    for way in BOTH {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let refusing = builder().publish_over_http().authorize(move |request, wanted| {
            noted.lock().unwrap().push(wanted);
            let refusal = match request.headers.get("x-known") {
                Some(_) => Refusal::forbidden("not for you"),
                None => Refusal::unauthorized("who are you?"),
            };
            std::future::ready(Err(refusal))
        });
        let server = Served::start(refusing, way).await;
        for (line, headers, wanted) in routes() {
            for (known, status, words) in
                [("", "401", "who are you?"), ("X-Known: 1\r\n", "403", "not for you")]
            {
                let headers = format!("{headers}{known}");
                let mut client = server.ask(line, &headers, "").await;
                client.until("\r\n\r\n").await;
                assert_eq!(client.status(), status, "{way:?} {line}: {}", client.heard);
                let head = client.heard.to_ascii_lowercase();
                assert_eq!(head.contains("www-authenticate: bearer"), known.is_empty(), "{line}");
                if !line.starts_with("HEAD") {
                    client.until(words).await;
                }
                assert_eq!(seen.lock().unwrap().pop(), Some(wanted.clone()), "{line}");
            }
        }
        // What everybody may see tells nothing of what is watched.
        for path in ["/", "/favicon.ico", "/healthz"] {
            assert_eq!(server.get(path).await.status(), "200", "{path}");
        }
        assert!(seen.lock().unwrap().is_empty(), "nobody is asked about those");
        assert!(
            server.publisher.publish(message("a.b")).await.unwrap().id.to_string().ends_with("-1")
        );
    }
}

fn message(topic: &str) -> changecast::hub::Message {
    let topic = Topic::parse(topic).unwrap();
    changecast::hub::Message { topic, json: "1".into(), key: None }
}

#[tokio::test]
async fn who_subscribes_to_more_later_is_asked_about_again() {
    for way in BOTH {
        let some = builder().authorize(move |request, wanted| {
            let is_allowed = match wanted {
                Wanted::Follow(wanted) => {
                    wanted.patterns().iter().all(|one| one.to_string().starts_with("a."))
                }
                _ => false,
            };
            assert_eq!(request.uri.path(), "/ws");
            async move {
                tokio::task::yield_now().await;
                is_allowed.then_some(()).ok_or(Refusal::forbidden("only a.* is for you"))
            }
        });
        let server = Served::start(some, way).await;
        let refused = server.open_websocket("/ws?topic=b.c").await.err().unwrap();
        assert!(matches!(refused, tungstenite::Error::Http(answer) if answer.status() == 403));
        let mut client = server.open_websocket("/ws?topic=a.b").await.unwrap();
        assert_eq!(client.next().await["type"], "hello");
        // Many at once: each is answered, in turn.
        for topics in ["b.c", "*", "a.c", "a.*", "a.d\",\"b.c"] {
            client.say(&format!(r#"{{"type":"subscribe","topics":["{topics}"]}}"#)).await;
        }
        client.say(r#"{"type":"unsubscribe","topics":["a.c"]}"#).await;
        client.say("nonsense").await;
        for (kind, words) in [
            ("error", "only a.* is for you"),
            ("error", "only a.* is for you"),
            ("subscribed", "a.c"),
            ("subscribed", "a.*"),
            ("error", "only a.* is for you"),
            ("subscribed", "a.*"),
            ("error", "not a command"),
        ] {
            let answer = client.next().await;
            assert_eq!(answer["type"], kind, "{way:?} {answer}");
            assert!(answer.to_string().contains(words), "{words}: {answer}");
        }
        for topic in ["b.c", "a.d"] {
            server.publish(topic, "1").await;
        }
        assert_eq!(client.next().await["topic"], "a.d", "{way:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_it_is_asked_about_is_nobody() {
    let asked = Arc::new(tokio::sync::Notify::new());
    let noted = Arc::clone(&asked);
    let slow = builder().authorize(move |_, wanted| {
        let noted = Arc::clone(&noted);
        async move {
            if wanted != Wanted::Follow(topics(&["a.b"])) {
                noted.notify_one();
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    });
    let server = Served::start(slow, crate::support::Way::Ours).await;
    let mut client = server.open_websocket("/ws?topic=a.b").await.unwrap();
    assert_eq!(client.next().await["type"], "hello");
    client.say(r#"{"type":"subscribe","topics":["a.c"]}"#).await;
    asked.notified().await;
    // What it follows already goes on coming meanwhile.
    server.publish("a.b", "1").await;
    assert_eq!(client.next().await["topic"], "a.b");
    drop(client);
    let mut other = server.open_websocket("/ws?topic=a.b").await.unwrap();
    assert_eq!(other.next().await["type"], "hello");
}

#[tokio::test]
async fn a_hook_that_panics_has_refused() {
    for way in BOTH {
        let broken = builder().authorize(|_, wanted| async move {
            assert_eq!(wanted, Wanted::Follow(topics(&["a.b"])), "the hook breaks");
            Ok(())
        });
        let server = Served::start(broken, way).await;
        assert_eq!(server.get("/events?topic=c.d").await.status(), "500");
        assert_eq!(server.get("/metrics").await.status(), "500");
        let mut client = server.open_websocket("/ws?topic=a.b").await.unwrap();
        assert_eq!(client.next().await["type"], "hello");
        client.say(r#"{"type":"subscribe","topics":["c.d"]}"#).await;
        assert_eq!(client.next().await["type"], "error");
        server.publish("c.d", "1").await;
        server.publish("a.b", "2").await;
        assert_eq!(client.next().await["topic"], "a.b");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_does_not_answer_has_refused() {
    let silent = builder().authorize(|_, _| std::future::pending());
    let server = silent.build().await.unwrap();
    let response = ask(&server.router(), get("/topics")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(response).await.contains("who may do this"));
}
