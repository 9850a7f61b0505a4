//! Where a stream goes on.
//!
//! A position is JSON: `{"version":1,"system":"7301…","timeline":1,"lsn":"0/16B3740"}`. Everything
//! committed up to `lsn` is covered, and may be acknowledged. In the midst of a transaction,
//! `"commit":"0/16B3800","ordinal":12` stand beside it: of the transaction with that commit, the
//! first twelve changes are covered, too; the server sends them again, and they are left out here.

use std::io::Write as _;

use serde::{Deserialize, Serialize};

use super::errors::lost;
use crate::model::Position;
use crate::source::SourceError;

const VERSION: u32 = 1;

/// Which history a position is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The cluster's own number.
    pub(super) system: String,
    /// Which of its histories: a new one begins when a standby takes over.
    pub(super) timeline: u32,
}

/// A place in that history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The end of the last commit that is covered.
    pub(super) lsn: u64,
    /// The commit that is covered in part; 0 if none.
    pub(super) commit: u64,
    /// How many of its changes are.
    pub(super) ordinal: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    system: String,
    timeline: u32,
    lsn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ordinal: Option<u64>,
}

impl Place {
    pub(super) fn at(lsn: u64) -> Self {
        Self { lsn, commit: 0, ordinal: 0 }
    }

    pub(super) fn to_position(self, identity: &Identity) -> Position {
        let is_inside = self.commit != 0;
        let stored = Stored {
            version: VERSION,
            system: identity.system.clone(),
            timeline: identity.timeline,
            lsn: lsn_text(self.lsn),
            commit: is_inside.then(|| lsn_text(self.commit)),
            ordinal: is_inside.then_some(self.ordinal),
        };
        Position::new(serde_json::to_string(&stored).expect("a position is JSON"))
    }
}

/// Writes the positions of one history, as [`Place::to_position`] does, for each change of a
/// transaction but what differs from the one before: its ordinal.
pub(super) struct Positions {
    identity: Identity,
    /// The place that was written last, …
    last: Place,
    /// … and its text up to the ordinal, or else up to the end.
    head: Vec<u8>,
}

impl Positions {
    pub(super) fn new(identity: Identity) -> Self {
        let mut positions = Self { identity, last: Place::default(), head: Vec::new() };
        positions.begin(Place::default());
        positions
    }

    pub(super) fn at(&mut self, place: Place) -> Position {
        if (place.lsn, place.commit) != (self.last.lsn, self.last.commit) {
            self.begin(place);
        }
        let digits = place.ordinal.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut text = Vec::with_capacity(self.head.len() + digits + 1);
        text.extend_from_slice(&self.head);
        if place.commit != 0 {
            write!(text, "{}", place.ordinal).expect("memory takes what is written");
        }
        text.push(b'}');
        Position::new(text)
    }

    fn begin(&mut self, place: Place) {
        let first = Place { ordinal: 0, ..place }.to_position(&self.identity);
        let text = first.as_bytes();
        let text = text.strip_suffix(b"}").unwrap_or(text);
        let text = if place.commit == 0 { text } else { text.strip_suffix(b"0").unwrap_or(text) };
        self.last = place;
        self.head = text.to_vec();
    }
}

/// Reads what [`Place::to_position`] wrote.
pub(super) fn read(position: &Position) -> Result<(Identity, Place), SourceError> {
    let unreadable = || lost("the stored position cannot be read");
    let stored: Stored = serde_json::from_slice(position.as_bytes()).map_err(|_| unreadable())?;
    if stored.version != VERSION {
        return Err(unreadable());
    }
    let lsn = parse_lsn(&stored.lsn).ok_or_else(unreadable)?;
    let commit = stored.commit.as_deref().map_or(Some(0), parse_lsn).ok_or_else(unreadable)?;
    let place = Place { lsn, commit, ordinal: stored.ordinal.unwrap_or(0) };
    Ok((Identity { system: stored.system, timeline: stored.timeline }, place))
}

/// PostgreSQL's own way to write a place in its WAL.
pub(super) fn lsn_text(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF)
}

pub(super) fn parse_lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let (high, low) = (u32::from_str_radix(high, 16).ok()?, u32::from_str_radix(low, 16).ok()?);
    Some(u64::from(high) << 32 | u64::from(low))
}
