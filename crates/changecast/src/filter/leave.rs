//! The event that tells a subscriber that a document has left its view.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::event::Event;

const OPERATION: &str = "operationType";
const KEPT: [&str; 5] = ["_id", "ns", "documentKey", "clusterTime", "wallTime"];

impl Event<'_> {
    /// The event without its document, as `operationType` "leave": `_id`, `ns`, `documentKey`,
    /// `clusterTime` and `wallTime`, in the original's order and bytes.
    #[must_use]
    pub fn leave(&self) -> Bytes {
        let mut reader = serde_json::Deserializer::from_slice(self.bytes());
        let members = reader.deserialize_map(Members).unwrap_or_default();
        let mut out = Vec::with_capacity(256);
        out.push(b'{');
        for (name, value) in &members {
            let value = if *name == OPERATION { r#""leave""# } else { value.get() };
            // A name that is kept has nothing to escape.
            out.extend_from_slice(format!("\"{name}\":").as_bytes());
            out.extend_from_slice(value.as_bytes());
            out.push(b',');
        }
        if members.iter().all(|(name, _)| *name != OPERATION) {
            out.extend_from_slice(br#""operationType":"leave","#);
        }
        out.pop();
        out.push(b'}');
        out.into()
    }
}

/// The outermost members that are kept, unread.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Self::Value::new();
        while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            let is_first = members.iter().all(|(other, _)| *other != name.0);
            if is_first && (name.0 == OPERATION || KEPT.contains(&&*name.0)) {
                members.push((name.0, value));
            }
        }
        Ok(members)
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
