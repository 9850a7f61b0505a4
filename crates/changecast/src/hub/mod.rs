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
mod session;
mod subscription;
mod view;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use codec::{Action, Codec, Control, Gap, GapScope, Hello};
pub use session::{Cause, Place, Session, Start, Step, Surroundings};
pub use subscription::{Output, Subscription};
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
    draining: CancellationToken,
}

/// What the feed has taken from the log, and who wants it.
struct Fed {
    /// Everything up to here has been shown to every view.
    covered: Seq,
    views: HashMap<ViewKey, Weak<View>>,
}

type ViewKey = (TopicSet, &'static str);

/// What somebody wants to follow.
pub struct Subscribe {
    /// Which topics.
    pub topics: TopicSet,
    /// From where.
    pub start: Start,
    /// In which format.
    pub codec: Arc<dyn Codec>,
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
        let shared = Arc::new(Shared { log, board, telemetry, fed, draining });
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
        let place = self.shared.place(&wanted.topics);
        let cursor_of_last = match wanted.start {
            Start::Last(count) => Some(self.shared.log.place_of_last(count, &wanted.topics).await?),
            _ => None,
        };
        let view = self.shared.view(wanted.topics, wanted.codec)?;
        Ok(Subscription::open(Arc::clone(&self.shared), view, &wanted.start, place, cursor_of_last))
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
    fn view(&self, topics: TopicSet, codec: Arc<dyn Codec>) -> Result<Arc<View>, HubError> {
        let mut fed = self.lock();
        let key = (topics, codec.name());
        if let Some(view) = fed.views.get(&key).and_then(Weak::upgrade) {
            return Ok(view);
        }
        fed.views.retain(|_, view| view.strong_count() > 0);
        if fed.views.len() >= limits::VIEW_COUNT_MAX {
            return Err(HubError::TooManyViews);
        }
        let view = Arc::new(View::new(key.0.clone(), codec, self.log.epoch(), fed.covered));
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
        for view in fed.views.values().filter_map(Weak::upgrade) {
            view.extend(page);
        }
        fed.covered = page.covered;
    }
}

#[cfg(test)]
mod tests;
