//! A JSON value becomes the text of a column's type: the way back of `values`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::documents::{Column, invalid};
use super::values::Kind;
use crate::source::DocumentsError;

/// The text of a value for a column; none for NULL. Numbers stay as they were written.
pub(super) fn parameter(column: &Column, json: &str) -> Result<Option<String>, DocumentsError> {
    text_of(&column.kind, json).map_err(|problem| {
        invalid(format!("the column {:?} cannot hold this: {problem}", column.name))
    })
}

fn text_of(kind: &Kind, json: &str) -> Result<Option<String>, &'static str> {
    match (json.bytes().next(), kind) {
        (Some(b'n'), _) => Ok(None),
        (_, Kind::Json) => Ok(Some(json.to_owned())),
        (Some(b'"'), _) => read::<String>(json).map(Some),
        (Some(b'['), Kind::Array(element)) => array(element, json).map(Some),
        (Some(b'['), _) => Err("it is no array"),
        (Some(b'{'), Kind::Array(_)) => Err("it is an array"),
        (Some(b'{'), _) => wrapped(json).map(Some),
        _ => Ok(Some(json.to_owned())),
    }
}

/// `{1,NULL,"a b"}`; an array inside of an array is its next dimension.
fn array(element: &Kind, json: &str) -> Result<String, &'static str> {
    let mut parts = Vec::new();
    for value in read::<Vec<Box<RawValue>>>(json)? {
        if value.get().starts_with('[') {
            parts.push(array(element, value.get())?);
            continue;
        }
        parts.push(match text_of(element, value.get())? {
            None => "NULL".to_owned(),
            Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        });
    }
    Ok(format!("{{{}}}", parts.join(",")))
}

/// The Extended JSON that events have.
fn wrapped(json: &str) -> Result<String, &'static str> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    enum Wrapped {
        #[serde(rename = "$numberLong", alias = "$numberDecimal", alias = "$numberDouble")]
        Number(String),
        #[serde(rename = "$binary")]
        Binary(Binary),
    }
    #[derive(serde::Deserialize)]
    struct Binary {
        base64: String,
    }
    match read::<Wrapped>(json).map_err(|_| "it is no json")? {
        Wrapped::Number(text) => Ok(text),
        Wrapped::Binary(binary) => {
            let bytes = STANDARD.decode(binary.base64).map_err(|_| "it is no base64")?;
            let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(format!("\\x{}", digits.concat()))
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, &'static str> {
    serde_json::from_str(json).map_err(|_| "it cannot be read")
}
