//! The hub: takes each entry from the log once, encodes it once per view, and lets every
//! subscriber follow at its own pace.
//!
//! It knows the log and nothing of sources or sockets. A subscriber is a session over a shared
//! view; all it holds of its own is a cursor.
//!
//! | invariant | what it buys |
//! |---|---|
//! | frames come from the log only, and only once they are durable | what is seen stays true (G7) |
//! | a cursor moves only over what was handed out or announced as a gap | no silent gap (G2), no duplicate (G3) |
//! | a slow subscriber holds a cursor, never a queue | it costs the others nothing (G8, G10) |

mod audience;
mod codec;
mod encoding;
mod follower;
mod frames;
mod held;
mod interests;
mod pages;
mod publisher;
mod ring;
mod selection;
mod session;
mod subscription;
mod view;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use codec::{Action, Codec, Control, Gap, GapScope, Hello};
pub(crate) use follower::Follower;
pub use frames::Mode;
pub(crate) use frames::Run;
pub(crate) use held::Account;
pub(crate) use pages::EncodedPage;
pub(crate) use publisher::Telling;
pub use publisher::{Message, PublishError, Publisher, Receipt};
pub use selection::{Part, Selection};
pub use session::{Cause, Span, Start};
pub(crate) use session::{Place, Step, Surroundings};
pub use subscription::{Output, Subscription};

use audience::Audiences;
use encoding::Encoding;
use held::Ledger;
use interests::Interests;
use pages::Pages;
use ring::Ring;
use view::View;

use crate::board::Board;
use crate::limits;
use crate::log::{Log, LogError, Page};
use crate::model::{Seq, Topic, TopicSet};
use crate::telemetry::Telemetry;

/// Serves any number of subscribers from one log.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    log: Arc<dyn Log>,
    board: Board,
    telemetry: Arc<Telemetry>,
    /// A std mutex: held while a page is encoded for all views, never across an await.
    interests: Mutex<Interests>,
    /// Everything up to here has been shown to every view. Moves only under the lock.
    covered: AtomicU64,
    /// Bytes of frames that all views keep.
    view_bytes: Arc<AtomicUsize>,
    pages: Pages,
    ledger: Arc<Ledger>,
    audiences: Audiences,
    draining: CancellationToken,
    /// Whoever drives followers of many views at once, and hears of all of them in one call.
    listener: OnceLock<Arc<dyn Listener>>,
}

/// Hears which views have new frames.
pub(crate) trait Listener: Send + Sync {
    /// Tells listeners apart: clones of one have the same.
    fn id(&self) -> usize;

    /// These views have. Called for each page of the log, so it must not block.
    fn stirred(&self, views: &[u64]);
}

/// Whether somebody hears which views of a hub have new frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// From now on: nobody did before.
    FromNow,
    /// It did before.
    Already,
    /// Somebody else does, and there can be one.
    ByOthers,
}

/// What is settled about a subscription before it opens.
struct Opening {
    start: Start,
    place: Place,
    cursor_of_start: Option<Seq>,
    span: Span,
}

/// What somebody wants to follow.
pub struct Subscribe {
    /// Which changes.
    pub selection: Selection,
    /// From where.
    pub start: Start,
    /// In which format.
    pub codec: Arc<dyn Codec>,
    /// How much of it.
    pub mode: Mode,
    /// For how long.
    pub span: Span,
}

/// Why a subscription was not granted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// There are too many distinct subscriptions.
    #[error("too many distinct subscriptions (more than {})", limits::VIEW_COUNT_MAX)]
    TooManyViews,
    /// The server is about to end.
    #[error("the server is shutting down")]
    Draining,
}

impl Hub {
    /// A hub over `log`, fed by a task that ends when `stop` is cancelled.
    #[must_use]
    pub fn start(
        log: Arc<dyn Log>,
        board: Board,
        telemetry: Arc<Telemetry>,
        stop: CancellationToken,
    ) -> Self {
        let tail = log.tail();
        let covered = AtomicU64::new(tail.borrow().0);
        let shared = Arc::new(Shared {
            log,
            board,
            telemetry,
            interests: Mutex::default(),
            covered,
            view_bytes: Arc::default(),
            pages: Pages::default(),
            ledger: Arc::default(),
            audiences: Audiences::default(),
            draining: CancellationToken::new(),
            listener: OnceLock::new(),
        });
        let feed = Arc::clone(&shared);
        tokio::spawn(async move { stop.run_until_cancelled(feed.keep_feeding(tail)).await });
        Self { shared }
    }

    /// Opens a subscription: from here on it sees every entry, without a seam between the log's
    /// past and its future. `cut` is cancelled by the hub if the subscriber holds too much that it
    /// does not read: its connection must end then, whatever it is doing.
    ///
    /// # Errors
    /// When the log cannot be read, or the hub is full or draining.
    pub async fn subscribe(
        &self,
        wanted: Subscribe,
        cut: CancellationToken,
    ) -> Result<Subscription, HubError> {
        Ok(Subscription::new(self.follow(wanted).await?, cut))
    }

    /// The same, for whoever drives many followers by itself.
    ///
    /// # Errors
    /// As with [`Hub::subscribe`].
    pub(crate) async fn follow(&self, wanted: Subscribe) -> Result<Follower, HubError> {
        if self.shared.draining.is_cancelled() {
            return Err(HubError::Draining);
        }
        let Subscribe { selection, start, codec, mode, span } = wanted;
        let topics = selection.topics();
        let place = self.shared.place(topics);
        let log = &self.shared.log;
        let cursor_of_start = match start {
            Start::Last(count) => Some(log.place_of_last(count, topics).await?),
            Start::Since(time) => Some(log.place_of_time(time).await?),
            _ => None,
        };
        let view = self.shared.view(selection, codec, mode)?;
        let opening = Opening { start, place, cursor_of_start, span };
        Ok(Follower::open(Arc::clone(&self.shared), view, opening))
    }

    /// How many follow `topic` now, by its name or by a pattern; the receiver wakes when somebody
    /// comes or goes. A connection counts from the moment its subscription is granted until it is
    /// gone, whoever notices that: nothing has to be published for it.
    ///
    /// It costs something when followers come and go, and nothing when entries are delivered. The
    /// receiver ends (`changed` fails) with the hub.
    #[must_use]
    pub fn audience(&self, topic: &Topic) -> watch::Receiver<usize> {
        self.shared.audiences.of(topic)
    }

    /// Tells `listener` from now on which views have new frames. There can be one: a second is
    /// refused, and handed back.
    pub(crate) fn listen(&self, listener: Arc<dyn Listener>) -> Result<(), Arc<dyn Listener>> {
        self.shared.listener.set(listener)
    }

    /// Whether `listener` is who hears of this hub's views; it is from now on if nobody was.
    pub(crate) fn is_heard_by(&self, listener: Arc<dyn Listener>) -> Heard {
        let id = listener.id();
        match self.listen(listener) {
            Ok(()) => Heard::FromNow,
            Err(_) => match self.shared.listener.get() {
                Some(known) if known.id() == id => Heard::Already,
                _ => Heard::ByOthers,
            },
        }
    }

    /// The log that it serves from.
    pub(crate) fn log(&self) -> &Arc<dyn Log> {
        &self.shared.log
    }

    /// What is counted.
    #[cfg(feature = "redis")]
    pub(crate) fn telemetry(&self) -> &Arc<Telemetry> {
        &self.shared.telemetry
    }

    /// What the sources are doing.
    pub(crate) fn board(&self) -> &Board {
        &self.shared.board
    }

    /// Cancelled once the server is about to end.
    pub(crate) fn draining_token(&self) -> CancellationToken {
        self.shared.draining.clone()
    }

    /// Completes once the server is about to end.
    pub(crate) async fn draining(&self) {
        self.shared.draining.cancelled().await;
    }

    /// Bytes that subscribers have been handed and have not read yet.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.shared.ledger.total()
    }

    /// Tells every subscriber that the server is about to end, and lets no other in.
    pub fn drain(&self) {
        self.shared.draining.cancel();
    }
}

impl Shared {
    fn interests(&self) -> MutexGuard<'_, Interests> {
        self.interests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn covered(&self) -> Seq {
        Seq(self.covered.load(Ordering::Acquire))
    }

    fn place(&self, topics: &TopicSet) -> Place {
        let tail = *self.log.tail().borrow();
        Place { epoch: self.log.epoch(), tail, trimmed: self.log.trimmed(topics) }
    }

    /// The view that everybody with this selection and this format shares.
    fn view(
        &self,
        selection: Selection,
        codec: Arc<dyn Codec>,
        mode: Mode,
    ) -> Result<Arc<View>, HubError> {
        let mut interests = self.interests();
        let key = (selection, (codec.name(), codec.framing()), mode);
        if let Some(view) = interests.get(&key) {
            return Ok(view);
        }
        if interests.len() >= limits::VIEW_COUNT_MAX {
            interests.sweep();
        }
        if interests.len() >= limits::VIEW_COUNT_MAX {
            return Err(HubError::TooManyViews);
        }
        let ring = Ring::starting_at(self.covered(), Arc::clone(&self.view_bytes));
        let view = Arc::new(View::new(key.0.clone(), codec, mode, self.log.epoch(), ring));
        interests.insert(key, &view);
        Ok(view)
    }

    async fn keep_feeding(&self, mut tail: watch::Receiver<Seq>) {
        let everything = TopicSet::all();
        loop {
            let covered = self.covered();
            if *tail.borrow_and_update() == covered && tail.changed().await.is_err() {
                return;
            }
            match self.log.read(covered, &everything).await {
                Ok(page) => self.show(&page),
                Err(error) => {
                    tracing::error!(%error, "log read failed");
                    tokio::time::sleep(limits::BACKOFF_MIN).await;
                }
            }
        }
    }

    /// Shows a page of the whole log to the views that it concerns, and wakes their followers: the
    /// others learn how far the log has come when they look.
    fn show(&self, page: &Page) {
        let mut interests = self.interests();
        let mut touched = Vec::new();
        if page.lost_to.is_some() {
            // The feed itself has fallen behind the retention, and no view's frames join any more:
            // everybody reads the log instead, and meets the loss there.
            touched = interests.all();
            touched.iter().for_each(|view| view.start_anew(page.covered));
        } else {
            for entry in &page.entries {
                let entry = Encoding::new(entry, self.log.epoch());
                touched.extend(interests.of(&entry).into_iter().filter(|view| view.take(&entry)));
            }
        }
        self.covered.store(page.covered.0, Ordering::Release);
        let is_too_much = self.view_bytes.load(Ordering::Relaxed) > limits::VIEWS_BYTES_MAX;
        let all = if is_too_much { interests.all() } else { Vec::new() };
        drop(interests);
        touched.iter().for_each(|view| view.wake());
        if let Some(listener) = self.listener.get()
            && !touched.is_empty()
        {
            let ids: Vec<_> = touched.iter().map(|view| view.id()).collect();
            listener.stirred(&ids);
        }
        shrink_largest(all, &self.view_bytes);
    }
}

/// Keeps all views together within their budget: the largest give up half of what they have, and
/// their followers read the log instead.
fn shrink_largest(mut views: Vec<Arc<View>>, bytes: &AtomicUsize) {
    views.sort_by_key(|view| std::cmp::Reverse(view.bytes()));
    for view in views {
        if bytes.load(Ordering::Relaxed) <= limits::VIEWS_BYTES_MAX {
            return;
        }
        view.shrink(view.bytes() / 2);
    }
}

#[cfg(test)]
mod tests;
