//! Entries and messages become change events.
//!
//! It knows the event's shape and nothing of how things are read. Whatever bytes Redis holds come
//! through here:
//!
//! | invariant | what it buys |
//! |---|---|
//! | bytes that are not UTF-8 become `{"$binary": …}` | no value can stop a stream or is changed in silence |
//! | a field that stands twice in an entry is a list of its values | nothing is left out |
//! | an event holds no line break | nothing downstream has to check it |

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::reply::Entry;
use crate::limits;
use crate::model::{Change, Op, Timestamp, Topic, extend_json};

/// The last millisecond that RFC 3339 can write.
const TIME_MAX: u64 = 253_402_300_799_999;

/// A change, and how many characters of its names had to be replaced.
pub(super) struct Encoded {
    pub(super) change: Change,
    pub(super) replacements: u64,
}

/// What an event is made of.
struct Parts<'a> {
    topic: &'a Topic,
    op: Op,
    id: &'a str,
    millis: u64,
    /// The document's key, as JSON.
    key: Option<String>,
    /// Further members, as JSON.
    members: &'a [(&'a str, String)],
}

/// The insert that `entry` of a stream is.
pub(super) fn of_entry(source: &str, topic: &Topic, entry: &Entry) -> Encoded {
    let id = entry.id.to_string();
    let (document, replacements) = document_of(entry);
    let parts = Parts {
        topic,
        op: Op::Insert,
        id: &id,
        millis: entry.id.millis,
        key: Some(quote(&id)),
        members: &[("fullDocument", document)],
    };
    Encoded { change: parts.change(source), replacements }
}

/// The insert that a message on a channel is; it has no key.
pub(super) fn of_message(source: &str, topic: &Topic, id: &LiveId, payload: &[u8]) -> Change {
    let parts = Parts {
        topic,
        op: Op::Insert,
        id: &id.text,
        millis: id.millis,
        key: None,
        members: &[("fullDocument", message(payload))],
    };
    parts.change(source)
}

/// The change of a key that `event` names, such as `hset` or `expired`.
pub(super) fn of_key(source: &str, topic: &Topic, id: &LiveId, key: &[u8], event: &str) -> Change {
    let op = match event {
        "del" | "expired" | "evicted" | "rename_from" | "move_from" => Op::Delete,
        _ => Op::Update,
    };
    let parts = Parts {
        topic,
        op,
        id: &id.text,
        millis: id.millis,
        key: Some(value(key)),
        members: &[("event", quote(event))],
    };
    parts.change(source)
}

/// The identity of what Redis gives none: when it came, and a number.
pub(super) struct LiveId {
    millis: u64,
    text: String,
}

impl LiveId {
    pub(super) fn new(now: Timestamp, number: u64) -> Self {
        Self { millis: now.0, text: format!("{}-{number}", now.0) }
    }
}

impl Parts<'_> {
    fn change(self, source: &str) -> Change {
        let (name, id) = (quote(self.op.name()), quote(self.id));
        let mut event = format!(r#"{{"_id":{{"_data":{id}}},"operationType":{name}"#);
        let time = Timestamp(self.millis.min(TIME_MAX));
        event.push_str(&format!(r#","wallTime":{{"$date":"{time}"}}"#));
        let (db, coll) = (quote(source), quote(self.topic.collection()));
        event.push_str(&format!(r#","ns":{{"db":{db},"coll":{coll}}}"#));
        let key = self.key.map(|key| format!(r#"{{"_id":{key}}}"#)).unwrap_or_default();
        if !key.is_empty() {
            event.push_str(&format!(r#","documentKey":{key}"#));
        }
        for (name, value) in self.members {
            event.push_str(&format!(r#","{name}":{value}"#));
        }
        event.push('}');
        Change { topic: self.topic.clone(), op: self.op, key: key.into(), event: event.into() }
    }
}

/// The fields of an entry as an object.
pub(super) fn document_of(entry: &Entry) -> (String, u64) {
    let mut replacements = 0;
    let mut members: Vec<(String, Vec<&[u8]>)> = Vec::with_capacity(entry.fields.len());
    let mut known: HashMap<String, usize> = HashMap::new();
    for (name, value) in &entry.fields {
        let name = String::from_utf8_lossy(name);
        replacements += name.chars().filter(|&c| c == '\u{fffd}').count() as u64;
        let index = *known.entry(name.to_string()).or_insert(members.len());
        match members.get_mut(index) {
            Some((_, values)) => values.push(value),
            None => members.push((name.into_owned(), vec![value])),
        }
    }
    let texts =
        members.iter().map(|(name, values)| format!("{}:{}", quote(name), one_or_list(values)));
    (format!("{{{}}}", texts.collect::<Vec<_>>().join(",")), replacements)
}

fn one_or_list(values: &[&[u8]]) -> String {
    match values {
        [one] => value(one),
        several => {
            let texts: Vec<_> = several.iter().map(|one| value(one)).collect();
            format!("[{}]", texts.join(","))
        }
    }
}

/// A message that is a JSON object or list counts as such; everything else stays the text it is,
/// so that `"007"` never becomes a number.
fn message(payload: &[u8]) -> String {
    let text = std::str::from_utf8(payload).unwrap_or_default();
    let is_structure = text.trim_start().starts_with(['{', '[']);
    match extend_json(text) {
        Ok(json) if is_structure && is_shallow(&json) => json,
        _ => value(payload),
    }
}

/// What nests deeper than parsers go is sent as text.
fn is_shallow(json: &str) -> bool {
    let mut depth = 0_usize;
    let mut deepest = 0;
    // Brackets in strings count too: that only errs towards text.
    for byte in json.bytes() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest <= limits::DOCUMENT_DEPTH_MAX
}

/// Text as a string, anything else as `$binary`.
pub(super) fn value(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => quote(text),
        Err(_) => {
            let base64 = STANDARD.encode(bytes);
            format!(r#"{{"$binary":{{"base64":"{base64}","subType":"00"}}}}"#)
        }
    }
}

pub(super) fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

/// A topic for any name that Redis may hold.
pub(super) fn topic(source: &Arc<str>, name: &[u8], fallback: &Topic) -> Topic {
    let text = String::from_utf8_lossy(name);
    let printable = || text.replace(char::is_control, "\u{fffd}");
    let topic = Topic::new(source, &text).or_else(|_| Topic::new(source, &printable()));
    topic.unwrap_or_else(|_| fallback.clone())
}
