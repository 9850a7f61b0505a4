//! Which row an id means, and where a page begins.
//!
//! An id is the key's value as text, divided by commas where the key has several columns, or an
//! event's `documentKey`, which tells types apart and may hold commas.

use std::collections::BTreeMap;

use rusqlite::types::{Value, ValueRef};
use serde_json::value::RawValue;

use super::shape::{KeyPart, Shape};
use super::{invalid, value};
use crate::limits;
use crate::source::DocumentsError;

/// A condition in SQL, and its parameters.
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) parameters: Vec<Value>,
}

pub(super) fn check_length(id: &str) -> Result<(), DocumentsError> {
    if id.is_empty() || id.len() > limits::DOCUMENT_ID_BYTES_MAX {
        let max = limits::DOCUMENT_ID_BYTES_MAX;
        return Err(invalid(format!("an id has 1 to {max} bytes")));
    }
    Ok(())
}

/// The values of the key, in its order.
pub(super) fn read_id(shape: &Shape, id: &str) -> Result<Vec<Value>, DocumentsError> {
    if let Some(values) = document_key(shape, id)? {
        return Ok(values);
    }
    let parts: Vec<&str> = match shape.key.len() {
        1 => vec![id],
        _ => id.split(',').collect(),
    };
    if parts.len() != shape.key.len() {
        let names = shape.key_names();
        return Err(invalid(format!(
            "the id has to hold {names}, divided by commas, or be a documentKey"
        )));
    }
    // The column's own affinity makes a number of it where it holds numbers.
    Ok(parts.into_iter().map(|part| Value::Text(part.to_owned())).collect())
}

fn document_key(shape: &Shape, id: &str) -> Result<Option<Vec<Value>>, DocumentsError> {
    if !id.starts_with('{') {
        return Ok(None);
    }
    let Ok(members) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(id) else {
        return Ok(None);
    };
    let has = |part: &KeyPart| members.contains_key(&part.name);
    if members.len() != shape.key.len() || !shape.key.iter().all(has) {
        return Ok(None);
    }
    let read = |part: &KeyPart| {
        let json = members.get(&part.name).map_or("null", |json| json.get());
        value::from_json(json).map_err(|problem| invalid(format!("{:?}: {problem}", part.name)))
    };
    shape.key.iter().map(read).collect::<Result<_, _>>().map(Some)
}

/// The rows of this key.
pub(super) fn equal(shape: &Shape, key: Vec<Value>, first: usize) -> Condition {
    let equal = |(number, (part, value)): (usize, (&KeyPart, &Value))| match value {
        Value::Null => format!("{} IS ?{number}", part.quoted),
        _ => format!("{} = ?{number}", part.quoted),
    };
    let parts: Vec<String> = (first..).zip(shape.key.iter().zip(&key)).map(equal).collect();
    Condition { sql: parts.join(" AND "), parameters: key }
}

/// Whether a body's value for a column of the key is the one that the id means.
pub(super) fn is_same(id: &Value, body: &Value) -> bool {
    let plain = |value: &Value| match value {
        Value::Blob(_) | Value::Null => None,
        Value::Text(text) => Some(text.clone()),
        number => Some(value::to_json(ValueRef::from(number))),
    };
    id == body || plain(id).is_some_and(|text| plain(body) == Some(text))
}

/// The `after` of the page that follows a row of this key.
pub(super) fn write_after<'v>(key: impl Iterator<Item = ValueRef<'v>>) -> String {
    let texts: Vec<String> = key.map(value::to_exact).collect();
    format!("[{}]", texts.join(","))
}

/// The rows whose key comes after the one that `after` holds. NULL comes before everything.
pub(super) fn read_after(shape: &Shape, after: &str) -> Result<Condition, DocumentsError> {
    let senseless = || invalid("after takes what a page said as its next");
    let texts: Vec<Box<RawValue>> = serde_json::from_str(after).map_err(|_| senseless())?;
    if texts.len() != shape.key.len() {
        return Err(senseless());
    }
    let mut expressions = Vec::new();
    let mut parameters = Vec::new();
    for (number, json) in (1..).zip(&texts) {
        let (sql, value) = value::from_exact(json.get(), number).map_err(|_| senseless())?;
        expressions.push(sql);
        parameters.push(value);
    }
    let names: Vec<&str> = shape.key.iter().map(|part| &*part.quoted).collect();
    let sql = if parameters.contains(&Value::Null) {
        after_null(&names, &expressions, &parameters)
    } else if let ([name], [expression]) = (&names[..], &expressions[..]) {
        format!("{name} > {expression}")
    } else {
        format!("({}) > ({})", names.join(", "), expressions.join(", "))
    };
    Ok(Condition { sql, parameters })
}

/// Spelled out column by column, since nothing compares with NULL.
fn after_null(names: &[&str], expressions: &[String], parameters: &[Value]) -> String {
    let mut cases = Vec::new();
    let mut same = String::new();
    for ((name, expression), value) in names.iter().zip(expressions).zip(parameters) {
        let later = match value {
            // It names the parameter, since each has to be used.
            Value::Null => format!("({name} IS NOT NULL AND {expression} IS NULL)"),
            _ => format!("{name} > {expression}"),
        };
        cases.push(format!("({same}{later})"));
        same.push_str(&format!("{name} IS {expression} AND "));
    }
    cases.join(" OR ")
}
