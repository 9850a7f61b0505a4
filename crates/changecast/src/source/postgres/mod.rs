//! PostgreSQL: one logical replication stream per source, over a slot of its own.
//!
//! The driver knows PostgreSQL and hands out changes already encoded; it must not know the log, nor
//! anybody who follows it.
//!
//! | invariant | what it buys |
//! |---|---|
//! | `watch` returns only once the slot streams to it | no later change is missed |
//! | nothing is acknowledged but what `acknowledge` was told | a crash finds the WAL still there |
//! | the slot is compared with the position before it is read | a slot that is ahead is a gap, never a silent skip |
//! | identifiers and texts are quoted, or sent beside the SQL | no name is ever run |
//!
//! # Topics
//!
//! A change belongs to `<source>.<table>`, or `<source>.<schema>.<table>` outside of `public`.

mod catalog;
mod check;
mod config;
mod decode;
mod dial;
mod document_value;
mod documents;
mod errors;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod position;
mod prepare;
mod scope;
mod session;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod told;
mod values;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use postgres_protocol::escape::escape_literal;
use tokio::sync::Notify;

use self::catalog::{Catalog, Control};
use self::dial::dial;
use self::documents::PostgresDocuments;
use self::position::{Positions, lsn_text};
use self::prepare::{Preparation, Prepared};
use self::session::Session;
use self::stream::{Clock, Follower};
use super::{ChangeStream, Documents, Finding, Source, SourceError, WatchOptions};
use crate::limits;
use crate::model::{Position, TopicSet};
use crate::telemetry::Telemetry;

pub use config::PostgresConfig;

/// A watched PostgreSQL database.
pub struct PostgresSource {
    control: Arc<Control>,
    telemetry: Arc<Telemetry>,
    /// What the stream that was opened last may acknowledge. Held for a moment only.
    durable: Mutex<Arc<Durable>>,
}

/// How far everything is durable.
#[derive(Default)]
struct Durable {
    /// The cluster that this is about.
    system: String,
    lsn: AtomicU64,
    /// Wakes the stream's task, if it may say so.
    moved: Notify,
}

impl PostgresSource {
    /// A source of `config`; nothing is connected yet.
    #[must_use]
    pub fn new(config: PostgresConfig, telemetry: Arc<Telemetry>) -> Self {
        let control = Arc::new(Control::new(config));
        Self { control, telemetry, durable: Mutex::default() }
    }

    /// Opens a stream of changes, eagerly, as [`Source::watch`] says.
    ///
    /// The slot has one reader at a time, and keeps the WAL until [`Source::acknowledge`] is told
    /// that it may go. Without a position, the stream begins where the slot stands.
    ///
    /// # Errors
    /// As [`Source::watch`].
    pub async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        options.check_plain("PostgreSQL")?;
        let config = &self.control.config;
        let start = options.token().map(position::read).transpose()?;
        let socket = dial(config).await?;
        let mut session = Session::log_in(socket, config).await?;
        let preparation = Preparation { session: &mut session, control: &self.control, config };
        let is_new = start.is_none();
        let Prepared { identity, place } = preparation.run(start).await?;
        if is_new {
            self.control.note_open();
        }
        let command = format!(
            "START_REPLICATION SLOT {} LOGICAL {} (proto_version '1', publication_names {})",
            config.slot,
            lsn_text(place.lsn),
            escape_literal(&postgres_protocol::escape::escape_identifier(&config.publication)),
        );
        let started = session.start_replication(&command).await;
        started.map_err(|failure| errors::explain(config, failure))?;
        self.control.told.begin(&identity);
        let (sender, stream) = ChangeStream::new(Some(place.to_position(&identity)));
        let system = identity.system.clone();
        let durable =
            Arc::new(Durable { system, lsn: AtomicU64::new(place.lsn), moved: Notify::new() });
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&durable);
        let follower = Follower {
            session,
            control: Arc::clone(&self.control),
            catalog: Catalog::new(Arc::clone(&self.control)),
            tables: HashMap::new(),
            positions: Positions::new(identity),
            place,
            durable,
            clock: Clock::new(place.lsn),
            transaction: None,
            telemetry: Arc::clone(&self.telemetry),
        };
        tokio::spawn(follower.run(sender));
        Ok(stream)
    }
}

#[async_trait]
impl Source for PostgresSource {
    fn name(&self) -> &Arc<str> {
        &self.control.config.name
    }

    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn topics(&self) -> TopicSet {
        self.control.config.scope.topics(self.name())
    }

    async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        Self::watch(self, options).await
    }

    async fn acknowledge(&self, position: &Position) {
        let durable = Arc::clone(&self.durable.lock().unwrap_or_else(PoisonError::into_inner));
        if let Ok((identity, place)) = position::read(position)
            && identity.system == durable.system
        {
            durable.lsn.fetch_max(place.lsn, Ordering::AcqRel);
            durable.moved.notify_one();
        }
    }

    fn documents(&self) -> Option<Arc<dyn Documents>> {
        Some(Arc::new(PostgresDocuments::new(Arc::clone(&self.control))))
    }

    async fn probe(&self) -> Result<(), SourceError> {
        let config = &self.control.config;
        let asking = async {
            let client = self.control.client().await?;
            let answer = client.simple_query("").await;
            answer.map(drop).map_err(|error| errors::explain(config, error.into()))
        };
        match tokio::time::timeout(limits::PROBE_TIMEOUT, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(SourceError::Unavailable(format!("no answer from {}", config.place()))),
        }
    }

    async fn check(&self) -> Vec<Finding> {
        check::findings(&self.control).await
    }
}
