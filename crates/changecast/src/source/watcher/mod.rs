//! Watchers: a function that is asked again and again, or a stream, becomes a source.
//!
//! A watcher knows what it was given and hands out changes already encoded; it must not know the log,
//! nor who follows it, save whether [anybody does](Demand).
//!
//! | invariant | what it buys | test |
//! |---|---|---|
//! | the function is asked by the source, never by a subscriber | one question per tick, however many follow | `s4_02_a_thousand_subscribers_cost_one_question_per_tick` |
//! | what blocks runs on threads that may, one call at a time | the server answers meanwhile | `s4_03_a_function_that_blocks_holds_up_nobody` |
//! | an error, a panic or a late answer is a fault of the source | it is told, tried again, and nothing else stops | `a_panic_is_a_fault_and_not_the_end` |

mod follow;
mod value;
mod work;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::Stream;
use serde::Serialize;

use self::follow::Follower;
use self::value::Place;
use self::work::{Kind, Work};
use super::{ChangeStream, Demand, Source, SourceError, WatchOptions};
use crate::limits;
use crate::model::{InvalidTopic, Topic, TopicPattern, TopicSet};

/// The collection of a watcher that is given none.
const DEFAULT_COLLECTION: &str = "current";

/// Why a watcher's function or stream has no value: `?` makes one of any error, `.into()` of a text.
///
/// Its words are shown on `/sources` and to subscribers, so they must hold no secret. A
/// [`SourceError`] keeps its meaning: one for the operator is shown with its remedy.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A function or a stream that is watched: each value is a change of one topic.
///
/// Named `score`, its topic is `score.current`; named `game.score`, the source is `game` and the topic
/// `game.score`. Every value is the whole state: the event's `operationType` is `insert` for the first,
/// then `replace`, `fullDocument` is the value as serde has it (numbers that a browser would round are
/// wrapped, see [`extend_json`](crate::model::extend_json)), and `documentKey` is always the same, so
/// that `mode=latest` conflates.
///
/// **Faults.** An error, a panic, or no answer in time is shown as the source's error. The source is
/// tried again after a pause that grows from [`limits::BACKOFF_MIN`] to [`limits::BACKOFF_MAX`].
///
/// **History.** There is none to replay. A function that is asked has only its newest value, so a
/// pause costs the values in between and is told by nothing. A stream's items are events: whenever
/// nobody has listened to it, be it for a fault, a restart of the process, or because nobody followed
/// ([`on_demand`](Self::on_demand)), a `gap` says so.
///
/// **Cancellation.** When the [`ChangeStream`] is dropped or the server ends, what is being awaited is
/// dropped. A function that blocks cannot be: its thread ends when it returns, and a tokio runtime
/// waits for it when it is dropped.
///
/// ```
/// use std::time::Duration;
/// use changecast::source::WatchOptions;
/// use changecast::source::watcher::Watcher;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let score = Watcher::poll("score", Duration::from_secs(1), || async { Ok([2, 1]) })?.distinct();
///
/// // By itself, or as a source of a server: `Server::builder().source(Arc::new(score))`.
/// let mut changes = score.watch(WatchOptions::new()).await?;
/// let first = changes.next().await.expect("a watcher goes on for ever")?;
/// assert_eq!(first.topic.as_str(), "score.current");
/// assert!(std::str::from_utf8(&first.event)?.contains(r#""fullDocument":[2,1]"#));
/// # Ok(())
/// # }
/// ```
pub struct Watcher {
    name: Arc<str>,
    shared: Arc<Shared>,
}

/// What all streams of one watcher share.
#[derive(Clone)]
struct Shared {
    topic: Topic,
    work: Arc<Work>,
    is_distinct: bool,
    timeout: Duration,
    linger: Duration,
    demand: Option<Arc<Demand>>,
}

impl Watcher {
    /// Asks `function` at once, and then each time that `every` has passed: at least
    /// [`limits::WATCHER_EVERY_MIN`], and not several times at once after an answer that took longer.
    ///
    /// It must not block its thread: see [`blocking`](Self::blocking).
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when `name` cannot be a topic.
    pub fn poll<F, A, T>(name: &str, every: Duration, function: F) -> Result<Self, SourceError>
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<T, Failure>> + Send + 'static,
        T: Serialize + 'static,
    {
        Self::new(name, Work::poll(every, function))
    }

    /// The same with a function that blocks: it runs on tokio's pool of threads that may. One that
    /// takes longer than `timeout` is a fault; it is not called again before it has returned.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when `name` cannot be a topic.
    pub fn blocking<F, T>(
        name: &str,
        every: Duration,
        timeout: Duration,
        function: F,
    ) -> Result<Self, SourceError>
    where
        F: Fn() -> Result<T, Failure> + Send + Sync + 'static,
        T: Serialize + Send + 'static,
    {
        Ok(Self::new(name, Work::blocking(every, function))?.timeout(timeout))
    }

    /// Tells every item of the stream that `open` returns, at the pace of the log: a stream that is
    /// not read keeps its items, as far as it can. Its error, its end or a panic is a fault; then
    /// `open` is called again.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when `name` cannot be a topic.
    pub fn stream<F, S, T>(name: &str, open: F) -> Result<Self, SourceError>
    where
        F: Fn() -> S + Send + Sync + 'static,
        S: Stream<Item = Result<T, Failure>> + Send + 'static,
        T: Serialize + 'static,
    {
        Self::new(name, Work::stream(open))
    }

    fn new(name: &str, work: Work) -> Result<Self, SourceError> {
        let topic = match name.split_once('.') {
            // Whoever asks for it would ask for a pattern.
            _ if name.contains('*') => Err(InvalidTopic::Wildcard),
            Some((source, collection)) => Topic::new(source, collection),
            None => Topic::new(name, DEFAULT_COLLECTION),
        };
        let topic = topic.map_err(|error| {
            SourceError::Unsupported(format!("a watcher cannot be named {name:?}: {error}"))
        })?;
        let shared = Shared {
            topic,
            work: Arc::new(work),
            is_distinct: false,
            timeout: limits::WATCHER_TIMEOUT,
            linger: limits::WATCHER_LINGER,
            demand: None,
        };
        Ok(Self { name: shared.topic.source().into(), shared: Arc::new(shared) })
    }

    /// Tells a value only if it is not the one before; A, B and A again are three changes. Values are
    /// compared as JSON, whatever the order of members; a restart that kept the log knows the last one.
    #[must_use]
    pub fn distinct(mut self) -> Self {
        self.edit().is_distinct = true;
        self
    }

    /// Works only while somebody follows its topic at the server that runs it: from the first
    /// subscriber until a little after the last ([`linger`](Self::linger)). Without a server, as long
    /// as its [`ChangeStream`] is there.
    #[must_use]
    pub fn on_demand(mut self) -> Self {
        let demand = Arc::new(Demand::new(self.shared.topic.clone()));
        self.edit().demand = Some(demand);
        self
    }

    /// How long a watcher on demand goes on after its last subscriber, instead of
    /// [`limits::WATCHER_LINGER`].
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.edit().linger = linger;
        self
    }

    /// How long one call of the function may take, instead of [`limits::WATCHER_TIMEOUT`]. A stream
    /// may take as long as it likes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.edit().timeout = timeout;
        self
    }

    fn edit(&mut self) -> &mut Shared {
        Arc::make_mut(&mut self.shared)
    }

    /// Opens a stream of its values, as [`Source::watch`] says. Each stream asks for itself: a server
    /// opens one, and serves everybody from it.
    ///
    /// A function that is asked has answered once when this returns, unless it works on demand.
    ///
    /// # Errors
    /// The first answer's fault; [`SourceError::HistoryLost`] when a stream is to go on after a
    /// position; [`SourceError::Unsupported`] for options that only databases have.
    pub async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        options.check_plain("a watcher")?;
        let place = match (options.token(), self.shared.work.kind()) {
            (Some(_), Kind::Stream) => {
                let why = "what a stream brought while nobody listened is not known";
                return Err(SourceError::HistoryLost(why.into()));
            }
            (token, _) => Place::read(token),
        };
        let start = match (self.shared.work.kind(), &self.shared.demand) {
            // Nobody listens yet.
            (Kind::Stream, Some(_)) => None,
            (kind, _) => Some(place.to_position(kind)),
        };
        let follower = Follower::open(Arc::clone(&self.shared), place).await?;
        let (sender, stream) = ChangeStream::new(start);
        tokio::spawn(follower.run(sender));
        Ok(stream)
    }
}

#[async_trait]
impl Source for Watcher {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "watcher"
    }

    fn topics(&self) -> TopicSet {
        TopicSet::new([TopicPattern::Exact(self.shared.topic.clone())])
    }

    fn is_replayable(&self) -> bool {
        false
    }

    async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        Self::watch(self, options).await
    }

    fn demand(&self) -> Option<&Demand> {
        self.shared.demand.as_deref()
    }

    /// It is asked when its time comes: what came of that is its state.
    async fn probe(&self) -> Result<(), SourceError> {
        Ok(())
    }
}
