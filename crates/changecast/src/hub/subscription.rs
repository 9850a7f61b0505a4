//! Runs one session in the task of its connection: looks, steps, reads, waits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::codec::Control;
use super::frames::Run;
use super::held::Account;
use super::selection::Selection;
use super::session::{Cause, Jitter, Place, Session, Span, Start, Step, Surroundings, Terms};
use super::view::View;
use super::{HubError, Shared};
use crate::limits;
use crate::model::{EventId, Seq};

/// One subscriber, to be driven by whoever owns its socket.
pub struct Subscription {
    shared: Arc<Shared>,
    view: Arc<View>,
    session: Session,
    account: Account,
    fresh: watch::Receiver<()>,
    board: watch::Receiver<u64>,
    opened_at: Instant,
    change_count: u64,
}

/// What the owner of the socket does.
#[derive(Debug)]
pub enum Output {
    /// Write these messages, in order.
    Messages(Vec<Bytes>),
    /// Close the connection.
    End(Cause),
}

/// What is settled about a subscription before it opens.
pub(super) struct Opening {
    pub(super) start: Start,
    pub(super) place: Place,
    pub(super) cursor_of_start: Option<Seq>,
    pub(super) span: Span,
    pub(super) cut: CancellationToken,
}

impl Subscription {
    pub(super) fn open(shared: Arc<Shared>, view: Arc<View>, opening: Opening) -> Self {
        let (fresh, board) = (view.fresh(), shared.board.version());
        let around = look(&shared, &view, &board);
        let jitter = Jitter {
            retry: Duration::from_millis(fastrand::u64(limits::RETRY_MILLIS)),
            retry_while_draining: Duration::from_millis(fastrand::u64(limits::RETRY_DRAIN_MILLIS)),
        };
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
        let account = shared.ledger.open(opening.cut);
        shared.telemetry.subscriber_opened(view.codec().name());
        let opened_at = Instant::now();
        Self { shared, view, session, account, fresh, board, opened_at, change_count: 0 }
    }

    /// The next messages, as soon as there are some. Asking for them says that the ones before
    /// have been written.
    ///
    /// Cancel-safe: nothing is handed out by a call that was dropped, and nothing is skipped.
    ///
    /// # Errors
    /// When the log cannot be read; the connection should end, and the client resume.
    pub async fn next(&mut self) -> Result<Output, HubError> {
        self.hold(&[]);
        loop {
            self.fresh.mark_unchanged();
            self.board.mark_unchanged();
            let around = look(&self.shared, &self.view, &self.board);
            let messages = match self.session.step(&around) {
                Step::Say(control) => self.encode(&control),
                Step::SaySources(since) => self.encode_sources(since),
                Step::Deliver(after) => self.deliver(after),
                Step::Read(after) => self.read(after).await?,
                Step::Wait(until) => {
                    self.wait(until).await;
                    continue;
                }
                Step::End(cause) => return Ok(Output::End(cause)),
            };
            if !messages.is_empty() {
                self.hold(&messages);
                return Ok(Output::Messages(messages));
            }
        }
    }

    /// What it follows.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        self.view.selection()
    }

    /// Whether the hello, or the gap that follows it, is still to come.
    #[must_use]
    pub fn is_greeting(&self) -> bool {
        self.session.is_greeting()
    }

    /// What is covered: resuming with it goes on exactly here.
    #[must_use]
    pub fn position(&self) -> EventId {
        self.session.position()
    }

    /// Follows something else from here on: what is new to it starts at the cursor.
    ///
    /// # Errors
    /// When there are too many distinct subscriptions; then nothing changes.
    pub fn follow(&mut self, selection: Selection) -> Result<(), HubError> {
        // What it has waited through without a word is behind it.
        self.session.skip(&look(&self.shared, &self.view, &self.board));
        let codec = Arc::clone(self.view.codec());
        self.view = self.shared.view(selection, codec, self.view.mode())?;
        self.fresh = self.view.fresh();
        Ok(())
    }

    fn hold(&mut self, messages: &[Bytes]) {
        if self.account.hold(messages) {
            self.shared.telemetry.subscriber_cut();
        }
    }

    fn encode(&self, control: &Control) -> Vec<Bytes> {
        if matches!(control, Control::Gap(_)) {
            self.shared.telemetry.subscriber_gap(self.view.codec().name());
        }
        self.view.codec().control(control).into_iter().collect()
    }

    fn encode_sources(&self, since: u64) -> Vec<Bytes> {
        let changed = self.shared.board.changed_since(since, self.view.topics());
        let said = changed.into_iter().map(Control::Source);
        said.filter_map(|control| self.view.codec().control(&control)).collect()
    }

    fn deliver(&mut self, after: Seq) -> Vec<Bytes> {
        // The ring may have moved on since the step: then the next one reads the log.
        let Some(run) = self.view.run(after, self.shared.covered()) else { return Vec::new() };
        self.hand_out(run)
    }

    async fn read(&mut self, after: Seq) -> Result<Vec<Bytes>, HubError> {
        let Shared { pages, log, telemetry, .. } = &*self.shared;
        let page = pages.read(&self.view, after, &**log, telemetry).await?;
        let gap = self.session.page(page.lost_after(after), Instant::now());
        let mut messages = gap.map(|gap| self.encode(&gap)).unwrap_or_default();
        let run = page.run(self.session.position().seq);
        messages.extend(self.hand_out(run));
        Ok(messages)
    }

    fn hand_out(&mut self, run: Run) -> Vec<Bytes> {
        let count = run.frames.len() as u64;
        self.change_count += count;
        self.session.delivered(run.upto, count > 0, Instant::now());
        self.shared.telemetry.frames_delivered(self.view.codec().name(), count);
        run.frames
    }

    async fn wait(&mut self, until: Instant) {
        tokio::select! {
            // An error means that the hub is gone: the drain below ends the session.
            _ = self.fresh.changed() => {}
            _ = self.board.changed() => {}
            () = self.shared.draining.cancelled() => {}
            () = sleep_until(until) => {}
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.telemetry.subscriber_closed(
            self.view.codec().name(),
            self.opened_at.elapsed(),
            self.change_count,
        );
    }
}

fn look(shared: &Shared, view: &View, board: &watch::Receiver<u64>) -> Surroundings {
    // Read before the frames: those that the feed adds meanwhile lie beyond it.
    let frames_upto = shared.covered();
    let reach = view.reach();
    Surroundings {
        now: Instant::now(),
        frames_after: reach.after,
        frames_upto,
        frames_last: reach.last,
        board: *board.borrow(),
        draining: shared.draining.is_cancelled(),
    }
}
