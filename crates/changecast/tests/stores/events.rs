//! `EventSource`, byte by byte and as a browser reads it.

use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use changecast::handlers::EventSource;
use changecast::stores::{DataStore, Message, QueueOptions, QueueStore, Store};
use serde_json::json;

use super::clients::{Event, event, events};
use super::server::{Server, Under};
use super::support::Answer;
use super::until_followed_by;

async fn serve(under: Under, handler: EventSource) -> Server {
    Server::start(under, Router::new().route("/", get(handler))).await
}

#[tokio::test]
async fn s1_11_s1_12_headers_and_a_first_comment_come_before_any_message() {
    for under in Under::BOTH {
        let store = QueueStore::<String>::new();
        let server = serve(under, EventSource::new(&store)).await;
        // Nothing is ever submitted.
        let mut answer = events(server.address, "/", "").await;
        assert!(answer.head.starts_with("HTTP/1.1 200 OK\r\n"), "{under:?}: {}", answer.head);
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        assert_eq!(answer.header("cache-control"), Some("no-store, no-transform"));
        assert_eq!(answer.header("x-accel-buffering"), Some("no"));
        // Only a socket that has left HTTP is for nothing else any more.
        let expected = (under == Under::Changecast).then_some("close");
        assert_eq!(answer.header("connection"), expected, "a shard serves it, or a task");
        let first = answer.block().await;
        assert!(first.starts_with(": changecast\nretry: "), "{under:?}: {first:?}");
        assert!(first.contains("\nid: "), "{first:?}");
    }
}

#[tokio::test]
async fn s1_13_a_message_has_an_id_and_may_have_a_name_an_id_of_its_own_and_a_retry() {
    for under in Under::BOTH {
        let store = QueueStore::new();
        let server = serve(under, EventSource::new(&store)).await;
        let mut answer = events(server.address, "/", "").await;
        until_followed_by(&store, 1).await;
        store.submit("plain".to_owned()).await.unwrap();
        let plain = event(&mut answer).await;
        assert_eq!((plain.data.as_str(), &plain.name, &plain.retry), ("plain", &None, &None));
        let resumable = plain.id.expect("an id");
        assert_eq!(resumable.split('-').count(), 2, "{resumable}");

        let message = Message::new("l1\nl2".to_owned()).with_event("doge").with_id("order-7");
        store.submit_message(message.with_retry(Duration::from_millis(2500))).await.unwrap();
        let told = event(&mut answer).await;
        assert_eq!((told.name.as_deref(), told.retry.as_deref()), (Some("doge"), Some("2500")));
        assert_eq!(told.data, "l1\nl2");
        let id = told.id.expect("an id");
        assert!(id.ends_with("/order-7"), "{id}");

        // The whole of it resumes.
        store.submit("next".to_owned()).await.unwrap();
        let header = format!("Last-Event-ID: {id}\r\n");
        let mut resumed = events(server.address, "/", &header).await;
        assert_eq!(event(&mut resumed).await.data, "next", "{under:?}");
    }
}

#[tokio::test]
async fn s1_13_without_ids_there_is_data_and_nothing_else() {
    for under in Under::BOTH {
        let store = DataStore::new(3);
        let server = serve(under, EventSource::new(&store).without_ids()).await;
        let mut answer = events(server.address, "/", "").await;
        assert_eq!(answer.block().await, ": changecast\n\n", "{under:?}");
        assert_eq!(answer.block().await, "data: 3\n\n", "{under:?}");
    }
}

#[tokio::test]
async fn s1_14_whatever_a_string_holds_one_event_arrives_with_it() {
    for under in Under::BOTH {
        let store = QueueStore::new();
        let server = serve(under, EventSource::new(&store)).await;
        let mut answer = events(server.address, "/", "").await;
        until_followed_by(&store, 1).await;
        for (sent, expected) in [
            ("a\nb\n\nevent: evil\ndata: pwn", "a\nb\n\nevent: evil\ndata: pwn"),
            ("a\r\nb\rc\n", "a\nb\nc\n"),
            ("", ""),
            (" a", " a"),
            ("\r\n\r\nid: 7", "\n\nid: 7"),
            ("nul \0 é \u{2028} 😀", "nul \0 é \u{2028} 😀"),
            (":comment", ":comment"),
        ] {
            store.submit(sent.to_owned()).await.unwrap();
            let Event { name, data, .. } = event(&mut answer).await;
            assert_eq!((name, data.as_str()), (None, expected), "{under:?}: {sent:?}");
        }
    }
}

#[tokio::test]
async fn s1_07_what_is_no_string_is_json() {
    for under in Under::BOTH {
        let store = QueueStore::new();
        let server = serve(under, EventSource::new(&store)).await;
        let mut answer = events(server.address, "/", "").await;
        until_followed_by(&store, 1).await;
        for value in [json!({"k": [1, null, true, "é"]}), json!(1.0), json!(null), json!(u64::MAX)]
        {
            store.submit(value.clone()).await.unwrap();
            assert_eq!(event(&mut answer).await.data, value.to_string(), "{under:?}");
        }
    }
}

#[tokio::test]
async fn s1_15_a_client_that_comes_back_goes_on_after_what_it_had_or_hears_of_a_gap() {
    for under in Under::BOTH {
        let store = QueueStore::with_options(QueueOptions::default().with_history_count(5));
        let server = serve(under, EventSource::new(&store)).await;
        let mut answer = events(server.address, "/", "").await;
        until_followed_by(&store, 1).await;
        store.submit(0).await.unwrap();
        let last = format!("Last-Event-ID: {}\r\n", event(&mut answer).await.id.unwrap());
        drop(answer);
        for number in 1..=5 {
            store.submit(number).await.unwrap();
        }
        let mut back = events(server.address, "/", &last).await;
        for number in 1..=5 {
            assert_eq!(event(&mut back).await.data, number.to_string(), "{under:?}");
        }
        store.submit(6).await.unwrap();
        let mut late = events(server.address, "/", &last).await;
        let gap = event(&mut late).await;
        assert_eq!(gap.name.as_deref(), Some("gap"), "{under:?}");
        assert_eq!(event(&mut late).await.data, "2", "{under:?}: the oldest that is kept");

        let mut lost = events(server.address, "/", "Last-Event-ID: nobody's\r\n").await;
        assert_eq!(event(&mut lost).await.name.as_deref(), Some("gap"), "{under:?}");
        let refused = events(server.address, "/?since=nonsense", "").await;
        assert!(refused.head.starts_with("HTTP/1.1 400 "), "{}", refused.head);
    }
}

#[tokio::test]
async fn s1_05_who_comes_late_gets_the_value_or_as_much_history_as_the_handler_says() {
    for under in Under::BOTH {
        let (value, queue) = (DataStore::new("first".to_owned()), QueueStore::new());
        let router = Router::new()
            .route("/value", get(EventSource::new(&value)))
            .route("/new", get(EventSource::new(&value).with_history(0)))
            .route("/queue", get(EventSource::new(&queue).with_history(2)));
        let server = Server::start(under, router).await;
        for number in 1..=5 {
            queue.submit(number).await.unwrap();
        }
        assert_eq!(event(&mut events(server.address, "/value", "").await).await.data, "first");
        let mut queued = events(server.address, "/queue", "").await;
        assert_eq!(event(&mut queued).await.data, "4", "{under:?}");
        let mut new = events(server.address, "/new", "").await;
        until_followed_by(&value, 1).await;
        value.set("second".to_owned()).await.unwrap();
        assert_eq!(event(&mut new).await.data, "second", "{under:?}: the first never came");
        // An id that nobody knows is no reason not to have the value, and no gap.
        let mut back = events(server.address, "/value", "Last-Event-ID: aaaaaaaa-9\r\n").await;
        assert_eq!(event(&mut back).await.data, "second", "{under:?}");
    }
}

#[tokio::test]
async fn s1_16_a_client_that_goes_is_noticed_without_a_message() {
    for under in Under::BOTH {
        let store = QueueStore::<u32>::new();
        let server = serve(under, EventSource::new(&store)).await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(events(server.address, "/", "").await);
        }
        until_followed_by(&store, 3).await;
        clients.pop();
        until_followed_by(&store, 2).await;
        clients.clear();
        until_followed_by(&store, 0).await;
    }
}

#[tokio::test]
async fn s1_17_heads_and_posts_leave_no_subscriber() {
    for under in Under::BOTH {
        let store = QueueStore::<u32>::new();
        let router = Router::new()
            .route("/", get(EventSource::new(&store)))
            .route("/any", any(EventSource::new(&store)));
        let server = Server::start(under, router).await;
        let mut audience = store.feed().audience();
        audience.borrow_and_update();
        let ask = async |method: &str, path: &str| {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
            Answer::to(server.address, &request).await
        };
        for _ in 0..50 {
            for path in ["/", "/any"] {
                let head = ask("HEAD", path).await;
                assert!(head.head.starts_with("HTTP/1.1 200 "), "{under:?}: {}", head.head);
                assert_eq!(head.header("content-type"), Some("text/event-stream"));
                let post = ask("POST", path).await;
                assert!(post.head.starts_with("HTTP/1.1 405 "), "{under:?}: {}", post.head);
                assert_eq!(post.header("allow"), Some("GET,HEAD"));
            }
        }
        assert!(!audience.has_changed().unwrap(), "{under:?}: nobody came, not even for a moment");
    }
}

#[tokio::test]
async fn g1_two_servers_serve_one_store_the_second_by_tasks() {
    let store = QueueStore::new();
    let router = Router::new().route("/", get(EventSource::new(&store)));
    let mut clients = Vec::new();
    let mut servers = Vec::new();
    for connection in [Some("close"), None] {
        let server = Server::start(Under::Changecast, router.clone()).await;
        let client = events(server.address, "/", "").await;
        assert_eq!(client.header("connection"), connection);
        servers.push(server);
        clients.push(client);
    }
    for number in 0..100 {
        store.submit(number).await.unwrap();
        for client in &mut clients {
            assert_eq!(event(client).await.data, number.to_string());
        }
    }
    let (second, client) = (servers.pop().unwrap(), clients.pop().unwrap());
    second.end().await;
    client.text().await;
    until_followed_by(&store, 1).await;
    store.submit(100).await.unwrap();
    assert_eq!(event(&mut clients[0]).await.data, "100", "the first goes on");
}

#[tokio::test]
async fn a_stream_ends_cleanly_with_its_store_and_with_our_server() {
    for under in Under::BOTH {
        let store = QueueStore::<u32>::new();
        let server = serve(under, EventSource::new(&store)).await;
        let answer = events(server.address, "/", "").await;
        until_followed_by(&store, 1).await;
        match under {
            Under::Axum => store.feed().close(),
            Under::Changecast => server.end().await,
        }
        let rest = answer.text().await;
        assert!(rest.ends_with("\n\n"), "{under:?}: {rest:?}");
        assert_eq!(rest.matches("retry: ").count(), 2, "{under:?}: when to come back: {rest:?}");
        until_followed_by(&store, 0).await;
    }
}
