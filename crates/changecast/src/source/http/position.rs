//! Where a source goes on: how many changes there were, and what the last value was.
//!
//! A position is JSON:
//! `{"version":1,"of":"<hash>","count":3,"hash":"<hash>","etag":"…","modified":"…"}`. `of` is the
//! hash of the address and the pointer: what was learned of another is forgotten.

use serde::{Deserialize, Serialize};

use super::config::HttpConfig;
use super::document::fnv_1a;
use crate::model::Position;
use crate::source::SourceError;

const VERSION: u32 = 1;

/// What is known of the watched value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    version: u32,
    of: String,
    /// How many changes there were.
    pub(super) count: u64,
    /// The last value's hash; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hash: Option<String>,
    #[serde(flatten)]
    pub(super) validators: Validators,
}

/// What lets a server answer that nothing has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) modified: Option<String>,
}

impl Place {
    /// Before the first value.
    pub(super) fn new(config: &HttpConfig) -> Self {
        let of = format!("{}\n{}", config.url, config.pointer);
        let of = format!("{:032x}", fnv_1a(of.as_bytes()));
        Self { version: VERSION, of, count: 0, hash: None, validators: Validators::default() }
    }

    pub(super) fn read(position: &Position, config: &HttpConfig) -> Result<Self, SourceError> {
        let unreadable = || SourceError::HistoryLost("the stored position cannot be read".into());
        let stored: Self = serde_json::from_slice(position.as_bytes()).map_err(|_| unreadable())?;
        if stored.version != VERSION {
            return Err(unreadable());
        }
        let new = Self::new(config);
        if stored.of == new.of {
            return Ok(stored);
        }
        // Counted on, so that no two changes of a source have one id.
        Ok(Self { count: stored.count, hash: stored.hash, ..new })
    }

    pub(super) fn to_position(&self) -> Position {
        Position::new(serde_json::to_string(self).expect("a position is JSON"))
    }
}
