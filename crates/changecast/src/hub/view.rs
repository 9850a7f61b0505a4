//! What all subscribers with the same topics, format and mode share: the recent frames, encoded
//! once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use tokio::sync::watch;

use super::codec::{Action, Codec, Control, Gap, GapScope};
use super::frames::{Frame, Mode, Run};
use crate::limits;
use crate::log::Page;
use crate::model::{Body, Change, Entry, Epoch, EventId, Seq, Topic, TopicSet};

/// Topics × format × mode.
pub(super) struct View {
    /// Tells views apart, also from those that are gone.
    id: u64,
    topics: TopicSet,
    codec: Arc<dyn Codec>,
    mode: Mode,
    epoch: Epoch,
    /// A std lock: subscribers copy references out of it, and only the feed writes.
    ring: RwLock<Ring>,
    /// How far the ring reaches; followers wait on it.
    upto: watch::Sender<Seq>,
}

struct Ring {
    frames: VecDeque<Frame>,
    /// Everything after this place is in the ring, if it concerns the view.
    after: Seq,
    bytes: usize,
}

impl Ring {
    fn starting_at(after: Seq) -> Self {
        Self { frames: VecDeque::new(), after, bytes: 0 }
    }

    fn push(&mut self, frame: Frame) {
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
    }

    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some(oldest) = self.frames.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
            self.after = oldest.seq;
        }
    }
}

impl View {
    pub(super) fn new(
        topics: TopicSet,
        codec: Arc<dyn Codec>,
        mode: Mode,
        epoch: Epoch,
        covered: Seq,
    ) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let ring = RwLock::new(Ring::starting_at(covered));
        Self { id, topics, codec, mode, epoch, ring, upto: watch::Sender::new(covered) }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn topics(&self) -> &TopicSet {
        &self.topics
    }

    pub(super) fn codec(&self) -> &Arc<dyn Codec> {
        &self.codec
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// How far the frames reach; the receiver wakes when it moves.
    pub(super) fn upto(&self) -> watch::Receiver<Seq> {
        self.upto.subscribe()
    }

    /// The place after which the frames are here.
    pub(super) fn after(&self) -> Seq {
        self.read().after
    }

    /// Bytes of its frames.
    pub(super) fn bytes(&self) -> usize {
        self.read().bytes
    }

    /// Forgets the oldest frames until the rest weighs at most `bytes_max`.
    pub(super) fn shrink(&self, bytes_max: usize) {
        self.write().shrink(bytes_max);
    }

    /// Takes in a page of the whole log. Where the feed itself has fallen behind the retention,
    /// the frames no longer join: everybody reads the log instead, and meets the loss there.
    pub(super) fn extend(&self, page: &Page) {
        let fresh: Vec<_> = page.entries.iter().filter_map(|entry| self.encode(entry)).collect();
        let mut ring = self.write();
        if page.lost_to.is_some() {
            *ring = Ring::starting_at(page.covered);
        } else {
            for frame in fresh {
                ring.push(frame);
            }
            ring.shrink(limits::VIEW_BYTES_MAX);
        }
        drop(ring);
        self.upto.send_replace(page.covered);
    }

    /// The frames after `after`, about as many as one write takes; none if they do not reach back.
    pub(super) fn run(&self, after: Seq) -> Option<Run> {
        // Read before the frames: what the feed adds meanwhile belongs to the next run.
        let upto = *self.upto.borrow();
        let ring = self.read();
        if after < ring.after {
            return None;
        }
        let first = ring.frames.partition_point(|frame| frame.seq <= after);
        let end = ring.frames.partition_point(|frame| frame.seq <= upto);
        Some(Run::of(ring.frames.range(first..end.max(first)), upto, self.mode))
    }

    /// The frame of an entry, if it concerns the view.
    pub(super) fn encode(&self, entry: &Arc<Entry>) -> Option<Frame> {
        if !entry.concerns(&self.topics) {
            return None;
        }
        let id = EventId { epoch: self.epoch, seq: entry.seq };
        let bytes = match &entry.body {
            Body::Change(change) => self.codec.change(id, change),
            Body::Gap(gap) => self.codec.control(&Control::Gap(Gap {
                id,
                scope: GapScope::Source,
                source: Some(Arc::clone(&entry.source)),
                from: None,
                to: None,
                reason: gap.reason.clone(),
                action: Action::Refetch,
            }))?,
        };
        let state_of = match (&entry.body, self.mode) {
            (Body::Change(change), Mode::Latest) => state_of(change),
            _ => None,
        };
        Some(Frame { seq: entry.seq, bytes, state_of })
    }

    fn read(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ring> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The document whose whole state a change tells.
fn state_of(change: &Change) -> Option<(Topic, Bytes)> {
    let is_told = !change.key.is_empty() && change.tells_state();
    is_told.then(|| (change.topic.clone(), change.key.clone()))
}
