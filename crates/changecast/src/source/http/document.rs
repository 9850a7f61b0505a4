//! The watched part of an answer: found by its pointer, and compared by what it means.
//!
//! Nothing here turns a number into a double. It knows JSON only, neither events nor addresses.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::limits;
use crate::model::extend_json;

/// A JSON value.
pub(super) struct Document {
    /// As it is sent: compact, with numbers that a browser keeps.
    pub(super) json: String,
    /// What tells it from another; the same whatever the order of members or the blanks.
    pub(super) hash: String,
}

/// Why there is no value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoDocument {
    #[error("it is not JSON: {0}")]
    NotJson(String),
    #[error("it nests deeper than {} levels", limits::DOCUMENT_DEPTH_MAX)]
    TooDeep,
    #[error("there is no value at {0:?}")]
    Nothing(String),
}

impl Document {
    /// The value at `pointer` of the answer `body`.
    pub(super) fn read(body: &[u8], pointer: &str) -> Result<Self, NoDocument> {
        // Some servers put the mark before it that tells the order of bytes.
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let whole: &RawValue = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
        let part = find(whole, pointer)?;
        let mut canonical = String::new();
        write_canonical(part, 1, &mut canonical)?;
        let json =
            extend_json(part.get()).map_err(|error| NoDocument::NotJson(error.to_string()))?;
        Ok(Self { json, hash: format!("{:032x}", fnv_1a(canonical.as_bytes())) })
    }
}

/// 128 bits of FNV-1a: against chance, not against forgery; who answers could say anything anyway.
/// Unlike the standard library's, it is the same in every release.
pub(super) fn fnv_1a(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

fn find<'a>(whole: &'a RawValue, pointer: &str) -> Result<&'a RawValue, NoDocument> {
    let mut found = whole;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        found = member(found, &token).ok_or_else(|| NoDocument::Nothing(pointer.to_owned()))?;
    }
    Ok(found)
}

fn member<'a>(value: &'a RawValue, token: &str) -> Option<&'a RawValue> {
    if value.get().starts_with('[') {
        let is_index = token == "0" || !token.starts_with(['0', '+']);
        let index: usize = token.parse().ok().filter(|_| is_index)?;
        let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
        return items.get(index).copied();
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(value.get()).ok()?;
    members.get(token).copied()
}

/// Writes a value with its members in order and without blanks.
fn write_canonical(value: &RawValue, depth: usize, out: &mut String) -> Result<(), NoDocument> {
    if depth > limits::DOCUMENT_DEPTH_MAX {
        return Err(NoDocument::TooDeep);
    }
    let text = value.get();
    if text.starts_with('{') {
        let members: BTreeMap<String, &RawValue> =
            serde_json::from_str(text).map_err(|error| not_json(&error))?;
        out.push('{');
        for (name, member) in members {
            out.push_str(&quote(&name));
            out.push(':');
            write_canonical(member, depth + 1, out)?;
            out.push(',');
        }
        out.push('}');
    } else if text.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        out.push('[');
        for item in items {
            write_canonical(item, depth + 1, out)?;
            out.push(',');
        }
        out.push(']');
    } else if text.starts_with('"') {
        // One string may be written in many ways.
        let string: String = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        out.push_str(&quote(&string));
    } else {
        out.push_str(text);
    }
    Ok(())
}

pub(super) fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

/// The parser's words hold a place, never what stands there.
fn not_json(error: &serde_json::Error) -> NoDocument {
    if error.to_string().starts_with("recursion limit") {
        return NoDocument::TooDeep;
    }
    NoDocument::NotJson(format!("line {}, column {}", error.line(), error.column()))
}
