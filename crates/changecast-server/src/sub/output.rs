//! What is printed: lines as they came, or something for a person to read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::arguments::OutputFormat;
use super::message::Message;

/// Standard output for changes and gaps, standard error for all that is only by the way.
pub(super) struct Output {
    format: OutputFormat,
    has_colour: bool,
}

/// What is shown of a change event.
#[derive(Default, Deserialize)]
struct Event<'a> {
    #[serde(rename = "operationType")]
    op: Option<String>,
    #[serde(borrow, rename = "documentKey")]
    key: Option<&'a RawValue>,
    #[serde(borrow, rename = "fullDocument")]
    document: Option<&'a RawValue>,
    #[serde(borrow, rename = "updateDescription")]
    description: Option<&'a RawValue>,
}

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BLUE: &str = "34";
const GREY: &str = "90";

impl Output {
    pub(super) fn new(format: Option<OutputFormat>) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let default = if is_terminal { OutputFormat::Pretty } else { OutputFormat::Ndjson };
        // https://no-color.org
        let wants_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { format: format.unwrap_or(default), has_colour: is_terminal && wants_colour }
    }

    /// Prints a message, if it is one to be seen.
    pub(super) fn write(&self, line: &str, message: &Message<'_>) -> io::Result<()> {
        let text = match (&*message.kind, self.format) {
            (Message::CHANGE | "gap", OutputFormat::Ndjson) => format!("{line}\n"),
            (Message::CHANGE, OutputFormat::Pretty) => self.change(message),
            ("gap", OutputFormat::Pretty) => self.gap(message),
            ("source", _) => return self.note(&news(message)),
            _ => return Ok(()),
        };
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Tells a person something by the way.
    pub(super) fn note(&self, text: &str) -> io::Result<()> {
        writeln!(io::stderr(), "changecast: {}", printable(text))
    }

    fn change(&self, message: &Message<'_>) -> String {
        let event: Event<'_> = message
            .change
            .and_then(|change| serde_json::from_str(change.get()).ok())
            .unwrap_or_default();
        let op = event.op.as_deref().unwrap_or("change");
        let key = event.key.map(short_key).unwrap_or_default();
        let topic = message.topic.as_deref().unwrap_or_default();
        let id = message.id.as_deref().unwrap_or_default();
        let mut text = format!(
            "{} {} {} {}\n",
            self.paint(colour_of(op), &printable(&format!("{op:<8}"))),
            printable(topic),
            printable(&key),
            self.paint(GREY, &printable(id)),
        );
        let is_there = |part: &&RawValue| part.get() != "null";
        if let Some(part) = event.document.filter(is_there).or(event.description) {
            for line in indented(part.get()).lines() {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "  {}", printable(line));
            }
        }
        text
    }

    fn gap(&self, message: &Message<'_>) -> String {
        let reason = message.reason.as_deref().unwrap_or_default();
        format!("{} {}\n", self.paint(RED, "history lost"), printable(reason))
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.has_colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn colour_of(op: &str) -> &'static str {
    match op {
        "insert" => GREEN,
        "update" | "replace" => BLUE,
        "delete" | "drop" | "dropDatabase" => RED,
        _ => YELLOW,
    }
}

/// A key of one field is that field's value.
fn short_key(key: &RawValue) -> String {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(key.get()).unwrap_or_default();
    let (1, Some(value)) = (fields.len(), fields.values().next()) else {
        return key.get().to_owned();
    };
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

/// JSON that came in one line, in several; fields stay in their order, and values as they are.
fn indented(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut characters = json.chars().peekable();
    while let Some(character) = characters.next() {
        if in_string {
            text.push(character);
            in_string = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
            continue;
        }
        let closes_at_once = matches!(characters.peek(), Some('}' | ']'));
        match character {
            '{' | '[' if !closes_at_once => {
                depth += 1;
                text.push(character);
                break_line(&mut text, depth);
            }
            '}' | ']' if !text.ends_with(['{', '[']) => {
                depth = depth.saturating_sub(1);
                break_line(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(character);
                break_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            character if character.is_ascii_whitespace() => {}
            character => {
                in_string = character == '"';
                text.push(character);
            }
        }
    }
    text
}

fn break_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

fn news(message: &Message<'_>) -> String {
    let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut text =
        format!("source {} is {}", or_nothing(&message.source), or_nothing(&message.state));
    for more in [&message.error, &message.remedy].into_iter().flatten() {
        text.push_str(": ");
        text.push_str(more);
    }
    text
}

/// Without the characters that a terminal would obey: data is shown, never executed.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => shown.push(character),
            // Direction marks reorder what is read.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => shown.push('\u{fffd}'),
            character if character.is_control() => shown.push('\u{fffd}'),
            character => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        let output = Output { format: OutputFormat::Pretty, has_colour: false };
        let message = Message::parse(line).expect(line);
        if message.kind == "gap" { output.gap(&message) } else { output.change(&message) }
    }

    #[test]
    fn a_change_is_a_heading_and_the_document() {
        let line = r#"{"id":"abcdefgh-7","topic":"shop.orders","change":{"operationType":"insert","documentKey":{"_id":"9"},"fullDocument":{"_id":"9","n":1}}}"#;
        let expected =
            "insert   shop.orders 9 abcdefgh-7\n  {\n    \"_id\": \"9\",\n    \"n\": 1\n  }\n";
        assert_eq!(shown(line), expected);
        let gap = r#"{"type":"gap","id":"abcdefgh-7","reason":"it is gone"}"#;
        assert_eq!(shown(gap), "history lost it is gone\n");
    }

    #[test]
    fn fields_stay_in_their_order_and_values_as_they_are() {
        let json = r#"{"b":1.50,"a":{"x":[],"y":[1,{"z":"a\\\",{[:"}],"e":{}}}"#;
        let expected = r#"{
  "b": 1.50,
  "a": {
    "x": [],
    "y": [
      1,
      {
        "z": "a\\\",{[:"
      }
    ],
    "e": {}
  }
}"#;
        assert_eq!(indented(json), expected);
    }

    #[test]
    fn data_never_commands_the_terminal() {
        let line = "{\"id\":\"a-1\",\"topic\":\"a.\\u001b[2J\",\"change\":{\"operationType\":\"\\u009b1m\",\
                    \"documentKey\":{\"_id\":\"\\r\\u202e\"},\"fullDocument\":{\"\u{9b}\":\"\u{7f}\"}}}";
        let text = shown(line);
        assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text:?}");
        assert!(!text.contains('\u{202e}'));
    }
}
