//! HTTP: one JSON value behind an address, asked for again and again.
//!
//! The driver knows the web and hands out changes already encoded; it must not know the log, nor
//! anybody who follows it. What changes twice between two questions shows once: the value is what
//! is watched, not its history.

mod address;
mod check;
mod client;
mod config;
mod document;
mod fault;
mod poll;
mod position;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use self::client::Client;
use self::poll::{Follower, Shared};
use self::position::Place;
use super::{ChangeStream, Finding, Source, SourceError, WatchOptions};
use crate::model::{TopicPattern, TopicSet};

pub use config::HttpConfig;

/// A watched JSON value.
pub struct HttpSource {
    shared: Arc<Shared>,
}

impl HttpSource {
    /// Checks `config`; nothing is asked yet.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when a name cannot be part of a topic.
    pub fn new(config: HttpConfig) -> Result<Self, SourceError> {
        let topic = config.topic()?;
        let client = Client::new(&config);
        let client = client.map_err(|error| config::invalid(format!("TLS: {error}")))?;
        let shared = Shared { config, topic, client, not_before: Mutex::new(None) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Opens a stream of changes, eagerly, as [`Source::watch`] says: the value is there when this
    /// returns, and is the first change unless it is the one that the position is of.
    ///
    /// # Errors
    /// As [`Source::watch`].
    pub async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        options.check_plain("an HTTP source")?;
        let config = &self.shared.config;
        let place = match options.token() {
            Some(position) => Place::read(position, config)?,
            None => Place::new(config),
        };
        let start = place.to_position();
        let follower = Follower::open(Arc::clone(&self.shared), place).await?;
        let (sender, stream) = ChangeStream::new(Some(start));
        tokio::spawn(follower.run(sender));
        Ok(stream)
    }
}

#[async_trait]
impl Source for HttpSource {
    fn name(&self) -> &Arc<str> {
        &self.shared.config.name
    }

    fn kind(&self) -> &'static str {
        "http"
    }

    fn topics(&self) -> TopicSet {
        TopicSet::new([TopicPattern::Exact(self.shared.topic.clone())])
    }

    fn is_replayable(&self) -> bool {
        false
    }

    async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        Self::watch(self, options).await
    }

    /// The server is not asked more often than it was agreed: what the last question brought is
    /// the source's state.
    async fn probe(&self) -> Result<(), SourceError> {
        Ok(())
    }

    async fn check(&self) -> Vec<Finding> {
        self.findings().await
    }
}
