//! Logs to test, and short words for what goes into them.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;

use crate::log::{
    Batch, Clock, Log, LogError, LogOptions, MemoryLog, Page, PositionUpdate, Retention, SqliteLog,
};
use crate::model::{
    Body, Change, Entry, Op, Position, Seq, SourceGap, Topic, TopicPattern, TopicSet,
};

/// A kind of log, with the storage that its logs live in.
pub(super) enum Kind {
    Memory,
    Sqlite(TempDir),
    /// As it is after a restart: nothing in memory.
    SqliteReopened(TempDir),
}

impl Kind {
    pub(super) fn memory() -> Self {
        Self::Memory
    }

    pub(super) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(super) fn sqlite_reopened() -> Self {
        Self::SqliteReopened(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Memory => None,
            Self::Sqlite(dir) | Self::SqliteReopened(dir) => Some(dir.path().join("log.db")),
        }
    }

    pub(super) fn open(&self, retention: Retention) -> Arc<dyn Log> {
        self.open_at(retention, Clock::default())
    }

    pub(super) fn open_at(&self, retention: Retention, clock: Clock) -> Arc<dyn Log> {
        let options = LogOptions { retention, clock: clock.clone(), ..LogOptions::default() };
        match self.path() {
            None => Arc::new(MemoryLog::with_clock(retention, clock)),
            Some(path) => Arc::new(SqliteLog::open_with(&path, options).unwrap()),
        }
    }

    /// The log as its readers find it.
    pub(super) async fn settle(&self, log: Arc<dyn Log>, retention: Retention) -> Arc<dyn Log> {
        self.settle_at(log, retention, Clock::default()).await
    }

    pub(super) async fn settle_at(
        &self,
        log: Arc<dyn Log>,
        retention: Retention,
        clock: Clock,
    ) -> Arc<dyn Log> {
        if !matches!(self, Self::SqliteReopened(_)) {
            return log;
        }
        log.close().await;
        drop(log);
        self.open_at(retention, clock)
    }

    /// The log after a restart, where it survives one.
    pub(super) async fn reopen(&self, log: Arc<dyn Log>, retention: Retention) -> Arc<dyn Log> {
        if matches!(self, Self::Memory) {
            return log;
        }
        log.close().await;
        drop(log);
        self.open(retention)
    }

    /// A log that holds `batches`, as its readers find it.
    pub(super) async fn holding(&self, batches: Vec<Batch>) -> Arc<dyn Log> {
        let log = self.open(Retention::default());
        for batch in batches {
            log.append(batch).await.unwrap();
        }
        self.settle(log, Retention::default()).await
    }
}

pub(super) fn topics(patterns: &str) -> TopicSet {
    TopicSet::new(patterns.split_whitespace().map(|text| TopicPattern::parse(text).unwrap()))
}

pub(super) fn change(topic: &str, event: impl Into<Bytes>) -> Body {
    Body::Change(Change {
        topic: Topic::parse(topic).unwrap(),
        op: Op::Insert,
        key: Bytes::from_static(br#"{"_id":1}"#),
        event: event.into(),
    })
}

/// `count` changes of one topic, each of its own content.
pub(super) fn changes(topic: &str, count: usize) -> Vec<Body> {
    (0..count).map(|index| change(topic, format!(r#"{{"n":{index}}}"#))).collect()
}

pub(super) fn gap(scope: &str) -> Body {
    Body::Gap(SourceGap::new("the database forgot", &topics(scope)))
}

pub(super) fn batch(source: &str, bodies: Vec<Body>) -> Batch {
    Batch { source: source.into(), bodies, position: PositionUpdate::Keep }
}

pub(super) fn batch_at(source: &str, bodies: Vec<Body>, position: &str) -> Batch {
    let position = PositionUpdate::Set(Position::new(position.to_owned()));
    Batch { source: source.into(), bodies, position }
}

pub(super) fn tail_of(log: &dyn Log) -> Seq {
    *log.tail().borrow()
}

/// Everything of `topics` after `after`, page by page, and the last loss that a page told of.
pub(super) async fn read_all(
    log: &dyn Log,
    after: Seq,
    topics: &TopicSet,
) -> (Vec<Arc<Entry>>, Option<Seq>) {
    let (mut entries, mut lost_to, mut place) = (Vec::new(), None, after);
    while place < tail_of(log) {
        let page = log.read(place, topics).await.unwrap();
        check_page(&page, place, topics);
        place = page.covered;
        lost_to = page.lost_to.or(lost_to);
        entries.extend(page.entries);
    }
    (entries, lost_to)
}

/// What holds of every page that is not at the tail.
#[track_caller]
fn check_page(page: &Page, after: Seq, topics: &TopicSet) {
    assert!(page.covered > after, "a page leads on");
    assert!(page.entries.iter().all(|entry| entry.concerns(topics)));
    assert!(page.entries.iter().all(|entry| entry.seq > after && entry.seq <= page.covered));
    assert!(page.entries.is_sorted_by(|one, two| one.seq < two.seq && one.time <= two.time));
}

pub(super) fn seqs(entries: &[Arc<Entry>]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq.0).collect()
}

pub(super) fn assert_closed(outcome: &Result<Seq, LogError>) {
    assert!(matches!(outcome, Err(LogError::Closed)), "{outcome:?}");
}
