//! Follows one replication stream in a task of its own.
//!
//! | invariant | what it buys |
//! |---|---|
//! | a change waits for the next one, or for the commit | the last of a transaction says so |
//! | only the commit's place covers a transaction as a whole | a crash in its midst repeats nothing and skips nothing |
//! | changes are counted whether they are watched or not | a place in a transaction means the same in every life |
//! | the server hears of us while a reader is slow | it does not give us up |

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep, sleep_until};

use super::Durable;
use super::catalog::{Catalog, Control};
use super::decode::{Message, decode};
use super::errors::{Failure, explain, is_without_publication, lost};
use super::position::{Place, Positions};
use super::prepare::published::until_unpublished;
use super::session::{EPOCH_MICROS, Session, Streamed};
use super::table::{Encoded, Stamp, Table};
use crate::limits;
use crate::model::{Change, Timestamp};
use crate::source::{Delivery, DeliverySender, SourceError};
use crate::telemetry::Telemetry;

/// Carries one stream into its [`DeliverySender`].
pub(super) struct Follower {
    pub(super) session: Session,
    pub(super) control: Arc<Control>,
    pub(super) catalog: Catalog,
    /// By their ids; none is not watched.
    pub(super) tables: HashMap<u32, Option<Table>>,
    pub(super) positions: Positions,
    pub(super) place: Place,
    pub(super) durable: Arc<Durable>,
    pub(super) clock: Clock,
    pub(super) transaction: Option<Transaction>,
    pub(super) telemetry: Arc<Telemetry>,
}

/// When the server was last told something, and when it last told something.
pub(super) struct Clock {
    acknowledged: u64,
    next_status: Instant,
    heard: Instant,
    question: Option<Question>,
}

/// The reader has asked whether there is something now.
struct Question {
    number: u64,
    /// Up to where the server had written by then.
    target: u64,
    /// When the server is asked again how far it has come.
    again: Instant,
}

impl Clock {
    pub(super) fn new(acknowledged: u64) -> Self {
        let now = Instant::now();
        Self { acknowledged, next_status: now, heard: now, question: None }
    }
}

/// The transaction whose changes are coming.
pub(super) struct Transaction {
    pub(super) stamp: Stamp,
    xid: u32,
    /// Changes so far, watched or not.
    ordinal: u64,
    /// Watched changes so far.
    index: u64,
    /// The last watched one, and the place after it.
    pending: Option<(Encoded, Place)>,
}

/// Nobody listens any more, or the stream cannot go on.
enum End {
    Unheard,
    Fault(SourceError),
}

impl From<SourceError> for End {
    fn from(error: SourceError) -> Self {
        Self::Fault(error)
    }
}

impl Follower {
    /// Ends when nobody listens any more, or after an error.
    pub(super) async fn run(mut self, sender: DeliverySender) {
        let control = Arc::clone(&self.control);
        let following = async {
            let ended = tokio::select! {
                ended = self.follow(&sender) => ended,
                error = until_unpublished(&control) => Err(End::Fault(error)),
            };
            match ended {
                Err(End::Fault(error)) => Err(error),
                Ok(()) | Err(End::Unheard) => Ok(()),
            }
        };
        sender.run(following).await;
    }

    async fn follow(&mut self, sender: &DeliverySender) -> Result<(), End> {
        loop {
            // What has come already needs neither a clock nor a timer.
            while let Some(streamed) = self.next_received()? {
                self.take(streamed, sender).await?;
            }
            self.note_question(sender).await?;
            self.report(false).await?;
            self.wait(sender).await?;
        }
    }

    fn next_received(&mut self) -> Result<Option<Streamed>, SourceError> {
        self.session.next_received().map_err(|failure| {
            if is_without_publication(&failure) {
                self.control.is_slot_stuck.store(true, Ordering::Release);
                return lost("the publication was not there when the changes were made");
            }
            self.explain(failure)
        })
    }

    /// Until there is something to do: a quiet stream costs nothing.
    async fn wait(&mut self, sender: &DeliverySender) -> Result<(), SourceError> {
        let due = self.due();
        let has_news = self.has_news();
        let is_asked = self.clock.question.is_some();
        tokio::select! {
            biased;
            received = self.session.receive() => {
                received.map_err(|failure| self.explain(failure))?;
                self.clock.heard = Instant::now();
            }
            // What is news already waits for its time.
            () = self.durable.moved.notified(), if !has_news => {}
            // The next question waits for the answer to this one.
            () = sender.asked(), if !is_asked => {}
            () = sleep_until(due) => self.check_silence()?,
        }
        Ok(())
    }

    /// How long nothing need be done but to listen.
    fn due(&self) -> Instant {
        let silence = self.clock.heard + limits::POSTGRES_SILENCE_MAX;
        let status = self.has_news().then_some(self.clock.next_status);
        let again = self.clock.question.as_ref().map(|question| question.again);
        [status, again].into_iter().flatten().fold(silence, Instant::min)
    }

    /// Whether more is durable than the server has been told.
    fn has_news(&self) -> bool {
        self.durable.lsn.load(Ordering::Acquire) > self.clock.acknowledged
    }

    /// The server asks now and then whether we are there: if it does not, it is not there.
    fn check_silence(&self) -> Result<(), SourceError> {
        if self.clock.heard.elapsed() < limits::POSTGRES_SILENCE_MAX {
            return Ok(());
        }
        Err(self.explain(Failure::Broken("the server has fallen silent".into())))
    }

    fn explain(&self, failure: Failure) -> SourceError {
        explain(&self.control.config, failure)
    }

    /// Tells the server what is durable, if that is news, but not too often.
    async fn report(&mut self, at_once: bool) -> Result<(), SourceError> {
        let durable = self.durable.lsn.load(Ordering::Acquire);
        let is_due = durable > self.clock.acknowledged && self.clock.next_status <= Instant::now();
        if !at_once && !is_due {
            return Ok(());
        }
        let asks = self.clock.question.is_some();
        self.session.acknowledge(durable, asks).await.map_err(|failure| self.explain(failure))?;
        self.clock.acknowledged = durable;
        self.clock.next_status = Instant::now() + limits::POSTGRES_STATUS_EVERY;
        Ok(())
    }

    // ── The reader's questions ─────────────────────────────────────────────────────────────────

    /// A reader who asks whether there is something now has to wait for all that the server has
    /// written by then. The server says how far it has come when it is asked.
    async fn note_question(&mut self, sender: &DeliverySender) -> Result<(), SourceError> {
        if self.clock.question.is_none()
            && let Some(number) = sender.question()
        {
            let target = self.control.flushed().await?;
            self.clock.question = Some(Question { number, target, again: Instant::now() });
        }
        if let Some(question) = &mut self.clock.question
            && question.again <= Instant::now()
        {
            question.again = Instant::now() + limits::POSTGRES_ASK_EVERY;
            self.report(true).await?;
        }
        Ok(())
    }

    async fn answer(&mut self, wal_end: u64, sender: &DeliverySender) {
        let answered = self.clock.question.take_if(|question| question.target <= wal_end);
        if let Some(question) = answered {
            sender.answer_nothing(question.number).await;
        }
    }

    // ── The server's messages ──────────────────────────────────────────────────────────────────

    async fn take(&mut self, streamed: Streamed, sender: &DeliverySender) -> Result<(), End> {
        match streamed {
            Streamed::Data(bytes) => {
                let message = decode(&bytes).map_err(|failure| self.explain(failure))?;
                self.take_message(message, sender).await
            }
            Streamed::Keepalive { wal_end, wants_reply } => {
                if self.transaction.is_none() && wal_end > self.place.lsn {
                    self.place = Place::at(wal_end);
                    self.deliver(None, self.place, sender).await?;
                }
                self.answer(wal_end, sender).await;
                if wants_reply {
                    self.report(true).await?;
                }
                Ok(())
            }
        }
    }

    async fn take_message(
        &mut self,
        message: Message<'_>,
        sender: &DeliverySender,
    ) -> Result<(), End> {
        match message {
            Message::Begin { commit_lsn, commit_micros, xid } => {
                self.control.told.note(xid);
                self.transaction = Some(Transaction::new(commit_lsn, commit_micros, xid));
            }
            Message::Commit { end_lsn, .. } => return self.commit(end_lsn, sender).await,
            Message::Relation(relation) => {
                let table = self.catalog.table(&relation).await?;
                self.tables.insert(relation.id, table);
            }
            Message::Insert { relation, new } => {
                let step = |table: &Table, stamp: &Stamp, at| table.insert(stamp, at, &new);
                self.change(relation, sender, step).await?;
            }
            Message::Delete { relation, old } => {
                let step = |table: &Table, stamp: &Stamp, at| table.delete(stamp, at, &old);
                self.change(relation, sender, step).await?;
            }
            Message::Update { relation, old, new } => {
                let old = old.as_ref();
                let table = self.tables.get(&relation).and_then(Option::as_ref);
                let count = table.map_or(1, |table| table.update_count(old, &new));
                if let (2, Some(gone)) = (count, old) {
                    let step = |table: &Table, stamp: &Stamp, at| table.delete(stamp, at, gone);
                    self.change(relation, sender, step).await?;
                    let step = |table: &Table, stamp: &Stamp, at| table.moved(stamp, at, old, &new);
                    self.change(relation, sender, step).await?;
                } else {
                    let step =
                        |table: &Table, stamp: &Stamp, at| table.update(stamp, at, old, &new);
                    self.change(relation, sender, step).await?;
                }
            }
            Message::Truncate { relations } => {
                for relation in relations {
                    let step = |table: &Table, stamp: &Stamp, at| table.truncate(stamp, at);
                    self.change(relation, sender, step).await?;
                }
            }
            Message::Other => {}
        }
        Ok(())
    }

    /// Counts one change and, if it is watched and new, keeps it until the next one comes.
    async fn change(
        &mut self,
        relation: u32,
        sender: &DeliverySender,
        encode: impl FnOnce(&Table, &Stamp, u64) -> Encoded,
    ) -> Result<(), End> {
        let Some(transaction) = &mut self.transaction else {
            let problem = "the server sent a change outside of a transaction".to_owned();
            return Err(SourceError::Unavailable(problem).into());
        };
        transaction.ordinal += 1;
        let (ordinal, commit) = (transaction.ordinal, transaction.stamp.commit_lsn);
        let Some(Some(table)) = self.tables.get(&relation) else {
            return Ok(());
        };
        let is_covered = self.place.commit == commit && ordinal <= self.place.ordinal;
        if is_covered {
            transaction.index += 1;
            return Ok(());
        }
        let encoded = encode(table, &transaction.stamp, ordinal);
        if encoded.replacements > 0 {
            self.telemetry.text_replaced(&self.control.config.name, encoded.replacements);
        }
        let after = Place { lsn: self.place.lsn, commit, ordinal };
        let before = transaction.pending.replace((encoded, after));
        if let Some((encoded, place)) = before {
            let change = transaction.finish(encoded, false);
            self.deliver(Some(change), place, sender).await?;
        }
        Ok(())
    }

    async fn commit(&mut self, end_lsn: u64, sender: &DeliverySender) -> Result<(), End> {
        let transaction = self.transaction.take();
        let last = transaction.and_then(|mut transaction| {
            let (encoded, _) = transaction.pending.take()?;
            Some(transaction.finish(encoded, true))
        });
        self.place = Place::at(end_lsn);
        self.deliver(last, self.place, sender).await
    }

    /// Hands over a delivery; while the reader is behind, the server is told that we live.
    async fn deliver(
        &mut self,
        change: Option<Change>,
        place: Place,
        sender: &DeliverySender,
    ) -> Result<(), End> {
        let position = Some(self.positions.at(place));
        let mut sending = std::pin::pin!(sender.send(Ok(Delivery { change, position })));
        // Mostly there is room, and nothing to be timed.
        let mut is_heard = sending.as_mut().now_or_never();
        while is_heard.is_none() {
            tokio::select! {
                biased;
                heard = &mut sending => is_heard = Some(heard),
                () = sleep(limits::POSTGRES_STATUS_EVERY) => self.report(true).await?,
            }
            // Nobody has listened to the server meanwhile.
            self.clock.heard = Instant::now();
        }
        if is_heard == Some(true) { Ok(()) } else { Err(End::Unheard) }
    }
}

impl Transaction {
    pub(super) fn new(commit_lsn: u64, commit_micros: i64, xid: u32) -> Self {
        let millis = commit_micros.saturating_add(EPOCH_MICROS) / 1000;
        let time = Timestamp(u64::try_from(millis).unwrap_or(0));
        let wall_time = format!(r#""wallTime":{{"$date":"{time}"}}"#);
        let stamp = Stamp { commit_lsn, wall_time };
        Self { stamp, xid, ordinal: 0, index: 0, pending: None }
    }

    /// Writes where the change stands in the transaction, as its event's end.
    pub(super) fn finish(&mut self, encoded: Encoded, is_last: bool) -> Change {
        let Encoded { topic, op, key, mut event, .. } = encoded;
        let (xid, index) = (self.xid, self.index);
        write!(event, r#","txn":{{"id":{xid},"index":{index},"last":{is_last}}}}}"#)
            .expect("memory takes what is written");
        self.index += 1;
        Change { topic, op, key, event: event.into() }
    }
}
