//! The log in one SQLite file, `log.db`: WAL, every commit fsynced, one writer thread.
//!
//! The writer commits everything that waits for it as one transaction (group commit), publishes
//! the new tail only afterwards, and keeps the newest entries in memory for those who follow.
//! Readers have connections of their own, so that a long replay never holds up an append.

mod checksum;
mod entry;
mod group;
mod mark;
mod open;
mod page;
mod publication;
mod read;
mod schema;
mod shared;
mod state;
mod trim;
mod work;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use super::recent::Recent;
use super::{
    Batch, Clock, Log, LogError, LogSize, Page, Publication, Published, Retention, TopicState,
};
use crate::limits;
use crate::model::{Epoch, Position, Seq, Timestamp, TopicSet};
use mark::Mark;
use read::Readers;
use shared::{Shared, Status};
use work::{Reply, Work};
use write::{Command, Writer};

/// The durable log.
pub struct SqliteLog {
    shared: Arc<Shared>,
    readers: Readers,
    commands: mpsc::Sender<Command>,
}

/// How a [`SqliteLog`] works.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// How much it keeps.
    pub retention: Retention,
    /// When an append is answered.
    pub durability: Durability,
    /// What tells it the time.
    pub clock: Clock,
}

/// What an append survives once it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the machine: each commit is on the disk before it is shown.
    #[default]
    Full,
    /// The end of the process. After that of the machine the log has a new epoch: entries that
    /// were shown may be gone, and their ids must not be given to others.
    Normal,
}

impl SqliteLog {
    /// Opens or creates the log at `path` and starts its writer thread.
    ///
    /// # Errors
    /// When the file cannot be opened or written, or was written by a newer version. A damaged one
    /// is moved aside.
    pub fn open(path: &Path, retention: Retention) -> Result<Self, LogError> {
        Self::open_with(path, LogOptions { retention, ..LogOptions::default() })
    }

    /// The same, with all there is to choose.
    ///
    /// # Errors
    /// As for [`SqliteLog::open`].
    pub fn open_with(path: &Path, options: LogOptions) -> Result<Self, LogError> {
        let (connection, opened) = open::open(path, options.durability)?;
        let schema::Opened { state, topics } = opened;
        let shared = Arc::new(Shared {
            epoch: state.epoch,
            tail: watch::Sender::new(state.tail),
            recent: RwLock::new(Recent::starting_at(state.tail)),
            topics: RwLock::new(topics),
            status: Mutex::new(Status { size: state.size, ..Status::default() }),
            mark: Mutex::new(Mark::open(path)),
        });
        shared.mark(state.tail, false);
        let (commands, queue) = mpsc::channel(limits::APPEND_QUEUE_MAX);
        let writer = Writer::new(path, connection, Arc::clone(&shared), options, state.last_time)?;
        thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.run(queue))
            .map_err(|error| LogError::Storage(error.to_string()))?;
        let readers = Readers::new(PathBuf::from(path), Arc::clone(&shared));
        Ok(Self { readers, shared, commands })
    }

    /// The page from memory, if everything after `after` is there: asked and answered under one
    /// lock, since the writer forgets the oldest entries meanwhile. Nothing of it can be lost.
    fn recent_page(&self, after: Seq, topics: &TopicSet) -> Option<Page> {
        let recent = self.shared.recent();
        recent.reaches(after).then(|| recent.page(after, topics))
    }

    #[cfg(test)]
    pub(super) async fn sabotage(
        &self,
        act: impl FnOnce(&mut rusqlite::Connection) + Send + 'static,
    ) {
        let command = Command::Sabotage(Box::new(act));
        assert!(self.commands.send(command).await.is_ok(), "the writer is there");
    }

    fn scope(&self, after: Seq, topics: &TopicSet) -> read::Scope {
        // The tail comes first: a topic that appears in between has no entry up to it.
        let upto = *self.shared.tail.borrow();
        let ids = self.shared.topics().ids(topics);
        read::Scope { after, upto, topics: topics.clone(), ids }
    }
}

#[async_trait]
impl Log for SqliteLog {
    fn epoch(&self) -> Epoch {
        self.shared.epoch
    }

    fn tail(&self) -> watch::Receiver<Seq> {
        self.shared.tail.subscribe()
    }

    fn trimmed(&self, topics: &TopicSet) -> Seq {
        self.shared.topics().trimmed(topics)
    }

    fn topics(&self) -> Vec<TopicState> {
        self.shared.topics().by_name.values().map(|(_, state)| state.clone()).collect()
    }

    async fn append(&self, batch: Batch) -> Result<Seq, LogError> {
        super::check_weights(&batch)?;
        let (reply, answer) = oneshot::channel();
        let command = Command::Write(Work::Append(batch), Reply::Append(reply));
        self.commands.send(command).await.map_err(|_| LogError::Closed)?;
        answer.await.map_err(|_| LogError::Closed)?
    }

    async fn publish(&self, publication: Publication) -> Result<Published, LogError> {
        super::check_weight(&publication.change)?;
        let (reply, answer) = oneshot::channel();
        let command = Command::Write(Work::Publish(publication), Reply::Publish(reply));
        self.commands.send(command).await.map_err(|_| LogError::Closed)?;
        answer.await.map_err(|_| LogError::Closed)?
    }

    async fn read(&self, after: Seq, topics: &TopicSet) -> Result<Page, LogError> {
        if let Some(page) = self.recent_page(after, topics) {
            return Ok(page);
        }
        let scope = self.scope(after, topics);
        let found = self.readers.run(move |connection| page::page(connection, &scope)).await?;
        self.shared.note_damaged_entries(&found.damaged);
        Ok(found.page)
    }

    async fn place_of_last(&self, count: u32, topics: &TopicSet) -> Result<Seq, LogError> {
        let scope = self.scope(Seq::ZERO, topics);
        let count = count.min(limits::LAST_MAX) as usize;
        self.readers.run(move |connection| read::place_of_last(connection, &scope, count)).await
    }

    async fn place_of_time(&self, time: Timestamp) -> Result<Seq, LogError> {
        let upto = *self.shared.tail.borrow();
        self.readers.run(move |connection| read::place_of_time(connection, time, upto)).await
    }

    async fn position(&self, source: &str) -> Result<Option<Position>, LogError> {
        let source = source.to_owned();
        self.readers.run(move |connection| read::position(connection, &source)).await
    }

    fn fault(&self) -> Option<String> {
        let status = self.shared.status();
        status.damage.as_ref().or(status.fault.as_ref()).cloned()
    }

    fn size(&self) -> LogSize {
        self.shared.status().size
    }

    fn damaged_count(&self) -> usize {
        self.shared.status().damaged_entries.len()
    }

    async fn tend(&self) {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::Tend { reply }).await.is_ok() {
            // An error means that the writer has ended: nothing is left to tend.
            let _ = answer.await;
        }
    }

    async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::Close { reply }).await.is_ok() {
            // An error means that the writer has ended already.
            let _ = answer.await;
        }
    }
}

fn storage(error: rusqlite::Error) -> LogError {
    LogError::Storage(error.to_string())
}
