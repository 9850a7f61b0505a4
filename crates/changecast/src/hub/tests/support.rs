//! A hub over a log that yields and can be told to fail, a format that is easily read back, and a
//! subscriber that collects what it hears.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::board::Board;
use crate::hub::{
    Codec, Control, Hub, HubError, Mode, Output, Selection, Span, Start, Subscribe, Subscription,
};
use crate::log::{
    Batch, Log, LogError, LogSize, MemoryLog, Page, PositionUpdate, Publication, Published,
    Retention, TopicState,
};
use crate::model::{
    Body, Change, Epoch, EventId, Op, Position, Seq, SourceGap, Timestamp, Topic, TopicPattern,
    TopicSet,
};
use crate::telemetry::Telemetry;

/// A log in memory whose reads give way to other tasks before and after, so that a dropped call
/// may be caught in the midst of one.
pub(super) struct TestLog {
    inner: MemoryLog,
    pub(super) reads_fail: AtomicBool,
}

#[async_trait]
impl Log for TestLog {
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
        self.inner.append(batch).await
    }

    async fn read(&self, after: Seq, topics: &TopicSet) -> Result<Page, LogError> {
        tokio::task::yield_now().await;
        if self.reads_fail.load(Ordering::Relaxed) {
            return Err(LogError::Storage("the disk is on fire".into()));
        }
        let page = self.inner.read(after, topics).await;
        tokio::task::yield_now().await;
        page
    }

    async fn place_of_last(&self, count: u32, topics: &TopicSet) -> Result<Seq, LogError> {
        tokio::task::yield_now().await;
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

/// One word a frame, such as `change 42`; it counts the changes that it encodes.
pub(super) struct TestCodec {
    name: &'static str,
    encoded: AtomicUsize,
}

impl TestCodec {
    pub(super) fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, encoded: AtomicUsize::new(0) })
    }

    pub(super) fn encoded(&self) -> usize {
        self.encoded.load(Ordering::Relaxed)
    }
}

impl Codec for TestCodec {
    fn name(&self) -> &'static str {
        self.name
    }

    fn change(&self, id: EventId, change: &Change) -> Bytes {
        self.encoded.fetch_add(1, Ordering::Relaxed);
        let padding = "x".repeat(change.event.len());
        format!("change {} {padding}", id.seq).into()
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        Some(Bytes::from(match control {
            Control::Hello(hello) => format!("hello {}", hello.position.seq),
            Control::Gap(gap) => format!("gap {} {}", gap.id.seq, gap.reason),
            Control::Bookmark(id) => format!("bookmark {}", id.seq),
            Control::Source(status) => format!("source {:?}", status.state),
            Control::Bye(_) => "bye".to_owned(),
        }))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Hello(u64),
    Change(u64),
    Gap(u64),
    /// The writer's last entry.
    Finish,
    Bookmark(u64),
    Source(String),
    Bye,
    /// Not a frame: the session has ended.
    End,
}

pub(super) fn parse(frame: &[u8]) -> Word {
    let text = std::str::from_utf8(frame).unwrap();
    let mut parts = text.split(' ');
    let kind = parts.next().unwrap();
    let rest = parts.next().unwrap_or_default();
    let seq = || rest.parse().unwrap();
    match kind {
        "hello" => Word::Hello(seq()),
        "change" => Word::Change(seq()),
        "gap" if text.ends_with(FINISH) => Word::Finish,
        "gap" => Word::Gap(seq()),
        "bookmark" => Word::Bookmark(seq()),
        "source" => Word::Source(rest.to_owned()),
        "bye" => Word::Bye,
        other => panic!("{other:?} is no word"),
    }
}

const FINISH: &str = "the writer has finished";

pub(super) struct TestHub {
    pub(super) hub: Hub,
    pub(super) log: Arc<TestLog>,
    pub(super) board: Board,
    _stops_the_feed: DropGuard,
}

impl TestHub {
    pub(super) fn start() -> Self {
        Self::keeping(Retention::default())
    }

    pub(super) fn keeping(retention: Retention) -> Self {
        let inner = MemoryLog::new(retention);
        let log = Arc::new(TestLog { inner, reads_fail: AtomicBool::new(false) });
        let board = Board::default();
        let stop = CancellationToken::new();
        let shared: Arc<dyn Log> = Arc::<TestLog>::clone(&log);
        let telemetry = Arc::new(Telemetry::new());
        let hub = Hub::start(shared, board.clone(), telemetry, stop.clone());
        Self { hub, log, board, _stops_the_feed: stop.drop_guard() }
    }

    pub(super) async fn subscribe(
        &self,
        patterns: &str,
        start: Start,
        codec: &Arc<TestCodec>,
    ) -> Subscriber {
        self.subscribe_to(Selection::new(topics(patterns), None), start, codec).await
    }

    pub(super) async fn subscribe_to(
        &self,
        selection: Selection,
        start: Start,
        codec: &Arc<TestCodec>,
    ) -> Subscriber {
        let codec: Arc<dyn Codec> = Arc::<TestCodec>::clone(codec);
        let wanted = Subscribe { selection, start, codec, mode: Mode::Queue, span: Span::Endless };
        Subscriber::new(self.hub.subscribe(wanted, CancellationToken::new()).await.unwrap())
    }

    pub(super) fn id(&self, seq: u64) -> EventId {
        EventId { epoch: self.log.epoch(), seq: Seq(seq) }
    }

    /// Appends one change to each topic, as one batch.
    pub(super) async fn append(&self, topics: &[&str]) -> Seq {
        append(&self.log, topics, 2).await
    }

    /// Appends what every subscriber sees, and no other entry looks like.
    pub(super) async fn finish(&self) -> Seq {
        finish(&self.log).await
    }
}

pub(super) async fn append(log: &TestLog, topics: &[&str], size: usize) -> Seq {
    let bodies = topics.iter().map(|topic| change(topic, size)).collect();
    let position = PositionUpdate::Keep;
    log.append(Batch { source: "s".into(), bodies, position }).await.unwrap()
}

pub(super) async fn finish(log: &TestLog) -> Seq {
    let bodies = vec![Body::Gap(SourceGap::new(FINISH, &TopicSet::all()))];
    let position = PositionUpdate::Keep;
    log.append(Batch { source: "s".into(), bodies, position }).await.unwrap()
}

fn change(topic: &str, size: usize) -> Body {
    change_of(topic, vec![b'x'; size].into())
}

pub(super) fn change_of(topic: &str, event: Bytes) -> Body {
    let topic = Topic::parse(topic).unwrap();
    Body::Change(Change { topic, op: Op::Insert, key: Bytes::new(), event })
}

pub(super) fn topics(patterns: &str) -> TopicSet {
    TopicSet::new(patterns.split_whitespace().map(|text| TopicPattern::parse(text).unwrap()))
}

/// Collects what it hears, when it is asked to listen.
pub(super) struct Subscriber {
    pub(super) subscription: Subscription,
    pub(super) heard: Vec<Word>,
}

impl Subscriber {
    fn new(subscription: Subscription) -> Self {
        Self { subscription, heard: Vec::new() }
    }

    /// Takes the next messages.
    pub(super) async fn listen(&mut self) -> Result<(), HubError> {
        let output = self.subscription.next().await?;
        self.take(output);
        Ok(())
    }

    pub(super) fn take(&mut self, output: Output) {
        match output {
            Output::Messages(messages) => {
                assert!(!messages.is_empty(), "an output says something");
                self.heard.extend(messages.iter().map(|frame| parse(frame)));
            }
            Output::End(_) => self.heard.push(Word::End),
        }
    }

    pub(super) async fn listen_until(&mut self, last: &Word) {
        let listening = async {
            while !self.heard.contains(last) {
                self.listen().await.unwrap();
            }
        };
        // Only so that a lost word fails the test, rather than hang it.
        let patience = tokio::time::timeout(Duration::from_secs(120), listening);
        patience.await.unwrap_or_else(|_| panic!("never heard {last:?}"));
    }

    pub(super) async fn listen_to_the_finish(&mut self) {
        self.listen_until(&Word::Finish).await;
    }

    pub(super) fn position(&self) -> u64 {
        match self.heard.first() {
            Some(Word::Hello(seq)) => *seq,
            other => panic!("the first word is a hello, not {other:?}"),
        }
    }

    pub(super) fn changes(&self) -> Vec<u64> {
        let seq = |word: &Word| match word {
            Word::Change(seq) => Some(*seq),
            _ => None,
        };
        self.heard.iter().filter_map(seq).collect()
    }
}
