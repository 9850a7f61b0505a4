//! Where a stream of this source goes on: a row of one file's changelog.

use std::io::Write as _;

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

/// Writes the positions of one file, as [`Place::to_position`] does: the identity only once.
pub(super) struct Positions {
    /// What each starts with, up to the row.
    head: Vec<u8>,
}

impl Positions {
    pub(super) fn new(identity: &str) -> Self {
        let mut head = br#"{"identity":"#.to_vec();
        serde_json::to_writer(&mut head, identity).expect("a string becomes JSON");
        head.extend_from_slice(br#","id":"#);
        Self { head }
    }

    /// After the row `id`, of this `time`.
    pub(super) fn after(&self, id: i64, time: i64) -> Position {
        let mut text = Vec::with_capacity(self.head.len() + 48);
        text.extend_from_slice(&self.head);
        write!(text, r#"{id},"time":{time}}}"#).expect("memory takes what is written");
        Position::new(text)
    }
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

#[cfg(test)]
mod tests {
    use super::{Place, Positions};

    #[test]
    fn positions_written_in_a_row_are_those_written_alone() {
        for identity in ["0123456789abcdef", "a \"quoted\" one\n", ""] {
            let positions = Positions::new(identity);
            for (id, time) in [(0, 0), (1, 1_795_000_000_000), (i64::MAX, i64::MIN)] {
                let place = Place { identity: identity.into(), id, time: Some(time) };
                assert_eq!(positions.after(id, time), place.to_position());
            }
        }
    }
}
