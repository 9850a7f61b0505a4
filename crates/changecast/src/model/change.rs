//! One change of one row or document.

use bytes::Bytes;

use super::Topic;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// A row or document appeared.
    Insert,
    /// Some of its fields changed.
    Update,
    /// It was written anew as a whole.
    Replace,
    /// It went away.
    Delete,
    /// The collection went away.
    Drop,
    /// The collection has another name.
    Rename,
    /// The collection was emptied.
    Truncate,
    /// The database ended its stream; the source opens it anew.
    Invalidate,
    /// The document left the subscriber's filter.
    Leave,
    /// Something this version has no word for; the event says what.
    Other,
}

impl Op {
    const NAMES: [(Self, &'static str); 9] = [
        (Self::Insert, "insert"),
        (Self::Update, "update"),
        (Self::Replace, "replace"),
        (Self::Delete, "delete"),
        (Self::Drop, "drop"),
        (Self::Rename, "rename"),
        (Self::Truncate, "truncate"),
        (Self::Invalidate, "invalidate"),
        (Self::Leave, "leave"),
    ];

    /// The name that an event's `operationType` has; what is unknown is [`Op::Other`].
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::NAMES.iter().find(|(_, known)| *known == name).map_or(Self::Other, |(op, _)| *op)
    }

    /// The event's `operationType`; `other` where only the event itself knows.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(op, _)| *op == self).map_or("other", |(_, name)| name)
    }
}

/// A change as a source hands it to the log: the event is already encoded, once, for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it belongs.
    pub topic: Topic,
    /// What happened.
    pub op: Op,
    /// The identity of the row or document, as the event's `documentKey`; empty where it has none.
    pub key: Bytes,
    /// The whole event: one JSON object in relaxed Extended JSON v2, without a line break.
    pub event: Bytes,
}

impl Change {
    /// Whether the event tells the whole state of its document: the document itself, or that it is
    /// gone. Nothing that came before it is needed to know that state.
    #[must_use]
    pub fn tells_state(&self) -> bool {
        #[derive(serde::Deserialize)]
        struct Image {
            #[serde(rename = "fullDocument")]
            document: Option<serde::de::IgnoredAny>,
        }
        match self.op {
            Op::Insert | Op::Replace | Op::Delete => true,
            Op::Update => serde_json::from_slice::<Image>(&self.event)
                .is_ok_and(|image| image.document.is_some()),
            _ => false,
        }
    }
}
