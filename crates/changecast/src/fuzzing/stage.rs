//! A hub over a small log, and a listener that knows what a subscriber may hear.

use std::future::Future;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::filter::{Event, Filter, Verdict};
use crate::hub::{Codec, Hub, Mode, Output, Selection, Span, Start, Subscribe, Subscription};
use crate::limits;
use crate::log::{Batch, Log, MemoryLog, PositionUpdate, Retention};
use crate::model::{
    Body, Change, Epoch, EventId, Op, Seq, SourceGap, Topic, TopicPattern, TopicSet,
};
use crate::telemetry::Telemetry;

/// What the log is given: topics, and a gap of a whole source.
const HISTORY: [&str; 9] =
    ["a.b", "b.c", "a.c", "secret.x", "a.*", "b.c", "a.b", "secret.x", "a.b.c"];

/// What it keeps of that, so that some ids are too old.
const KEPT: u64 = 7;

/// What stands in an input for the log's epoch, which is new each time.
const EPOCH_IN_SEEDS: u64 = 0;

/// A hub that does not change: each input is a subscriber of its own.
pub(crate) struct Stage {
    runtime: Runtime,
    hub: Hub,
    epoch: Epoch,
}

thread_local! {
    static STAGE: Stage = Stage::build();
}

impl Stage {
    /// Runs `act` to its end on this thread's stage.
    pub(crate) fn run<F: Future<Output = ()>>(act: impl FnOnce(Visitors) -> F) {
        STAGE.with(|stage| {
            let visitors = Visitors { hub: stage.hub.clone(), epoch: stage.epoch };
            stage.runtime.block_on(act(visitors));
        });
    }

    fn build() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let log = MemoryLog::new(Retention { entries_max: KEPT, ..Retention::default() });
        for text in HISTORY {
            runtime.block_on(log.append(entry(text))).expect("a log in memory takes it");
        }
        let epoch = log.epoch();
        // The hub's feed becomes a task of this runtime.
        let inside = runtime.enter();
        let telemetry = Arc::new(Telemetry::new());
        let stop = CancellationToken::new();
        let hub = Hub::start(Arc::new(log), Board::default(), telemetry, stop);
        drop(inside);
        Self { runtime, hub, epoch }
    }
}

fn entry(text: &str) -> Batch {
    let body = match Topic::parse(text) {
        Ok(topic) if !text.ends_with('*') => Body::Change(Change {
            topic,
            op: Op::Insert,
            key: r#"{"_id":1}"#.into(),
            event: r#"{"operationType":"insert","fullDocument":{"_id":1}}"#.into(),
        }),
        _ => Body::Gap(SourceGap::new("it was away", &topics(&[text]))),
    };
    let source = text.split('.').next().unwrap_or(text).into();
    Batch { source, bodies: vec![body], position: PositionUpdate::Keep }
}

/// The topics of these patterns; of none, none.
pub(crate) fn topics<T: AsRef<str>>(patterns: &[T]) -> TopicSet {
    let read = |text: &T| TopicPattern::parse(text.as_ref()).expect("it was written by ourselves");
    TopicSet::none().with(patterns.iter().map(read).collect())
}

/// Who comes to the hub.
pub(crate) struct Visitors {
    hub: Hub,
    epoch: Epoch,
}

impl Visitors {
    /// A subscriber, and who knows what it may hear.
    pub(crate) async fn subscribe(
        &self,
        selection: Selection,
        start: Start,
        codec: Arc<dyn Codec>,
        mode: Mode,
        span: Span,
    ) -> (Subscription, Listener) {
        let start = match start {
            Start::After(id) if id.epoch == Epoch::from_random(EPOCH_IN_SEEDS) => {
                Start::After(EventId { epoch: self.epoch, seq: id.seq })
            }
            other => other,
        };
        let listener = Listener {
            epoch: self.epoch,
            followed: selection.clone(),
            gap_due: self.is_gap_due(&start),
            greeted: false,
            heard: Seq::ZERO,
        };
        let cut = CancellationToken::new();
        let wanted = Subscribe { selection, start, codec, mode, span };
        (self.hub.subscribe(wanted, cut).await.expect("a subscription is granted"), listener)
    }

    fn is_gap_due(&self, start: &Start) -> bool {
        let tail = HISTORY.len() as u64;
        match start {
            Start::Unreadable => true,
            Start::After(id) => id.epoch != self.epoch || id.seq.0 > tail,
            _ => false,
        }
    }
}

/// Hears what there is, up to the end of `subscription`, which must come by itself.
pub(crate) async fn listen(mut subscription: Subscription, mut listener: Listener) {
    let readable = "a log in memory can be read";
    while let Output::Messages(messages) = subscription.next().await.expect(readable) {
        messages.iter().for_each(|text| listener.hear(text));
    }
    listener.end();
}

/// A long poll that waits for nothing.
pub(crate) fn at_once() -> Span {
    Span::Poll(Instant::now())
}

/// Checks the JSON messages that one subscriber hears.
pub(crate) struct Listener {
    epoch: Epoch,
    followed: Selection,
    /// The id to resume from leads nowhere: a gap must follow the hello.
    gap_due: bool,
    greeted: bool,
    /// The newest place that it was told.
    heard: Seq,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    id: String,
    topic: String,
    change: Box<RawValue>,
}

#[derive(Deserialize)]
struct Word {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    detail: Option<String>,
    topics: Option<Vec<String>>,
    #[serde(default)]
    filtered: Vec<Filtered>,
    resumed: Option<bool>,
}

#[derive(Deserialize)]
struct Filtered {
    topics: Vec<String>,
    #[serde(rename = "match")]
    filter: Box<RawValue>,
}

impl Listener {
    /// What it believes to be followed.
    pub(crate) fn followed(&self) -> &Selection {
        &self.followed
    }

    /// Takes one message.
    pub(crate) fn hear(&mut self, message: &[u8]) {
        let text = std::str::from_utf8(message).expect("a message is UTF-8");
        assert!(!text.contains(['\n', '\r']), "one line: {text:?}");
        if let Ok(frame) = serde_json::from_str::<Frame>(text) {
            return self.hear_change(&frame);
        }
        let word: Word = serde_json::from_str(text).unwrap_or_else(|error| {
            panic!("{error}: neither a change nor a word: {text}");
        });
        let is_hello = word.kind == "hello";
        assert_ne!(is_hello, self.greeted, "the first word is a hello, and only that: {text}");
        self.greeted = true;
        if self.gap_due && !is_hello {
            assert_eq!(word.kind, "gap", "the id led nowhere");
            self.gap_due = false;
        }
        self.hear_word(&word, text);
    }

    /// What there was to hear has been heard.
    pub(crate) fn end(&self) {
        assert!(self.greeted && !self.gap_due, "a hello and a gap come whatever else does");
    }

    fn hear_change(&mut self, frame: &Frame) {
        assert!(self.greeted && !self.gap_due, "a change before the word that says from where");
        let topic = Topic::parse(&frame.topic).expect("a topic");
        let event = Event::parse(frame.change.get().as_bytes());
        let is_wanted = self.followed.parts().iter().any(|part| {
            let passes = |filter: &Filter| filter.judge(&event) == Verdict::Deliver;
            part.topics.matches(&topic) && part.filter.as_ref().is_none_or(passes)
        });
        assert!(is_wanted, "{} of {topic} is not for who follows {}", frame.id, self.followed);
        let place = self.place(&frame.id);
        assert!(place > self.heard, "{} comes after {}", frame.id, self.heard);
        self.heard = place;
    }

    fn hear_word(&mut self, word: &Word, text: &str) {
        match word.kind.as_str() {
            "error" => {
                assert!(word.detail.as_ref().is_some_and(|detail| !detail.is_empty()), "{text}");
                return;
            }
            // What a client had that cannot resume is told back as it was.
            "hello" if word.resumed != Some(true) => return,
            "subscribed" => {
                let patterns = word.topics.as_ref().expect("it says what is followed");
                self.followed = Selection::new(topics(patterns), None);
                for Filtered { topics, filter } in &word.filtered {
                    let filter = Filter::parse(filter.get()).expect("it was taken before");
                    let patterns = self::topics(topics).patterns().to_vec();
                    self.followed = self.followed.with(patterns, Some(filter));
                }
                assert!(self.followed.len() <= limits::TOPIC_COUNT_MAX);
            }
            "hello" | "gap" | "bookmark" => {}
            other => panic!("{other} is no word: {text}"),
        }
        let place = self.place(word.id.as_deref().expect("it says what is covered"));
        assert!(place >= self.heard, "{text} comes after {}", self.heard);
        self.heard = place;
    }

    fn place(&self, id: &str) -> Seq {
        let id: EventId = id.parse().expect("an event id");
        assert_eq!(id.epoch, self.epoch, "the log's own");
        assert!(id.seq.0 <= HISTORY.len() as u64, "{id} lies in the future");
        id.seq
    }
}
