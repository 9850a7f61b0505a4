//! Publishing: messages of those who watch no database, appended to the log like changes.
//!
//! It knows the log and which topics are somebody else's, and nothing of requests.
//!
//! | invariant | what it buys |
//! |---|---|
//! | a topic that a source writes takes no message | what looks like a change of a database is one |
//! | a message is answered once it is durable, with its key in the same write | whoever sends it again until it is answered has sent it once (G3, G7) |

use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::limits;
use crate::log::{Log, LogError, Publication, PublicationKey, Published};
use crate::model::{Change, EventId, Op, Seq, Timestamp, Topic, TopicSet, extend_json};
use crate::telemetry::Telemetry;

/// Appends messages to topics that no source writes. Cloning is cheap.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use changecast::hub::{Message, Publisher};
/// use changecast::log::{MemoryLog, Retention};
/// use changecast::model::Topic;
///
/// let log = Arc::new(MemoryLog::new(Retention::default()));
/// let publisher = Publisher::new(log, [], Arc::default());
/// let message = || Message {
///     topic: Topic::parse("news.weather").expect("a topic"),
///     json: r#"{"rain":true}"#.into(),
///     key: Some("2026-11-21".into()),
/// };
/// let first = publisher.publish(message()).await?;
/// let again = publisher.publish(message()).await?;
/// assert_eq!(first.id, again.id);
/// assert!(again.is_repeated);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Publisher {
    log: Arc<dyn Log>,
    owners: Arc<[(Arc<str>, TopicSet)]>,
    reserved: TopicSet,
    telemetry: Arc<Telemetry>,
}

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub topic: Topic,
    /// What: any JSON value.
    pub json: String,
    /// What the topic takes only once, for as long as the log keeps the message.
    pub key: Option<String>,
}

/// How a message is told, beside what it says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Telling {
    /// The id of the document whose state it is; without it, each message is its own document.
    pub(crate) document_id: Option<&'static str>,
    /// A further member of the event, `message`: a JSON object.
    pub(crate) message: Option<String>,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its event id.
    pub id: EventId,
    /// Whether it had been there before.
    pub is_repeated: bool,
}

/// Why a message was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A source writes that topic.
    #[error(
        "the topic {topic} belongs to the source {source_name:?}, and only its database writes there: publish to a topic with another first part"
    )]
    Owned {
        /// The topic.
        topic: Topic,
        /// The source.
        source_name: Arc<str>,
    },
    /// Only the program that the server is part of publishes there.
    #[error("the topic {0} is for messages of this server's own: publish to another")]
    Reserved(Topic),
    /// It is no JSON, or too deep, or its key is no key.
    #[error("{0}")]
    Invalid(String),
    /// Something else was published under this key.
    #[error("another message was published under this key, as {0}: take a new key for a new one")]
    KeyReused(EventId),
    /// The log could not store it; neither the message nor its key is there.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Publisher {
    /// Publishes into `log`, save to the topics of the `owners`: sources, by name, with what they
    /// watch.
    #[must_use]
    pub fn new(
        log: Arc<dyn Log>,
        owners: impl IntoIterator<Item = (Arc<str>, TopicSet)>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let reserved = TopicSet::none();
        Self { log, owners: owners.into_iter().collect(), reserved, telemetry }
    }

    /// The same, save to these topics.
    #[must_use]
    pub fn without(self, reserved: TopicSet) -> Self {
        Self { reserved, ..self }
    }

    /// Appends the message and returns once it is durable. May be repeated under the same key until
    /// it is answered, from anywhere, also after a crash: the message is there once.
    ///
    /// # Errors
    /// As [`PublishError`] says; then nothing is written.
    pub async fn publish(&self, message: Message) -> Result<Receipt, PublishError> {
        self.publish_told(message, &Telling::default()).await
    }

    /// The same, told in another way.
    pub(crate) async fn publish_told(
        &self,
        message: Message,
        telling: &Telling,
    ) -> Result<Receipt, PublishError> {
        let Message { topic, json, key } = message;
        self.check_owner(&topic)?;
        let document = check_json(&json)?;
        let key = key.map(|key| check_key(key, &document)).transpose()?;
        let source = topic.source().into();
        let change = change(topic, &document, SystemTime::now().into(), telling);
        let published = self.log.publish(Publication { source, change, key }).await?;
        let id = |seq: Seq| EventId { epoch: self.log.epoch(), seq };
        let receipt = match published {
            Published::Appended(seq) => Receipt { id: id(seq), is_repeated: false },
            Published::Repeated(seq) => Receipt { id: id(seq), is_repeated: true },
            Published::Conflicting(seq) => return Err(PublishError::KeyReused(id(seq))),
        };
        self.telemetry.published(receipt.is_repeated);
        Ok(receipt)
    }

    fn check_owner(&self, topic: &Topic) -> Result<(), PublishError> {
        if self.reserved.matches(topic) {
            return Err(PublishError::Reserved(topic.clone()));
        }
        let owner = self
            .owners
            .iter()
            .find(|(name, topics)| **name == *topic.source() || topics.matches(topic));
        match owner {
            Some((name, _)) => {
                let (topic, source_name) = (topic.clone(), Arc::clone(name));
                Err(PublishError::Owned { topic, source_name })
            }
            None => Ok(()),
        }
    }
}

/// The value as it is sent.
fn check_json(json: &str) -> Result<String, PublishError> {
    // Read as a whole: half of a surrogate pair is text to no one, and deep nesting to few.
    let value: serde_json::Value = serde_json::from_str(json)
        .map_err(|error| PublishError::Invalid(format!("the message must be JSON: {error}")))?;
    if depth(&value) > limits::DOCUMENT_DEPTH_MAX {
        let max = limits::DOCUMENT_DEPTH_MAX;
        let problem = format!("the message nests deeper than {max} levels");
        return Err(PublishError::Invalid(problem));
    }
    extend_json(json).map_err(|error| PublishError::Invalid(error.to_string()))
}

/// The parser has its own, not much higher, cap, so that this comes back.
fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn check_key(key: String, document: &str) -> Result<PublicationKey, PublishError> {
    let bytes_max = limits::IDEMPOTENCY_KEY_BYTES_MAX;
    if key.is_empty() || key.len() > bytes_max {
        let problem = format!("a key has 1 to {bytes_max} bytes, this one {}", key.len());
        return Err(PublishError::Invalid(problem));
    }
    Ok(PublicationKey { text: key.into(), fingerprint: Sha256::digest(document).into() })
}

fn change(topic: Topic, document: &str, now: Timestamp, telling: &Telling) -> Change {
    let id = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let (db, coll) = (quote(topic.source()), quote(topic.collection()));
    let key = format!(r#"{{"_id":"{}"}}"#, telling.document_id.unwrap_or(&id));
    let mut event = format!(
        r#"{{"_id":{{"_data":"{id}"}},"operationType":"insert","wallTime":{{"$date":"{now}"}},"fullDocument":{document},"ns":{{"db":{db},"coll":{coll}}},"documentKey":{key}"#
    );
    if let Some(message) = &telling.message {
        event.push_str(r#","message":"#);
        event.push_str(message);
    }
    event.push('}');
    Change { topic, op: Op::Insert, key: key.into(), event: event.into() }
}

fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("every text is a JSON string")
}

#[cfg(test)]
mod tests;
