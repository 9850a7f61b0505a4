//! `format=`: how a change looks on the wire, whatever carries it.
//!
//! A format makes one JSON line of a change; a transport puts that line into its own frame, with the
//! event id that resumes. What is no change is the transport's, and the same in every format. It must
//! not know transports. Invariant: whatever the event holds, the line is one JSON value.

mod cloudevents;
mod data;
mod debezium;
mod parts;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use self::parts::Parts;
use crate::model::{Change, EventId};

/// How a change looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// The change event, as the source made it.
    #[default]
    Change,
    /// The document alone, or a notice where there is none.
    Data,
    /// CloudEvents 1.0, structured, in JSON.
    CloudEvents,
    /// Debezium's envelope, without a schema.
    Debezium,
}

impl Format {
    /// All of them; their order is that of [`pick`](Self::pick).
    pub(super) const ALL: [Self; 4] = [Self::Change, Self::Data, Self::CloudEvents, Self::Debezium];

    pub(super) fn name(self) -> &'static str {
        self.pick(["change", "data", "cloudevents", "debezium"])
    }

    /// The format of this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Its own among the names that a transport gives to each format.
    pub(super) fn pick(
        self,
        [change, data, cloudevents, debezium]: [&'static str; 4],
    ) -> &'static str {
        match self {
            Self::Change => change,
            Self::Data => data,
            Self::CloudEvents => cloudevents,
            Self::Debezium => debezium,
        }
    }

    /// The line of a change. Text that is no event goes through as it is.
    pub(super) fn line(self, id: EventId, change: &Change) -> Cow<'_, [u8]> {
        let write = match self {
            Self::Change => return Cow::Borrowed(&change.event),
            Self::Data => data::line,
            Self::CloudEvents => cloudevents::line,
            Self::Debezium => debezium::line,
        };
        let parts = Parts::read(&change.event).unwrap_or_default();
        Cow::Owned(write(id, change, &parts).into_bytes())
    }
}
