//! Stores in Rust, without a socket.

use changecast::hub::Start;
use changecast::stores::{
    DataStore, Feed, Message, QueueOptions, QueueStore, Received, Store, StoreError, Subscription,
};
use futures_util::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};

use super::support::soon;
use super::until_followed_by;

async fn next<T>(subscriber: &mut Subscription<T>) -> Result<Received<T>, StoreError> {
    soon("message", subscriber.next()).await.expect("it goes on")
}

async fn value<T>(subscriber: &mut Subscription<T>) -> T {
    next(subscriber).await.expect("a message").value
}

#[tokio::test]
async fn s1_01_dropping_a_subscriber_is_deregistering_it() {
    let store = QueueStore::<u32>::new();
    assert_eq!(store.subscriber_count(), 0);
    let one = store.subscribe().await.unwrap();
    let other = store.clone().subscribe().await.unwrap();
    assert_eq!(store.subscriber_count(), 2);
    drop(one);
    assert_eq!(store.subscriber_count(), 1);
    // In the midst of a wait, too.
    let mut other = other;
    assert!(other.next().now_or_never().is_none());
    drop(other);
    assert_eq!(store.subscriber_count(), 0);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    place: String,
    celsius: f64,
}

#[tokio::test]
async fn s1_03_a_data_store_holds_a_typed_value_that_is_set_and_read_back() {
    let oslo = Reading { place: "Oslo".to_owned(), celsius: -3.5 };
    let store = DataStore::new(oslo.clone());
    assert_eq!(*store.get(), oslo);
    let rome = Reading { place: "Rome".to_owned(), celsius: 12.0 };
    store.set(rome.clone()).await.unwrap();
    assert_eq!(*store.get(), rome);
    let mut subscriber = store.subscribe().await.unwrap();
    assert_eq!(value(&mut subscriber).await, rome);
}

#[tokio::test]
async fn s1_04_of_a_burst_the_last_that_arrives_is_the_last_value_and_nothing_counts_as_missing() {
    let store = DataStore::new(0_u32);
    let mut subscriber = store.subscribe().await.unwrap();
    // Far more than the store keeps.
    for number in 1..=10_000 {
        store.set(number).await.unwrap();
    }
    let mut heard = Vec::new();
    while heard.last() != Some(&10_000) {
        heard.push(value(&mut subscriber).await);
    }
    assert!(heard.is_sorted(), "{heard:?}");
    assert!(subscriber.next().now_or_never().is_none(), "nothing comes after it");
}

#[tokio::test]
async fn s1_04_an_equal_value_is_sent_again() {
    let store = DataStore::new("same".to_owned());
    let mut subscriber = store.subscribe().await.unwrap();
    for _ in 0..3 {
        assert_eq!(value(&mut subscriber).await, "same");
        store.set("same".to_owned()).await.unwrap();
    }
}

#[tokio::test]
async fn s1_05_who_comes_late_gets_the_value_of_now_first() {
    let store = DataStore::new(1);
    assert_eq!(value(&mut store.subscribe().await.unwrap()).await, 1, "the initial one");
    store.set(2).await.unwrap();
    let mut late = store.subscribe().await.unwrap();
    store.set(3).await.unwrap();
    let first = value(&mut late).await;
    assert!(first == 2 || first == 3, "{first}");
    let mut only_new = store.subscribe_from(Start::Now).await.unwrap();
    store.set(4).await.unwrap();
    assert_eq!(value(&mut only_new).await, 4, "unless it wants what is new");
}

#[tokio::test]
async fn s1_06_every_message_comes_in_order_to_everybody() {
    let store = QueueStore::new();
    store.submit(0).await.unwrap();
    let mut subscribers = Vec::new();
    for _ in 0..3 {
        subscribers.push(store.subscribe().await.unwrap());
    }
    for number in 1..=500 {
        store.submit(number).await.unwrap();
    }
    for mut subscriber in subscribers {
        for number in 1..=500 {
            assert_eq!(value(&mut subscriber).await, number, "from the one after it came");
        }
    }
}

#[tokio::test]
async fn s1_06_history_is_bounded_and_what_is_gone_is_a_gap_and_no_more() {
    let store = QueueStore::with_options(QueueOptions::default().with_history_count(10));
    let mut first = store.subscribe().await.unwrap();
    store.submit(0).await.unwrap();
    let start = Start::After(next(&mut first).await.unwrap().id);
    for number in 1..=10 {
        store.submit(number).await.unwrap();
    }
    let mut back = store.subscribe_from(start.clone()).await.unwrap();
    for number in 1..=10 {
        assert_eq!(value(&mut back).await, number, "all of it is kept");
    }
    store.submit(11).await.unwrap();
    let mut late = store.subscribe_from(start).await.unwrap();
    let gap = next(&mut late).await.expect_err("the first is gone");
    assert!(matches!(gap, StoreError::Gap { .. }), "{gap}");
    for number in 2..=11 {
        assert_eq!(value(&mut late).await, number);
    }
}

#[tokio::test]
async fn s1_07_a_value_keeps_its_type_and_every_digit() {
    let store = QueueStore::new();
    let mut subscriber = store.subscribe().await.unwrap();
    for number in [u64::MAX, (1 << 53) + 1, 0] {
        store.submit(number).await.unwrap();
        assert_eq!(value(&mut subscriber).await, number);
    }
    let store = QueueStore::new();
    let mut subscriber = store.subscribe().await.unwrap();
    let wrapped = serde_json::json!({"$numberLong": "5", "list": [1, null, true, "é\r\n\0"]});
    store.submit(wrapped.clone()).await.unwrap();
    assert_eq!(value(&mut subscriber).await, wrapped);
}

#[tokio::test]
async fn s1_13_a_name_and_an_id_that_would_break_a_line_are_refused() {
    let store = QueueStore::new();
    let mut subscriber = store.subscribe().await.unwrap();
    for bad in ["a\nb", "a\rb", "a\0b"] {
        for message in [Message::new(1).with_event(bad), Message::new(1).with_id(bad)] {
            let refusal = store.submit_message(message).await.expect_err(bad);
            assert!(matches!(refusal, StoreError::Invalid(_)), "{refusal}");
        }
    }
    store.submit_message(Message::new(2).with_event("tick").with_id("own")).await.unwrap();
    let heard = next(&mut subscriber).await.unwrap();
    assert_eq!((heard.value, heard.event.as_deref()), (2, Some("tick")));
}

#[tokio::test]
async fn s1_16_whoever_comes_or_goes_is_counted_without_a_message() {
    let store = QueueStore::<u32>::new();
    let mut audience = store.feed().audience();
    let subscriber = store.subscribe().await.unwrap();
    assert!(audience.has_changed().unwrap());
    assert_eq!(*audience.borrow_and_update(), 1);
    drop(subscriber);
    until_followed_by(&store, 0).await;
}

/// A store of one's own: it has another inside.
#[derive(Clone)]
struct Shouting(QueueStore<String>);

impl Store for Shouting {
    type Item = String;

    fn feed(&self) -> &Feed {
        self.0.feed()
    }

    async fn submit_message(&self, mut message: Message<String>) -> Result<(), StoreError> {
        message.value.make_ascii_uppercase();
        self.0.submit_message(message).await
    }
}

#[tokio::test]
async fn s1_26_a_store_of_ones_own_hands_on_what_it_takes() {
    let store = Shouting(QueueStore::new());
    let mut subscriber = store.subscribe().await.unwrap();
    store.submit("test".to_owned()).await.unwrap();
    assert_eq!(value(&mut subscriber).await, "TEST");
}

#[tokio::test]
async fn a_subscription_ends_with_its_store() {
    let store = QueueStore::<u32>::new();
    let mut dropped = store.subscribe().await.unwrap();
    let other = QueueStore::<u32>::new();
    let mut closed = other.subscribe().await.unwrap();
    drop(store);
    assert!(soon("end", dropped.next()).await.is_none());
    other.feed().close();
    assert!(soon("end", closed.next()).await.is_none());
    assert!(matches!(other.subscribe().await, Err(StoreError::Subscribe(_))));
}
