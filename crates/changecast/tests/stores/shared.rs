//! Stores that are topics of a server: in its log and its hub, beside others.

use std::sync::Arc;

use changecast::board::Board;
use changecast::hub::{Hub, Message, Publisher};
use changecast::log::{Log, MemoryLog, Retention};
use changecast::model::Topic;
use changecast::stores::{DataStore, QueueStore, Store, StoreError};
use changecast::telemetry::Telemetry;
use futures_util::StreamExt;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::support::soon;

struct Bed {
    hub: Hub,
    publisher: Publisher,
    _stops: DropGuard,
}

impl Bed {
    fn keeping(entries_max: u64) -> Self {
        let retention = Retention { entries_max, ..Retention::default() };
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(retention));
        let (telemetry, stop) = (Arc::new(Telemetry::new()), CancellationToken::new());
        let publisher = Publisher::new(Arc::clone(&log), [], Arc::clone(&telemetry));
        let hub = Hub::start(log, Board::default(), telemetry, stop.clone());
        Self { hub, publisher, _stops: stop.drop_guard() }
    }

    async fn data(&self, value: u32) -> DataStore<u32> {
        DataStore::on(&self.hub, &self.publisher, topic("app.value"), value).await.unwrap()
    }

    /// Has others write, until everything from before is forgotten.
    async fn forget(&self) {
        for _ in 0..20 {
            let json = "null".to_owned();
            let message = Message { topic: topic("app.other"), json, key: None };
            self.publisher.publish(message).await.unwrap();
        }
    }
}

fn topic(text: &str) -> Topic {
    Topic::parse(text).unwrap()
}

async fn value(subscriber: &mut changecast::stores::Subscription<u32>) -> u32 {
    soon("value", subscriber.next()).await.expect("more").expect("no error, and no gap").value
}

#[tokio::test]
async fn a_value_is_found_again_in_the_log() {
    let bed = Bed::keeping(1_000);
    let store = bed.data(1).await;
    assert_eq!(*store.get(), 1, "nothing is there yet");
    store.set(2).await.unwrap();
    drop(store);
    let again = bed.data(1).await;
    assert_eq!(*again.get(), 2);
    assert_eq!(value(&mut again.subscribe().await.unwrap()).await, 2);
}

#[tokio::test]
async fn s1_05_the_value_of_now_comes_also_when_the_log_has_forgotten_it() {
    let bed = Bed::keeping(10);
    let store = bed.data(1).await;
    store.set(2).await.unwrap();
    bed.forget().await;
    assert_eq!(value(&mut store.subscribe().await.unwrap()).await, 2);
}

#[tokio::test]
async fn s1_04_a_slow_subscriber_gets_the_value_where_the_log_has_forgotten_it() {
    let bed = Bed::keeping(10);
    let store = bed.data(1).await;
    let mut slow = store.subscribe().await.unwrap();
    assert_eq!(value(&mut slow).await, 1);
    store.set(2).await.unwrap();
    bed.forget().await;
    assert_eq!(value(&mut slow).await, 2);
    store.set(3).await.unwrap();
    assert_eq!(value(&mut slow).await, 3);
}

#[tokio::test]
async fn a_queue_on_a_topic_hears_what_others_publish_there_and_says_what_is_no_message_of_its() {
    let bed = Bed::keeping(1_000);
    let store = QueueStore::<u32>::on(&bed.hub, &bed.publisher, topic("app.numbers"));
    let mut subscriber = store.subscribe().await.unwrap();
    store.submit(1).await.unwrap();
    for json in ["2", r#""three""#, "4"] {
        let message = Message { topic: topic("app.numbers"), json: json.to_owned(), key: None };
        bed.publisher.publish(message).await.unwrap();
    }
    assert_eq!(value(&mut subscriber).await, 1);
    assert_eq!(value(&mut subscriber).await, 2);
    let foreign = soon("error", subscriber.next()).await.unwrap().expect_err("a text");
    assert!(matches!(foreign, StoreError::Foreign(_)), "{foreign}");
    assert_eq!(value(&mut subscriber).await, 4, "and it goes on");
}
