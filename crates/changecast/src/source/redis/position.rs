//! Where a source goes on: for each stream the last entry that was read, and how many had been
//! added up to it.
//!
//! A position is JSON:
//! `{"version":1,"server":"<replication id>","streams":{"orders":["1700000000000-0",42]}}`. All
//! streams of a source share it. A server that keeps its replication id to itself is left out.
//!
//! Redis trims in silence: a read from an id that is gone returns what is left, as if nothing were
//! missing. The count tells: what was added since, less what is there, is what is lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::reply::{EntryId, StreamState};
use crate::model::Position;
use crate::source::SourceError;

const VERSION: u32 = 1;

/// Where one stream has been read to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The last entry that was read; zero before the first.
    pub(super) id: EntryId,
    /// How many entries had been added up to it.
    pub(super) added: u64,
}

impl Place {
    /// Right after everything that there is.
    pub(super) fn after_all(state: Option<StreamState>) -> Self {
        state.map_or_else(Self::default, |state| Self { id: state.last, added: state.added })
    }

    /// Whether the stream as it is now can be the one that was read to this place. `unread` is how
    /// many entries follow it, if that is known.
    pub(super) fn check(
        self,
        state: Option<StreamState>,
        unread: Option<u64>,
    ) -> Result<(), String> {
        let Some(state) = state else {
            if self == Self::default() {
                return Ok(());
            }
            return Err("it was deleted".into());
        };
        if state.last < self.id || state.added < self.added {
            return Err(
                "it is older than what was read: deleted, restored, or another server's".into()
            );
        }
        let since = state.added - self.added;
        // Of all that were ever added, so many are gone; what was read counts first.
        let gone = state.added.saturating_sub(state.length).saturating_sub(self.added);
        let missing = unread.map_or(gone, |unread| since.saturating_sub(unread));
        if missing > 0 {
            return Err(format!("{missing} entries were trimmed or deleted before they were read"));
        }
        if unread.is_some_and(|unread| unread > since) {
            return Err("it took another course: restored, or another server's".into());
        }
        Ok(())
    }
}

/// A stored position, read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<String>,
    streams: BTreeMap<String, (String, u64)>,
}

impl Stored {
    pub(super) fn read(position: &Position) -> Result<Self, SourceError> {
        let stored: Self = serde_json::from_slice(position.as_bytes()).map_err(|_| unreadable())?;
        if stored.version != VERSION {
            return Err(unreadable());
        }
        Ok(stored)
    }

    /// The place in `stream`; none if it was not watched then.
    pub(super) fn place(&self, stream: &str) -> Result<Option<Place>, SourceError> {
        let Some((id, added)) = self.streams.get(stream) else {
            return Ok(None);
        };
        let id = id.parse().map_err(|()| unreadable())?;
        Ok(Some(Place { id, added: *added }))
    }

    pub(super) fn write<'a>(
        server: Option<&str>,
        places: impl IntoIterator<Item = (&'a str, Place)>,
    ) -> Position {
        let place =
            |(key, place): (&str, Place)| (key.to_owned(), (place.id.to_string(), place.added));
        let streams = places.into_iter().map(place).collect();
        let stored = Self { version: VERSION, server: server.map(ToOwned::to_owned), streams };
        Position::new(serde_json::to_string(&stored).expect("a position is JSON"))
    }
}

fn unreadable() -> SourceError {
    SourceError::HistoryLost("the stored position cannot be read".into())
}
