//! What waits for the writer, and who waits for its outcome.

use tokio::sync::oneshot;

use crate::log::{Batch, LogError, Publication, Published};
use crate::model::{Body, Change, Seq};

/// What one transaction is made of.
pub(super) enum Work {
    Append(Batch),
    Publish(Publication),
}

/// Whom to tell.
pub(super) enum Reply {
    Append(oneshot::Sender<Result<Seq, LogError>>),
    Publish(oneshot::Sender<Result<Published, LogError>>),
}

/// What became of a transaction.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) tail: Seq,
    /// Of each message, in its place among the works; nothing of an append.
    pub(super) published: Vec<Option<Published>>,
}

impl Work {
    /// Bytes that it adds to a transaction.
    pub(super) fn weight(&self) -> usize {
        let change = |change: &Change| change.key.len() + change.event.len();
        match self {
            Self::Publish(publication) => change(&publication.change),
            Self::Append(batch) => batch
                .bodies
                .iter()
                .map(|body| match body {
                    Body::Change(body) => change(body),
                    Body::Gap(gap) => gap.reason.len(),
                })
                .sum(),
        }
    }
}

impl Reply {
    /// Tells the outcome of the transaction in which this was the work at `index`.
    pub(super) fn send(self, outcome: &Result<Done, LogError>, index: usize) {
        // Who gave up waiting asks again: a source for its position, a publisher under its key.
        match self {
            Self::Append(reply) => {
                let _ = reply.send(outcome.as_ref().map(|done| done.tail).map_err(Clone::clone));
            }
            Self::Publish(reply) => {
                let published = outcome.as_ref().map_err(Clone::clone).and_then(|done| {
                    done.published.get(index).copied().flatten().ok_or(LogError::Closed)
                });
                let _ = reply.send(published);
            }
        }
    }
}
