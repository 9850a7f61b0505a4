//! What a source is doing, as the runner says it and everybody else reads it.

use std::sync::Arc;

use serde::Serialize;

use super::{Timestamp, TopicSet};

/// Where a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// Not reached yet, or reached no longer: it keeps trying.
    Connecting,
    /// Following.
    Live,
    /// Stopped: only somebody who mends the cause helps.
    Failed,
}

/// One source, for `/sources`, `/readyz`, the page and `source` events.
#[derive(Clone, Debug, Serialize)]
pub struct SourceStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Its driver.
    pub kind: &'static str,
    /// What it watches.
    #[serde(serialize_with = "serialize_topics")]
    pub topics: TopicSet,
    /// Whether what passed while nobody watched still comes.
    pub replayable: bool,
    /// Where it stands.
    pub state: SourceState,
    /// Whether it ever had a position: from then on nothing is missed.
    pub positioned: bool,
    /// What went wrong last, in words; none while it is live.
    pub error: Option<String>,
    /// What somebody can do about it.
    pub remedy: Option<String>,
    /// When the state last changed.
    pub since: Timestamp,
    /// When its last change came, by the log's clock.
    pub last_change: Option<Timestamp>,
    /// How many gaps it has reported since the start.
    pub gap_count: u64,
}

fn serialize_topics<S: serde::Serializer>(topics: &TopicSet, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(topics.patterns().iter().map(ToString::to_string))
}
