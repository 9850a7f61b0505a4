//! Subscribers that stall or fail: what the others get, and what they get themselves. Shown by what
//! arrives in which order, not by clocks.

use axum::Router;
use axum::routing::get;
use changecast::handlers::{EventSource, WebSocketSubscriber};
use changecast::stores::{DataStore, QueueOptions, QueueStore, Store};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::clients::{Socket, event, events};
use super::server::{Server, Under};
use super::until_followed_by;

/// Numbered, and so long that two hundred fill every buffer between here and there.
fn long(number: u32) -> String {
    format!("{number} {}", "x".repeat(50_000))
}

fn number(text: &str) -> u32 {
    text.split(' ').next().unwrap().parse().unwrap()
}

fn data(text: &str) -> Value {
    serde_json::from_str::<Value>(text).unwrap()["data"].clone()
}

#[tokio::test]
async fn s1_27_s1_28_who_fails_or_stalls_delays_nobody_and_is_served_itself_later() {
    for under in Under::BOTH {
        let options = QueueOptions::default().with_history_bytes(64 << 20);
        let store = QueueStore::with_options(options);
        let router = Router::new()
            .route("/events", get(EventSource::new(&store)))
            .route("/socket", get(WebSocketSubscriber::new(&store)));
        let server = Server::start(under, router).await;
        let mut stalled = Socket::open_small(server.address, "/socket").await;
        let mut failing = Socket::open(server.address, "/socket").await;
        let mut fast = events(server.address, "/events", "").await;
        until_followed_by(&store, 3).await;
        for sent in 0..200 {
            store.submit(long(sent)).await.unwrap();
            // It has each before the next is even submitted, while one has read nothing at all.
            assert_eq!(number(&event(&mut fast).await.data), sent, "{under:?}");
            if sent == 10 {
                // No frame at all, in the midst of everything.
                let _ = failing.0.get_mut().write_all(&[0xff; 64]).await;
            }
        }
        for expected in 0..200 {
            let text = stalled.text().await;
            assert_eq!(number(data(&text).as_str().unwrap()), expected, "{under:?}");
        }
        drop(failing);
        until_followed_by(&store, 2).await;
    }
}

#[tokio::test]
async fn s1_10_s1_23_who_stalls_longer_than_the_store_keeps_hears_of_a_gap_and_goes_on() {
    for under in Under::BOTH {
        let store = QueueStore::with_options(QueueOptions::default().with_history_count(10));
        let handler = WebSocketSubscriber::new(&store);
        let server = Server::start(under, Router::new().route("/", get(handler))).await;
        let mut stalled = Socket::open_small(server.address, "/").await;
        until_followed_by(&store, 1).await;
        // 15 MB, of which the store keeps half a megabyte, and the hub 4.
        for sent in 0..300 {
            store.submit(long(sent)).await.unwrap();
        }
        let (mut heard, mut gap_count) = (Vec::new(), 0);
        while heard.last() != Some(&299) {
            let text = stalled.text().await;
            match data(&text) {
                Value::String(data) => heard.push(number(&data)),
                _ => gap_count += usize::from(text.contains(r#""type":"gap""#)),
            }
        }
        assert!(heard.is_sorted(), "{under:?}");
        assert!(gap_count > 0, "{under:?}: what is missing is said");
        assert!(heard.len() < 300, "{under:?}: it is missing, indeed");
    }
}

#[tokio::test]
async fn s1_04_s1_28_who_stalls_in_a_burst_of_values_gets_the_last_and_no_gap() {
    for under in Under::BOTH {
        let store = DataStore::new(long(0));
        let router = Router::new()
            .route("/socket", get(WebSocketSubscriber::new(&store)))
            .route("/events", get(EventSource::new(&store)));
        let server = Server::start(under, router).await;
        let mut stalled = Socket::open_small(server.address, "/socket").await;
        let mut fast = events(server.address, "/events", "").await;
        until_followed_by(&store, 2).await;
        for sent in 1..=200 {
            store.set(long(sent)).await.unwrap();
        }
        let mut last = 0;
        while last != 200 {
            let event = event(&mut fast).await;
            assert_eq!(event.name, None, "{under:?}: no gap");
            last = number(&event.data);
        }
        let mut heard = Vec::new();
        while heard.last() != Some(&200) {
            let data = data(&stalled.text().await);
            heard.push(number(data.as_str().unwrap_or_else(|| panic!("{under:?}: no value"))));
        }
        assert!(heard.is_sorted(), "{under:?}");
        assert!(heard.len() < 200, "{under:?}: it does not read them all");
    }
}

#[tokio::test]
async fn s1_27_a_subscriber_in_rust_that_never_looks_costs_the_others_nothing() {
    let store = QueueStore::new();
    let _never_looks = store.subscribe().await.unwrap();
    let mut looks = store.subscribe().await.unwrap();
    for number in 0..5_000_u32 {
        store.submit(number).await.unwrap();
        assert_eq!(looks.next().await.unwrap().unwrap().value, number);
    }
}
