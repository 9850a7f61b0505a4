//! Pages of the log, read once for everybody who is behind at the same place.
//!
//! After a restart a thousand subscribers come back with nearly the same cursor. They ask for
//! pages of the same views; each page is read and encoded once, kept while there is room, and
//! handed out piece by piece. A subscriber holds no page of its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::frames::{Frame, Mode, Run};
use super::view::View;
use crate::limits;
use crate::log::{Log, LogError, Page};
use crate::model::Seq;
use crate::telemetry::Telemetry;

/// The pages of all views.
#[derive(Default)]
pub(super) struct Pages {
    /// A std mutex: held for look-ups, never across a read.
    cached: Mutex<Cached>,
}

/// A page is found by its view and the place it follows.
type Key = (u64, Seq);

#[derive(Default)]
struct Cached {
    slots: BTreeMap<Key, Arc<Slot>>,
    /// The finished ones, oldest first, with their weights.
    order: VecDeque<(Key, usize)>,
    bytes: usize,
}

/// A page, or its reading: whoever comes first reads, the others wait for it.
#[derive(Default)]
struct Slot {
    page: OnceCell<Arc<EncodedPage>>,
}

impl Pages {
    /// The page of `view` that holds what follows `after`.
    ///
    /// # Errors
    /// When the log cannot be read; the next caller tries again.
    pub(super) async fn read(
        &self,
        view: &View,
        after: Seq,
        log: &dyn Log,
        telemetry: &Telemetry,
    ) -> Result<Arc<EncodedPage>, LogError> {
        loop {
            let (key, slot) = self.slot(view.id(), after);
            let reading = slot.page.get_or_try_init(|| async {
                let page = log.read(key.1, view.topics()).await?;
                telemetry.log_page_read();
                let page = Arc::new(EncodedPage::new(view, key.1, &page));
                self.lock().keep(key, page.bytes);
                Ok::<_, LogError>(page)
            });
            let page = Arc::clone(reading.await?);
            if page.covers(after) {
                return Ok(page);
            }
            // Somebody else's page turned out to end before the place: the next round asks anew.
        }
    }

    /// The page that holds what follows `after`, if it has been read.
    pub(super) fn cached(&self, view: &View, after: Seq) -> Option<Arc<EncodedPage>> {
        let cached = self.lock();
        let nearest = cached.slots.range((view.id(), Seq::ZERO)..=(view.id(), after)).next_back();
        let page = nearest.and_then(|(_, slot)| slot.page.get());
        page.filter(|page| page.covers(after)).cloned()
    }

    /// The slot whose page may hold what follows `after`: the nearest one before it, or a new one.
    fn slot(&self, view: u64, after: Seq) -> (Key, Arc<Slot>) {
        let mut cached = self.lock();
        let nearest = cached.slots.range((view, Seq::ZERO)..=(view, after)).next_back();
        if let Some((key, slot)) = nearest {
            let may_cover = slot.page.get().is_none_or(|page| page.covers(after));
            if may_cover {
                return (*key, Arc::clone(slot));
            }
        }
        cached.drop_abandoned();
        let slot = Arc::<Slot>::default();
        cached.slots.insert((view, after), Arc::clone(&slot));
        ((view, after), slot)
    }

    fn lock(&self) -> MutexGuard<'_, Cached> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cached {
    /// Counts a finished page, and forgets the oldest beyond the budget.
    fn keep(&mut self, key: Key, weight: usize) {
        self.order.push_back((key, weight));
        self.bytes += weight;
        while self.bytes > limits::PAGES_BYTES_MAX && self.order.len() > 1 {
            let Some((oldest, weight)) = self.order.pop_front() else { break };
            self.slots.remove(&oldest);
            self.bytes -= weight;
        }
    }

    /// Forgets slots whose reading failed or was given up, once there are many.
    fn drop_abandoned(&mut self) {
        let unfinished = self.slots.len() - self.order.len();
        if unfinished > limits::PAGES_UNFINISHED_MAX {
            self.slots.retain(|_, slot| slot.page.initialized() || Arc::strong_count(slot) > 1);
        }
    }
}

/// What a page weighs beside its frames: its slot and its places in map and queue, in bytes. It
/// counts, or clients that come and go, each with topics that nobody writes, would leave pages of
/// nothing behind for ever.
const FIXED_WEIGHT: usize = 512;

/// What a frame weighs beside its bytes: its place in the page and its allocations, in bytes.
const FRAME_WEIGHT: usize = 128;

/// What a page of these frames weighs in memory: bytes.
fn weight_of(frames: &[Frame]) -> usize {
    FIXED_WEIGHT + frames.iter().map(|frame| FRAME_WEIGHT + frame.bytes.len()).sum::<usize>()
}

/// A page of a view's own topics, encoded.
pub(crate) struct EncodedPage {
    /// The place that it follows.
    after: Seq,
    /// The place that it reaches.
    covered: Seq,
    /// What is missing from it, up to here.
    lost_to: Option<Seq>,
    frames: Vec<Frame>,
    mode: Mode,
    /// Its weight.
    bytes: usize,
}

impl EncodedPage {
    fn new(view: &View, after: Seq, page: &Page) -> Self {
        let entries = page.entries.iter();
        let frames: Vec<_> = entries.filter_map(|entry| view.encode(entry)).collect();
        let bytes = weight_of(&frames);
        let (covered, lost_to, mode) = (page.covered, page.lost_to, view.mode());
        Self { after, covered, lost_to, frames, mode, bytes }
    }

    /// The place that it reaches.
    pub(crate) fn covered(&self) -> Seq {
        self.covered
    }

    /// Whether it holds what follows `place`. One that reads up to the tail also holds that
    /// nothing follows it.
    fn covers(&self, place: Seq) -> bool {
        place == self.after || (self.after < place && place < self.covered)
    }

    /// What is missing after `place`.
    pub(super) fn lost_after(&self, place: Seq) -> Option<Seq> {
        self.lost_to.filter(|lost| *lost > place)
    }

    /// Its frames after `place`, as many as one write takes.
    pub(crate) fn run(&self, place: Seq) -> Run {
        let first = self.frames.partition_point(|frame| frame.seq <= place);
        let waiting = self.frames.get(first..).unwrap_or_default();
        Run::of(waiting.iter(), self.covered, self.mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g10_pages_of_nothing_have_a_cap_too() {
        let most = limits::PAGES_BYTES_MAX / FIXED_WEIGHT;
        let mut cached = Cached::default();
        for view in 0..2 * most as u64 {
            let key = (view, Seq::ZERO);
            cached.slots.insert(key, Arc::default());
            cached.keep(key, weight_of(&[]));
        }
        assert_eq!((cached.slots.len(), cached.order.len()), (most, most));
    }
}
