//! JSON objects as lists of members whose values stay the text they were written as.
//!
//! Nothing here turns a number into a double, so what nobody touches keeps every digit. It knows
//! JSON only, neither documents nor events.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::model::{InvalidJson, extend_json};

/// An object's members in their order; of a repeated key the last, as `JSON.parse` does.
#[derive(Debug)]
pub(super) struct Object<'a> {
    members: Vec<(String, &'a str)>,
}

impl<'a> Object<'a> {
    pub(super) fn parse(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str::<Self>(text).map(Self::without_repeated_keys)
    }

    pub(super) fn members(&self) -> &[(String, &'a str)] {
        &self.members
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<&'a str> {
        let place = self.members.iter().position(|(name, _)| name == key)?;
        Some(self.members.remove(place).1)
    }

    fn without_repeated_keys(mut self) -> Self {
        let distinct: HashSet<&str> = self.members.iter().map(|(key, _)| &**key).collect();
        if distinct.len() == self.members.len() {
            return self;
        }
        let mut seen = HashSet::new();
        self.members.reverse();
        self.members.retain(|(key, _)| seen.insert(key.clone()));
        self.members.reverse();
        self
    }
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join(self.members.iter().map(|(key, value)| (&**key, *value))))
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object<'de>, M::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
            members.push((key, value.get()));
        }
        Ok(Object { members })
    }
}

/// The object that has these members, in this order.
pub(super) fn join<'m>(members: impl Iterator<Item = (&'m str, &'m str)>) -> String {
    let mut text = String::from("{");
    for (key, value) in members {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&quote(key));
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    text
}

/// `text` as a JSON string.
pub(super) fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("every text is a JSON string")
}

/// As [`extend_json`], and readable for those who refuse what is no Unicode: half of a surrogate
/// pair becomes U+FFFD.
pub(super) fn readable(text: &str) -> Result<String, InvalidJson> {
    extend_json(&without_lone_surrogates(text))
}

fn without_lone_surrogates(text: &str) -> Cow<'_, str> {
    if !text.contains(r"\u") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find('\\') {
        let (before, escape) = rest.split_at(place);
        let is_pair = matches!(
            (unit(escape), escape.get(6..).and_then(unit)),
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000))
        );
        let is_half = matches!(unit(escape), Some(0xD800..0xE000));
        let bytes = if is_pair {
            12
        } else if is_half {
            6
        } else {
            escape.floor_char_boundary(2)
        };
        let (escape, after) = escape.split_at(bytes);
        out.push_str(before);
        out.push_str(if is_half && !is_pair { r"\ufffd" } else { escape });
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The UTF-16 code unit of the escape that `text` starts with.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix(r"\u")?.get(..4)?, 16).ok()
}

/// How many objects and arrays enclose the innermost value of a JSON text.
pub(super) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        if in_string {
            in_string = byte != b'"' || escaped;
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text() {
        let text = r#"{"a":1.50,"b":12345678901234567890.5e1,"c":{"x":[ 1 ]}}"#;
        assert_eq!(Object::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn of_a_repeated_key_the_last_counts() {
        let object = Object::parse(r#"{"a":1,"b":2,"\u0061":3}"#).unwrap();
        assert_eq!(object.to_string(), r#"{"b":2,"a":3}"#);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "1", "null", "\"x\"", "{", "{} {}", "{\"a\":1,}"] {
            assert!(Object::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced() {
        for (text, expected) in [
            (
                r#"{"s":"\ud83d\uDE00 \u0041 \n \\ud800"}"#,
                r#"{"s":"\ud83d\uDE00 \u0041 \n \\ud800"}"#,
            ),
            (r#"{"\ud800":"\uDC00\ud800"}"#, r#"{"\ufffd":"\ufffd\ufffd"}"#),
            (r#"["\ud800\ud800\udc00"]"#, r#"["\ufffd\ud800\udc00"]"#),
        ] {
            assert_eq!(readable(text).unwrap(), expected, "{text}");
        }
        for text in ["\\", "\\é", "\\u", "\\u12é", "\\ud800\\", "\"\\ud8"] {
            assert!(readable(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_does_not_look_into_strings() {
        for (text, expected) in [
            ("1", 0),
            ("{}", 1),
            (r#"{"a":[{"b":1}],"c":{}}"#, 3),
            (r#"{"[{":"\"[{[","x":"\\"}"#, 1),
        ] {
            assert_eq!(depth(text), expected, "{text}");
        }
    }
}
