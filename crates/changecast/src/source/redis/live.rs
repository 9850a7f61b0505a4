//! Follows channels and keys: messages that Redis sends once, to whoever listens.
//!
//! Nothing can be asked for again, so there is no place to go on from. What this has for a position
//! only says that somebody listened before: opened with it, the stream is refused as lost history,
//! and the runner writes a gap and opens it from now. Thus each time that nobody listened, be it
//! because the connection broke or because changecast was away, shows as a gap.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::StreamExt as _;
use redis::aio::{PubSub, PubSubSink};
use redis::{Msg, cmd};

use super::config::invalid;
use super::events::{self, LiveId};
use super::reply;
use super::server::{Link, Server};
use crate::limits;
use crate::model::{Change, Position, Topic};
use crate::source::{Delivery, DeliverySender, FullDocument, SourceError, WatchOptions};

/// Stands for the collection where a name cannot be part of a topic.
pub(super) const FALLBACK_TOPIC: &str = "$other";

/// Says that somebody listened before.
const LISTENED: &str = r#"{"version":1,"live":true}"#;

/// Channels and keys that are followed over one connection.
pub(super) struct Follower {
    name: Arc<str>,
    messages: PubSub,
    server: Server,
    keys: Vec<KeyPattern>,
    fallback: Topic,
    /// Makes the ids of one millisecond differ.
    count: u64,
}

/// A pattern of keys, and the topic of their changes.
struct KeyPattern {
    channel: String,
    topic: Topic,
}

impl Follower {
    /// Listens when this returns.
    pub(super) async fn open(
        server: &Server,
        name: &Arc<str>,
        channels: &[String],
        keys: &[String],
        database: i64,
        options: &WatchOptions,
    ) -> Result<Self, SourceError> {
        if options.full_document.is_some_and(|wanted| wanted == FullDocument::Required) {
            return Err(invalid(
                "Redis cannot honour full_document: required for what is only live",
            ));
        }
        let client = server.client()?;
        let asking = client.get_async_pubsub();
        let mut messages = server.within(limits::REDIS_ANSWER_TIMEOUT, asking).await?;
        if options.token().is_some() {
            let why = "Redis keeps no messages: what came while nobody listened is not known";
            return Err(SourceError::HistoryLost(why.into()));
        }
        if !keys.is_empty() {
            check_notifications(server).await?;
        }
        let keys: Vec<_> = keys
            .iter()
            .map(|pattern| KeyPattern::new(name, database, pattern))
            .collect::<Result<_, _>>()?;
        for channel in channels {
            let is_pattern = channel.contains(['*', '?', '[']);
            let subscribing = async {
                if is_pattern {
                    messages.psubscribe(channel).await
                } else {
                    messages.subscribe(channel).await
                }
            };
            server.within(limits::REDIS_ANSWER_TIMEOUT, subscribing).await?;
        }
        for key in &keys {
            server.within(limits::REDIS_ANSWER_TIMEOUT, messages.psubscribe(&key.channel)).await?;
        }
        let fallback =
            Topic::new(name, FALLBACK_TOPIC).map_err(|error| invalid(error.to_string()))?;
        let (name, server) = (Arc::clone(name), server.clone());
        Ok(Self { name, messages, server, keys, fallback, count: 0 })
    }

    pub(super) fn position() -> Position {
        Position::new(LISTENED)
    }

    /// Ends when nobody listens any more, or when the connection breaks.
    pub(super) async fn run(self, sender: DeliverySender) {
        sender.run(async { Err(self.follow(&sender).await) }).await;
    }

    async fn follow(mut self, sender: &DeliverySender) -> SourceError {
        let server = self.server.clone();
        let encoder = Encoder { name: self.name, keys: self.keys, fallback: self.fallback };
        let (sink, mut messages) = self.messages.split();
        let mut watch = std::pin::pin!(keep_watch(sink, &server));
        let mut asking = tokio::time::interval(limits::REDIS_PAUSE);
        loop {
            let message = tokio::select! {
                // In this order, so that a message that is there is not kept waiting.
                biased;
                message = messages.next() => message,
                error = &mut watch => return error,
                _ = asking.tick() => {
                    if let Some(question) = sender.question() {
                        sender.answer_nothing(question).await;
                    }
                    continue;
                }
            };
            let Some(message) = message else {
                return server.explainer.lost("it was closed");
            };
            self.count += 1;
            let change = encoder.change(&message, self.count);
            let position = Some(Self::position());
            sender.send(Ok(Delivery { change: Some(change), position })).await;
        }
    }
}

/// Notices a server that is silent because it hangs; ends when it does.
async fn keep_watch(mut sink: PubSubSink, server: &Server) -> SourceError {
    loop {
        tokio::time::sleep(limits::REDIS_ANSWER_TIMEOUT).await;
        let asking = sink.ping::<redis::Value>();
        if let Err(error) = server.within(limits::REDIS_ANSWER_TIMEOUT, asking).await {
            return error;
        }
    }
}

struct Encoder {
    name: Arc<str>,
    keys: Vec<KeyPattern>,
    fallback: Topic,
}

impl Encoder {
    fn change(&self, message: &Msg, number: u64) -> Change {
        let id = LiveId::new(SystemTime::now().into(), number);
        let channel = message.get_channel::<Vec<u8>>().unwrap_or_default();
        let payload = message.get_payload_bytes();
        let pattern = message.get_pattern::<Option<String>>().ok().flatten();
        let key_pattern =
            pattern.and_then(|pattern| self.keys.iter().find(|key| key.channel == pattern));
        if let Some(pattern) = key_pattern {
            let key = pattern.key(&channel);
            let event = String::from_utf8_lossy(payload);
            return events::of_key(&self.name, &pattern.topic, &id, key, &event);
        }
        let topic = events::topic(&self.name, &channel, &self.fallback);
        events::of_message(&self.name, &topic, &id, payload)
    }
}

impl KeyPattern {
    /// The topic has the name that the keys share: `orders` for `orders:*`, `keys` for `*`.
    fn new(source: &Arc<str>, database: i64, pattern: &str) -> Result<Self, SourceError> {
        let channel = format!("__keyspace@{database}__:{pattern}");
        let topic = Topic::new(source, key_collection(pattern));
        let topic = topic.map_err(|error| invalid(format!("keyspace {pattern:?}: {error}")))?;
        Ok(Self { channel, topic })
    }

    fn key<'a>(&self, channel: &'a [u8]) -> &'a [u8] {
        let colon = channel.iter().position(|&byte| byte == b':');
        colon.and_then(|colon| channel.get(colon + 1..)).unwrap_or(channel)
    }
}

pub(super) fn key_collection(pattern: &str) -> &str {
    let shared = pattern.split(['*', '?', '[', '\\']).next().unwrap_or_default();
    match shared.trim_end_matches([':', '.', '/', '-']) {
        "" => "keys",
        shared => shared,
    }
}

/// Redis tells of keys only if it was asked to; silence would look like health.
async fn check_notifications(server: &Server) -> Result<(), SourceError> {
    let mut link = server.connect().await?;
    // Who may not ask, or whose provider hides it, has to know.
    if tells_of_keys(&mut link).await.unwrap_or(true) {
        return Ok(());
    }
    Err(SourceError::Operator {
        problem: format!("{} does not tell of changes to keys", server.explainer.address),
        remedy: "run CONFIG SET notify-keyspace-events KA, and set it in redis.conf".into(),
    })
}

/// Whether changes of keys are told; none where the user may not ask.
pub(super) async fn tells_of_keys(link: &mut Link) -> Option<bool> {
    let command = cmd("CONFIG").arg("GET").arg("notify-keyspace-events").to_owned();
    let answer = link.ask(&command, limits::REDIS_ANSWER_TIMEOUT).await.ok()?;
    let flags = reply::pairs(answer).and_then(|pairs| pairs.into_iter().next());
    let flags = flags.map(|(_, flags)| flags).unwrap_or_default();
    Some(flags.contains(&b'K') && flags.len() > 1)
}
