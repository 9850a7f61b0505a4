//! What all subscribers with the same selection, format and mode share: the recent frames, encoded
//! once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use tokio::sync::watch;

use super::codec::Codec;
use super::encoding::Encoding;
use super::frames::{Frame, Mode, Run};
use super::ring::Ring;
use super::selection::Selection;
use crate::filter::Verdict;
use crate::model::{Change, Entry, Epoch, Seq, Topic, TopicSet};

/// Selection × format × mode.
pub(super) struct View {
    /// Tells views apart, also from those that are gone.
    id: u64,
    selection: Selection,
    codec: Arc<dyn Codec>,
    mode: Mode,
    epoch: Epoch,
    /// A std lock: subscribers copy references out of it, and only the feed writes.
    ring: RwLock<Ring>,
    /// Changes when there are new frames; followers wait on it.
    fresh: watch::Sender<()>,
    /// Whether there are new frames of which they have not been told.
    is_stirred: AtomicBool,
}

/// Where a view's frames are.
pub(super) struct Reach {
    /// Everything after this place that concerns the view is there.
    pub(super) after: Seq,
    /// The newest of them.
    pub(super) last: Seq,
}

impl View {
    pub(super) fn new(
        selection: Selection,
        codec: Arc<dyn Codec>,
        mode: Mode,
        epoch: Epoch,
        ring: Ring,
    ) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let (ring, fresh) = (RwLock::new(ring), watch::Sender::new(()));
        let is_stirred = AtomicBool::new(false);
        Self { id, selection, codec, mode, epoch, ring, fresh, is_stirred }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn selection(&self) -> &Selection {
        &self.selection
    }

    pub(super) fn topics(&self) -> &TopicSet {
        self.selection.topics()
    }

    pub(super) fn codec(&self) -> &Arc<dyn Codec> {
        &self.codec
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// Wakes when there are new frames.
    pub(super) fn fresh(&self) -> watch::Receiver<()> {
        self.fresh.subscribe()
    }

    /// Tells the followers that there are new frames.
    pub(super) fn wake(&self) {
        self.is_stirred.store(false, Ordering::Relaxed);
        self.fresh.send_replace(());
    }

    pub(super) fn reach(&self) -> Reach {
        let ring = self.read();
        Reach { after: ring.after(), last: ring.last() }
    }

    /// Bytes of its frames.
    pub(super) fn bytes(&self) -> usize {
        self.read().bytes()
    }

    /// Forgets the oldest frames until the rest weighs at most `bytes_max`.
    pub(super) fn shrink(&self, bytes_max: usize) {
        self.write().shrink(bytes_max);
    }

    /// Forgets all frames: the next ones come after `after`.
    pub(super) fn start_anew(&self, after: Seq) {
        self.write().start_anew(after);
    }

    /// Takes in an entry, if it concerns the view. Whether its followers are now to be woken, and were
    /// not before: many entries of a page wake them but once.
    pub(super) fn take(&self, entry: &Encoding<'_>) -> bool {
        let Some(frame) = self.frame(entry) else { return false };
        self.write().push(frame);
        !self.is_stirred.swap(true, Ordering::Relaxed)
    }

    /// The frames after `after` up to `upto`, about as many as one write takes; none if they do not
    /// reach back so far.
    pub(super) fn run(&self, after: Seq, upto: Seq) -> Option<Run> {
        self.read().run(after, upto, self.mode)
    }

    /// The frame of an entry of the log, if it concerns the view.
    pub(super) fn encode(&self, entry: &Arc<Entry>) -> Option<Frame> {
        self.frame(&Encoding::new(entry, self.epoch))
    }

    fn frame(&self, entry: &Encoding<'_>) -> Option<Frame> {
        let verdict = self.selection.judge(entry);
        if verdict == Verdict::Drop {
            return None;
        }
        let bytes = entry.frame(&*self.codec, verdict)?;
        let state_of = match (entry.change(), self.mode) {
            (Some(change), Mode::Latest) => state_of(change, verdict),
            _ => None,
        };
        Some(Frame { seq: entry.entry().seq, bytes, state_of })
    }

    fn read(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ring> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The document whose whole state a change tells. That it has left the view is such a state.
fn state_of(change: &Change, verdict: Verdict) -> Option<(Topic, Bytes)> {
    let is_told = verdict == Verdict::Leave || change.tells_state();
    (is_told && !change.key.is_empty()).then(|| (change.topic.clone(), change.key.clone()))
}
