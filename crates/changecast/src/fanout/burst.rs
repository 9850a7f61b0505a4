//! Frames joined for one write, once for everybody at the same place.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::hub::{EncodedPage, Follower, Run};
use crate::model::Seq;

/// What one write takes to a subscriber, and how far it leads.
pub(super) struct Burst {
    pub(super) bytes: Bytes,
    frames: Vec<(Seq, Bytes)>,
    pub(super) upto: Seq,
}

/// Where a write ended within a burst.
pub(super) struct Cut {
    /// The frames that have been begun: the last one is to be finished.
    pub(super) count: u64,
    /// The place of that one.
    pub(super) upto: Seq,
    /// That one, …
    pub(super) frame: Bytes,
    /// … and what of it is left.
    pub(super) rest: Bytes,
}

impl Burst {
    fn new(run: Run) -> Self {
        let bytes = match run.frames.as_slice() {
            [(_, frame)] => frame.clone(),
            frames => {
                let length = frames.iter().map(|(_, frame)| frame.len()).sum();
                let mut bytes = BytesMut::with_capacity(length);
                frames.iter().for_each(|(_, frame)| bytes.put_slice(frame));
                bytes.freeze()
            }
        };
        Self { bytes, frames: run.frames, upto: run.upto }
    }

    pub(super) fn count(&self) -> u64 {
        self.frames.len() as u64
    }

    /// Where it is after its first `written` bytes; none before the first.
    pub(super) fn cut_at(&self, written: usize) -> Option<Cut> {
        let mut left = written;
        for (index, (seq, frame)) in self.frames.iter().enumerate() {
            if left == 0 {
                return None;
            }
            // What remains is cut from the frame, which others share, and not from the burst.
            if left <= frame.len() {
                let (count, rest) = (index as u64 + 1, frame.slice(left..));
                return Some(Cut { count, upto: *seq, frame: frame.clone(), rest });
            }
            left -= frame.len();
        }
        None
    }
}

/// The bursts of late. Followers of a view are mostly at the same place, so that the second one
/// finds what the first had joined.
#[derive(Default)]
pub(super) struct Bursts {
    recent: VecDeque<(BurstKey, Arc<Burst>)>,
}

/// The frames of a view after a place, as far as they were known. The log never changes, so equal
/// keys mean equal frames.
#[derive(Clone, Copy, PartialEq, Eq)]
struct BurstKey {
    view: u64,
    after: Seq,
    known_upto: Seq,
}

/// How many are kept: as many as there are groups of followers that one walk meets side by side.
const KEPT: usize = 8;

impl Bursts {
    /// The recent frames of a follower's view after a place; none if they do not reach back so far.
    pub(super) fn of_view(
        &mut self,
        follower: &Follower,
        after: Seq,
        upto: Seq,
    ) -> Option<Arc<Burst>> {
        let key = BurstKey { view: follower.view_id(), after, known_upto: upto };
        match self.find(key) {
            Some(burst) => Some(burst),
            None => Some(self.keep(key, follower.run(after, upto)?)),
        }
    }

    /// A page's frames after a follower's place.
    pub(super) fn of_page(&mut self, follower: &Follower, page: &EncodedPage) -> Arc<Burst> {
        let after = follower.position().seq;
        let key = BurstKey { view: follower.view_id(), after, known_upto: page.covered() };
        self.find(key).unwrap_or_else(|| self.keep(key, page.run(after)))
    }

    /// Forgets them: they hold frames that nobody else may have any more.
    pub(super) fn clear(&mut self) {
        self.recent.clear();
    }

    fn find(&self, key: BurstKey) -> Option<Arc<Burst>> {
        self.recent.iter().find(|(known, _)| *known == key).map(|(_, burst)| Arc::clone(burst))
    }

    fn keep(&mut self, key: BurstKey, run: Run) -> Arc<Burst> {
        let burst = Arc::new(Burst::new(run));
        self.recent.truncate(KEPT - 1);
        self.recent.push_front((key, Arc::clone(&burst)));
        burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_ends_anywhere_leaves_the_rest_of_one_frame() {
        let frames = ["one", "three", "x"].map(|text| Bytes::from_static(text.as_bytes()));
        let frames: Vec<_> = (1..).map(Seq).zip(frames).collect();
        let whole = "onethreex";
        let burst = Burst::new(Run { frames, upto: Seq(9) });
        assert_eq!((&*burst.bytes, burst.count()), (whole.as_bytes(), 3));
        assert!(burst.cut_at(0).is_none());
        for written in 1..=whole.len() {
            let cut = burst.cut_at(written).expect("it is within");
            let begun: String = ["one", "three", "x"][..cut.count as usize].concat();
            let rest = std::str::from_utf8(&cut.rest).expect("it is text");
            assert_eq!(format!("{}{rest}", &whole[..written]), begun);
            assert_eq!(cut.upto, Seq(cut.count));
            assert!(cut.frame.ends_with(rest.as_bytes()));
        }
    }
}
