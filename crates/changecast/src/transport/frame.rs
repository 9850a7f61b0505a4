//! The JSON message that NDJSON and WebSocket share: a change with its id and topic, or a control
//! message with a type.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

use serde_json::value::RawValue;

use super::format::Format;
use crate::hub::{Control, Gap, Selection};
use crate::model::{Change, EventId, SourceStatus};

/// `{"id":…,"topic":…,"change":…}`; the line that `format` makes goes in as it is.
pub(super) fn change(format: Format, id: EventId, change: &Change, end: &str) -> Bytes {
    let line = format.line(id, change);
    let topic = serde_json::to_string(change.topic.as_str()).unwrap_or_default();
    let mut frame = BytesMut::with_capacity(line.len() + topic.len() + 64);
    frame.put_slice(format!(r#"{{"id":"{id}","topic":{topic},"change":"#).as_bytes());
    frame.put_slice(&line);
    frame.put_slice(b"}");
    frame.put_slice(end.as_bytes());
    frame.freeze()
}

/// A control message; none for what only SSE has a word for.
pub(crate) fn control(control: &Control, end: &str) -> Option<Bytes> {
    let message = match control {
        Control::Hello(hello) => typed("hello", Some(hello.position), hello),
        Control::Gap(gap) => typed::<Gap>("gap", Some(gap.id), gap),
        Control::Bookmark(id) => typed("bookmark", Some(*id), &Nothing {}),
        Control::Source(status) => typed("source", None, &SourceNews::of(status)),
        Control::Bye(_) => return None,
    };
    Some(Bytes::from(message + end))
}

/// The answer to a command that changed what is followed: everything that is followed now.
pub(super) fn subscribed(position: EventId, selection: &Selection) -> String {
    #[derive(Serialize)]
    struct Subscribed {
        /// Those that come unfiltered.
        topics: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        filtered: Vec<Filtered>,
    }
    #[derive(Serialize)]
    struct Filtered {
        topics: Vec<String>,
        #[serde(rename = "match")]
        filter: Box<RawValue>,
    }
    let mut said = Subscribed { topics: Vec::new(), filtered: Vec::new() };
    for part in selection.parts() {
        let topics = part.topics.patterns().iter().map(ToString::to_string).collect();
        match &part.filter {
            None => said.topics = topics,
            Some(filter) => {
                // A filter's text is JSON.
                let filter = RawValue::from_string(filter.to_string()).unwrap_or_default();
                said.filtered.push(Filtered { topics, filter });
            }
        }
    }
    typed("subscribed", Some(position), &said)
}

/// An error about something that the client sent.
pub(super) fn error(detail: &str) -> String {
    #[derive(Serialize)]
    struct Error<'a> {
        detail: &'a str,
    }
    typed("error", None, &Error { detail })
}

#[derive(Serialize)]
struct Typed<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(flatten)]
    rest: &'a T,
}

#[derive(Serialize)]
struct Nothing {}

fn typed<T: Serialize>(kind: &str, id: Option<EventId>, rest: &T) -> String {
    let id = id.map(|id| id.to_string());
    // Structs of strings, numbers and lists always serialize.
    serde_json::to_string(&Typed { kind, id, rest }).unwrap_or_default()
}

/// What a subscriber hears of a source.
#[derive(Serialize)]
pub(super) struct SourceNews<'a> {
    source: &'a str,
    state: crate::model::SourceState,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a str>,
}

impl<'a> SourceNews<'a> {
    pub(super) fn of(status: &'a SourceStatus) -> Self {
        Self {
            source: &status.name,
            state: status.state,
            error: status.error.as_deref(),
            remedy: status.remedy.as_deref(),
        }
    }
}
