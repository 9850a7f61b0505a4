//! The newest entries, in memory: the whole of a memory log, and the tail of a stored one, so
//! that following never reads the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Page;
use crate::limits;
use crate::model::{Entry, Seq, Timestamp, TopicSet};

/// A contiguous run of entries that ends at the tail.
#[derive(Default)]
pub(super) struct Recent {
    entries: VecDeque<Arc<Entry>>,
    /// Everything after this place is here.
    start: Seq,
    bytes: usize,
}

impl Recent {
    pub(super) fn starting_at(start: Seq) -> Self {
        Self { start, ..Self::default() }
    }

    pub(super) fn tail(&self) -> Seq {
        self.entries.back().map_or(self.start, |entry| entry.seq)
    }

    pub(super) fn entry_count(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        debug_assert_eq!(entry.seq, self.tail().next(), "entries are contiguous");
        self.bytes += entry.weight();
        self.entries.push_back(entry);
    }

    /// Forgets the oldest entry.
    pub(super) fn pop(&mut self) -> Option<Arc<Entry>> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.weight();
        self.start = entry.seq;
        Some(entry)
    }

    /// Forgets the oldest until the rest weighs at most `bytes_max`.
    pub(super) fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max && self.pop().is_some() {}
    }

    /// Forgets everything up to `cut`.
    pub(super) fn forget(&mut self, cut: Seq) {
        while self.entries.front().is_some_and(|entry| entry.seq <= cut) {
            self.pop();
        }
    }

    /// Whether everything after `after` is here.
    pub(super) fn reaches(&self, after: Seq) -> bool {
        after >= self.start
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Entry>> {
        self.entries.iter()
    }

    /// The place right before the first entry that is not older than `time`.
    pub(super) fn place_of_time(&self, time: Timestamp) -> Seq {
        let older_count = self.entries.partition_point(|entry| entry.time < time);
        Seq(self.start.0 + older_count as u64)
    }

    /// A page of `topics` after `after`, which must be reached (or there must be nothing older).
    pub(super) fn page(&self, after: Seq, topics: &TopicSet) -> Page {
        let skipped = usize::try_from(after.0.saturating_sub(self.start.0)).unwrap_or(usize::MAX);
        let mut filled = PageBuilder::new();
        let mut covered = after.max(self.start);
        for entry in self.entries.range(skipped.min(self.entries.len())..) {
            if entry.concerns(topics) {
                if filled.is_full() {
                    return filled.finish(covered);
                }
                filled.push(Arc::clone(entry));
            }
            covered = entry.seq;
        }
        filled.finish(covered)
    }
}

/// Collects a page up to its caps.
pub(super) struct PageBuilder {
    entries: Vec<Arc<Entry>>,
    bytes: usize,
}

impl PageBuilder {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), bytes: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= limits::PAGE_ENTRIES_MAX || self.bytes >= limits::PAGE_BYTES_MAX
    }

    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        self.bytes += entry.weight();
        self.entries.push(entry);
    }

    pub(super) fn has_before(&self, seq: Seq) -> bool {
        self.entries.first().is_some_and(|entry| entry.seq < seq)
    }

    /// Forgets what lies up to `seq`.
    pub(super) fn skip(&mut self, seq: Seq) {
        self.entries.retain(|entry| entry.seq > seq);
    }

    /// Forgets what lies at or after `seq`.
    pub(super) fn cut(&mut self, seq: Seq) {
        self.entries.retain(|entry| entry.seq < seq);
    }

    pub(super) fn finish(self, covered: Seq) -> Page {
        Page { entries: self.entries, covered, lost_to: None }
    }
}
