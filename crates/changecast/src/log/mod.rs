//! The change log: one total order of everything that every source and publisher wrote.
//!
//! The log knows entries and nothing of who wrote or who reads them. What it promises:
//!
//! | invariant | what it buys |
//! |---|---|
//! | an append is atomic with the position that comes with it | a crash neither loses nor repeats a change (G4, G7) |
//! | nobody sees an entry before it is durable | what a client has seen is never taken back (G5) |
//! | `seq` grows by one, `time` never falls | `(epoch, seq)` resumes any set of topics (G1, G5) |
//! | each topic's last trimmed `seq` is kept | a quiet topic never reports a gap it does not have (G2) |
//! | readers page, and wait on [`Log::tail`] | one code path from the oldest entry to the newest |

mod clock;
mod memory;
mod publication;
mod recent;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod conformance;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

pub use clock::Clock;
pub use memory::MemoryLog;
pub use publication::{Publication, PublicationKey, Published};
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, LogOptions, SqliteLog};

use crate::limits;
use crate::model::{Body, Change, Entry, Epoch, Position, Seq, Timestamp, Topic, TopicSet};

/// An ordered, durable, trimmed sequence of entries.
///
/// All methods may be called from any task. Dropping a pending `append` does not undo it: the
/// entries may still be written.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// The log's incarnation.
    fn epoch(&self) -> Epoch;

    /// The place of the newest durable entry ([`Seq::ZERO`] while there is none); the receiver
    /// wakes when it moves.
    fn tail(&self) -> watch::Receiver<Seq>;

    /// The newest place at which an entry of `topics` has been trimmed: whoever goes on after an
    /// older place has missed something.
    fn trimmed(&self, topics: &TopicSet) -> Seq;

    /// The topics that have entries, or had some.
    fn topics(&self) -> Vec<TopicState>;

    /// Appends `batch` as a whole and returns once it is durable, with the tail.
    ///
    /// # Errors
    /// When it could not be stored; then nothing of it is.
    async fn append(&self, batch: Batch) -> Result<Seq, LogError>;

    /// Appends a message and returns once it is durable; one that is there under its key already is
    /// not appended again. The key is kept for as long as its entry.
    ///
    /// # Errors
    /// When it could not be stored; then neither the message nor its key is.
    async fn publish(&self, publication: Publication) -> Result<Published, LogError>;

    /// Reads entries of `topics` strictly after `after`, oldest first: at most
    /// [`limits::PAGE_ENTRIES_MAX`] and about [`limits::PAGE_BYTES_MAX`].
    ///
    /// # Errors
    /// When the storage cannot be read.
    async fn read(&self, after: Seq, topics: &TopicSet) -> Result<Page, LogError>;

    /// The place after which `count` entries of `topics` follow, or fewer where there are fewer.
    ///
    /// # Errors
    /// When the storage cannot be read.
    async fn place_of_last(&self, count: u32, topics: &TopicSet) -> Result<Seq, LogError>;

    /// The place right before the first kept entry that is not older than `time`.
    ///
    /// # Errors
    /// When the storage cannot be read.
    async fn place_of_time(&self, time: Timestamp) -> Result<Seq, LogError>;

    /// The position stored with the last batch of `source` that had one.
    ///
    /// # Errors
    /// When the storage cannot be read.
    async fn position(&self, source: &str) -> Result<Option<Position>, LogError>;

    /// What the last write met: `None` while all is well.
    fn fault(&self) -> Option<String>;

    /// What the log holds.
    fn size(&self) -> LogSize;

    /// Entries that were found damaged since the log was opened, up to
    /// [`limits::DAMAGED_ENTRIES_MAX`]; each of them was told as lost.
    fn damaged_count(&self) -> usize {
        0
    }

    /// Does now what the log does by itself now and then: forgets entries that have become too old,
    /// and after a failed write tries whether writing works again.
    async fn tend(&self) {}

    /// Writes what is queued and closes the storage; later appends fail.
    async fn close(&self);
}

/// What a source appends at once.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Who writes.
    pub source: Arc<str>,
    /// What, in order.
    pub bodies: Vec<Body>,
    /// The source's position after all of it.
    pub position: PositionUpdate,
}

/// What a [`Batch`] does to its source's stored position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PositionUpdate {
    /// Leaves it.
    Keep,
    /// Replaces it.
    Set(Position),
    /// Removes it: the source starts from now.
    Clear,
}

/// Entries read at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The entries, oldest first.
    pub entries: Vec<Arc<Entry>>,
    /// Everything of the topics up to here has been read: where the next page starts.
    pub covered: Seq,
    /// The newest trimmed place after the one asked for, if there is one: what lies between is
    /// lost.
    pub lost_to: Option<Seq>,
}

/// One topic of the log.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TopicState {
    /// Its name.
    pub topic: Arc<str>,
    /// The source that writes it.
    pub source: Arc<str>,
    /// The place of its newest entry.
    pub last_seq: u64,
    /// The newest of its places that has been trimmed; 0 while none has.
    pub trimmed_seq: u64,
}

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSize {
    /// Entries.
    pub entry_count: u64,
    /// Their weight in bytes.
    pub bytes: u64,
}

/// How much a log keeps; the oldest entries go first, whichever cap is met.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Entries.
    pub entries_max: u64,
    /// Bytes, by [`Entry::weight`].
    pub bytes_max: u64,
    /// Time since the log took an entry in.
    pub age_max: Duration,
}

impl Retention {
    /// What is older than this at `now` is not kept.
    fn oldest(&self, now: Timestamp) -> Timestamp {
        let age_max = u64::try_from(self.age_max.as_millis()).unwrap_or(u64::MAX);
        Timestamp(now.0.saturating_sub(age_max))
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            entries_max: limits::LOG_ENTRIES_MAX,
            bytes_max: limits::LOG_BYTES_MAX,
            age_max: limits::LOG_AGE_MAX,
        }
    }
}

/// Why the log could not do it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The storage failed; it may work again later.
    #[error("the log's storage failed: {0}")]
    Storage(String),
    /// An entry is larger than the log takes.
    #[error("an entry of {bytes} bytes is larger than the log takes ({})", limits::ENTRY_BYTES_MAX)]
    EntryTooLarge {
        /// Its weight.
        bytes: usize,
    },
    /// The file was written by a later version.
    #[error(
        "{path} was written by a newer changecast (format {found}, this one reads {known}): use that version, or another --data directory"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The log has been closed.
    #[error("the log is closed")]
    Closed,
}

/// The newest trimmed place among the topics that `set` chooses.
fn newest_trimmed<'a>(topics: impl Iterator<Item = &'a TopicState>, set: &TopicSet) -> Seq {
    topics
        .filter(|state| set.is_all() || chooses(set, &state.topic))
        .map(|state| Seq(state.trimmed_seq))
        .max()
        .unwrap_or_default()
}

fn chooses(set: &TopicSet, topic: &str) -> bool {
    Topic::parse(topic).is_ok_and(|topic| set.matches(&topic))
}

/// The place right before the `count`th of `newest_first`, or before the last of them where there
/// are fewer; the tail where there are none.
fn place_before(newest_first: impl Iterator<Item = Seq>, count: usize, tail: Seq) -> Seq {
    newest_first.take(count).last().map_or(tail, |seq| Seq(seq.0 - 1))
}

fn check_weights(batch: &Batch) -> Result<(), LogError> {
    for body in &batch.bodies {
        if let Body::Change(change) = body {
            check_weight(change)?;
        }
    }
    Ok(())
}

fn check_weight(change: &Change) -> Result<(), LogError> {
    let bytes = change.key.len() + change.event.len();
    if bytes > limits::ENTRY_BYTES_MAX { Err(LogError::EntryTooLarge { bytes }) } else { Ok(()) }
}
