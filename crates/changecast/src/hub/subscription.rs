//! Runs one session in the task of its connection: looks, steps, reads, waits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::codec::Control;
use super::session::{Cause, Jitter, Place, Session, Start, Step, Surroundings};
use super::view::{Run, View};
use super::{HubError, Shared};
use crate::limits;
use crate::model::Seq;

/// One subscriber, to be driven by whoever owns its socket.
pub struct Subscription {
    shared: Arc<Shared>,
    view: Arc<View>,
    session: Session,
    upto: watch::Receiver<Seq>,
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

impl Subscription {
    pub(super) fn open(
        shared: Arc<Shared>,
        view: Arc<View>,
        start: &Start,
        place: Place,
        cursor_of_last: Option<Seq>,
    ) -> Self {
        let (upto, board) = (view.upto(), shared.board.version());
        let around = look(&shared, &view, &upto, &board);
        let waiting = shared.board.waiting(view.topics());
        let jitter = Jitter {
            retry: Duration::from_millis(fastrand::u64(limits::RETRY_MILLIS)),
            retry_while_draining: Duration::from_millis(fastrand::u64(limits::RETRY_DRAIN_MILLIS)),
        };
        let session = Session::open(start, place, cursor_of_last, waiting, &around, jitter);
        shared.telemetry.subscriber_opened(view.codec().name());
        Self { shared, view, session, upto, board, opened_at: Instant::now(), change_count: 0 }
    }

    /// The next messages, as soon as there are some.
    ///
    /// Cancel-safe: nothing is handed out by a call that was dropped, and nothing is skipped.
    ///
    /// # Errors
    /// When the log cannot be read; the connection should end, and the client resume.
    pub async fn next(&mut self) -> Result<Output, HubError> {
        loop {
            self.upto.mark_unchanged();
            self.board.mark_unchanged();
            let around = look(&self.shared, &self.view, &self.upto, &self.board);
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
                return Ok(Output::Messages(messages));
            }
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
        let Some(run) = self.view.run(after) else {
            return Vec::new();
        };
        self.hand_out(run)
    }

    async fn read(&mut self, after: Seq) -> Result<Vec<Bytes>, HubError> {
        let page = self.shared.log.read(after, self.view.topics()).await?;
        let gap = self.session.page(page.lost_to, Instant::now());
        let mut messages = gap.map(|gap| self.encode(&gap)).unwrap_or_default();
        let run = self.view.encode_page(&page);
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
            _ = self.upto.changed() => {}
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

fn look(
    shared: &Shared,
    view: &View,
    upto: &watch::Receiver<Seq>,
    board: &watch::Receiver<u64>,
) -> Surroundings {
    Surroundings {
        now: Instant::now(),
        frames_after: view.after(),
        frames_upto: *upto.borrow(),
        board: *board.borrow(),
        draining: shared.draining.is_cancelled(),
    }
}
