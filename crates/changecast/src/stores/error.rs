//! Why a store could not do it.

use crate::hub::{HubError, PublishError};
use crate::model::EventId;

/// Why a store could not take a message, or a subscriber could not have one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The message cannot be told: its value is no JSON, or its event's name or id has a character
    /// that a stream cannot hold.
    #[error("{0}")]
    Invalid(String),
    /// The log did not take it; nothing is delivered.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// No subscription, or not any more.
    #[error(transparent)]
    Subscribe(#[from] HubError),
    /// Messages are missing here, and will not come: the subscriber was away, or behind, for longer
    /// than the store keeps them. The subscription goes on after this.
    #[error("messages are missing: {reason}")]
    Gap {
        /// What is covered: to resume after it goes on with what comes next.
        id: EventId,
        /// Why, in words.
        reason: String,
    },
    /// Somebody put into the store's topic what is none of its values. The subscription goes on
    /// after this.
    #[error("a message is not what this store holds")]
    Foreign(#[source] serde_json::Error),
    /// Redis could not be reached, or refused; the message may have been published or not.
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] crate::source::SourceError),
}
