//! One value, and whoever wants to know the newest.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::feed::{Feed, Own, Parts};
use super::latest::Latest;
use super::message::{Message, Outgoing, Payload};
use super::{Store, StoreError};
use crate::hub::{Hub, HubError, Publisher};
use crate::limits;
use crate::model::{Body, Seq, Topic, TopicPattern, TopicSet};

/// A store of one value.
///
/// A subscriber gets the value when it comes, and then each newer one, as far as it keeps up: of the
/// values that wait for it, it gets the last. So it may not see every value, but the last one always
/// arrives, whoever is slow, and there is never a gap. A value equal to the one before is sent, too.
///
/// ```
/// use changecast::stores::DataStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), changecast::stores::StoreError> {
/// let temperature = DataStore::new(20.5);
/// temperature.set(21.0).await?;
/// assert_eq!(*temperature.get(), 21.0);
/// # Ok(())
/// # }
/// ```
pub struct DataStore<T> {
    feed: Feed,
    /// A std mutex: held for short, never across an await.
    value: Arc<Mutex<Arc<T>>>,
    /// Held by whoever sets the value, so that it is here in the log's order.
    setting: Arc<tokio::sync::Mutex<()>>,
}

impl<T> Clone for DataStore<T> {
    fn clone(&self) -> Self {
        let Self { feed, value, setting } = self;
        Self { feed: feed.clone(), value: Arc::clone(value), setting: Arc::clone(setting) }
    }
}

impl<T: Serialize + Send + Sync + 'static> DataStore<T> {
    /// A store in memory, with a log and a hub of its own, to be called within a Tokio runtime. What
    /// JSON cannot hold (a map whose keys are no texts) counts as `null` here, and is an error for
    /// [`set`](Self::set).
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn new(value: T) -> Self {
        let own = Own::start(limits::STORE_VALUES_MAX, limits::STORE_HISTORY_BYTES_MAX);
        let topic = Topic::parse("store.value").expect("a topic");
        let first = first(&value).unwrap_or(Outgoing { json: "null".to_owned(), told: None });
        let parts = Parts {
            hub: own.hub,
            publisher: own.publisher,
            topics: TopicSet::new([TopicPattern::Exact(topic.clone())]),
            topic,
            latest: Some(Arc::new(Latest::new(first))),
            keeper: Some(own.keeper),
        };
        Self::with_feed(Feed::new(parts), value)
    }

    fn with_feed(feed: Feed, value: T) -> Self {
        Self { feed, value: Arc::new(Mutex::new(Arc::new(value))), setting: Arc::default() }
    }

    /// The value. Right after [`set`](Self::set) has returned, it is the one that was set, or one
    /// that somebody else has set since.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.value.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value, and tells every subscriber. Returns once it can be delivered, in a durable
    /// log once it is durable; it does not wait for subscribers.
    ///
    /// # Errors
    /// As [`Store::submit_message`]; then the value stays what it was.
    pub async fn set(&self, value: T) -> Result<(), StoreError> {
        self.submit(value).await
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> DataStore<T> {
    /// A store that is a topic of a server: in its log, durable where that is, and in its hub. The
    /// value is the newest that the log has of the topic, else `value`.
    ///
    /// The store is to be the topic's only writer. What others publish there reaches subscribers,
    /// but not [`get`](Self::get).
    ///
    /// # Errors
    /// [`StoreError::Subscribe`] when the log cannot be read, [`StoreError::Foreign`] when what it has
    /// of the topic is no `T`, and [`StoreError::Invalid`] when `value` cannot be told.
    pub async fn on(
        hub: &Hub,
        publisher: &Publisher,
        topic: Topic,
        value: T,
    ) -> Result<Self, StoreError> {
        let topics = TopicSet::new([TopicPattern::Exact(topic.clone())]);
        let latest = Latest::new(first(&value)?);
        let mut value = value;
        if let Some((known, seq)) = newest(hub, &topics).await? {
            value = serde_json::from_str(&known.json).map_err(StoreError::Foreign)?;
            latest.take_over(known, seq);
        }
        let (hub, publisher) = (hub.clone(), publisher.clone());
        let latest = Some(Arc::new(latest));
        let parts = Parts { hub, publisher, topic, topics, latest, keeper: None };
        Ok(Self::with_feed(Feed::new(parts), value))
    }
}

fn first<T: Serialize>(value: &T) -> Result<Outgoing, StoreError> {
    Outgoing::new(&Message::new(value))
}

/// The newest value of a topic in the log.
async fn newest(hub: &Hub, topics: &TopicSet) -> Result<Option<(Outgoing, Seq)>, StoreError> {
    let log = hub.log();
    let place = log.place_of_last(1, topics).await.map_err(HubError::from)?;
    let page = log.read(place, topics).await.map_err(HubError::from)?;
    let newest = page.entries.iter().rev().find_map(|entry| match &entry.body {
        Body::Change(change) => Some((Outgoing::of(Payload::read(change)), entry.seq)),
        Body::Gap(_) => None,
    });
    Ok(newest)
}

impl<T: Serialize + Send + Sync + 'static> Store for DataStore<T> {
    type Item = T;

    fn feed(&self) -> &Feed {
        &self.feed
    }

    async fn submit_message(&self, message: Message<T>) -> Result<(), StoreError> {
        let outgoing = Outgoing::new(&message)?;
        let _order = self.setting.lock().await;
        self.feed.publish(&outgoing).await?;
        let value = Arc::new(message.value);
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = value;
        Ok(())
    }
}
