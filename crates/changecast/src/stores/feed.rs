//! What a store's subscribers follow: topics of a hub, in a mode, from a place that suits the store.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::StoreError;
use super::latest::{Latest, Showing};
use super::message::Outgoing;
use crate::board::Board;
use crate::hub::{
    self, Codec, Hub, Mode, Publisher, Selection, Span, Start, Subscribe, Subscription,
};
use crate::log::{MemoryLog, Retention};
use crate::model::{EventId, Topic, TopicSet};
use crate::telemetry::Telemetry;

/// What a store's subscribers follow. Cloning is cheap.
#[derive(Clone)]
pub struct Feed {
    place: Arc<Place>,
}

struct Place {
    hub: Hub,
    publisher: Publisher,
    topic: Topic,
    topics: TopicSet,
    /// The value, of a store that has one.
    latest: Option<Arc<Latest>>,
    audience: watch::Receiver<usize>,
    /// Ends a hub of the store's own with the store.
    _keeper: Option<Keeper>,
}

/// Whoever holds it keeps a hub of its own.
pub(super) struct Keeper {
    hub: Hub,
    pub(super) stop: CancellationToken,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.hub.drain();
        self.stop.cancel();
    }
}

/// Where a feed is, and what it is of.
pub(super) struct Parts {
    pub(super) hub: Hub,
    pub(super) publisher: Publisher,
    /// What is submitted goes here.
    pub(super) topic: Topic,
    /// What is followed.
    pub(super) topics: TopicSet,
    pub(super) latest: Option<Arc<Latest>>,
    pub(super) keeper: Option<Keeper>,
}

/// A hub over a log in memory, for one store.
pub(super) struct Own {
    pub(super) hub: Hub,
    pub(super) publisher: Publisher,
    pub(super) keeper: Keeper,
}

impl Own {
    /// To be called within a runtime.
    pub(super) fn start(entries_max: u64, bytes_max: u64) -> Self {
        let retention = Retention { entries_max, bytes_max, age_max: Duration::MAX };
        let (log, telemetry) = (Arc::new(MemoryLog::new(retention)), Arc::<Telemetry>::default());
        let stop = CancellationToken::new();
        let publisher = Publisher::new(Arc::<MemoryLog>::clone(&log), [], Arc::clone(&telemetry));
        let hub = Hub::start(log, Board::default(), telemetry, stop.clone());
        let keeper = Keeper { hub: hub.clone(), stop };
        Self { hub, publisher, keeper }
    }
}

impl Feed {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { hub, publisher, topic, topics, latest, keeper } = parts;
        let audience = hub.audience(&topic);
        let _keeper = keeper;
        let place = Place { hub, publisher, topic, topics, latest, audience, _keeper };
        Self { place: Arc::new(place) }
    }

    /// How many follow it now; see [`Hub::audience`].
    #[must_use]
    pub fn subscriber_count(&self) -> usize {
        *self.place.audience.borrow()
    }

    /// The same, to wait until somebody comes or goes.
    #[must_use]
    pub fn audience(&self) -> watch::Receiver<usize> {
        self.place.audience.clone()
    }

    /// Ends every subscription with the word when to come back, and lets no other in: for a server
    /// that is to shut down gracefully, which waits for its streams. A store in a server's hub ends
    /// with that server, and this does nothing.
    pub fn close(&self) {
        if let Some(keeper) = &self.place._keeper {
            keeper.hub.drain();
        }
    }

    /// Who serves it.
    pub(crate) fn hub(&self) -> &Hub {
        &self.place.hub
    }

    /// What to ask the hub for: from `start`, if a client wants to resume there, else as newcomers
    /// begin. They get the last `history` messages, or as many as suit the store.
    ///
    /// # Errors
    /// When the log cannot be read, or written.
    pub(crate) async fn wanted(
        &self,
        start: Option<Start>,
        history: Option<u32>,
        codec: Arc<dyn Codec>,
    ) -> Result<Subscribe, StoreError> {
        let place = &*self.place;
        let history = history.unwrap_or(u32::from(place.latest.is_some()));
        let newcomer = if history == 0 { Start::Now } else { Start::Last(history) };
        let selection = Selection::new(place.topics.clone(), None);
        let span = Span::Endless;
        let Some(latest) = &place.latest else {
            let start = start.unwrap_or(newcomer);
            return Ok(Subscribe { selection, start, codec, mode: Mode::Queue, span });
        };
        let start = start.filter(|start| self.can_resume(start)).unwrap_or(newcomer);
        if !matches!(start, Start::Now) {
            latest.keep_in_log(&place.hub, &place.publisher, &place.topic).await?;
        }
        let codec = Arc::new(Showing::new(codec, Arc::clone(latest), place.topic.clone()));
        Ok(Subscribe { selection, start, codec, mode: Mode::Latest, span })
    }

    /// Whether a subscriber to one value can go on from there. If not, it has to have the newest
    /// value, and nothing that lies in between is a loss.
    fn can_resume(&self, start: &Start) -> bool {
        let log = self.place.hub.log();
        let is_known = |id: &EventId| id.epoch == log.epoch() && id.seq <= *log.tail().borrow();
        match start {
            Start::After(id) => is_known(id),
            Start::Unreadable => false,
            _ => true,
        }
    }

    pub(super) async fn subscribe(
        &self,
        start: Option<Start>,
        codec: Arc<dyn Codec>,
    ) -> Result<Subscription, StoreError> {
        let wanted = self.wanted(start, None, codec).await?;
        Ok(self.place.hub.subscribe(wanted, CancellationToken::new()).await?)
    }

    /// Appends a message.
    pub(super) async fn publish(&self, message: &Outgoing) -> Result<(), StoreError> {
        let Place { publisher, topic, latest, .. } = &*self.place;
        match latest {
            Some(latest) => latest.replace(message, publisher, topic).await,
            None => {
                let json = message.json.clone();
                let published = hub::Message { topic: topic.clone(), json, key: None };
                publisher.publish_told(published, &message.telling(None)).await?;
                Ok(())
            }
        }
    }
}
