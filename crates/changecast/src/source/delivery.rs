//! What a driver hands to its stream, through a bounded queue.
//!
//! It must not know any driver. Invariant: neither the number nor the bytes of what waits grow
//! beyond their caps, however slow the reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::SourceError;
use crate::limits;
use crate::model::{Change, Position};

/// One thing that a driver says.
#[derive(Debug)]
pub struct Delivery {
    /// A change; none where only the position moved.
    pub change: Option<Change>,
    /// Where to go on after it; none where that cannot be said, as in the midst of a transaction.
    pub position: Option<Position>,
}

impl Delivery {
    fn weight(&self) -> usize {
        self.change.as_ref().map_or(0, |change| change.event.len() + change.key.len())
    }
}

/// The driver's end of a [`ChangeStream`](super::ChangeStream).
pub struct DeliverySender {
    deliveries: mpsc::Sender<Queued>,
    /// A permit for each byte that may wait.
    bytes: Arc<Semaphore>,
    closed: CancellationToken,
    /// What the reader has asked, …
    questions: Arc<Questions>,
    /// … and the last of its questions that has been answered.
    answered: AtomicU64,
    runtime: Handle,
}

/// How often the reader has asked whether there is something now.
#[derive(Default)]
pub(super) struct Questions {
    count: AtomicU64,
    /// Wakes a driver that waits for the next one.
    asked: Notify,
}

impl Questions {
    /// Asks once more; the question's number.
    pub(super) fn ask(&self) -> u64 {
        let number = self.count.fetch_add(1, Ordering::AcqRel) + 1;
        self.asked.notify_one();
        number
    }
}

/// What waits for the reader.
pub(super) enum Queued {
    /// A delivery or the last word, with its share of the bytes that may wait.
    Delivery { delivery: Result<Delivery, SourceError>, _share: Option<OwnedSemaphorePermit> },
    /// To this question of the reader's, the database said that there was nothing more.
    Nothing(u64),
}

impl DeliverySender {
    /// The end of a queue from which the stream reads: its reader asks `questions`, and `closed`
    /// ends it.
    pub(super) fn new(
        closed: CancellationToken,
        questions: Arc<Questions>,
    ) -> (Self, mpsc::Receiver<Queued>) {
        let (deliveries, queue) = mpsc::channel(limits::DELIVERIES_MAX);
        let bytes = Arc::new(Semaphore::new(limits::DELIVERIES_BYTES_MAX));
        let (answered, runtime) = (AtomicU64::new(0), Handle::current());
        (Self { deliveries, bytes, closed, questions, answered, runtime }, queue)
    }

    /// Hands over a delivery or the error that ends the stream; waits while the reader is behind.
    ///
    /// Returns whether anybody still listens.
    pub async fn send(&self, delivery: Result<Delivery, SourceError>) -> bool {
        if self.is_closed() {
            return false;
        }
        let weight = delivery.as_ref().map_or(0, Delivery::weight);
        let share = u32::try_from(weight.min(limits::DELIVERIES_BYTES_MAX)).unwrap_or(u32::MAX);
        // Mostly there is room: then the end need not be waited for, which costs more than the rest.
        let bytes = tokio::select! {
            biased;
            bytes = Arc::clone(&self.bytes).acquire_many_owned(share) => bytes.ok(),
            () = self.closed.cancelled() => return false,
        };
        self.queue(Queued::Delivery { delivery, _share: bytes }).await
    }

    /// The same from a thread that may block.
    #[must_use]
    pub fn send_blocking(&self, delivery: Result<Delivery, SourceError>) -> bool {
        self.runtime.block_on(self.send(delivery))
    }

    /// Runs a driver to its end; its error is the stream's last word. Once nobody listens any more
    /// it is dropped: whatever is under way is of no use to anybody then.
    pub async fn run(&self, driver: impl Future<Output = Result<(), SourceError>>) {
        let outcome = tokio::select! {
            () = self.closed() => return,
            outcome = driver => outcome,
        };
        if let Err(error) = outcome {
            self.send(Err(error)).await;
        }
    }

    /// The reader's last question, if it has not been answered: to be noted before the database is
    /// asked.
    #[must_use]
    pub fn question(&self) -> Option<u64> {
        let asked = self.questions.count.load(Ordering::Acquire);
        (asked > self.answered.load(Ordering::Acquire)).then_some(asked)
    }

    /// Completes once the reader has asked again, perhaps once more than it has: whoever waits has
    /// to look at [`question`](Self::question) then, as before it waits.
    pub async fn asked(&self) {
        self.questions.asked.notified().await;
    }

    /// Answers the reader's questions up to this one: asked since, the database had nothing. To be
    /// called behind whatever it had.
    ///
    /// Returns whether anybody still listens.
    pub async fn answer_nothing(&self, question: u64) -> bool {
        self.answered.fetch_max(question, Ordering::AcqRel);
        self.queue(Queued::Nothing(question)).await
    }

    /// The same from a thread that may block.
    #[must_use]
    pub fn answer_nothing_blocking(&self, question: u64) -> bool {
        self.runtime.block_on(self.answer_nothing(question))
    }

    async fn queue(&self, queued: Queued) -> bool {
        tokio::select! {
            biased;
            sent = self.deliveries.send(queued) => sent.is_ok(),
            () = self.closed.cancelled() => false,
        }
    }

    /// Completes once the stream has been closed or dropped.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Whether the stream has been closed or dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }
}
