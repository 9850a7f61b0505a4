//! What all subscribers with the same topics and format share: the recent frames, encoded once.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::watch;

use super::codec::{Action, Codec, Control, Gap, GapScope};
use crate::limits;
use crate::log::Page;
use crate::model::{Body, Entry, Epoch, EventId, Seq, TopicSet};

/// Topics × format.
pub(super) struct View {
    topics: TopicSet,
    codec: Arc<dyn Codec>,
    epoch: Epoch,
    /// A std lock: subscribers copy references out of it, and only the feed writes.
    frames: RwLock<Frames>,
    /// How far `frames` reach; followers wait on it.
    upto: watch::Sender<Seq>,
}

struct Frames {
    ring: VecDeque<Frame>,
    /// Everything after this place is in the ring, if it concerns the view.
    after: Seq,
    bytes: usize,
}

#[derive(Clone)]
struct Frame {
    seq: Seq,
    bytes: Bytes,
}

impl Frames {
    fn starting_at(after: Seq) -> Self {
        Self { ring: VecDeque::new(), after, bytes: 0 }
    }

    fn extend(&mut self, fresh: Vec<Frame>) {
        for frame in fresh {
            self.bytes += frame.bytes.len();
            self.ring.push_back(frame);
        }
        while self.bytes > limits::VIEW_BYTES_MAX {
            let Some(oldest) = self.ring.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes.len();
            self.after = oldest.seq;
        }
    }
}

/// Frames to be written at once, and how far they lead.
pub(super) struct Run {
    pub(super) frames: Vec<Bytes>,
    pub(super) upto: Seq,
}

impl View {
    pub(super) fn new(topics: TopicSet, codec: Arc<dyn Codec>, epoch: Epoch, covered: Seq) -> Self {
        let frames = Frames::starting_at(covered);
        let upto = watch::Sender::new(covered);
        Self { topics, codec, epoch, frames: RwLock::new(frames), upto }
    }

    pub(super) fn topics(&self) -> &TopicSet {
        &self.topics
    }

    pub(super) fn codec(&self) -> &dyn Codec {
        &*self.codec
    }

    /// How far the frames reach; the receiver wakes when it moves.
    pub(super) fn upto(&self) -> watch::Receiver<Seq> {
        self.upto.subscribe()
    }

    /// The place after which the frames are here.
    pub(super) fn after(&self) -> Seq {
        self.frames.read().unwrap_or_else(PoisonError::into_inner).after
    }

    /// Takes in a page of the whole log. Where the feed itself has fallen behind the retention,
    /// the frames no longer join: everybody reads the log instead, and meets the loss there.
    pub(super) fn extend(&self, page: &Page) {
        let fresh: Vec<_> = page.entries.iter().filter_map(|entry| self.encode(entry)).collect();
        let mut frames = self.frames.write().unwrap_or_else(PoisonError::into_inner);
        if page.lost_to.is_some() {
            *frames = Frames::starting_at(page.covered);
        } else {
            frames.extend(fresh);
        }
        drop(frames);
        self.upto.send_replace(page.covered);
    }

    /// The frames after `after`, about as many as one write takes; none if they do not reach back.
    pub(super) fn run(&self, after: Seq) -> Option<Run> {
        // Read before the frames: what the feed adds meanwhile belongs to the next run.
        let upto = *self.upto.borrow();
        let frames = self.frames.read().unwrap_or_else(PoisonError::into_inner);
        if after < frames.after {
            return None;
        }
        let first = frames.ring.partition_point(|frame| frame.seq <= after);
        let fresh = frames.ring.range(first..).take_while(|frame| frame.seq <= upto);
        Some(collect(fresh.cloned(), upto))
    }

    /// The frames of a page of the view's own topics.
    pub(super) fn encode_page(&self, page: &Page) -> Run {
        let frames = page.entries.iter().filter_map(|entry| self.encode(entry));
        Run { frames: frames.map(|frame| frame.bytes).collect(), upto: page.covered }
    }

    fn encode(&self, entry: &Arc<Entry>) -> Option<Frame> {
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
        Some(Frame { seq: entry.seq, bytes })
    }
}

/// Takes frames until a write is full; the rest of the way to `upto` is left to the next run.
fn collect(frames: impl Iterator<Item = Frame>, upto: Seq) -> Run {
    let mut run = Run { frames: Vec::new(), upto };
    let mut bytes = 0;
    let mut last = None;
    for frame in frames {
        if bytes >= limits::WRITE_BYTES_MAX {
            run.upto = last.unwrap_or(upto);
            break;
        }
        bytes += frame.bytes.len();
        last = Some(frame.seq);
        run.frames.push(frame.bytes);
    }
    run
}
