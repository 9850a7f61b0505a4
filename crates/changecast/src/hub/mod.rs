//! The hub: takes each entry from the log once, encodes it once per view, and lets every
//! subscriber follow at its own pace.
//!
//! It knows the log and nothing of sources or sockets. A subscriber is a [`Session`] over a shared
//! view; all it holds of its own is a cursor.
//!
//! | invariant | what it buys |
//! |---|---|
//! | frames come from the log only, and only once they are durable | what is seen stays true (G7) |
//! | a cursor moves only over what was handed out or announced as a gap | no silent gap (G2), no duplicate (G3) |
//! | a slow subscriber holds a cursor, never a queue | it costs the others nothing (G8, G10) |

mod codec;
mod frames;
mod held;
mod pages;
mod session;
mod subscription;
mod view;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use codec::{Action, Codec, Control, Gap, GapScope, Hello};
pub use frames::Mode;
pub use session::{Cause, Jitter, Place, Session, Span, Start, Step, Surroundings, Terms};
pub use subscription::{Output, Subscription};

use held::Ledger;
use pages::Pages;
use subscription::Opening;
use view::View;

use crate::board::Board;
use crate::limits;
use crate::log::{Log, LogError};
use crate::model::{Seq, TopicSet};
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
    fed: Mutex<Fed>,
    pages: Pages,
    ledger: Arc<Ledger>,
    draining: CancellationToken,
}

/// What the feed has taken from the log, and who wants it.
struct Fed {
    /// Everything up to here has been shown to every view.
    covered: Seq,
    views: HashMap<ViewKey, Weak<View>>,
}

type ViewKey = (TopicSet, &'static str, Mode);

/// What somebody wants to follow.
pub struct Subscribe {
    /// Which topics.
    pub topics: TopicSet,
    /// From where.
    pub start: Start,
    /// In which format.
    pub codec: Arc<dyn Codec>,
    /// How much of it.
    pub mode: Mode,
    /// For how long.
    pub span: Span,
    /// Cancelled by the hub if the subscriber holds too much that it does not read: its connection
    /// must end then, whatever it is doing.
    pub cut: CancellationToken,
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
        let covered = *tail.borrow();
        let fed = Mutex::new(Fed { covered, views: HashMap::new() });
        let draining = CancellationToken::new();
        let (pages, ledger) = (Pages::default(), Arc::default());
        let shared = Arc::new(Shared { log, board, telemetry, fed, pages, ledger, draining });
        let feed = Arc::clone(&shared);
        tokio::spawn(async move { stop.run_until_cancelled(feed.keep_feeding(tail)).await });
        Self { shared }
    }

    /// Opens a subscription: from here on it sees every entry, without a seam between the log's
    /// past and its future.
    ///
    /// # Errors
    /// When the log cannot be read, or the hub is full or draining.
    pub async fn subscribe(&self, wanted: Subscribe) -> Result<Subscription, HubError> {
        if self.shared.draining.is_cancelled() {
            return Err(HubError::Draining);
        }
        let Subscribe { topics, start, codec, mode, span, cut } = wanted;
        let place = self.shared.place(&topics);
        let log = &self.shared.log;
        let cursor_of_start = match start {
            Start::Last(count) => Some(log.place_of_last(count, &topics).await?),
            Start::Since(time) => Some(log.place_of_time(time).await?),
            _ => None,
        };
        let view = self.shared.view(topics, codec, mode)?;
        let opening = Opening { start, place, cursor_of_start, span, cut };
        Ok(Subscription::open(Arc::clone(&self.shared), view, opening))
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
    fn lock(&self) -> MutexGuard<'_, Fed> {
        self.fed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, topics: &TopicSet) -> Place {
        let tail = *self.log.tail().borrow();
        Place { epoch: self.log.epoch(), tail, trimmed: self.log.trimmed(topics) }
    }

    /// The view that everybody with these topics and this format shares.
    fn view(
        &self,
        topics: TopicSet,
        codec: Arc<dyn Codec>,
        mode: Mode,
    ) -> Result<Arc<View>, HubError> {
        let mut fed = self.lock();
        let key = (topics, codec.name(), mode);
        if let Some(view) = fed.views.get(&key).and_then(Weak::upgrade) {
            return Ok(view);
        }
        fed.views.retain(|_, view| view.strong_count() > 0);
        if fed.views.len() >= limits::VIEW_COUNT_MAX {
            return Err(HubError::TooManyViews);
        }
        let view = Arc::new(View::new(key.0.clone(), codec, mode, self.log.epoch(), fed.covered));
        fed.views.insert(key, Arc::downgrade(&view));
        Ok(view)
    }

    async fn keep_feeding(&self, mut tail: watch::Receiver<Seq>) {
        let everything = TopicSet::all();
        loop {
            let covered = self.lock().covered;
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

    fn show(&self, page: &crate::log::Page) {
        let mut fed = self.lock();
        let views: Vec<_> = fed.views.values().filter_map(Weak::upgrade).collect();
        for view in &views {
            view.extend(page);
        }
        fed.covered = page.covered;
        drop(fed);
        shrink_largest(views);
    }
}

/// Keeps all views together within their budget: the largest give up half of what they have, and
/// their followers read the log instead.
fn shrink_largest(mut views: Vec<Arc<View>>) {
    let mut bytes: usize = views.iter().map(|view| view.bytes()).sum();
    if bytes <= limits::VIEWS_BYTES_MAX {
        return;
    }
    views.sort_by_key(|view| std::cmp::Reverse(view.bytes()));
    for view in views {
        let before = view.bytes();
        view.shrink(before / 2);
        bytes -= before - view.bytes();
        if bytes <= limits::VIEWS_BYTES_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
