//! A source that follows a script, for tests of what drives sources. It writes down, in one
//! journal with the log of the test, where it was told to start and what was acknowledged.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use super::{ChangeStream, Delivery, DeliverySender, Source, SourceError, WatchOptions};
use crate::model::{Change, Op, Position, Topic, TopicPattern, TopicSet};

/// What happens to one call of [`Source::watch`]; a call beyond the script gets
/// [`Watch::Open`] at the position it asked for, and nothing ever happens there.
pub(crate) enum Watch {
    /// It fails.
    Refuse(SourceError),
    /// A stream is established at the position, and these are its steps.
    Open(Option<&'static str>, Vec<Step>),
    /// A stream of everything in the history that follows the position asked for, each with its
    /// number as its position.
    Replay(u32),
}

/// What happens in a stream; after the last step it stays open and quiet.
pub(crate) enum Step {
    /// A change with a position after it; none in the midst of a transaction.
    Change(u32, Option<&'static str>),
    /// A change of so many bytes.
    Large(usize, &'static str),
    /// The position moves, and nothing has changed.
    Position(&'static str),
    /// Nothing for this long, by the test's paused clock: everybody else finishes what they do.
    Quiet(Duration),
    /// The stream fails.
    Fail(SourceError),
    /// The stream ends without a word.
    End,
}

/// Long enough, by a paused clock, for everybody else to come to rest.
pub(crate) const REST: Step = Step::Quiet(Duration::from_millis(1));

/// What was done, by the source, the runner or the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The source was told to go on after this position.
    Watched(Option<String>),
    /// Nobody listens to a stream any more.
    Closed,
    /// The log took a batch: so many changes and gaps, and what became of the position.
    Appended { changes: Vec<u32>, gaps: Vec<String>, position: Moved },
    /// The log refused a batch.
    AppendFailed,
    /// The source may forget what leads up to this position.
    Acknowledged(String),
}

/// What a batch does to the stored position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    Kept,
    To(String),
    Cleared,
}

/// Everything that was done, in order.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<watch::Sender<Vec<Event>>>);

impl Journal {
    pub(crate) fn note(&self, event: Event) {
        self.0.send_modify(|events| events.push(event));
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.borrow().clone()
    }

    /// Waits until the journal is as wanted, and gives it.
    pub(crate) async fn wait_for(&self, is_wanted: impl FnMut(&Vec<Event>) -> bool) -> Vec<Event> {
        let mut events = self.0.subscribe();
        events.wait_for(is_wanted).await.expect("the journal lives").clone()
    }

    /// Waits until `wanted` has been done.
    pub(crate) async fn wait_until(&self, wanted: &Event) -> Vec<Event> {
        self.wait_for(|events| events.contains(wanted)).await
    }

    /// Waits until `count` streams have been asked for.
    pub(crate) async fn wait_for_watches(&self, count: usize) -> Vec<Event> {
        let is_watch = |event: &&Event| matches!(event, Event::Watched(_));
        self.wait_for(|events| events.iter().filter(is_watch).count() >= count).await
    }
}

/// The source `shop`, which watches `shop.*`.
pub(crate) struct Scripted {
    name: Arc<str>,
    script: Mutex<VecDeque<Watch>>,
    journal: Journal,
}

impl Scripted {
    pub(crate) fn new(script: Vec<Watch>, journal: Journal) -> Self {
        Self { name: "shop".into(), script: Mutex::new(script.into()), journal }
    }
}

#[async_trait]
impl Source for Scripted {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn topics(&self) -> TopicSet {
        TopicSet::new(TopicPattern::parse("shop.*"))
    }

    async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        let start_after = options.start_after.as_ref().map(text);
        self.journal.note(Event::Watched(start_after.clone()));
        let next = self.script.lock().unwrap().pop_front();
        let (position, steps) = match next {
            Some(Watch::Refuse(error)) => return Err(error),
            Some(Watch::Open(position, steps)) => (position.map(position_of), steps),
            Some(Watch::Replay(count)) => {
                let after = start_after.map_or(0, |text| text.parse().unwrap());
                (options.start_after, replay(after, count))
            }
            None => (options.start_after, Vec::new()),
        };
        let (sender, stream) = ChangeStream::new(position);
        tokio::spawn(play(steps, sender, self.journal.clone()));
        Ok(stream)
    }

    async fn acknowledge(&self, position: &Position) {
        self.journal.note(Event::Acknowledged(text(position)));
    }

    async fn probe(&self) -> Result<(), SourceError> {
        Ok(())
    }
}

fn replay(after: u32, count: u32) -> Vec<Step> {
    // A position is a static text elsewhere; here there are as many as changes, once per test.
    let step = |number: u32| Step::Change(number, Some(number.to_string().leak()));
    (after + 1..=count).map(step).collect()
}

async fn play(steps: Vec<Step>, sender: DeliverySender, journal: Journal) {
    for step in steps {
        let delivery = match step {
            Step::Change(number, position) => delivery(Some(change(number)), position),
            Step::Large(size, position) => delivery(Some(large(size)), Some(position)),
            Step::Position(position) => delivery(None, Some(position)),
            Step::Quiet(time) => {
                tokio::time::sleep(time).await;
                continue;
            }
            Step::Fail(error) => {
                sender.send(Err(error)).await;
                return;
            }
            Step::End => return,
        };
        if !sender.send(Ok(delivery)).await {
            break;
        }
    }
    sender.closed().await;
    journal.note(Event::Closed);
}

fn delivery(change: Option<Change>, position: Option<&'static str>) -> Delivery {
    Delivery { change, position: position.map(position_of) }
}

/// The change whose event is its number.
fn change(number: u32) -> Change {
    change_of(number.to_string())
}

fn large(size: usize) -> Change {
    change_of(vec![0; size])
}

fn change_of(event: impl Into<Bytes>) -> Change {
    let topic = Topic::parse("shop.orders").expect("a topic");
    Change { topic, op: Op::Insert, key: Bytes::new(), event: event.into() }
}

/// The number that [`Step::Change`] gave it.
pub(crate) fn number_of(change: &Change) -> u32 {
    std::str::from_utf8(&change.event).unwrap().parse().unwrap()
}

pub(crate) fn text(position: &Position) -> String {
    String::from_utf8(position.as_bytes().to_vec()).unwrap()
}

fn position_of(text: &'static str) -> Position {
    Position::new(text)
}
