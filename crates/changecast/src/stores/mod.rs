//! Stores: where a program puts what it wants to push, and from where any number of subscribers
//! follow it, in Rust or through the handlers of the module `handlers`.
//!
//! | store | a subscriber gets | after a reconnect |
//! |---|---|---|
//! | [`DataStore`] | the newest value; of those that wait for it, only the last | the newest value |
//! | [`QueueStore`] | every message, in order | what it has missed, or a `gap` |
//! | `RedisStore` (feature `redis`) | every message that somebody publishes on Redis channels | the same |
//!
//! ```
//! use changecast::stores::{QueueStore, Store};
//! use futures_util::StreamExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scores = QueueStore::new();
//! let mut subscriber = scores.subscribe().await?;
//! assert_eq!(scores.subscriber_count(), 1);
//!
//! scores.submit("1:0".to_owned()).await?;
//! let heard = subscriber.next().await.expect("it goes on")?;
//! assert_eq!(heard.value, "1:0");
//!
//! drop(subscriber);
//! assert_eq!(scores.subscriber_count(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! A store is a topic with a mode: it owns a log in memory and a hub, or is put into those of a
//! server, where the log may be durable. It knows nothing of HTTP. What follows holds for all stores:
//!
//! | invariant | what it buys |
//! |---|---|
//! | a subscriber is a cursor, never a queue | one that stalls or fails costs the others nothing (G8) |
//! | dropping a subscription is all there is to deregistering | nothing is left behind, however it ends |
//! | what a queue can no longer deliver is told as a gap | no silent gap (G2) |
//! | a value that a newer one replaced is no loss | the last value always arrives |

mod data;
mod error;
mod feed;
mod latest;
mod message;
mod queue;
#[cfg(feature = "redis")]
mod redis;
mod subscription;

use std::future::Future;

use serde::de::DeserializeOwned;

pub use data::DataStore;
pub use error::StoreError;
pub use feed::Feed;
pub use message::Message;
pub(crate) use message::Payload;
pub use queue::{QueueOptions, QueueStore};
#[cfg(feature = "redis")]
pub use redis::{RedisPayload, RedisStore};
pub use subscription::{Received, Subscription};

use crate::hub::Start;

/// Something that takes messages, and that any number of subscribers follow.
///
/// Cloning is cheap, and a clone is the same store. With the last one (handlers hold one, too) the
/// store ends, and with it every subscription.
///
/// A store of your own is one that has another inside: [`feed`](Self::feed) is that one's, and
/// [`submit_message`](Self::submit_message) does what it has to before it hands on.
pub trait Store: Clone + Send + Sync + 'static {
    /// What it takes.
    type Item: Send + Sync + 'static;

    /// What its subscribers follow.
    fn feed(&self) -> &Feed;

    /// Takes a message, and returns once it can be delivered: in a durable log, once it is durable.
    /// It does not wait for subscribers. Messages of one caller that awaits each are in order.
    ///
    /// Not to be dropped half-way: the message may then have been taken, or not.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for what cannot be told, and [`StoreError::Publish`] where the log
    /// cannot take it. Nothing is delivered then.
    fn submit_message(
        &self,
        message: Message<Self::Item>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes a value as a message that says nothing else.
    ///
    /// # Errors
    /// As [`submit_message`](Self::submit_message).
    fn submit(&self, value: Self::Item) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.submit_message(Message::new(value))
    }

    /// How many follow it now: handlers' connections and [`Subscription`]s. One that goes is noticed
    /// at once, not with the next message.
    fn subscriber_count(&self) -> usize {
        self.feed().subscriber_count()
    }

    /// Follows it from now on; a [`DataStore`]'s value of now comes first. What is submitted once
    /// this has returned is heard.
    ///
    /// # Errors
    /// [`StoreError::Subscribe`] where the log cannot be read, or the hub is full or ending.
    fn subscribe(&self) -> impl Future<Output = Result<Subscription<Self::Item>, StoreError>> + Send
    where
        Self::Item: DeserializeOwned,
    {
        async { Subscription::open(self.feed(), None).await }
    }

    /// Follows it from somewhere else: from after the id of what was received last, to resume.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    fn subscribe_from(
        &self,
        start: Start,
    ) -> impl Future<Output = Result<Subscription<Self::Item>, StoreError>> + Send
    where
        Self::Item: DeserializeOwned,
    {
        async { Subscription::open(self.feed(), Some(start)).await }
    }
}
