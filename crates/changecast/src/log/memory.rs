//! A log without storage: for tests, and for embedders who can lose history with the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use super::recent::Recent;
use super::{
    Batch, Clock, Log, LogError, LogSize, Page, PositionUpdate, Publication, Published, Retention,
    TopicState,
};
use crate::limits;
use crate::model::{Body, Entry, Epoch, Position, Seq, Timestamp, TopicSet};

/// Keeps entries in memory, within its retention; "durable" means "in memory" here.
pub struct MemoryLog {
    epoch: Epoch,
    retention: Retention,
    clock: Clock,
    tail: watch::Sender<Seq>,
    /// A std mutex: held for short, never across an await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: Recent,
    last_time: Timestamp,
    topics: HashMap<Arc<str>, TopicState>,
    /// Gaps have no topic of their own: the newest one trimmed counts for everybody.
    trimmed_gap: Seq,
    positions: HashMap<Arc<str>, Position>,
    /// What was published under a key, by topic and key.
    published: HashMap<TopicKey, (Seq, [u8; 32])>,
    /// The same by place, to forget it with its entry.
    keys: HashMap<Seq, TopicKey>,
    closed: bool,
}

/// A topic, and a key there.
type TopicKey = (Arc<str>, Arc<str>);

impl MemoryLog {
    /// An empty log, with a new epoch.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        Self::with_clock(retention, Clock::default())
    }

    /// The same, with the time told by `clock`.
    #[must_use]
    pub fn with_clock(retention: Retention, clock: Clock) -> Self {
        Self {
            epoch: Epoch::from_random(fastrand::u64(..)),
            retention,
            clock,
            tail: watch::Sender::new(Seq::ZERO),
            state: Mutex::default(),
        }
    }

    /// The state at this time: what has become too old in the meantime is gone.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.trim(&self.retention, self.clock.now());
        state
    }
}

impl State {
    fn push(&mut self, source: &Arc<str>, body: Body, now: Timestamp) {
        let seq = self.kept.tail().next();
        self.last_time = self.last_time.max(now);
        if let Body::Change(change) = &body {
            let name: Arc<str> = change.topic.as_str().into();
            let topic = self.topics.entry(Arc::clone(&name)).or_insert_with(|| TopicState {
                topic: name,
                source: Arc::clone(source),
                last_seq: 0,
                trimmed_seq: 0,
            });
            topic.last_seq = seq.0;
        }
        let entry = Entry { seq, time: self.last_time, source: Arc::clone(source), body };
        self.kept.push(Arc::new(entry));
    }

    fn publish(&mut self, publication: Publication, now: Timestamp) -> Published {
        let Publication { source, change, key } = publication;
        let topic: Arc<str> = change.topic.as_str().into();
        let key = key.map(|key| ((topic, Arc::clone(&key.text)), key));
        if let Some((place, key)) = &key
            && let Some((seq, fingerprint)) = self.published.get(place)
        {
            return key.against(fingerprint, *seq);
        }
        self.push(&source, Body::Change(change), now);
        let seq = self.kept.tail();
        if let Some((place, key)) = key {
            self.published.insert(place.clone(), (seq, key.fingerprint));
            self.keys.insert(seq, place);
        }
        Published::Appended(seq)
    }

    fn trim(&mut self, retention: &Retention, now: Timestamp) {
        let oldest = retention.oldest(now);
        while self.kept.entry_count() as u64 > retention.entries_max
            || self.kept.bytes() as u64 > retention.bytes_max
            || self.kept.iter().next().is_some_and(|entry| entry.time < oldest)
        {
            let Some(entry) = self.kept.pop() else { return };
            if let Some(key) = self.keys.remove(&entry.seq) {
                self.published.remove(&key);
            }
            match &entry.body {
                Body::Change(change) => {
                    if let Some(topic) = self.topics.get_mut(change.topic.as_str()) {
                        topic.trimmed_seq = entry.seq.0;
                    }
                }
                Body::Gap(_) => self.trimmed_gap = entry.seq,
            }
        }
    }

    fn trimmed(&self, topics: &TopicSet) -> Seq {
        super::newest_trimmed(self.topics.values(), topics).max(self.trimmed_gap)
    }
}

#[async_trait]
impl Log for MemoryLog {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn tail(&self) -> watch::Receiver<Seq> {
        self.tail.subscribe()
    }

    fn trimmed(&self, topics: &TopicSet) -> Seq {
        self.lock().trimmed(topics)
    }

    fn topics(&self) -> Vec<TopicState> {
        self.lock().topics.values().cloned().collect()
    }

    async fn append(&self, batch: Batch) -> Result<Seq, LogError> {
        super::check_weights(&batch)?;
        let now = self.clock.now();
        let mut state = self.lock();
        if state.closed {
            return Err(LogError::Closed);
        }
        for body in batch.bodies {
            state.push(&batch.source, body, now);
        }
        match batch.position {
            PositionUpdate::Keep => {}
            PositionUpdate::Set(position) => {
                state.positions.insert(batch.source, position);
            }
            PositionUpdate::Clear => {
                state.positions.remove(&batch.source);
            }
        }
        state.trim(&self.retention, now);
        let tail = state.kept.tail();
        // Sent under the lock: two appends must not swap their tails.
        self.tail.send_if_modified(|known| std::mem::replace(known, tail) != tail);
        Ok(tail)
    }

    async fn publish(&self, publication: Publication) -> Result<Published, LogError> {
        super::check_weight(&publication.change)?;
        let now = self.clock.now();
        let mut state = self.lock();
        if state.closed {
            return Err(LogError::Closed);
        }
        let published = state.publish(publication, now);
        state.trim(&self.retention, now);
        let tail = state.kept.tail();
        self.tail.send_if_modified(|known| std::mem::replace(known, tail) != tail);
        Ok(published)
    }

    async fn read(&self, after: Seq, topics: &TopicSet) -> Result<Page, LogError> {
        let state = self.lock();
        let trimmed = state.trimmed(topics);
        let mut page = state.kept.page(after, topics);
        page.lost_to = (trimmed > after).then_some(trimmed);
        Ok(page)
    }

    async fn place_of_last(&self, count: u32, topics: &TopicSet) -> Result<Seq, LogError> {
        let count = count.min(limits::LAST_MAX) as usize;
        let state = self.lock();
        let tail = state.kept.tail();
        Ok(super::place_before(
            state.kept.iter().rev().filter(|entry| entry.concerns(topics)).map(|entry| entry.seq),
            count,
            tail,
        ))
    }

    async fn place_of_time(&self, time: Timestamp) -> Result<Seq, LogError> {
        Ok(self.lock().kept.place_of_time(time))
    }

    async fn position(&self, source: &str) -> Result<Option<Position>, LogError> {
        Ok(self.lock().positions.get(source).cloned())
    }

    fn fault(&self) -> Option<String> {
        None
    }

    fn size(&self) -> LogSize {
        let state = self.lock();
        LogSize { entry_count: state.kept.entry_count() as u64, bytes: state.kept.bytes() as u64 }
    }

    async fn close(&self) {
        self.lock().closed = true;
    }
}
