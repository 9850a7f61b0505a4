//! Follows one replication stream in a task of its own.
//!
//! | invariant | what it buys |
//! |---|---|
//! | a change waits for the next one, or for the commit | the last of a transaction says so |
//! | only the commit's place covers a transaction as a whole | a crash in its midst repeats nothing and skips nothing |
//! | changes are counted whether they are watched or not | a place in a transaction means the same in every life |
//! | the server hears of us while a reader is slow | it does not give us up |

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::Durable;
use super::catalog::{Catalog, Control};
use super::decode::{Message, decode};
use super::errors::{Failure, explain, is_without_publication};
use super::position::{Identity, Place};
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
    pub(super) identity: Identity,
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
    /// The reader's question, and up to where the server had written when it was asked.
    question: Option<(u64, u64)>,
}

impl Clock {
    pub(super) fn new(acknowledged: u64) -> Self {
        let now = Instant::now();
        Self { acknowledged, next_status: now, heard: now, question: None }
    }
}

/// The transaction whose changes are coming.
pub(super) struct Transaction {
    stamp: Stamp,
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
        let following = async {
            match self.follow(&sender).await {
                Err(End::Fault(error)) => Err(error),
                Ok(()) | Err(End::Unheard) => Ok(()),
            }
        };
        sender.run(following).await;
    }

    async fn follow(&mut self, sender: &DeliverySender) -> Result<(), End> {
        loop {
            let due = self.due();
            match timeout_at(due, self.session.next()).await {
                Ok(Ok(streamed)) => {
                    self.clock.heard = Instant::now();
                    self.take(streamed, sender).await?;
                }
                Ok(Err(failure)) => {
                    if is_without_publication(&failure) {
                        self.control.is_slot_stuck.store(true, Ordering::Release);
                    }
                    return Err(self.explain(failure).into());
                }
                Err(_) => self.check_silence()?,
            }
            self.note_question(sender).await?;
            self.report(false).await?;
        }
    }

    /// How long nothing need be done but to listen.
    fn due(&self) -> Instant {
        Instant::now() + limits::POSTGRES_LOOK_EVERY
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
    /// written by then.
    async fn note_question(&mut self, sender: &DeliverySender) -> Result<(), SourceError> {
        if self.clock.question.is_none()
            && let Some(question) = sender.question()
        {
            self.clock.question = Some((question, self.control.flushed().await?));
        }
        if self.clock.question.is_some() {
            self.report(true).await?;
        }
        Ok(())
    }

    async fn answer(&mut self, wal_end: u64, sender: &DeliverySender) {
        if let Some((question, _)) = self.clock.question.take_if(|(_, target)| *target <= wal_end) {
            sender.answer_nothing(question).await;
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
        let position = Some(place.to_position(&self.identity));
        let sending = sender.send(Ok(Delivery { change, position }));
        tokio::pin!(sending);
        loop {
            let status_due = Instant::now() + limits::POSTGRES_STATUS_EVERY;
            tokio::select! {
                biased;
                is_heard = &mut sending => {
                    return if is_heard { Ok(()) } else { Err(End::Unheard) };
                }
                () = sleep_until(status_due) => self.report(true).await?,
            }
        }
    }
}

impl Transaction {
    fn new(commit_lsn: u64, commit_micros: i64, xid: u32) -> Self {
        let millis = commit_micros.saturating_add(EPOCH_MICROS) / 1000;
        let time = Timestamp(u64::try_from(millis).unwrap_or(0));
        let wall_time = format!(r#""wallTime":{{"$date":"{time}"}}"#);
        let stamp = Stamp { commit_lsn, wall_time };
        Self { stamp, xid, ordinal: 0, index: 0, pending: None }
    }

    /// Writes where the change stands in the transaction, as its event's end.
    fn finish(&mut self, encoded: Encoded, is_last: bool) -> Change {
        let Encoded { topic, op, key, mut event, .. } = encoded;
        let mut end = String::with_capacity(64);
        let (xid, index) = (self.xid, self.index);
        write!(end, r#","txn":{{"id":{xid},"index":{index},"last":{is_last}}}}}"#)
            .expect("a string takes what is written");
        self.index += 1;
        event.extend_from_slice(end.as_bytes());
        Change { topic, op, key, event: event.into() }
    }
}
