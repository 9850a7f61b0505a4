//! What the writer publishes and everybody reads.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use rusqlite::Connection;
use tokio::sync::watch;

use super::group::Written;
use super::mark::{Mark, Marked};
use super::schema;
use super::state::State;
use crate::limits;
use crate::log::recent::Recent;
use crate::log::{self, LogSize, TopicState};
use crate::model::{Epoch, Seq, TopicSet};

/// What the writer publishes and everybody reads.
pub(super) struct Shared {
    pub(super) epoch: Epoch,
    pub(super) tail: watch::Sender<Seq>,
    /// Written by the writer after each commit, before the tail moves.
    pub(super) recent: RwLock<Recent>,
    pub(super) topics: RwLock<Topics>,
    pub(super) status: Mutex<Status>,
    pub(super) mark: Mutex<Mark>,
}

#[derive(Default)]
pub(super) struct Status {
    /// What the last write met.
    pub(super) fault: Option<String>,
    /// The file is damaged: nothing more is written to it until the next start.
    pub(super) damage: Option<String>,
    pub(super) size: LogSize,
    /// Entries that were found damaged.
    pub(super) damaged_entries: BTreeSet<Seq>,
}

/// The log's topics, by name, with their row ids.
#[derive(Default)]
pub(super) struct Topics {
    pub(super) by_name: HashMap<Arc<str>, (i64, TopicState)>,
    /// Gaps have no topic of their own: the newest one trimmed counts for everybody.
    pub(super) trimmed_gap: Seq,
}

impl Topics {
    pub(super) fn trimmed(&self, topics: &TopicSet) -> Seq {
        let states = self.by_name.values().map(|(_, state)| state);
        log::newest_trimmed(states, topics).max(self.trimmed_gap)
    }

    pub(super) fn ids(&self, topics: &TopicSet) -> Vec<i64> {
        self.by_name
            .iter()
            .filter(|(name, _)| log::chooses(topics, name))
            .map(|(_, (id, _))| *id)
            .collect()
    }
}

impl Shared {
    pub(super) fn recent(&self) -> RwLockReadGuard<'_, Recent> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn topics(&self) -> RwLockReadGuard<'_, Topics> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mark(&self, seq: Seq, is_damaged: bool) {
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        mark.write(&Marked { epoch: self.epoch, seq, is_damaged });
    }

    /// If `error` says that the file is damaged, stops writing to it, and leaves word for the next
    /// start to look closely.
    pub(super) fn note_damage(&self, error: &rusqlite::Error) {
        if !schema::is_damage(error) && !schema::is_misshapen(error) {
            return;
        }
        let mut status = self.status();
        if status.damage.is_none() {
            tracing::error!(%error, "the log is damaged: a restart moves it aside");
            status.damage = Some(format!("the log is damaged ({error}): restart to move it aside"));
            drop(status);
            self.mark(*self.tail.borrow(), true);
        }
    }

    /// Reports each damaged entry once.
    pub(super) fn note_damaged_entries(&self, seqs: &[Seq]) {
        if seqs.is_empty() {
            return;
        }
        let mut status = self.status();
        for seq in seqs {
            if status.damaged_entries.len() < limits::DAMAGED_ENTRIES_MAX
                && status.damaged_entries.insert(*seq)
            {
                tracing::error!(%seq, "a damaged entry of the log counts as lost");
            }
        }
    }

    /// A commit that was reported as failed is in the file all the same: shows what it wrote.
    pub(super) fn catch_up(&self, transaction: &Connection, state: &State) -> rusqlite::Result<()> {
        if state.epoch != self.epoch || state.tail < *self.tail.borrow() {
            return Err(schema::damaged("it was replaced while it was in use"));
        }
        tracing::warn!(tail = %state.tail, "a commit of the log had succeeded after all");
        let loaded = schema::topics(transaction, state)?;
        *self.topics.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        self.status().size = state.size;
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        *recent = Recent::starting_at(state.tail);
        self.tail.send_replace(state.tail);
        Ok(())
    }

    pub(super) fn show(&self, written: Written) -> Seq {
        self.status().size = written.state.size;
        {
            let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
            topics.by_name.extend(written.topics);
            topics.trimmed_gap = written.state.trimmed_gap;
        }
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        for entry in written.entries {
            recent.push(entry);
        }
        recent.shrink(limits::RECENT_BYTES_MAX);
        // What the file no longer has must not be read either, or a restart would change history.
        recent.forget(written.cut);
        let tail = recent.tail();
        // Before anybody learns of the entries: what was shown is marked.
        self.mark(tail, false);
        // Sent under the lock: nobody reads an entry that lies beyond the tail.
        self.tail.send_if_modified(|known| std::mem::replace(known, tail) != tail);
        tail
    }
}
