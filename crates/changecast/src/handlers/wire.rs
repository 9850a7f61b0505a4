//! How a store's messages look on the wire: tornadose's forms, with ids unless they are not wanted.
//!
//! `data: …` for a stream of events, `{"data": …}` for a WebSocket.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::hub::{Codec, Control};
use crate::model::{Change, EventId};
use crate::stores::Payload;
use crate::transport;

/// Server-sent events (WHATWG HTML, section 9.2).
pub(super) struct Events {
    /// Whether events have ids, to resume from.
    pub(super) has_ids: bool,
}

impl Codec for Events {
    fn name(&self) -> &'static str {
        if self.has_ids { "event-source" } else { "event-source-without-ids" }
    }

    fn change(&self, id: EventId, change: &Change) -> Bytes {
        let payload = Payload::read(change);
        let mut block = String::with_capacity(payload.json.len() + 64);
        if self.has_ids {
            // Writing to a String cannot fail.
            let _ = match &payload.id {
                Some(own) => writeln!(block, "id: {id}/{own}"),
                None => writeln!(block, "id: {id}"),
            };
        }
        if let Some(event) = &payload.event {
            let _ = writeln!(block, "event: {event}");
        }
        if let Some(retry) = payload.retry {
            let _ = writeln!(block, "retry: {retry}");
        }
        put_data(&mut block, &payload.json);
        block.push('\n');
        Bytes::from(block)
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        let has_ids = self.has_ids;
        Some(Bytes::from(match control {
            Control::Hello(hello) if has_ids => {
                let (retry, id) = (hello.retry.as_millis(), hello.position);
                format!(": changecast\nretry: {retry}\nid: {id}\n\n")
            }
            Control::Hello(_) => ": changecast\n\n".to_owned(),
            Control::Gap(gap) => {
                // A struct of texts always serializes.
                let data = serde_json::to_string(gap).unwrap_or_default();
                let id = if has_ids { format!("id: {}\n", gap.id) } else { String::new() };
                format!("event: gap\n{id}data: {data}\n\n")
            }
            Control::Bookmark(id) if has_ids => format!("id: {id}\n\n"),
            Control::Bookmark(_) => ":\n\n".to_owned(),
            Control::Bye(retry) => format!("retry: {}\n\n", retry.as_millis()),
            Control::Source(_) => return None,
        }))
    }
}

/// A string as it is, each of its lines in one of the event's; anything else as JSON, which has no
/// line breaks.
fn put_data(block: &mut String, json: &str) {
    let Ok(text) = serde_json::from_str::<String>(json) else {
        let _ = writeln!(block, "data: {json}");
        return;
    };
    let mut rest = text.as_str();
    loop {
        let (line, next) = match rest.find(['\r', '\n']) {
            Some(end) => rest.split_at(end),
            None => (rest, ""),
        };
        let _ = writeln!(block, "data: {line}");
        let Some(after) = next.strip_prefix("\r\n").or_else(|| next.get(1..)) else { return };
        rest = after;
    }
}

/// Texts of a WebSocket.
pub(super) struct Texts {
    /// Whether messages have ids, and the client hears where it is.
    pub(super) has_ids: bool,
}

impl Codec for Texts {
    fn name(&self) -> &'static str {
        if self.has_ids { "websocket-subscriber-with-ids" } else { "websocket-subscriber" }
    }

    fn change(&self, id: EventId, change: &Change) -> Bytes {
        let Payload { json, event, id: own, .. } = Payload::read(change);
        let mut text = String::with_capacity(json.len() + 64);
        let _ = write!(text, r#"{{"data": {json}"#);
        if let Some(event) = event {
            let _ = write!(text, r#", "event": {}"#, quote(&event));
        }
        match own {
            Some(own) if self.has_ids => {
                let _ = write!(text, r#", "id": {}"#, quote(&format!("{id}/{own}")));
            }
            Some(own) => {
                let _ = write!(text, r#", "id": {}"#, quote(&own));
            }
            None if self.has_ids => {
                let _ = write!(text, r#", "id": "{id}""#);
            }
            None => {}
        }
        text.push('}');
        Bytes::from(text)
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        match control {
            Control::Hello(_) | Control::Bookmark(_) if !self.has_ids => None,
            Control::Source(_) => None,
            control => transport::control(control, ""),
        }
    }
}

fn quote(text: &str) -> String {
    // Every text is a JSON string.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let mut block = String::new();
        put_data(&mut block, json);
        assert_eq!(block, expected, "{json}");
    }

    #[test]
    fn s1_14_each_line_of_a_string_is_a_line_of_data() {
        check(r#""hi""#, "data: hi\n");
        check(r#""""#, "data: \n");
        check(
            r#""a\nb\n\nevent: evil\ndata: pwn""#,
            "data: a\ndata: b\ndata: \ndata: event: evil\ndata: data: pwn\n",
        );
        check(r#""a\r\nb\rc\n""#, "data: a\ndata: b\ndata: c\ndata: \n");
        check(r#""\r\r\n\n""#, "data: \ndata: \ndata: \ndata: \n");
        check(r#""a\u0000b""#, "data: a\0b\n");
        check(r#""é\u2028""#, "data: é\u{2028}\n");
    }

    #[test]
    fn s1_07_what_is_no_string_is_json() {
        for json in ["1.0", "null", r#"{"k":[1,null,true,"é"]}"#, r#"["a\nb"]"#] {
            check(json, &format!("data: {json}\n"));
        }
    }
}
