//! The recent frames of one view, bounded in bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::frames::{Frame, Mode, Run};
use crate::limits;
use crate::model::Seq;

/// Frames in the log's order.
pub(super) struct Ring {
    frames: VecDeque<Frame>,
    /// Everything after this place that concerns the view is here.
    after: Seq,
    bytes: usize,
    /// Bytes of the rings of all views.
    total: Arc<AtomicUsize>,
}

impl Ring {
    /// An empty ring, from which nothing after `after` is missing.
    pub(super) fn starting_at(after: Seq, total: Arc<AtomicUsize>) -> Self {
        Self { frames: VecDeque::new(), after, bytes: 0, total }
    }

    /// The place after which the frames are here.
    pub(super) fn after(&self) -> Seq {
        self.after
    }

    /// The place of the newest frame; that after which they would be, while there is none.
    pub(super) fn last(&self) -> Seq {
        self.frames.back().map_or(self.after, |frame| frame.seq)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a frame, and forgets the oldest ones beyond the view's budget.
    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.bytes.len();
        self.total.fetch_add(frame.bytes.len(), Ordering::Relaxed);
        self.frames.push_back(frame);
        self.shrink(limits::VIEW_BYTES_MAX);
    }

    /// Forgets the oldest frames until the rest weighs at most `bytes_max`.
    pub(super) fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some(oldest) = self.frames.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
            self.total.fetch_sub(oldest.bytes.len(), Ordering::Relaxed);
            self.after = oldest.seq;
        }
    }

    /// Forgets everything up to `after`.
    pub(super) fn start_anew(&mut self, after: Seq) {
        self.shrink(0);
        self.frames.clear();
        self.after = after;
    }

    /// The frames after `after` up to `upto`, about as many as one write takes; none if they do not
    /// reach back so far.
    pub(super) fn run(&self, after: Seq, upto: Seq, mode: Mode) -> Option<Run> {
        if after < self.after {
            return None;
        }
        let first = self.frames.partition_point(|frame| frame.seq <= after);
        let end = self.frames.partition_point(|frame| frame.seq <= upto);
        Some(Run::of(self.frames.range(first..end.max(first)), upto, mode))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
