//! A runner under test, and a log that keeps a journal and can be told to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::log::{
    Batch, Log, LogError, LogSize, MemoryLog, Page, PositionUpdate, Publication, Published,
    Retention, TopicState,
};
use crate::model::{Body, Epoch, Position, Seq, SourceStatus, Timestamp, TopicSet};
use crate::source::scripted::{Event, Journal, Moved, Scripted, Watch, number_of, text};
use crate::source::{SourceError, start};
use crate::telemetry::Telemetry;

/// Notes each append; the next `failures` of them fail.
pub(super) struct JournalLog {
    inner: MemoryLog,
    journal: Journal,
    failures: AtomicUsize,
}

impl JournalLog {
    fn fails_now(&self) -> bool {
        let take_one = |left: usize| left.checked_sub(1);
        self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_ok()
    }
}

fn appended(batch: &Batch) -> Event {
    let (mut changes, mut gaps) = (Vec::new(), Vec::new());
    for body in &batch.bodies {
        match body {
            Body::Change(change) => changes.push(number_of(change)),
            Body::Gap(gap) => gaps.push(gap.reason.clone()),
        }
    }
    let position = match &batch.position {
        PositionUpdate::Keep => Moved::Kept,
        PositionUpdate::Set(position) => Moved::To(text(position)),
        PositionUpdate::Clear => Moved::Cleared,
    };
    Event::Appended { changes, gaps, position }
}

#[async_trait]
impl Log for JournalLog {
    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }

    fn tail(&self) -> watch::Receiver<Seq> {
        self.inner.tail()
    }

    fn trimmed(&self, topics: &TopicSet) -> Seq {
        self.inner.trimmed(topics)
    }

    fn topics(&self) -> Vec<TopicState> {
        self.inner.topics()
    }

    async fn publish(&self, publication: Publication) -> Result<Published, LogError> {
        self.inner.publish(publication).await
    }

    async fn append(&self, batch: Batch) -> Result<Seq, LogError> {
        if self.fails_now() {
            self.journal.note(Event::AppendFailed);
            return Err(LogError::Storage("disk full".into()));
        }
        let event = appended(&batch);
        let seq = self.inner.append(batch).await?;
        self.journal.note(event);
        Ok(seq)
    }

    async fn read(&self, after: Seq, topics: &TopicSet) -> Result<Page, LogError> {
        self.inner.read(after, topics).await
    }

    async fn place_of_last(&self, count: u32, topics: &TopicSet) -> Result<Seq, LogError> {
        self.inner.place_of_last(count, topics).await
    }

    async fn place_of_time(&self, time: Timestamp) -> Result<Seq, LogError> {
        self.inner.place_of_time(time).await
    }

    async fn position(&self, source: &str) -> Result<Option<Position>, LogError> {
        self.inner.position(source).await
    }

    fn fault(&self) -> Option<String> {
        self.inner.fault()
    }

    fn size(&self) -> LogSize {
        self.inner.size()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

pub(super) struct Running {
    pub(super) journal: Journal,
    pub(super) log: Arc<JournalLog>,
    pub(super) board: Board,
    pub(super) stop: CancellationToken,
    pub(super) task: JoinHandle<()>,
}

impl Running {
    pub(super) async fn start(script: Vec<Watch>) -> Self {
        Self::start_at(None, script).await
    }

    /// With a position in the log from an earlier life.
    pub(super) async fn start_at(position: Option<&'static str>, script: Vec<Watch>) -> Self {
        let journal = Journal::default();
        let inner = MemoryLog::new(Retention::default());
        if let Some(position) = position {
            let position = PositionUpdate::Set(Position::new(position));
            let batch = Batch { source: "shop".into(), bodies: Vec::new(), position };
            inner.append(batch).await.unwrap();
        }
        let log = JournalLog { inner, journal: journal.clone(), failures: AtomicUsize::new(0) };
        let (log, board, stop) = (Arc::new(log), Board::default(), CancellationToken::new());
        let source = Arc::new(Scripted::new(script, journal.clone()));
        let shared: Arc<dyn Log> = Arc::<JournalLog>::clone(&log);
        let telemetry = Arc::new(Telemetry::new());
        let runner = start(source, shared, board.clone(), telemetry, stop.clone()).await;
        Self { journal, log, board, stop, task: tokio::spawn(runner) }
    }

    pub(super) fn fail_appends(&self, count: usize) {
        self.log.failures.store(count, Ordering::Relaxed);
    }

    pub(super) fn status(&self) -> SourceStatus {
        self.board.sources().into_iter().next().expect("the runner puts its source on the board")
    }

    pub(super) async fn wait_for_status(&self, is_wanted: impl Fn(&SourceStatus) -> bool) {
        let mut version = self.board.version();
        while !is_wanted(&self.status()) {
            version.changed().await.unwrap();
        }
    }

    pub(super) async fn stored_position(&self) -> Option<String> {
        self.log.position("shop").await.unwrap().as_ref().map(text)
    }

    /// The changes in the log, by number; a gap is none.
    pub(super) async fn logged(&self) -> Vec<Option<u32>> {
        let page = self.log.read(Seq::ZERO, &TopicSet::all()).await.unwrap();
        let number = |body: &Body| match body {
            Body::Change(change) => Some(number_of(change)),
            Body::Gap(_) => None,
        };
        page.entries.iter().map(|entry| number(&entry.body)).collect()
    }
}

pub(super) fn watched(position: &str) -> Event {
    Event::Watched(Some(position.to_owned()))
}

pub(super) const WATCHED_FROM_NOW: Event = Event::Watched(None);

pub(super) fn acknowledged(position: &str) -> Event {
    Event::Acknowledged(position.to_owned())
}

pub(super) fn stored(changes: &[u32], position: &str) -> Event {
    let position = Moved::To(position.to_owned());
    Event::Appended { changes: changes.to_vec(), gaps: Vec::new(), position }
}

pub(super) fn stored_midway(changes: &[u32]) -> Event {
    Event::Appended { changes: changes.to_vec(), gaps: Vec::new(), position: Moved::Kept }
}

pub(super) fn stored_gap(reason: &str, position: Moved) -> Event {
    Event::Appended { changes: Vec::new(), gaps: vec![reason.to_owned()], position }
}

pub(super) fn unavailable() -> SourceError {
    SourceError::Unavailable("connection refused".into())
}

pub(super) fn history_lost() -> SourceError {
    SourceError::HistoryLost("the oplog has moved on".into())
}

pub(super) fn wrong_password() -> SourceError {
    SourceError::Operator { problem: "wrong password".into(), remedy: "set the right one".into() }
}
