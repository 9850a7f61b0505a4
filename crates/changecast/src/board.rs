//! What every source is doing now: written by the runners, read by sessions, health and page.
//!
//! The board is a picture, not a queue: whoever looks sees the latest state of each source, and
//! the version tells what has changed since the last look.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use crate::model::{SourceState, SourceStatus, TopicSet};

/// Shared by everybody who writes or reads it; a clone is the same board.
#[derive(Clone)]
pub struct Board {
    inner: Arc<Inner>,
}

struct Inner {
    /// A std lock: held for short, never across an await.
    slots: RwLock<Vec<Slot>>,
    version: watch::Sender<u64>,
}

struct Slot {
    status: SourceStatus,
    /// The board's version when the state last changed.
    changed_in: u64,
}

impl Default for Board {
    fn default() -> Self {
        let version = watch::Sender::new(0);
        Self { inner: Arc::new(Inner { slots: RwLock::default(), version }) }
    }
}

impl Board {
    /// Adds a source.
    pub fn add(&self, status: SourceStatus) {
        self.write(|slots, version| slots.push(Slot { status, changed_in: version }));
    }

    /// Changes a source's status; wakes the followers if its state or error is another.
    pub fn update(&self, name: &str, change: impl FnOnce(&mut SourceStatus)) {
        let mut slots = self.inner.slots.write().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.iter_mut().find(|slot| &*slot.status.name == name) else {
            return;
        };
        let before = (slot.status.state, slot.status.positioned, slot.status.error.clone());
        change(&mut slot.status);
        if before != (slot.status.state, slot.status.positioned, slot.status.error.clone()) {
            slot.changed_in = *self.inner.version.borrow() + 1;
            drop(slots);
            self.inner.version.send_modify(|version| *version += 1);
        }
    }

    fn write(&self, change: impl FnOnce(&mut Vec<Slot>, u64)) {
        let mut slots = self.inner.slots.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut slots, *self.inner.version.borrow() + 1);
        drop(slots);
        self.inner.version.send_modify(|version| *version += 1);
    }

    /// Every source, in the order in which they were added.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceStatus> {
        self.select(|_| true)
    }

    /// The sources of `topics` that have never had a position: what they miss is not known yet.
    #[must_use]
    pub fn waiting(&self, topics: &TopicSet) -> Vec<Arc<str>> {
        self.select(|slot| !slot.status.positioned && slot.status.topics.overlaps(topics))
            .into_iter()
            .map(|status| status.name)
            .collect()
    }

    /// The sources of `topics` that something is wrong with.
    #[must_use]
    pub fn down(&self, topics: &TopicSet) -> Vec<SourceStatus> {
        self.select(|slot| slot.status.error.is_some() && slot.status.topics.overlaps(topics))
    }

    /// The sources of `topics` whose state has changed since `version`.
    #[must_use]
    pub fn changed_since(&self, version: u64, topics: &TopicSet) -> Vec<SourceStatus> {
        self.select(|slot| slot.changed_in > version && slot.status.topics.overlaps(topics))
    }

    /// The board's version now.
    #[must_use]
    pub fn current_version(&self) -> u64 {
        *self.inner.version.borrow()
    }

    /// The board's version; the receiver wakes when it moves.
    #[must_use]
    pub fn version(&self) -> watch::Receiver<u64> {
        self.inner.version.subscribe()
    }

    /// Whether every source is live.
    #[must_use]
    pub fn all_live(&self) -> bool {
        self.select(|slot| slot.status.state != SourceState::Live).is_empty()
    }

    fn select(&self, wanted: impl Fn(&Slot) -> bool) -> Vec<SourceStatus> {
        let slots = self.inner.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.iter().filter(|slot| wanted(slot)).map(|slot| slot.status.clone()).collect()
    }
}
