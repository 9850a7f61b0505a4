//! A document's `_id` as a text that fits into an address.
//!
//! | text | `_id` |
//! |---|---|
//! | 24 hexadecimal digits | an `ObjectId` |
//! | `"…"`, a JSON string | that string: for one that looks like something else |
//! | `{"_id":…}`, as an event's `documentKey` | the value, whatever its type |
//! | another `{…}` | Extended JSON: `{"$numberInt":"42"}`, or a document |
//! | anything else | that string |

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};

use crate::limits;
use crate::model::extend_json;
use crate::source::DocumentsError;
use crate::source::mongodb::extended_json::{self as json, Value};

/// The value of an `_id`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key(Bson);

impl Key {
    /// Reads a text.
    pub(super) fn parse(text: &str) -> Result<Self, DocumentsError> {
        if text.is_empty() || text.len() > limits::DOCUMENT_ID_BYTES_MAX {
            let bytes_max = limits::DOCUMENT_ID_BYTES_MAX;
            let problem = format!("the id is empty, or longer than {bytes_max} bytes");
            return Err(DocumentsError::Invalid(problem));
        }
        if is_object_id(text) {
            return Ok(Self(
                ObjectId::parse_str(text).map_or_else(|_| text.into(), Bson::ObjectId),
            ));
        }
        if !is_literal(text) {
            return Ok(Self(text.into()));
        }
        let refused = |why: String| {
            DocumentsError::Invalid(format!(
                "the id begins like Extended JSON, but is none: {why}; write a string that begins \
                 so in quotes"
            ))
        };
        let value = extend_json(text).map_err(|error| refused(error.to_string()))?;
        let mut read = document_of(&format!(r#"{{"_id":{value}}}"#)).map_err(refused)?;
        match read.remove("_id") {
            Some(Bson::Document(key)) if key.len() == 1 && key.contains_key("_id") => {
                Ok(Self(key.into_iter().next().map_or(Bson::Null, |(_, id)| id)))
            }
            Some(id) => Ok(Self(id)),
            None => Err(refused("it says nothing".into())),
        }
    }

    /// The text of a raw document's `_id`; none if it has none that can be read.
    pub(super) fn text_of(document: &[u8]) -> Option<String> {
        let elements = json::Document::new(document).ok()?.elements();
        let id = elements.flatten().find(|element| element.key == b"_id")?.value;
        if let Value::ObjectId(bytes) = id {
            return Some(ObjectId::from_bytes(bytes).to_hex());
        }
        if let Some(text) = id.as_str() {
            let is_plain = !text.is_empty() && !is_object_id(&text) && !is_literal(&text);
            return if is_plain {
                Some(text.into_owned())
            } else {
                serde_json::to_string(&text).ok()
            };
        }
        let mut text = br#"{"_id":"#.to_vec();
        let _lossy = id.write(&mut text).ok()?;
        text.push(b'}');
        String::from_utf8(text).ok()
    }

    pub(super) fn value(&self) -> &Bson {
        &self.0
    }

    /// Chooses the document that has it. `$eq`, so that nothing in the value is an operator.
    pub(super) fn filter(&self) -> Document {
        doc! { "_id": { "$eq": self.0.clone() } }
    }

    /// Whether MongoDB takes both for one `_id`: numbers are compared whatever their type.
    pub(super) fn is(&self, other: &Bson) -> bool {
        match (integer(&self.0), integer(other)) {
            (Some(one), Some(two)) => one == two,
            _ => self.0 == *other,
        }
    }
}

/// A JSON object as a document; its numbers keep their digits.
pub(super) fn document_of(text: &str) -> Result<Document, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn is_object_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_literal(text: &str) -> bool {
    text.starts_with(['{', '"'])
}

fn integer(value: &Bson) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "only those that stay the same count")]
    match value {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        Bson::Double(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            Some(*number as i64)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "65a1b2c3d4e5f60718293a4b";

    #[track_caller]
    fn check(text: &str, expected: impl Into<Bson>) {
        let expected = expected.into();
        assert_eq!(Key::parse(text).unwrap().value(), &expected, "{text}");
    }

    #[test]
    fn a_text_says_its_type() {
        check("42", "42");
        check("null", "null");
        check(HEX, ObjectId::parse_str(HEX).unwrap());
        check(&format!("\"{HEX}\""), HEX);
        check(r#"{"$oid":"65a1b2c3d4e5f60718293a4b"}"#, ObjectId::parse_str(HEX).unwrap());
        check(r#"{"$numberInt":"42"}"#, 42);
        check(r#"{"_id":42}"#, 42);
        check(r#"{"_id":null}"#, Bson::Null);
        check(r#"{"_id":9007199254740993}"#, 9_007_199_254_740_993_i64);
        check(r#"{"a":1,"b":"x"}"#, doc! { "a": 1, "b": "x" });
        for wrong in ["", "{", "\"", "{} {}", r#"{"_id":1},"x":{"y":2}"#, &"x".repeat(1025)] {
            assert!(Key::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_id_survives_the_way_into_an_address_and_back() {
        let oid = ObjectId::parse_str(HEX).unwrap();
        for id in [
            Bson::from("plain"),
            Bson::from(HEX),
            Bson::from("{"),
            Bson::from("\"quoted\""),
            Bson::from(oid),
            Bson::from(42),
            Bson::from(42.5),
            Bson::from(i64::MAX),
            Bson::from(true),
            Bson::Null,
            Bson::from(doc! { "_id": 1 }),
            Bson::from(doc! { "$gt": "" }),
            Bson::from(doc! { "day": bson::DateTime::from_millis(5), "n": 1 }),
            Bson::from(bson::DateTime::from_millis(1)),
        ] {
            let bytes = doc! { "x": 1, "_id": id.clone() }.to_vec().unwrap();
            let text = Key::text_of(&bytes).unwrap();
            assert_eq!(Key::parse(&text).unwrap().value(), &id, "{text}");
        }
    }

    #[test]
    fn numbers_are_one_id_whatever_their_type() {
        assert!(Key(Bson::Int32(1)).is(&Bson::Double(1.0)));
        assert!(Key(Bson::Int64(1)).is(&Bson::Int32(1)));
        assert!(!Key(Bson::Int64(1)).is(&"1".into()));
        assert!(!Key(Bson::Double(1.5)).is(&Bson::Int32(1)));
    }
}
