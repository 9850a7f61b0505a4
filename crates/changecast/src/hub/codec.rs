//! What a subscriber is told besides changes, and how a transport puts it on the wire.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::model::{Change, EventId, SourceStatus};

/// A wire format. Its frames are the same bytes for every subscriber of a view.
pub trait Codec: Send + Sync + 'static {
    /// The format's name: views are shared by topics and name, so equal names mean equal bytes.
    fn name(&self) -> &'static str;

    /// What its frames are wrapped in for the socket, if in anything: a part of the bytes' identity
    /// beside the name, and of no metric.
    fn framing(&self) -> &'static str {
        ""
    }

    /// The frame of one change.
    fn change(&self, id: EventId, change: &Change) -> Bytes;

    /// The frame of anything else; none where the format has no word for it.
    fn control(&self, control: &Control) -> Option<Bytes>;
}

/// What a subscriber is told besides changes.
#[derive(Clone, Debug)]
pub enum Control {
    /// The first word.
    Hello(Hello),
    /// Something is missing.
    Gap(Gap),
    /// Everything up to here has been served; also the sign that the connection lives.
    Bookmark(EventId),
    /// A source goes live, or no longer.
    Source(SourceStatus),
    /// The server ends: come back after this time.
    Bye(Duration),
}

/// The first word: where the subscriber stands.
#[derive(Clone, Debug, Serialize)]
pub struct Hello {
    /// The log's incarnation.
    #[serde(serialize_with = "as_text")]
    pub epoch: crate::model::Epoch,
    /// What is covered already: the stream goes on strictly after it. Where a gap follows, the gap
    /// says where; until then this is no more than the client had.
    #[serde(serialize_with = "as_text")]
    pub position: EventId,
    /// The log's newest entry: what lies between the position and this is told before what is new.
    #[serde(serialize_with = "as_text")]
    pub tail: EventId,
    /// Whether the stream goes on exactly where the given id left off.
    pub resumed: bool,
    /// Sources that have no position yet: changes made now may be missed.
    pub waiting: Vec<Arc<str>>,
    /// How long to wait before reconnecting; another time for each connection.
    #[serde(skip)]
    pub retry: Duration,
}

/// The one signal that something is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// What is covered: a reconnect with it goes on after the gap has been told.
    #[serde(skip)]
    pub id: EventId,
    /// Whose history it is.
    pub scope: GapScope,
    /// The source, where it is a source's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Arc<str>>,
    /// The last id before what is missing, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The last id of what is missing, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Why, in words.
    pub reason: String,
    /// What the client should do.
    pub action: Action,
}

/// Whose history is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GapScope {
    /// The server's log no longer has it.
    Log,
    /// The source could not say what happened.
    Source,
}

/// What a client should do about a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Load the state anew: what it knows may be stale.
    Refetch,
}

fn as_text<T: std::fmt::Display, S: serde::Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
