//! Objects that stand for a value: `{"$oid": "…"}` and the like.
//!
//! Invariant: what is not exactly of a known form stays the document it is.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::super::decimal::Decimal;
use super::{At, Index, Raw, Span, Tree, Value, parse_date};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const SUBTYPE_UUID: u8 = 4;

/// Puts the value that the object at `index`, the last one in the tree, stands for in its place.
#[inline]
pub(super) fn collapse(tree: &mut Tree<'_>, index: Index) {
    let is_special = tree.node(index + 1).is_some_and(|first| {
        let key = tree.text(first.key);
        key.starts_with('$') && key != "$ref"
    });
    if is_special && let Some(raw) = recognize(tree, index) {
        if let Some(node) = tree.nodes.get_mut(index as usize) {
            node.raw = raw;
        }
        if !matches!(raw, Raw::CodeWithScope { .. }) {
            let parts = match raw {
                Raw::Regex { .. } | Raw::DbPointer { .. } => 2,
                _ => 0,
            };
            tree.nodes.truncate(index as usize + 1 + parts);
        }
    }
}

fn recognize(tree: &mut Tree<'_>, index: Index) -> Option<Raw> {
    let Value::Object(mut fields) = tree.at(index).value() else { return None };
    let (first, second, third) = (fields.next()?, fields.next(), fields.next());
    if third.is_some() {
        return None;
    }
    let Some(second) = second else {
        return match (first.key(), first.value()) {
            ("$uuid", Value::String(text)) => {
                let bytes = uuid(text)?;
                binary(tree, SUBTYPE_UUID, &bytes)
            }
            ("$binary", Value::Object(_)) => binary_object(tree, index + 1),
            ("$regularExpression", Value::Object(_)) => pair(tree, index, ["pattern", "options"]),
            ("$dbPointer", Value::Object(_)) => pair(tree, index, ["$ref", "$id"]),
            _ => scalar(tree, first),
        };
    };
    match (first.key(), first.value(), second.key(), second.value()) {
        ("$code", Value::String(_), "$scope", Value::Object(_)) => {
            Some(Raw::CodeWithScope { end: Index::try_from(tree.nodes.len()).ok()? })
        }
        _ => None,
    }
}

/// The value of an object with one field.
fn scalar(tree: &Tree<'_>, field: At<'_>) -> Option<Raw> {
    Some(match (field.key(), field.value()) {
        ("$oid", Value::String(hex)) => Raw::ObjectId(hex_bytes(hex.as_bytes())?),
        ("$numberInt", Value::String(text)) => Raw::Int(text.parse::<i32>().ok()?.into()),
        ("$numberLong", Value::String(text)) => Raw::Long(text.parse().ok()?),
        ("$numberLong", Value::Int(number)) => Raw::Long(number),
        ("$numberDouble", Value::String(text)) => Raw::Double(double(text)?),
        ("$numberDecimal", Value::String(text)) => {
            Decimal::parse(text)?;
            Raw::Decimal(span_of(tree, field)?)
        }
        ("$date", Value::String(text)) => Raw::Date(parse_date(text)?),
        ("$date", Value::Int(millis) | Value::Long(millis)) => Raw::Date(millis),
        ("$timestamp", Value::Object(parts)) => {
            let number = |name| match parts.find(name)?.value() {
                Value::Int(number) => u32::try_from(number).ok().map(u64::from),
                _ => None,
            };
            Raw::Timestamp(number("t")? << 32 | number("i")?)
        }
        ("$symbol", Value::String(_)) => Raw::Symbol(span_of(tree, field)?),
        ("$code", Value::String(_)) => Raw::Code(span_of(tree, field)?),
        ("$undefined", Value::Bool(true)) => Raw::Undefined,
        ("$minKey", Value::Int(1)) => Raw::MinKey,
        ("$maxKey", Value::Int(1)) => Raw::MaxKey,
        _ => return None,
    })
}

fn span_of(tree: &Tree<'_>, field: At<'_>) -> Option<Span> {
    match tree.node(field.index())?.raw {
        Raw::String(span) => Some(span),
        _ => None,
    }
}

fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if text.bytes().any(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// A value of two parts: its nodes are moved to follow the one at `index`.
fn pair(tree: &mut Tree<'_>, index: Index, names: [&str; 2]) -> Option<Raw> {
    let Value::Object(parts) = tree.at(index + 1).value() else { return None };
    let [first, second] = names.map(|name| parts.find(name).map(At::index));
    let [first, second] = [*tree.node(first?)?, *tree.node(second?)?];
    let end = index + 3;
    let raw = match (first.raw, second.raw) {
        (Raw::String(_), Raw::String(_)) => Raw::Regex { end },
        (Raw::String(_), Raw::ObjectId(_)) => Raw::DbPointer { end },
        _ => return None,
    };
    *tree.nodes.get_mut(index as usize + 1)? = first;
    *tree.nodes.get_mut(index as usize + 2)? = second;
    Some(raw)
}

fn binary_object(tree: &mut Tree<'_>, index: Index) -> Option<Raw> {
    let Value::Object(parts) = tree.at(index).value() else { return None };
    let Value::String(text) = parts.find("base64")?.value() else { return None };
    let Value::String(subtype) = parts.find("subType")?.value() else { return None };
    let subtype = match subtype.len() {
        1 | 2 => u8::from_str_radix(subtype, 16).ok()?,
        _ => return None,
    };
    let payload = BASE64.decode(text).ok()?;
    binary(tree, subtype, &payload)
}

fn binary(tree: &mut Tree<'_>, subtype: u8, bytes: &[u8]) -> Option<Raw> {
    let start = u32::try_from(tree.binary.len()).ok()?;
    tree.binary.extend_from_slice(bytes);
    let end = u32::try_from(tree.binary.len()).ok()?;
    Some(Raw::Binary { subtype, payload: Span { start, end, is_unescaped: false } })
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let is_form = matches!(text.len(), 32 | 36);
    if is_form { hex_bytes(&digits) } else { None }
}

/// Exactly `N` bytes from twice as many hexadecimal digits.
fn hex_bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = <[u8; 2]>::try_from(pair).ok()?;
        *byte = hex_digit(high)? << 4 | hex_digit(low)?;
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
