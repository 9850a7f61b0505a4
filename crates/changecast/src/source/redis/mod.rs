//! Redis: streams, which can be resumed; channels and changes of keys, which cannot.
//!
//! The driver knows Redis and hands out changes already encoded; it must not know the log, nor
//! anybody who follows it. Each source has one connection to listen on, never shared with other
//! commands, which would wait behind it.
//!
//! # Topics
//!
//! An entry belongs to `<source>.<stream>`, a message to `<source>.<channel>`, the change of a key
//! to `<source>.<what the keys share>`: `orders` for the pattern `orders:*`.

mod check;
mod config;
mod documents;
mod errors;
mod events;
mod list;
mod live;
mod position;
mod reply;
mod server;
mod streams;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use redis::cmd;

use self::documents::Keys;
use self::server::Server;
use super::{ChangeStream, Documents, Finding, Source, SourceError, WatchOptions};
use crate::limits;
use crate::model::{Topic, TopicPattern, TopicSet};
use crate::telemetry::Telemetry;

pub use config::{RedisConfig, Watched};

/// A watched Redis.
pub struct RedisSource {
    config: RedisConfig,
    server: Server,
    topics: TopicSet,
    keys: Keys,
    telemetry: Arc<Telemetry>,
}

impl RedisSource {
    /// Checks `config`; nothing is connected yet.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when a name cannot be part of a topic, or the connection's
    /// settings contradict each other.
    pub fn new(config: RedisConfig, telemetry: Arc<Telemetry>) -> Result<Self, SourceError> {
        let topics = topics(&config)?;
        let server = Server::new(&config)?;
        let keys = Keys::new(server.clone(), config.watched.clone());
        Ok(Self { config, server, topics, keys, telemetry })
    }

    /// Opens a stream of changes, eagerly, as [`Source::watch`] says.
    ///
    /// # Errors
    /// As [`Source::watch`]. What is only live has lost its history whenever it is told to go on.
    pub async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        options.check_plain("Redis")?;
        let (server, name) = (&self.server, &self.config.name);
        match &self.config.watched {
            Watched::Streams(keys) => {
                let follower = streams::Follower::open(server, name, keys, &options).await?;
                let (sender, stream) = ChangeStream::new(Some(follower.position()));
                tokio::spawn(follower.run(sender, Arc::clone(&self.telemetry)));
                Ok(stream)
            }
            Watched::Live { channels, keys } => {
                let database = self.config.database();
                let opening =
                    live::Follower::open(server, name, channels, keys, database, &options);
                let follower = opening.await?;
                let (sender, stream) = ChangeStream::new(Some(live::Follower::position()));
                tokio::spawn(follower.run(sender));
                Ok(stream)
            }
        }
    }
}

impl RedisSource {
    /// Publishes a message on a channel, over a connection that is not the one that listens.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] when Redis cannot be reached or does not answer in time: the
    /// message may have been published or not. Others when Redis refuses it.
    pub async fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), SourceError> {
        self.keys.ask(cmd("PUBLISH").arg(channel).arg(payload)).await.map(drop)
    }
}

fn topics(config: &RedisConfig) -> Result<TopicSet, SourceError> {
    let invalid = |error: crate::model::InvalidTopic| config::invalid(format!("topic: {error}"));
    let patterns = match &config.watched {
        Watched::Streams(streams) => {
            let exact = |key: &String| Topic::new(&config.name, key).map(TopicPattern::Exact);
            streams.iter().map(exact).collect::<Result<Vec<_>, _>>().map_err(invalid)?
        }
        Watched::Live { channels, keys } if channels.is_empty() => {
            let exact = |pattern: &String| {
                Topic::new(&config.name, live::key_collection(pattern)).map(TopicPattern::Exact)
            };
            keys.iter().map(exact).collect::<Result<Vec<_>, _>>().map_err(invalid)?
        }
        Watched::Live { .. } => {
            vec![TopicPattern::parse(&format!("{}.*", config.name)).map_err(invalid)?]
        }
    };
    Ok(TopicSet::new(patterns))
}

#[async_trait]
impl Source for RedisSource {
    fn name(&self) -> &Arc<str> {
        &self.config.name
    }

    fn kind(&self) -> &'static str {
        "redis"
    }

    fn topics(&self) -> TopicSet {
        self.topics.clone()
    }

    fn is_replayable(&self) -> bool {
        matches!(self.config.watched, Watched::Streams(_))
    }

    async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        Self::watch(self, options).await
    }

    fn documents(&self) -> Option<Arc<dyn Documents>> {
        Some(Arc::new(self.keys.clone()))
    }

    async fn probe(&self) -> Result<(), SourceError> {
        match tokio::time::timeout(limits::PROBE_TIMEOUT, self.keys.ask(&cmd("PING"))).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(self.server.explainer.silent()),
        }
    }

    async fn check(&self) -> Vec<Finding> {
        self.findings().await
    }
}
