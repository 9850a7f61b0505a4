//! Messages on Redis channels, from whoever publishes there.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio::time::timeout;
use url::Url;

use super::feed::{Feed, Own, Parts};
use super::message::Message;
use super::{Store, StoreError};
use crate::limits;
use crate::model::{Topic, TopicSet};
use crate::source::redis::{RedisConfig, RedisSource};
use crate::source::{self, Source as _, SourceError};

/// The name of its source: it has its log to itself.
const SOURCE: &str = "redis";

/// A store whose messages come and go through Redis channels, so that many processes share it.
///
/// It listens over one connection, and connects again by itself. Redis keeps no messages: after each
/// time that nobody listened, subscribers hear of a `gap`. What the store has heard it keeps, as a
/// [`QueueStore`](super::QueueStore) does, for subscribers that are slow or come back.
///
/// Text arrives as text, a JSON object or list as such, and other bytes as
/// `{"$binary": {"base64": …, "subType": "00"}}`.
///
/// ```no_run
/// use changecast::stores::{RedisStore, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), changecast::stores::StoreError> {
/// let store = RedisStore::connect("redis://127.0.0.1:6379", ["news", "weather.*"]).await?;
/// store.submit("to the first channel".into()).await?;
/// store.publish("weather.oslo", b"rain").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore {
    feed: Feed,
    source: Arc<RedisSource>,
    /// What is submitted goes here.
    channel: Arc<str>,
}

/// What a message on a channel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisPayload {
    /// Text; a JSON object or list is the text of it.
    Text(String),
    /// Bytes that are no text.
    Binary(Vec<u8>),
}

impl RedisStore {
    /// Listens on these channels, or patterns of them such as `weather.*`, when this returns. The URL
    /// is that of a Redis source: `redis://user:password@host:6379/0`, `rediss://` for TLS.
    ///
    /// # Errors
    /// [`StoreError::Redis`] when Redis cannot be reached now; once it could be, the store connects
    /// again for ever. [`StoreError::Invalid`] when the URL or the channels are not valid.
    pub async fn connect(
        url: &str,
        channels: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, StoreError> {
        let channels: Vec<String> = channels.into_iter().map(Into::into).collect();
        let own = Own::start(limits::STORE_HISTORY_COUNT, limits::STORE_HISTORY_BYTES_MAX);
        let config = config(url, &channels)?;
        let source = Arc::new(RedisSource::new(config, Arc::clone(own.hub.telemetry()))?);
        source.probe().await?;
        let (hub, stop) = (own.hub.clone(), own.keeper.stop.clone());
        let (log, board) = (Arc::clone(hub.log()), hub.board().clone());
        let telemetry = Arc::clone(hub.telemetry());
        let watched: Arc<dyn source::Source> = Arc::<RedisSource>::clone(&source);
        let runner = source::start(watched, log, board, telemetry, stop).await;
        tokio::spawn(runner);
        let topics = source.topics();
        let first = channels.into_iter().next().unwrap_or_default();
        let parts = Parts {
            hub,
            publisher: own.publisher,
            // Any of its topics: nobody follows less than all of them.
            topic: Topic::new(SOURCE, "messages").expect("a topic"),
            topics: topics.clone(),
            latest: None,
            keeper: Some(own.keeper),
        };
        let store = Self { feed: Feed::new(parts), source, channel: first.into() };
        store.until_listening(&topics).await?;
        Ok(store)
    }

    /// Publishes on this channel, whether the store listens there or not.
    ///
    /// # Errors
    /// [`StoreError::Redis`] when Redis cannot be reached, or refuses: the message may have been
    /// published or not.
    pub async fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), StoreError> {
        Ok(self.source.publish(channel, payload).await?)
    }

    async fn until_listening(&self, topics: &TopicSet) -> Result<(), StoreError> {
        let board = self.feed.hub().board();
        let mut version = board.version();
        let listening =
            async { while !board.waiting(topics).is_empty() && version.changed().await.is_ok() {} };
        let silent = || SourceError::Unavailable("Redis does not let us listen".to_owned());
        timeout(limits::REDIS_READ_TIMEOUT, listening).await.map_err(|_| silent().into())
    }
}

/// The configuration of a source that listens on these channels.
fn config(url: &str, channels: &[String]) -> Result<RedisConfig, StoreError> {
    // The parser's own words might repeat the password.
    let url = Url::parse(url);
    let mut url = url.map_err(|_| StoreError::Invalid("the Redis URL is not one".to_owned()))?;
    let mut query = url.query_pairs_mut();
    query.append_pair("name", SOURCE);
    query.extend_pairs(channels.iter().map(|channel| ("channel", channel)));
    drop(query);
    Ok(RedisConfig::from_url(url.as_str())?)
}

impl Store for RedisStore {
    type Item = RedisPayload;

    fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Publishes on the first channel. What a channel does not carry is refused: an event's name, an
    /// id, a time to reconnect.
    async fn submit_message(&self, message: Message<RedisPayload>) -> Result<(), StoreError> {
        if message.event.is_some() || message.id.is_some() || message.retry.is_some() {
            let problem = "a Redis channel carries the message alone: no event's name, id or retry";
            return Err(StoreError::Invalid(problem.to_owned()));
        }
        if self.channel.contains(['*', '?', '[']) {
            let problem = format!("the first channel is a pattern, {:?}", self.channel);
            return Err(StoreError::Invalid(problem));
        }
        match &message.value {
            RedisPayload::Text(text) => self.publish(&self.channel, text.as_bytes()).await,
            RedisPayload::Binary(bytes) => self.publish(&self.channel, bytes).await,
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl From<&str> for RedisPayload {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for RedisPayload {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for RedisPayload {
    fn from(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Binary(error.into_bytes()), Self::Text)
    }
}

impl<'de> Deserialize<'de> for RedisPayload {
    /// Reads what the driver has made of it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wrapped {
            #[serde(rename = "$binary")]
            binary: Binary,
        }
        #[derive(Deserialize)]
        struct Binary {
            base64: String,
        }
        let json = Box::<RawValue>::deserialize(deserializer)?;
        if let Ok(text) = serde_json::from_str::<String>(json.get()) {
            return Ok(Self::Text(text));
        }
        match serde_json::from_str::<Wrapped>(json.get()) {
            Ok(wrapped) => {
                let bytes = STANDARD.decode(wrapped.binary.base64);
                bytes.map(Self::Binary).map_err(D::Error::custom)
            }
            Err(_) => Ok(Self::Text(json.get().to_owned())),
        }
    }
}
