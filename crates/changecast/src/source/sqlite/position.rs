//! Where a stream of this source goes on: a row of one file's changelog.

use serde::{Deserialize, Serialize};

use crate::model::Position;
use crate::source::SourceError;

/// What a [`Position`] of this source says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// The file's identity.
    pub(super) identity: String,
    /// The changelog row up to which everything was read; 0 is before the first.
    pub(super) id: i64,
    /// That row's time, where there was one: a file restored from an older copy and written on
    /// since has the same ids, but not the same times.
    pub(super) time: Option<i64>,
}

impl Place {
    pub(super) fn to_position(&self) -> Position {
        Position::new(serde_json::to_vec(self).expect("text and numbers are JSON"))
    }

    pub(super) fn from_position(position: &Position) -> Result<Self, SourceError> {
        serde_json::from_slice(position.as_bytes()).map_err(|_| {
            SourceError::HistoryLost(
                "the stored position does not belong to a document store".into(),
            )
        })
    }
}
