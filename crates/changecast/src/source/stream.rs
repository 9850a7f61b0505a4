//! The stream of changes that every driver hands out.
//!
//! The driver runs in a task of its own and fills a bounded queue, so that a dropped `next` loses
//! nothing and no driver's own notion of cancellation leaks out. Dropping the stream ends the task.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::SourceError;
use crate::limits;
use crate::model::{Change, Position};

/// One thing that a driver says.
#[derive(Debug)]
pub struct Delivery {
    /// A change; none where only the position moved.
    pub change: Option<Change>,
    /// Where to go on after it; none in the midst of a transaction.
    pub position: Option<Position>,
}

impl Delivery {
    fn weight(&self) -> usize {
        self.change.as_ref().map_or(0, |change| change.event.len() + change.key.len())
    }
}

/// Changes in their database's commit order.
///
/// Cancel-safe: dropping a pending [`next`](Self::next) loses nothing. After an error or the end
/// the stream is over.
pub struct ChangeStream {
    deliveries: mpsc::Receiver<Queued>,
    /// The position at which the stream was established, then that of the last delivery.
    position: Option<Position>,
    _ends_the_driver: DropGuard,
}

/// The driver's end of a [`ChangeStream`].
pub struct DeliverySender {
    deliveries: mpsc::Sender<Queued>,
    /// A permit for each byte that may wait.
    bytes: Arc<Semaphore>,
    closed: CancellationToken,
    runtime: Handle,
}

/// A delivery that waits, with its share of the bytes that may wait.
struct Queued {
    delivery: Result<Delivery, SourceError>,
    _bytes: Option<OwnedSemaphorePermit>,
}

impl ChangeStream {
    /// A stream established at `position`, and the end that its driver fills.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new(position: Option<Position>) -> (DeliverySender, Self) {
        let (sender, deliveries) = mpsc::channel(limits::DELIVERIES_MAX);
        let closed = CancellationToken::new();
        let sender = DeliverySender {
            deliveries: sender,
            bytes: Arc::new(Semaphore::new(limits::DELIVERIES_BYTES_MAX)),
            closed: closed.clone(),
            runtime: Handle::current(),
        };
        (sender, Self { deliveries, position, _ends_the_driver: closed.drop_guard() })
    }

    /// The next delivery; `None` once the stream has ended.
    ///
    /// # Errors
    /// What ended the stream.
    pub async fn next(&mut self) -> Option<Result<Delivery, SourceError>> {
        let queued = self.deliveries.recv().await?;
        Some(self.note(queued.delivery))
    }

    /// The next delivery if it is there already.
    pub fn next_ready(&mut self) -> Option<Result<Delivery, SourceError>> {
        let queued = self.deliveries.try_recv().ok()?;
        Some(self.note(queued.delivery))
    }

    fn note(&mut self, delivery: Result<Delivery, SourceError>) -> Result<Delivery, SourceError> {
        if let Ok(Delivery { position: Some(position), .. }) = &delivery {
            self.position = Some(position.clone());
        }
        delivery
    }

    /// Where a new stream would go on after what this one has delivered.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }
}

impl DeliverySender {
    /// Hands over a delivery or the error that ends the stream; waits while the reader is behind.
    ///
    /// Returns whether anybody still listens.
    pub async fn send(&self, delivery: Result<Delivery, SourceError>) -> bool {
        let weight = delivery.as_ref().map_or(0, Delivery::weight);
        let share = u32::try_from(weight.min(limits::DELIVERIES_BYTES_MAX)).unwrap_or(u32::MAX);
        let bytes = tokio::select! {
            bytes = Arc::clone(&self.bytes).acquire_many_owned(share) => bytes.ok(),
            () = self.closed.cancelled() => return false,
        };
        self.deliveries.send(Queued { delivery, _bytes: bytes }).await.is_ok()
    }

    /// The same from a thread that may block.
    #[must_use]
    pub fn send_blocking(&self, delivery: Result<Delivery, SourceError>) -> bool {
        self.runtime.block_on(self.send(delivery))
    }

    /// Completes once the stream has been dropped.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Whether the stream has been dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }
}
