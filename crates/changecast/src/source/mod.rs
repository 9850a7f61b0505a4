//! Sources: one folder per kind of database, and the runner that carries each into the log.
//!
//! A driver knows its database and [`watch`](Source::watch); it knows neither the log nor
//! anybody who follows it. The runner knows the log and no database. Driver never knows driver.

mod backoff;
#[cfg(any(feature = "http", feature = "postgres", feature = "redis"))]
mod certificates;
mod check;
mod delivery;
mod demand;
mod documents;
mod error;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "mongodb")]
pub mod mongodb;
mod options;
mod percent;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
mod runner;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod stream;
pub mod watcher;

#[cfg(test)]
mod scripted;

use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{Position, TopicSet};

pub use check::{Finding, Level};
pub use delivery::{Delivery, DeliverySender};
pub use demand::Demand;
pub use documents::{Content, Documents, DocumentsError, ListPage, Listed, Write, Written};
pub use error::{Remedy, SourceError};
pub use options::{FullDocument, FullDocumentBeforeChange, OperationTime, WatchOptions};
pub(crate) use runner::start;
pub use stream::{ChangeStream, CloseHandle};

/// One watched database.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Its name: the first part of its topics. Holds no dot.
    fn name(&self) -> &Arc<str>;

    /// Its driver, in one word.
    fn kind(&self) -> &'static str;

    /// What it watches.
    fn topics(&self) -> TopicSet;

    /// Whether what passed while nobody watched still comes. Where it does not, a gap tells of it,
    /// unless the newest value is all that there ever is.
    fn is_replayable(&self) -> bool {
        true
    }

    /// Opens a stream of changes, eagerly: once this returns, the stream's place in the database's
    /// history is fixed, and every later change will come.
    ///
    /// # Errors
    /// [`SourceError::HistoryLost`] if the database no longer has what follows the position; any
    /// other error says who can mend it.
    async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError>;

    /// Where a log begins that has no position of this source yet. The default, none, is the moment
    /// at which it is first watched.
    fn beginning(&self) -> Option<Position> {
        None
    }

    /// Everything up to `position` is durable in the log: the database may forget it.
    ///
    /// May be skipped or repeated; the default does nothing.
    async fn acknowledge(&self, position: &Position) {
        let _ = position;
    }

    /// What it is told by how many follow its topics, if it works only while somebody does. Whoever
    /// has subscribers [connects](Demand::connect) it before the source is watched. The default is
    /// to work always.
    fn demand(&self) -> Option<&Demand> {
        None
    }

    /// Finishes what is under way and leaves the database in order, before the process ends.
    ///
    /// Nothing depends on it: a process that is killed loses nothing. The default does nothing.
    async fn close(&self) {}

    /// Its documents, if they can be read or written by key.
    fn documents(&self) -> Option<Arc<dyn Documents>> {
        None
    }

    /// Whether the database answers now.
    ///
    /// # Errors
    /// Why it does not.
    async fn probe(&self) -> Result<(), SourceError>;

    /// Looks at everything that has to be right for watching to work, now and after an outage:
    /// reachable, rights, settings. Asks, and changes nothing.
    ///
    /// May take long; who calls it sets a limit. The default says whether the database answers.
    async fn check(&self) -> Vec<Finding> {
        vec![match self.probe().await {
            Ok(()) => Finding::ok("reachable", "it answers"),
            Err(error) => Finding::failed("reachable", &error),
        }]
    }
}
