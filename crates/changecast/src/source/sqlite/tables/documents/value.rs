//! One value, from SQLite to JSON and back: in the types that events have.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::{Value, ValueRef};
use serde::Deserialize;

use super::super::values;
use crate::source::sqlite::object::quote;

/// The value as relaxed Extended JSON.
pub(super) fn to_json(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".into(),
        ValueRef::Integer(integer) => values::integer(integer),
        ValueRef::Real(real) => values::real(real),
        ValueRef::Text(text) => quote(&String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => values::blob(bytes),
    }
}

/// About how many bytes its JSON has.
pub(super) fn weight(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        _ => 8,
    }
}

/// The value that a JSON text means; no number is rounded.
pub(super) fn from_json(json: &str) -> Result<Value, &'static str> {
    match json.as_bytes().first() {
        Some(b'n') => Ok(Value::Null),
        Some(b't') => Ok(Value::Integer(1)),
        Some(b'f') => Ok(Value::Integer(0)),
        Some(b'"') => serde_json::from_str(json).map(Value::Text).map_err(|_| "it is no text"),
        Some(b'{') => wrapped(json),
        Some(b'[') => Err("it is a list; a column holds one value"),
        _ => number(json),
    }
}

fn number(text: &str) -> Result<Value, &'static str> {
    if !text.contains(['.', 'e', 'E']) {
        let integer = text.parse().map(Value::Integer);
        return integer.map_err(|_| "it has more than 64 bits and would be rounded");
    }
    let real = text.parse::<f64>().ok().filter(|real| real.is_finite());
    real.map(Value::Real).ok_or("it is beyond what SQLite can hold")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
enum Wrapped {
    #[serde(rename = "$numberLong")]
    Long(String),
    #[serde(rename = "$numberDouble")]
    Double(String),
    #[serde(rename = "$binary")]
    Binary(Binary),
    /// Text that is not UTF-8: only what says where a page ends has it.
    #[serde(rename = "$text")]
    Text(String),
}

#[derive(Deserialize)]
struct Binary {
    base64: String,
}

fn wrapped(json: &str) -> Result<Value, &'static str> {
    let wrapped = serde_json::from_str(json).map_err(|_| "it is an object: write it as text")?;
    match wrapped {
        Wrapped::Long(text) => {
            text.parse().map(Value::Integer).map_err(|_| "its $numberLong is no integer")
        }
        Wrapped::Double(text) => match &*text {
            "Infinity" => Ok(Value::Real(f64::INFINITY)),
            "-Infinity" => Ok(Value::Real(f64::NEG_INFINITY)),
            "NaN" => Err("SQLite has no NaN"),
            text => number(text),
        },
        Wrapped::Binary(Binary { base64 }) => {
            STANDARD.decode(base64).map(Value::Blob).map_err(|_| "its base64 is none")
        }
        Wrapped::Text(_) => Err("it is an object: write it as text"),
    }
}

/// The value without any loss, for those who get it back.
pub(super) fn to_exact(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(bytes) if std::str::from_utf8(bytes).is_err() => {
            format!(r#"{{"$text":"{}"}}"#, STANDARD.encode(bytes))
        }
        value => to_json(value),
    }
}

/// What [`to_exact`] wrote, as an expression of SQL for the parameter `number`, and the parameter.
pub(super) fn from_exact(json: &str, number: usize) -> Result<(String, Value), &'static str> {
    if let Ok(Wrapped::Text(base64)) = serde_json::from_str(json) {
        let bytes = STANDARD.decode(base64).map_err(|_| "its base64 is none")?;
        return Ok((format!("CAST(?{number} AS TEXT)"), Value::Blob(bytes)));
    }
    Ok((format!("?{number}"), from_json(json)?))
}
