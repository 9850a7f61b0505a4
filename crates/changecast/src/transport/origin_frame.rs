//! The frame of the original change-stream page, for clients written against its `/socket`: the
//! event without its `_id`, then `html` and `html_id`. It has no word for anything but changes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::hub::{Codec, Control};
use crate::limits;
use crate::model::{Change, EventId};

pub(super) struct OriginFrame;

impl Codec for OriginFrame {
    fn name(&self) -> &'static str {
        "socket"
    }

    fn change(&self, _: EventId, change: &Change) -> Bytes {
        let event = std::str::from_utf8(&change.event).unwrap_or("{}");
        // Every event is a JSON object: an invariant of `Change`.
        let fields: Fields<'_> = serde_json::from_str(event).unwrap_or_default();
        Bytes::from(encode(&fields))
    }

    fn control(&self, _: &Control) -> Option<Bytes> {
        None
    }
}

/// An object's fields in their order, unparsed.
#[derive(Default)]
pub(super) struct Fields<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

fn encode(fields: &Fields<'_>) -> String {
    let html_id = html_id(fields);
    let shown: Vec<_> = fields.0.iter().filter(|(name, _)| name != "_id").collect();
    let mut frame = String::from("{");
    for (name, value) in &shown {
        push_field(&mut frame, name, value.get());
        frame.push(',');
    }
    let html = html(&html_id, &shown);
    push_field(&mut frame, "html", &quoted(&html));
    frame.push(',');
    push_field(&mut frame, "html_id", &quoted(&html_id));
    frame.push('}');
    frame
}

/// base64url without padding of the ASCII bytes of the hexadecimal `_id._data`.
fn html_id(fields: &Fields<'_>) -> String {
    #[derive(Deserialize)]
    struct Id {
        _data: String,
    }
    let id = fields.0.iter().find(|(name, _)| name == "_id");
    let id = id.and_then(|(_, value)| serde_json::from_str::<Id>(value.get()).ok());
    URL_SAFE_NO_PAD.encode(id.map_or_else(String::new, |id| id._data))
}

/// `<div id="change-ID"><pre>…</pre></div>` with the event as indented JSON, escaped. A large event
/// is shown by its size only: the frame would otherwise hold it twice.
fn html(html_id: &str, fields: &[&(String, &RawValue)]) -> String {
    let size: usize = fields.iter().map(|(_, value)| value.get().len()).sum();
    let text = (size <= limits::HTML_BYTES_MAX).then(|| indented(fields)).flatten();
    let text = text.unwrap_or_else(|| format!("({size} bytes, too large to show)"));
    format!("<div id=\"change-{html_id}\"><pre>{}</pre></div>", escaped(&text))
}

/// None where it becomes too large: each line of what is deep inside begins with many blanks.
fn indented(fields: &[&(String, &RawValue)]) -> Option<String> {
    let mut text = String::from("{");
    for (index, (name, value)) in fields.iter().enumerate() {
        text.push_str(if index > 0 { ",\n  " } else { "\n  " });
        text.push_str(&quoted(name));
        text.push_str(": ");
        indent_json(&mut text, value.get())?;
    }
    text.push_str("\n}");
    Some(text)
}

/// Re-indents compact JSON inside the outermost object: tokens stay as they are.
fn indent_json(text: &mut String, compact: &str) -> Option<()> {
    let (mut depth, mut in_string, mut is_escaped) = (1_usize, false, false);
    let mut rest = compact.chars().peekable();
    while let Some(char) = rest.next() {
        if in_string {
            in_string = char != '"' || is_escaped;
            is_escaped = char == '\\' && !is_escaped;
            text.push(char);
            continue;
        }
        match char {
            '{' | '[' if rest.peek().is_some_and(|next| matches!(next, '}' | ']')) => {
                text.push(char);
                text.extend(rest.next());
            }
            '{' | '[' => {
                depth += 1;
                text.push(char);
                break_line(text, depth)?;
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                break_line(text, depth)?;
                text.push(char);
            }
            ',' => {
                text.push(',');
                break_line(text, depth)?;
            }
            ':' => text.push_str(": "),
            _ => {
                in_string = char == '"';
                text.push(char);
            }
        }
    }
    Some(())
}

fn break_line(text: &mut String, depth: usize) -> Option<()> {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
    (text.len() <= limits::HTML_INDENTED_BYTES_MAX).then_some(())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            _ => out.push(char),
        }
    }
    out
}

fn push_field(frame: &mut String, name: &str, value: &str) {
    frame.push_str(&quoted(name));
    frame.push(':');
    frame.push_str(value);
}

fn quoted(text: &str) -> String {
    // A string always serializes.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn g10_what_is_deep_and_wide_is_shown_by_its_size() {
        let wide = "1,".repeat(50_000);
        let (open, close) = ("[".repeat(100), "]".repeat(100));
        let frame = encode(
            &serde_json::from_str(&format!(r#"{{"x":{open}{wide}1{close}}}"#)).expect("an object"),
        );
        assert!(frame.contains("too large to show") && frame.len() < 2 * limits::HTML_BYTES_MAX);
    }

    fn frame_of(event: &str) -> Value {
        let fields: Fields<'_> = serde_json::from_str(event).expect("an object");
        serde_json::from_str(&encode(&fields)).expect("the frame is JSON")
    }

    #[test]
    fn s0_19_the_frame_is_the_event_without_id_then_html_and_html_id() {
        let frame =
            frame_of(r#"{"_id":{"_data":"826B"},"operationType":"insert","n":9007199254740993}"#);
        assert_eq!(frame.get("_id"), None);
        assert_eq!(frame["operationType"], "insert");
        assert_eq!(frame["n"].to_string(), "9007199254740993");
        assert_eq!(frame["html_id"], URL_SAFE_NO_PAD.encode("826B"));
    }

    #[test]
    fn s0_20_html_holds_the_event_as_indented_escaped_json() {
        let frame = frame_of(
            r#"{"_id":{"_data":"1"},"fullDocument":{"x":"<script>\"'&","e":{},"l":[1,[]]}}"#,
        );
        let html = frame["html"].as_str().expect("text");
        let text = html
            .strip_prefix("<div id=\"change-MQ\"><pre>")
            .and_then(|rest| rest.strip_suffix("</pre></div>"))
            .expect("the original's element");
        assert!(!text.contains(['<', '"', '\'']), "{text}");
        let unescaped = text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#x27;", "'")
            .replace("&amp;", "&");
        let shown: Value = serde_json::from_str(&unescaped).expect("JSON");
        assert_eq!(shown, json!({"fullDocument": {"x": "<script>\"'&", "e": {}, "l": [1, []]}}));
        assert!(unescaped.contains("\n      1,\n"), "{unescaped}");
    }

    #[test]
    fn s0_34_a_large_event_is_not_sent_twice() {
        let large = "x".repeat(limits::HTML_BYTES_MAX);
        let frame =
            frame_of(&format!(r#"{{"_id":{{"_data":"1"}},"fullDocument":{{"x":"{large}"}}}}"#));
        assert!(frame["html"].as_str().expect("text").len() < 200);
        assert_eq!(frame["fullDocument"]["x"], large);
    }
}
