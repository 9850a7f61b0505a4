//! The words everything else is written in: change, topic, entry, event id, position.
//!
//! Nothing here does I/O, knows a clock or a runtime. A type lives here when at least two layers
//! speak of it; what only one layer needs stays there.

mod change;
mod entry;
mod event_id;
mod json;
mod position;
mod status;
mod timestamp;
mod topic;

pub use change::{Change, Op};
pub use entry::{Body, Entry, SourceGap};
pub use event_id::{Epoch, EventId, InvalidEventId, Seq};
pub use json::{InvalidJson, extend_json};
pub use position::Position;
pub use status::{SourceState, SourceStatus};
#[cfg(feature = "mongodb")]
pub(crate) use timestamp::civil_from_days;
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use topic::{InvalidTopic, Topic, TopicPattern, TopicSet};
