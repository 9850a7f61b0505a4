//! Every message, in order.

use std::marker::PhantomData;

use serde::Serialize;

use super::feed::{Feed, Own, Parts};
use super::message::{Message, Outgoing};
use super::{Store, StoreError};
use crate::hub::{Hub, Publisher};
use crate::limits;
use crate::model::{Topic, TopicPattern, TopicSet};

/// A store of messages.
///
/// Every subscriber gets every message that is submitted once it is there, in order. The store keeps
/// the last of them, so that a subscriber that is slow, or was away, goes on where it was; one that
/// was away, or behind, for longer than that hears of a `gap`. Nobody's slowness is anybody else's,
/// and nothing grows with it.
pub struct QueueStore<T> {
    feed: Feed,
    item: PhantomData<fn(T)>,
}

/// How much a [`QueueStore`] in memory keeps; the oldest goes first, whichever cap is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueOptions {
    /// Messages.
    pub history_count: u64,
    /// Bytes, as the log weighs them: a message's event, and what goes with it.
    pub history_bytes: u64,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            history_count: limits::STORE_HISTORY_COUNT,
            history_bytes: limits::STORE_HISTORY_BYTES_MAX,
        }
    }
}

impl QueueOptions {
    /// The same with this many messages.
    #[must_use]
    pub fn with_history_count(mut self, count: u64) -> Self {
        self.history_count = count;
        self
    }

    /// The same with this many bytes.
    #[must_use]
    pub fn with_history_bytes(mut self, bytes: u64) -> Self {
        self.history_bytes = bytes;
        self
    }
}

impl<T> Clone for QueueStore<T> {
    fn clone(&self) -> Self {
        Self { feed: self.feed.clone(), item: PhantomData }
    }
}

impl<T> Default for QueueStore<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> QueueStore<T> {
    /// A store in memory, with a log and a hub of its own, to be called within a Tokio runtime. It
    /// keeps as much as [`QueueOptions::default`] says.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(QueueOptions::default())
    }

    /// The same, that keeps so much.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn with_options(options: QueueOptions) -> Self {
        let own = Own::start(options.history_count, options.history_bytes);
        let topic = Topic::parse("store.messages").expect("a topic");
        Self::of(own.hub, own.publisher, topic, Some(own.keeper))
    }

    /// A store that is a topic of a server: in its hub, and in its log, durable where that is. What
    /// others publish to the topic, reaches subscribers as well; in Rust, only what is a `T`.
    #[must_use]
    pub fn on(hub: &Hub, publisher: &Publisher, topic: Topic) -> Self {
        Self::of(hub.clone(), publisher.clone(), topic, None)
    }

    fn of(
        hub: Hub,
        publisher: Publisher,
        topic: Topic,
        keeper: Option<super::feed::Keeper>,
    ) -> Self {
        let topics = TopicSet::new([TopicPattern::Exact(topic.clone())]);
        let parts = Parts { hub, publisher, topic, topics, latest: None, keeper };
        Self { feed: Feed::new(parts), item: PhantomData }
    }
}

impl<T: Serialize + Send + Sync + 'static> Store for QueueStore<T> {
    type Item = T;

    fn feed(&self) -> &Feed {
        &self.feed
    }

    async fn submit_message(&self, message: Message<T>) -> Result<(), StoreError> {
        let outgoing = Outgoing::new(&message)?;
        self.feed.publish(&outgoing).await
    }
}
