//! `format=debezium`: Debezium's envelope as it is with `schemas.enable=false`.
//!
//! Three members are ours, since there is no message key beside the value here, nor all that an event
//! may say: `key`, `updateDescription` where the source sent a difference instead of a document, and
//! `unavailable`. What Debezium has no letter for comes as `op: "m"`, its letter for messages.

use super::parts::{Object, Parts, key_of};
use crate::model::{Change, EventId, Op};

pub(super) fn line(id: EventId, change: &Change, parts: &Parts<'_>) -> String {
    let letter = letter(change.op, &parts.operation(change));
    let is_gone = letter == "d";
    let key = key_of(change, parts);
    let before = match parts.before() {
        Some(before) => before.get(),
        // As of a table whose replica identity is its key.
        None if is_gone => key,
        None => "null",
    };
    let after = parts.after().filter(|_| !is_gone).map_or("null", |after| after.get());
    let millis = parts.time().map_or_else(|| "null".to_owned(), |time| time.millis.to_string());
    let line = Object::new()
        .raw("before", before)
        .raw("after", after)
        .raw("source", &source(id, change, parts, &millis))
        .raw("op", &format!("\"{letter}\""))
        .raw("ts_ms", &millis)
        .raw("transaction", &transaction(parts))
        .raw("key", key)
        .maybe("updateDescription", parts.update_description.filter(|_| parts.after().is_none()))
        .maybe("unavailable", parts.unavailable);
    if letter != "m" {
        return line.end();
    }
    let prefix = format!("changecast.{}", parts.operation(change));
    let event = std::str::from_utf8(&change.event).unwrap_or("null");
    let message = Object::new().text("prefix", &prefix).raw("content", event);
    line.raw("message", &message.end()).end()
}

fn letter(op: Op, operation: &str) -> &'static str {
    match op {
        Op::Insert => "c",
        Op::Update | Op::Replace => "u",
        Op::Delete | Op::Leave => "d",
        Op::Truncate | Op::Drop => "t",
        Op::Other if operation == "read" => "r",
        _ => "m",
    }
}

fn source(id: EventId, change: &Change, parts: &Parts<'_>, millis: &str) -> String {
    let topic = change.topic.as_str();
    let (name, rest) = topic.split_once('.').unwrap_or((topic, ""));
    let ns: serde_json::Value =
        parts.ns.and_then(|ns| serde_json::from_str(ns.get()).ok()).unwrap_or_default();
    let part = |member: &str| ns.get(member).and_then(serde_json::Value::as_str);
    Object::new()
        .text("version", env!("CARGO_PKG_VERSION"))
        .text("connector", "changecast")
        .text("name", name)
        .raw("ts_ms", millis)
        .text("snapshot", "false")
        .text("db", part("db").unwrap_or(name))
        .text("sequence", &id.to_string())
        .text("collection", part("coll").unwrap_or(rest))
        .end()
}

/// The transaction, where the source tells of one: PostgreSQL says which, and the change's place in
/// it, MongoDB which.
fn transaction(parts: &Parts<'_>) -> String {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let read = |raw: &serde_json::value::RawValue| serde_json::from_str(raw.get()).ok();
    let told: Option<serde_json::Value> = parts.txn.and_then(read);
    if let Some(told) = told
        && let Some(id) = told.get("id")
    {
        let place = told.get("index").map_or_else(|| "null".to_owned(), ToString::to_string);
        return Object::new().text("id", &text(id)).raw("total_order", &place).end();
    }
    match parts.txn_number.and_then(read) {
        Some(number) => Object::new().text("id", &text(&number)).end(),
        None => "null".to_owned(),
    }
}
