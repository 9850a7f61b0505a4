//! The log in one SQLite file, `log.db`: WAL, every commit fsynced, one writer thread.
//!
//! The writer commits everything that waits for it as one transaction (group commit), publishes
//! the new tail only afterwards, and keeps the newest entries in memory for those who follow.
//! Readers have connections of their own, so that a long replay never holds up an append.

mod read;
mod schema;
mod write;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use super::recent::Recent;
use super::{Batch, Log, LogError, LogSize, Page, Retention, TopicState};
use crate::limits;
use crate::model::{Epoch, Position, Seq, Timestamp, TopicSet};
use read::Readers;
use write::{Command, Writer};

/// The durable log.
pub struct SqliteLog {
    shared: Arc<Shared>,
    readers: Readers,
    commands: mpsc::Sender<Command>,
}

/// What the writer publishes and everybody reads.
struct Shared {
    epoch: Epoch,
    tail: watch::Sender<Seq>,
    /// Written by the writer after each commit, before the tail moves.
    recent: RwLock<Recent>,
    topics: RwLock<Topics>,
    status: Mutex<Status>,
}

#[derive(Default)]
struct Status {
    fault: Option<String>,
    size: LogSize,
}

/// The log's topics, by name, with their row ids.
#[derive(Default)]
struct Topics {
    by_name: HashMap<Arc<str>, (i64, TopicState)>,
    /// Gaps have no topic of their own: the newest one trimmed counts for everybody.
    trimmed_gap: Seq,
}

impl Topics {
    fn trimmed(&self, topics: &TopicSet) -> Seq {
        let states = self.by_name.values().map(|(_, state)| state);
        super::newest_trimmed(states, topics).max(self.trimmed_gap)
    }

    fn ids(&self, topics: &TopicSet) -> Vec<i64> {
        self.by_name
            .iter()
            .filter(|(name, _)| super::chooses(topics, name))
            .map(|(_, (id, _))| *id)
            .collect()
    }
}

impl Shared {
    fn recent(&self) -> std::sync::RwLockReadGuard<'_, Recent> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn topics(&self) -> std::sync::RwLockReadGuard<'_, Topics> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SqliteLog {
    /// Opens or creates the log at `path` and starts its writer thread.
    ///
    /// # Errors
    /// When the file cannot be opened, is no log, or was written by a newer version.
    pub fn open(path: &Path, retention: Retention) -> Result<Self, LogError> {
        let (connection, state) = schema::open(path)?;
        let shared = Arc::new(Shared {
            epoch: state.epoch,
            tail: watch::Sender::new(state.tail),
            recent: RwLock::new(Recent::starting_at(state.tail)),
            topics: RwLock::new(state.topics),
            status: Mutex::new(Status { fault: None, size: state.size }),
        });
        let (commands, queue) = mpsc::channel(limits::APPEND_QUEUE_MAX);
        let writer = Writer::new(connection, Arc::clone(&shared), retention, state.last_time);
        thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.run(queue))
            .map_err(|error| LogError::Storage(error.to_string()))?;
        Ok(Self { readers: Readers::new(PathBuf::from(path)), shared, commands })
    }

    /// The page from memory, if everything after `after` is there: asked and answered under one
    /// lock, since the writer forgets the oldest entries meanwhile. Nothing of it can be lost.
    fn recent_page(&self, after: Seq, topics: &TopicSet) -> Option<Page> {
        let recent = self.shared.recent();
        recent.reaches(after).then(|| recent.page(after, topics))
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
        let command = Command::Append { batch, reply };
        self.commands.send(command).await.map_err(|_| LogError::Closed)?;
        answer.await.map_err(|_| LogError::Closed)?
    }

    async fn read(&self, after: Seq, topics: &TopicSet) -> Result<Page, LogError> {
        if let Some(page) = self.recent_page(after, topics) {
            return Ok(page);
        }
        let scope = self.scope(after, topics);
        self.readers.run(move |connection| read::page(connection, &scope)).await
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
        self.shared.status().fault.clone()
    }

    fn size(&self) -> LogSize {
        self.shared.status().size
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
