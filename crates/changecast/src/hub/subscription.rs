//! Runs one follower in a task of its own: looks, steps, reads, waits.

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::HubError;
use super::follower::Follower;
use super::frames::Run;
use super::held::Account;
use super::selection::Selection;
use super::session::{Cause, Step};
use crate::model::{EventId, Seq};

/// One subscriber, to be driven by the task that owns its socket.
pub struct Subscription {
    follower: Follower,
    account: Account,
    fresh: watch::Receiver<()>,
    /// The view that `fresh` is of.
    fresh_of: u64,
    board: watch::Receiver<u64>,
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
    pub(super) fn new(follower: Follower, cut: CancellationToken) -> Self {
        let account = follower.account(Box::new(move || cut.cancel()));
        let (fresh, fresh_of) = (follower.view().fresh(), follower.view_id());
        let board = follower.shared().board.version();
        Self { follower, account, fresh, fresh_of, board }
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
            self.mark_seen();
            let around = self.follower.look();
            let messages = match self.follower.step(&around) {
                Step::Say(control) => self.follower.encode(&control).into_iter().collect(),
                Step::SaySources(since) => self.follower.encode_sources(since),
                Step::Deliver(after) => match self.follower.run(after, around.frames_upto) {
                    Some(run) => self.hand_out(run),
                    None => continue,
                },
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
        self.follower.selection()
    }

    /// Whether the hello, or the gap that follows it, is still to come.
    #[must_use]
    pub fn is_greeting(&self) -> bool {
        self.follower.is_greeting()
    }

    /// What is covered: resuming with it goes on exactly here.
    #[must_use]
    pub fn position(&self) -> EventId {
        self.follower.position()
    }

    /// The follower, to have it follow something else.
    #[must_use]
    pub(crate) fn follower(&mut self) -> &mut Follower {
        &mut self.follower
    }

    /// Completes once its hub is about to end: for owners that wait for something else meanwhile.
    pub(crate) async fn draining(&self) {
        self.follower.shared().draining.cancelled().await;
    }

    /// From here on, it wakes for what is newer than this.
    fn mark_seen(&mut self) {
        if self.fresh_of != self.follower.view_id() {
            self.fresh_of = self.follower.view_id();
            self.fresh = self.follower.view().fresh();
        }
        self.fresh.mark_unchanged();
        self.board.mark_unchanged();
    }

    fn hold(&mut self, messages: &[Bytes]) {
        self.follower.hold(&mut self.account, messages);
    }

    async fn read(&mut self, after: Seq) -> Result<Vec<Bytes>, HubError> {
        let page = self.follower.read_page(after).await?;
        let gap = self.follower.open_page(&page, Instant::now());
        let mut messages: Vec<_> = gap.into_iter().collect();
        messages.extend(self.hand_out(page.run(self.position().seq)));
        Ok(messages)
    }

    fn hand_out(&mut self, run: Run) -> Vec<Bytes> {
        let count = run.frames.len() as u64;
        self.follower.delivered(run.upto, count, Instant::now());
        let name = self.follower.codec().name();
        self.follower.shared().telemetry.frames_delivered(name, count);
        run.frames.into_iter().map(|(_, frame)| frame).collect()
    }

    async fn wait(&mut self, until: Instant) {
        tokio::select! {
            // An error means that the hub is gone: the drain below ends the session.
            _ = self.fresh.changed() => {}
            _ = self.board.changed() => {}
            () = self.follower.shared().draining.cancelled() => {}
            () = sleep_until(until) => {}
        }
    }
}
