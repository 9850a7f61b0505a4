//! The source: opens streams, and prunes what has been read.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use rusqlite::params;
use tokio::task::spawn_blocking;

use super::config::SqliteFileConfig;
use super::decode::{Decoder, check_installed};
use super::documents::FileDocuments;
use super::{CHANGELOG, check, schema};
use crate::limits;
use crate::model::{Position, Topic, TopicPattern, TopicSet};
use crate::source::sqlite::events::Encoder;
use crate::source::sqlite::failure;
use crate::source::sqlite::position::Place;
use crate::source::sqlite::stream::{self, Wake};
use crate::source::{ChangeStream, Documents, Finding, Source, SourceError, WatchOptions};

/// Watches tables of a SQLite database that any program writes, once they are
/// [installed](super::install).
pub struct SqliteFile {
    config: SqliteFileConfig,
    topics: TopicSet,
    documents: Arc<FileDocuments>,
    /// The changelog row from which on an acknowledgement is worth another pruning.
    prune_due: AtomicI64,
}

impl SqliteFile {
    /// A source that has not looked at its file yet.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when the name or a table's cannot be part of a topic.
    pub fn new(config: SqliteFileConfig) -> Result<Self, SourceError> {
        let topics = topics(&config)?;
        let documents = Arc::new(FileDocuments::new(config.clone()));
        Ok(Self { config, topics, documents, prune_due: AtomicI64::new(1) })
    }

    /// Opens a stream of changes, eagerly, as [`Source::watch`] says. Every event has both images
    /// of its row, whatever is asked for, and comes at once, however long may be waited.
    ///
    /// # Errors
    /// As [`Source::watch`]; [`SourceError::Unsupported`] names what cannot be had.
    pub async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        options.check_plain("a SQLite file")?;
        let config = self.config.clone();
        spawn_blocking(move || open(config, &options)).await.map_err(unavailable)?
    }
}

fn open(config: SqliteFileConfig, options: &WatchOptions) -> Result<ChangeStream, SourceError> {
    let connection = schema::open(&config.path)?;
    connection.pragma_update(None, "query_only", true).map_err(failure)?;
    check_installed(&connection, &config)?;
    let decoder = |identity| {
        let encoder = Encoder { name: Arc::clone(&config.name), identity };
        Decoder::new(encoder, config)
    };
    stream::follow(connection, &CHANGELOG, decoder, Arc::new(Wake::default()), options)
}

fn topics(config: &SqliteFileConfig) -> Result<TopicSet, SourceError> {
    let invalid = |error| {
        let SqliteFileConfig { name, tables, .. } = config;
        SourceError::Unsupported(format!(
            "the source's name {name:?} and its tables {tables:?} cannot be topics: {error}; give it a short name without a dot with name="
        ))
    };
    if config.tables.is_empty() {
        let pattern = Topic::new(&config.name, &"x".repeat(limits::COLLECTION_BYTES_MAX))
            .and_then(|_| TopicPattern::parse(&format!("{}.*", config.name)));
        return Ok(TopicSet::new([pattern.map_err(invalid)?]));
    }
    let topics = config.tables.iter().map(|table| Topic::new(&config.name, table));
    let topics: Result<Vec<_>, _> = topics.map(|topic| topic.map(TopicPattern::Exact)).collect();
    Ok(TopicSet::new(topics.map_err(invalid)?))
}

#[async_trait]
impl Source for SqliteFile {
    fn name(&self) -> &Arc<str> {
        &self.config.name
    }

    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn topics(&self) -> TopicSet {
        self.topics.clone()
    }

    async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        Self::watch(self, options).await
    }

    /// Prunes the changelog up to `position`, save the newest [`limits::CHANGELOG_KEPT_ROWS`], now
    /// and then, and without anybody waiting for it.
    async fn acknowledge(&self, position: &Position) {
        let Ok(place) = Place::from_position(position) else {
            return;
        };
        let upto = place.id.saturating_sub(limits::CHANGELOG_KEPT_ROWS);
        if upto < self.prune_due.load(Ordering::Relaxed) {
            return;
        }
        let due = upto.saturating_add(limits::PRUNE_EVERY_ROWS);
        self.prune_due.store(due, Ordering::Relaxed);
        let path = self.config.path.clone();
        spawn_blocking(move || {
            if let Err(error) = prune(&path, &place.identity, upto) {
                // The changelog has a cap of its own, and a later acknowledgement prunes.
                tracing::debug!(%error, "changelog not pruned");
            }
        });
    }

    fn documents(&self) -> Option<Arc<dyn Documents>> {
        let documents: Arc<dyn Documents> = Arc::clone(&self.documents) as _;
        Some(documents)
    }

    async fn probe(&self) -> Result<(), SourceError> {
        let config = self.config.clone();
        let probing = move || check_installed(&schema::open(&config.path)?, &config).map(drop);
        spawn_blocking(probing).await.map_err(unavailable)?
    }

    async fn check(&self) -> Vec<Finding> {
        let config = self.config.clone();
        let ended = |error| vec![Finding::failed("file", &unavailable(error))];
        spawn_blocking(move || check::findings(&config)).await.unwrap_or_else(ended)
    }
}

fn prune(path: &Path, identity: &str, upto: i64) -> Result<(), SourceError> {
    let connection = schema::open(path)?;
    connection
        .execute(
            "DELETE FROM changecast_changelog
             WHERE id <= min(?1, (SELECT min(id) FROM changecast_changelog) + ?2)
               AND (SELECT identity FROM changecast_state) = ?3",
            params![upto, limits::PRUNE_ROWS_MAX, identity],
        )
        .map_err(failure)?;
    Ok(())
}

fn unavailable(error: tokio::task::JoinError) -> SourceError {
    SourceError::Unavailable(error.to_string())
}
