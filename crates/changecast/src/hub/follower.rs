//! One subscriber: a session over a shared view, and what its steps come to.
//!
//! It waits for nothing and owns no socket. Whoever does asks for the next [`Step`], and takes what it
//! needs for it from here: `Subscription` in a task of its own, a shard for thousands at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::codec::{Codec, Control};
use super::frames::Run;
use super::held::{Account, Cut};
use super::pages::EncodedPage;
use super::selection::Selection;
use super::session::{Jitter, Session, Step, Surroundings, Terms};
use super::view::View;
use super::{HubError, Opening, Shared};
use crate::limits;
use crate::log::LogError;
use crate::model::{EventId, Seq};

/// One subscriber, to be driven step by step.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    view: Arc<View>,
    session: Session,
    opened_at: Instant,
    change_count: u64,
}

impl Follower {
    pub(super) fn open(shared: Arc<Shared>, view: Arc<View>, opening: Opening) -> Self {
        let jitter = Jitter {
            retry: Duration::from_millis(fastrand::u64(limits::RETRY_MILLIS)),
            retry_while_draining: Duration::from_millis(fastrand::u64(limits::RETRY_DRAIN_MILLIS)),
        };
        let around = look(&shared, &view);
        let terms = Terms {
            start: opening.start,
            place: opening.place,
            cursor_of_start: opening.cursor_of_start,
            waiting: shared.board.waiting(view.topics()),
            down: shared.board.down(view.topics()),
            jitter,
            span: opening.span,
        };
        let session = Session::open(terms, &around);
        shared.telemetry.subscriber_opened(view.codec().name());
        shared.audiences.join(view.topics());
        Self { shared, view, session, opened_at: Instant::now(), change_count: 0 }
    }

    /// What it follows.
    #[must_use]
    pub(crate) fn selection(&self) -> &Selection {
        self.view.selection()
    }

    /// What is covered: resuming with it goes on exactly here.
    #[must_use]
    pub(crate) fn position(&self) -> EventId {
        self.session.position()
    }

    /// Follows something else from here on: what is new to it starts at the cursor.
    ///
    /// # Errors
    /// When there are too many distinct subscriptions; then nothing changes.
    pub(crate) fn follow(&mut self, selection: Selection) -> Result<(), HubError> {
        // What it has waited through without a word is behind it.
        self.session.skip(&self.look());
        let codec = Arc::clone(self.view.codec());
        let view = self.shared.view(selection, codec, self.view.mode())?;
        self.shared.audiences.turn(self.view.topics(), view.topics());
        self.view = view;
        Ok(())
    }

    /// What to do next. Asking says that what came of the step before is written, or will be.
    pub(crate) fn step(&mut self, around: &Surroundings) -> Step {
        self.session.step(around)
    }

    /// What a step depends on. One look serves everybody of the same view.
    pub(crate) fn look(&self) -> Surroundings {
        look(&self.shared, &self.view)
    }

    /// Tells views apart.
    pub(crate) fn view_id(&self) -> u64 {
        self.view.id()
    }

    pub(super) fn view(&self) -> &Arc<View> {
        &self.view
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn is_greeting(&self) -> bool {
        self.session.is_greeting()
    }

    /// The frame of a word that is no change; none where the format has no word for it.
    pub(crate) fn encode(&self, control: &Control) -> Option<Bytes> {
        if matches!(control, Control::Gap(_)) {
            self.shared.telemetry.subscriber_gap(self.codec().name());
        }
        self.codec().control(control)
    }

    /// The frames of what has changed about the sources since this version of the board.
    pub(crate) fn encode_sources(&self, since: u64) -> Vec<Bytes> {
        let changed = self.shared.board.changed_since(since, self.view.topics());
        let said = changed.into_iter().map(Control::Source);
        said.filter_map(|control| self.encode(&control)).collect()
    }

    pub(crate) fn codec(&self) -> &Arc<dyn Codec> {
        self.view.codec()
    }

    /// The view's frames after this place up to that one, about as many as one write takes; none if
    /// they do not reach back so far any more: then the next step says so.
    pub(crate) fn run(&self, after: Seq, upto: Seq) -> Option<Run> {
        self.view.run(after, upto)
    }

    /// `count` frames have been written, and with them everything up to `upto`.
    pub(crate) fn delivered(&mut self, upto: Seq, count: u64, now: Instant) {
        self.change_count += count;
        self.session.delivered(upto, count > 0, now);
    }

    /// The page that holds what follows this place, if somebody has read it already.
    pub(crate) fn cached_page(&self, after: Seq) -> Option<Arc<EncodedPage>> {
        self.shared.pages.cached(&self.view, after)
    }

    /// Reads the page that holds what follows this place, on behalf of a follower that goes on
    /// without waiting for it.
    pub(crate) fn read_page(
        &self,
        after: Seq,
    ) -> impl Future<Output = Result<Arc<EncodedPage>, LogError>> + Send + 'static {
        let (shared, view) = (Arc::clone(&self.shared), Arc::clone(&self.view));
        async move { shared.pages.read(&view, after, &*shared.log, &shared.telemetry).await }
    }

    /// Goes on with a page: the frame of what is missing before the page's own, if anything is.
    pub(crate) fn open_page(&mut self, page: &EncodedPage, now: Instant) -> Option<Bytes> {
        let lost_to = page.lost_after(self.session.position().seq);
        self.session.page(lost_to, now).and_then(|gap| self.encode(&gap))
    }

    /// An account for what it holds unwritten; `cut` is called if it has to go for it.
    pub(crate) fn account(&self, cut: Cut) -> Account {
        self.shared.ledger.open(cut)
    }

    /// Counts that `account` holds `frames`, and has somebody cut off if that is too much.
    pub(crate) fn hold(&self, account: &mut Account, frames: &[Bytes]) {
        if account.hold(frames) {
            self.shared.telemetry.subscriber_cut();
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let (name, age) = (self.codec().name(), self.opened_at.elapsed());
        self.shared.telemetry.subscriber_closed(name, age, self.change_count);
        self.shared.audiences.leave(self.view.topics());
    }
}

fn look(shared: &Shared, view: &View) -> Surroundings {
    // Read before the frames: those that the feed adds meanwhile lie beyond it.
    let frames_upto = shared.covered();
    let reach = view.reach();
    Surroundings {
        now: Instant::now(),
        frames_after: reach.after,
        frames_upto,
        frames_last: reach.last,
        board: shared.board.current_version(),
        draining: shared.draining.is_cancelled(),
    }
}
