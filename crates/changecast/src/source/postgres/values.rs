//! A value as PostgreSQL writes it becomes JSON, and nothing of it is rounded on the way.
//!
//! Pure functions. What cannot be read as its type says, such as a year before Christ, stays the
//! text it is.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::extend_json;

/// How a type's text is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    /// Numbers of any size and precision.
    Number,
    Json,
    Bytes,
    /// With a zone or without one.
    Timestamp,
    Array(Box<Kind>),
    /// Everything else: text, uuid, date, interval, enumerations, …
    Text,
}

impl Kind {
    /// The types that every PostgreSQL has under the same numbers; none for others.
    pub(super) fn built_in(oid: u32) -> Option<Self> {
        let array = |kind| Self::Array(Box::new(kind));
        Some(match oid {
            16 => Self::Bool,
            17 => Self::Bytes,
            20 | 21 | 23 | 26 | 700 | 701 | 1700 => Self::Number,
            114 | 3802 => Self::Json,
            1114 | 1184 => Self::Timestamp,
            1000 => array(Self::Bool),
            1001 => array(Self::Bytes),
            1016 | 1005 | 1007 | 1028 | 1021 | 1022 | 1231 => array(Self::Number),
            199 | 3807 => array(Self::Json),
            1115 | 1185 => array(Self::Timestamp),
            // char, name, text, varchar, bpchar, uuid, date, time, timetz, interval, inet, cidr
            1002 | 1003 | 1009 | 1015 | 1014 | 2951 | 1182 | 1183 | 1270 | 1187 | 1041 | 651 => {
                array(Self::Text)
            }
            0..16_384 => Self::Text,
            _ => return None,
        })
    }
}

/// Appends `text`, of this kind, as JSON.
pub(super) fn write(out: &mut Vec<u8>, kind: &Kind, text: &str) {
    match kind {
        Kind::Bool => out.extend_from_slice(if text.starts_with('t') { b"true" } else { b"false" }),
        Kind::Number => write_number(out, text),
        Kind::Json => match extend_json(text) {
            Ok(json) => out.extend_from_slice(json.as_bytes()),
            Err(_) => write_text(out, text),
        },
        Kind::Bytes => match read_hex(text) {
            Some(bytes) => {
                out.extend_from_slice(br#"{"$binary":{"base64":""#);
                out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
                out.extend_from_slice(br#"","subType":"00"}}"#);
            }
            None => write_text(out, text),
        },
        Kind::Timestamp => write_text(out, &timestamp(text)),
        Kind::Array(element) => {
            let start = out.len();
            if write_array(out, element, text).is_none() {
                out.truncate(start);
                write_text(out, text);
            }
        }
        Kind::Text => write_text(out, text),
    }
}

/// Appends a JSON string.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a string becomes JSON, and memory takes it");
}

fn write_number(out: &mut Vec<u8>, text: &str) {
    // JSON has no number that is empty or starts with a needless zero.
    let is_number = text == "0" || text.starts_with(|digit| matches!(digit, '1'..='9'));
    let is_small = text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && is_small {
        return out.extend_from_slice(text.as_bytes());
    }
    match extend_json(text) {
        Ok(number) => out.extend_from_slice(number.as_bytes()),
        // NaN, Infinity, -Infinity.
        Err(_) => {
            out.extend_from_slice(br#"{"$numberDouble":"#);
            write_text(out, text);
            out.push(b'}');
        }
    }
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// `2026-11-21 07:50:50.5+00` as RFC 3339 with microseconds; without a zone where there is none.
fn timestamp(text: &str) -> Cow<'_, str> {
    let read = || {
        let (date, time) = text.split_once(' ')?;
        let (time, zone) = match time.strip_suffix("+00") {
            Some(time) => (time, "Z"),
            None => (time, ""),
        };
        let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
        let is_plain = date.len() == 10
            && time.len() == 8
            && fraction.len() <= 6
            && fraction.bytes().all(|byte| byte.is_ascii_digit())
            && time.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
        is_plain.then(|| format!("{date}T{time}.{fraction:0<6}{zone}"))
    };
    read().map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Appends `{1,NULL,"a b",{…}}`; none if it is not written so. Deeper than PostgreSQL's six
/// dimensions there is nothing.
fn write_array(out: &mut Vec<u8>, element: &Kind, text: &str) -> Option<()> {
    // Bounds that are not the usual ones stand in front: `[2:3]={1,2}`.
    let text = if text.starts_with('[') { text.split_once('=')?.1 } else { text };
    let mut rest = text;
    let mut depth = 0_u32;
    let mut needs_comma = false;
    while let Some(first) = rest.chars().next() {
        match first {
            '{' => {
                if std::mem::take(&mut needs_comma) {
                    out.push(b',');
                }
                out.push(b'[');
                depth += 1;
                rest = rest.get(1..)?;
            }
            '}' => {
                out.push(b']');
                depth = depth.checked_sub(1)?;
                needs_comma = true;
                rest = rest.get(1..)?;
                if depth == 0 {
                    return rest.is_empty().then_some(());
                }
            }
            ',' => rest = rest.get(1..)?,
            _ if depth == 0 => return None,
            _ => {
                if needs_comma {
                    out.push(b',');
                }
                needs_comma = true;
                let (value, after) = array_element(rest)?;
                match value {
                    None => out.extend_from_slice(b"null"),
                    Some(value) => write(out, element, &value),
                }
                rest = after;
            }
        }
    }
    None
}

/// The element that `text` starts with, none for NULL, and what follows it.
fn array_element(text: &str) -> Option<(Option<Cow<'_, str>>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', '}'])?;
        let (value, rest) = text.split_at(end);
        return Some(((value != "NULL").then_some(Cow::Borrowed(value)), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((Some(Cow::Owned(value)), quoted.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}
