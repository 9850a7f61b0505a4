//! How a value becomes a change, and where a watcher goes on.
//!
//! A position is JSON: `{"version":1,"hash":"…"}`, the hash of the last value that was told; without
//! it for a stream, where a position only says that somebody has listened.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::work::Kind;
use crate::model::{Change, Op, Position, Timestamp, Topic};
use crate::source::Delivery;

const VERSION: u32 = 1;

/// What was told last.
pub(super) struct Place {
    hash: Option<String>,
    /// Of what is being told: whoever stops in the midst of it tells it again.
    telling: Option<String>,
    /// Differs from opening to opening, so that every change has an id of its own.
    opening: u64,
    count: u64,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
}

impl Place {
    /// What a position says; one that is not known says nothing, and the value is told once more.
    pub(super) fn read(position: Option<&Position>) -> Self {
        let stored = position.and_then(|stored| serde_json::from_slice(stored.as_bytes()).ok());
        let hash = stored.filter(|stored: &Stored| stored.version == VERSION);
        let hash = hash.and_then(|stored| stored.hash);
        Self { hash, telling: None, opening: fastrand::u64(..), count: 0 }
    }

    pub(super) fn to_position(&self, kind: Kind) -> Position {
        let hash = self.telling.as_ref().or(self.hash.as_ref());
        let hash = hash.cloned().filter(|_| kind == Kind::Poll);
        let stored = Stored { version: VERSION, hash };
        Position::new(serde_json::to_vec(&stored).expect("a struct of texts is JSON"))
    }

    /// The change that leads to this value; none if it is the last one, and that matters.
    pub(super) fn next(
        &mut self,
        topic: &Topic,
        json: &str,
        kind: Kind,
        is_distinct: bool,
    ) -> Option<Delivery> {
        let hash = hash(json);
        if is_distinct && self.hash.as_ref() == Some(&hash) {
            return None;
        }
        let op = if self.hash.is_none() { Op::Insert } else { Op::Replace };
        self.count += 1;
        self.telling = Some(hash);
        let change = self.change(topic, op, json);
        Some(Delivery { change: Some(change), position: Some(self.to_position(kind)) })
    }

    /// The change is on its way.
    pub(super) fn told(&mut self) {
        self.hash = self.telling.take().or_else(|| self.hash.take());
    }

    fn change(&self, topic: &Topic, op: Op, json: &str) -> Change {
        let (db, coll) = (quote(topic.source()), quote(topic.collection()));
        let key = format!(r#"{{"_id":{coll}}}"#);
        let event = format!(
            r#"{{"_id":{{"_data":"{opening:016x}-{count}"}},"operationType":"{op}","wallTime":{{"$date":"{time}"}},"fullDocument":{json},"ns":{{"db":{db},"coll":{coll}}},"documentKey":{key}}}"#,
            opening = self.opening,
            count = self.count,
            op = op.name(),
            time = Timestamp::from(SystemTime::now()),
        );
        Change { topic: topic.clone(), op, key: key.into(), event: event.into() }
    }
}

/// The same for equal values, whatever the order of their members. Numbers that a double would change
/// are text by now, so none is mistaken for another.
fn hash(json: &str) -> String {
    let sorted = serde_json::from_str::<serde_json::Value>(json).map(|value| value.to_string());
    let digest = Sha256::digest(sorted.as_deref().unwrap_or(json));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}
