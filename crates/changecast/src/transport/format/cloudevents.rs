//! `format=cloudevents`: CloudEvents 1.0 in its structured JSON form; the change event is its data.
//!
//! `id` is the event id: unique in the log, the same for every client and after a restart, and what a
//! client resumes from. `source` names the topic.

use super::parts::{Object, Parts, key_of};
use crate::model::{Change, EventId};

pub(super) fn line(id: EventId, change: &Change, parts: &Parts<'_>) -> String {
    let topic: String = form_urlencoded::byte_serialize(change.topic.as_str().as_bytes()).collect();
    let event = std::str::from_utf8(&change.event).unwrap_or("null");
    let mut line = Object::new()
        .text("specversion", "1.0")
        .text("id", &id.to_string())
        .text("source", &format!("urn:changecast:{}", topic.replace('+', "%20")))
        .text("type", &format!("changecast.{}", parts.operation(change)));
    if let Some(subject) = subject(key_of(change, parts)) {
        line = line.text("subject", &subject);
    }
    if let Some(time) = parts.time() {
        line = line.text("time", &time.text);
    }
    line.text("datacontenttype", "application/json").raw("data", event).end()
}

/// The key in a word: of `{"_id":"x"}` and `{"_id":{"$oid":"…"}}` the text, else the JSON.
fn subject(key: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(key).ok()?;
    let members = value.as_object()?;
    let Some(id) = members.get("_id").filter(|_| members.len() == 1) else {
        return Some(key.to_owned());
    };
    let text = id.as_str().or_else(|| id.get("$oid")?.as_str());
    Some(text.map_or_else(|| id.to_string(), ToOwned::to_owned)).filter(|text| !text.is_empty())
}
