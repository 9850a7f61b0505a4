//! Raw BSON to relaxed Extended JSON v2, straight from the bytes.
//!
//! A MongoDB change is encoded once, here, without building a document first. The module must not
//! know what a change event is, which driver delivered the bytes, or where the text goes. It reads
//! with its own cursor, so that text the `bson` crate refuses cannot stop a source.
//!
//! The output is, byte for byte, that of `bson::Bson::into_relaxed_extjson` printed by serde_json
//! without whitespace (keys in the order of the bytes), except that:
//!
//! 1. a 64-bit integer beyond ±2^53 is `{"$numberLong":"…"}`: a browser would round it in silence;
//! 2. invalid UTF-8 in a key, string, symbol, code, regular expression or pointer becomes U+FFFD as
//!    in [`String::from_utf8_lossy`], counted in [`Lossy`], where `bson` fails;
//! 3. a date after 9999 is `{"$date":{"$numberLong":"…"}}`, as Extended JSON asks and as dates
//!    before 1970 are; `bson` without its `large_dates` feature writes the end of 9999 instead;
//! 4. a repeated key is written each time it occurs; `bson` keeps the last value. JSON parsers that
//!    keep the last see the same.
//!
//! | invariant | what it buys | test |
//! |---|---|---|
//! | no input panics, and work is linear in its length | a poison value cannot end the process | `arbitrary_bytes_never_panic`, `damaged_documents_never_panic` |
//! | recursion stops at [`DEPTH_MAX`] | the stack is bounded | `nesting_is_capped` |
//! | on error the output is as before the call | the caller can write a placeholder | `an_error_leaves_the_output_as_it_was` |
//! | the output is valid JSON whatever the input | nothing downstream has to check it | `damaged_documents_never_panic` |

mod cursor;
mod date;
mod decimal128;
mod document;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod reference;
#[cfg(test)]
mod tests;
mod text;

use std::ops::AddAssign;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use cursor::Problem;

pub(crate) use cursor::BsonError;
pub(crate) use document::{Document, Element, Value};

/// Nested documents, arrays and scopes that are followed, the outermost included. MongoDB stores up
/// to 180 levels and a change event wraps them in a few more.
pub(crate) const DEPTH_MAX: usize = 200;

/// 2^53: up to here every integer is a double, so a JSON parser in a browser keeps it.
const EXACT_INTEGER_MAX: u64 = 1 << 53;

/// What the text could not keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub(crate) struct Lossy {
    /// U+FFFD characters written in place of invalid UTF-8.
    pub(crate) replacements: u64,
}

impl AddAssign for Lossy {
    fn add_assign(&mut self, other: Self) {
        self.replacements += other.replacements;
    }
}

/// Appends `document` (one raw BSON document) to `out` as compact relaxed Extended JSON v2.
pub(crate) fn write_document(document: &[u8], out: &mut Vec<u8>) -> Result<Lossy, BsonError> {
    let document = Document::new(document)?;
    Writer::run(out, |writer| writer.document(&document))
}

impl Element<'_> {
    /// Appends `"key":value`.
    pub(crate) fn write_field(&self, out: &mut Vec<u8>) -> Result<Lossy, BsonError> {
        Writer::run(out, |writer| writer.field(self))
    }
}

impl Value<'_> {
    /// Appends the value. Depth counts from here.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<Lossy, BsonError> {
        Writer::run(out, |writer| writer.value(self))
    }
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    lossy: Lossy,
    /// Containers open at the moment.
    depth: usize,
}

impl<'o> Writer<'o> {
    /// Runs `write` on `out`, and takes back what it appended if it fails.
    fn run(
        out: &'o mut Vec<u8>,
        write: impl FnOnce(&mut Self) -> Result<(), BsonError>,
    ) -> Result<Lossy, BsonError> {
        let length = out.len();
        let mut writer = Self { out, lossy: Lossy::default(), depth: 0 };
        match write(&mut writer) {
            Ok(()) => Ok(writer.lossy),
            Err(error) => {
                writer.out.truncate(length);
                Err(error)
            }
        }
    }

    fn document(&mut self, document: &Document<'_>) -> Result<(), BsonError> {
        self.container([b'{', b'}'], document, Self::field)
    }

    /// An array is a document whose keys are ignored: the order of its values counts.
    fn array(&mut self, array: &Document<'_>) -> Result<(), BsonError> {
        self.container([b'[', b']'], array, |writer, element| writer.value(&element.value))
    }

    fn container(
        &mut self,
        [open, close]: [u8; 2],
        document: &Document<'_>,
        write: impl Fn(&mut Self, &Element<'_>) -> Result<(), BsonError>,
    ) -> Result<(), BsonError> {
        if self.depth == DEPTH_MAX {
            return Err(BsonError { offset: document.offset(), problem: Problem::TooDeep });
        }
        self.depth += 1;
        self.out.push(open);
        for (index, element) in document.elements().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write(self, &element?)?;
        }
        self.out.push(close);
        self.depth -= 1;
        Ok(())
    }

    fn field(&mut self, element: &Element<'_>) -> Result<(), BsonError> {
        self.string(element.key);
        self.raw(":");
        self.value(&element.value)
    }

    fn value(&mut self, value: &Value<'_>) -> Result<(), BsonError> {
        match *value {
            Value::Document(document) => return self.document(&document),
            Value::Array(array) => return self.array(&array),
            Value::CodeWithScope { code, scope } => return self.code_with_scope(code, &scope),
            Value::String(text) => self.string(text),
            Value::Int32(number) => self.integer(number),
            Value::Int64(number) => self.int64(number),
            Value::Double(number) => self.double(number),
            Value::Boolean(true) => self.raw("true"),
            Value::Boolean(false) => self.raw("false"),
            Value::Null => self.raw("null"),
            Value::Undefined => self.raw(r#"{"$undefined":true}"#),
            Value::MinKey => self.raw(r#"{"$minKey":1}"#),
            Value::MaxKey => self.raw(r#"{"$maxKey":1}"#),
            Value::ObjectId(id) => self.object_id(&id),
            Value::DateTime(millis) => self.date(millis),
            Value::Timestamp { seconds, increment } => self.timestamp(seconds, increment),
            Value::Binary { subtype, payload } => self.binary(subtype, payload),
            Value::Decimal128(bytes) => self.decimal128(bytes),
            Value::Regex { pattern, options } => self.regex(pattern, options),
            Value::DbPointer { namespace, id } => self.db_pointer(namespace, &id),
            Value::Code(code) => self.tagged_string(r#"{"$code":"#, code),
            Value::Symbol(symbol) => self.tagged_string(r#"{"$symbol":"#, symbol),
        }
        Ok(())
    }

    fn raw(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    fn string(&mut self, text: &[u8]) {
        self.lossy.replacements += text::write_string(text, self.out);
    }

    fn tagged_string(&mut self, open: &str, text: &[u8]) {
        self.raw(open);
        self.string(text);
        self.raw("}");
    }

    fn integer(&mut self, number: impl itoa::Integer) {
        self.raw(itoa::Buffer::new().format(number));
    }

    fn int64(&mut self, number: i64) {
        if number.unsigned_abs() <= EXACT_INTEGER_MAX {
            self.integer(number);
        } else {
            self.number_long(number);
        }
    }

    fn number_long(&mut self, number: i64) {
        self.raw(r#"{"$numberLong":""#);
        self.integer(number);
        self.raw(r#""}"#);
    }

    fn double(&mut self, number: f64) {
        if number.is_finite() {
            return self.raw(zmij::Buffer::new().format_finite(number));
        }
        self.raw(r#"{"$numberDouble":""#);
        if number.is_sign_negative() {
            self.raw("-");
        }
        self.raw(if number.is_nan() { r#"NaN"}"# } else { r#"Infinity"}"# });
    }

    fn date(&mut self, millis: i64) {
        self.raw(r#"{"$date":"#);
        let number_from = self.out.len();
        self.raw("\"");
        if date::write_rfc3339(millis, self.out) {
            self.raw("\"");
        } else {
            self.out.truncate(number_from);
            self.number_long(millis);
        }
        self.raw("}");
    }

    fn timestamp(&mut self, seconds: u32, increment: u32) {
        self.raw(r#"{"$timestamp":{"t":"#);
        self.integer(seconds);
        self.raw(r#","i":"#);
        self.integer(increment);
        self.raw("}}");
    }

    fn object_id(&mut self, id: &[u8; 12]) {
        self.raw(r#"{"$oid":""#);
        text::write_hex(id, self.out);
        self.raw(r#""}"#);
    }

    fn binary(&mut self, subtype: u8, payload: &[u8]) {
        self.raw(r#"{"$binary":{"base64":""#);
        self.raw(&STANDARD.encode(payload));
        self.raw(r#"","subType":""#);
        text::write_hex(&[subtype], self.out);
        self.raw(r#""}}"#);
    }

    fn decimal128(&mut self, bytes: [u8; 16]) {
        self.raw(r#"{"$numberDecimal":""#);
        decimal128::write_decimal128(bytes, self.out);
        self.raw(r#""}"#);
    }

    /// Extended JSON wants the options in alphabetical order. Invalid ones stay as they are.
    fn regex(&mut self, pattern: &[u8], options: &[u8]) {
        self.raw(r#"{"$regularExpression":{"pattern":"#);
        self.string(pattern);
        self.raw(r#","options":"#);
        if let Ok(options) = std::str::from_utf8(options) {
            let mut sorted: Vec<char> = options.chars().collect();
            sorted.sort_unstable();
            self.string(String::from_iter(sorted).as_bytes());
        } else {
            self.string(options);
        }
        self.raw("}}");
    }

    fn db_pointer(&mut self, namespace: &[u8], id: &[u8; 12]) {
        self.raw(r#"{"$dbPointer":{"$ref":"#);
        self.string(namespace);
        self.raw(r#","$id":"#);
        self.object_id(id);
        self.raw("}}");
    }

    fn code_with_scope(&mut self, code: &[u8], scope: &Document<'_>) -> Result<(), BsonError> {
        self.raw(r#"{"$code":"#);
        self.string(code);
        self.raw(r#","$scope":"#);
        self.document(scope)?;
        self.raw("}");
        Ok(())
    }
}
