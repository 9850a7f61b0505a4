//! One row of the log.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Change, Seq, Timestamp, TopicPattern, TopicSet};

/// What the log holds at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The place.
    pub seq: Seq,
    /// When the log took it in; never less than the entry's before it.
    pub time: Timestamp,
    /// The source that wrote it.
    pub source: Arc<str>,
    /// A change, or the word that something is missing.
    pub body: Body,
}

/// What an [`Entry`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// One change.
    Change(Change),
    /// Here something of this source is missing.
    Gap(SourceGap),
}

impl Entry {
    /// Whether somebody who follows `topics` has to see it.
    #[must_use]
    pub fn concerns(&self, topics: &TopicSet) -> bool {
        match &self.body {
            Body::Change(change) => topics.matches(&change.topic),
            Body::Gap(gap) => topics.overlaps(&gap.topics()),
        }
    }

    /// What an entry weighs besides its key and event: columns, index and bookkeeping, in bytes.
    pub const FIXED_WEIGHT: usize = 96;

    /// What it weighs in memory and, nearly, on disk: bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        Self::FIXED_WEIGHT
            + match &self.body {
                Body::Change(change) => change.key.len() + change.event.len(),
                Body::Gap(gap) => gap.reason.len(),
            }
    }
}

/// Durable, in its place in the order and replayed like a change, so that somebody who was away
/// learns of the loss too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceGap {
    /// Why history is missing, in words.
    pub reason: String,
    /// What the source watches: only its followers have missed something.
    scope: Vec<String>,
}

impl SourceGap {
    /// A gap in everything that `scope` chooses.
    #[must_use]
    pub fn new(reason: impl Into<String>, scope: &TopicSet) -> Self {
        Self {
            reason: reason.into(),
            scope: scope.patterns().iter().map(ToString::to_string).collect(),
        }
    }

    /// The topics in which changes may be missing; unreadable ones count as all, to be safe.
    #[must_use]
    pub fn topics(&self) -> TopicSet {
        TopicSet::new(
            self.scope.iter().map(|text| TopicPattern::parse(text).unwrap_or(TopicPattern::All)),
        )
    }
}
