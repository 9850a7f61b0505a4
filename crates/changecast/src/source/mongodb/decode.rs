//! From the server's raw change event to a change.
//!
//! The whole event becomes JSON as it came, key by key; beside it stand only topic, operation and
//! document key. The module must not know how events arrive. Invariant: every event becomes a
//! change. Values that cannot be written are left out and named in `unavailable`, next to the
//! reason in `unreadable`.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::extended_json::{BsonError, Document, Value, write_document};
use super::scope::{Namespace, Watched};
use crate::model::{Change, Op, Topic};

/// Bytes that the buffer keeps for the next event: most events are smaller.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// Turns events into changes.
pub(super) struct Decoder {
    watched: Arc<Watched>,
    /// The last collection, with its database, and its topic: changes mostly come in runs.
    last: Option<(Where<'static>, Topic)>,
    buffer: Vec<u8>,
}

/// A change, and what it has lost on the way.
pub(super) struct Decoded {
    pub(super) change: Change,
    /// Characters put in place of invalid UTF-8.
    pub(super) replacements: u64,
    /// Why the change is not complete, if it is not.
    pub(super) unreadable: Option<BsonError>,
}

/// What a change tells beside its event.
#[derive(Default)]
struct Parts<'a> {
    operation: Option<Cow<'a, str>>,
    namespace: Where<'a>,
    renamed_to: Where<'a>,
    key: Option<Value<'a>>,
}

/// A namespace, as far as the event tells it.
#[derive(Default, PartialEq)]
struct Where<'a> {
    database: Option<Cow<'a, str>>,
    collection: Option<Cow<'a, str>>,
}

impl Decoder {
    pub(super) fn new(watched: Arc<Watched>) -> Self {
        Self { watched, last: None, buffer: Vec::new() }
    }

    pub(super) fn decode(&mut self, event: &[u8]) -> Decoded {
        let parts = Parts::read(event);
        let topic = self.topic(&parts);
        let op = parts.operation.as_deref().map_or(Op::Other, Op::from_name);

        self.buffer.clear();
        let key = parts.key.is_some_and(|key| key.write(&mut self.buffer).is_ok());
        let key = if key { Bytes::copy_from_slice(&self.buffer) } else { Bytes::new() };

        self.buffer.clear();
        let (replacements, unreadable) = match write_document(event, &mut self.buffer) {
            Ok(lossy) => (lossy.replacements, None),
            Err(error) => (salvage(event, &parts, error, &mut self.buffer), Some(error)),
        };
        let event = Bytes::copy_from_slice(&self.buffer);
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        Decoded { change: Change { topic, op, key, event }, replacements, unreadable }
    }

    fn topic(&mut self, parts: &Parts<'_>) -> Topic {
        match &self.last {
            Some((last, topic)) if *last == parts.namespace => topic.clone(),
            _ => {
                let (namespace, renamed_to) = (&parts.namespace, &parts.renamed_to);
                let topic = self.watched.topic(namespace.borrowed(), renamed_to.borrowed());
                if renamed_to.collection.is_none() {
                    self.last = Some((namespace.to_static(), topic.clone()));
                }
                topic
            }
        }
    }
}

impl<'a> Where<'a> {
    fn read(namespace: &Value<'a>) -> Self {
        let mut read = Self::default();
        let Some(namespace) = namespace.as_document() else {
            return read;
        };
        for element in namespace.elements().map_while(Result::ok) {
            match element.key {
                b"db" => read.database = element.value.as_str(),
                b"coll" => read.collection = element.value.as_str(),
                _ => {}
            }
        }
        read
    }

    fn borrowed(&self) -> Namespace<'_> {
        let (database, collection) = (self.database.as_deref(), self.collection.as_deref());
        Namespace { database, collection }
    }

    fn to_static(&self) -> Where<'static> {
        let owned =
            |part: &Option<Cow<'_, str>>| part.as_deref().map(|text| text.to_owned().into());
        Where { database: owned(&self.database), collection: owned(&self.collection) }
    }
}

impl<'a> Parts<'a> {
    fn read(event: &'a [u8]) -> Self {
        let mut parts = Self::default();
        for element in elements(event).map_while(Result::ok) {
            match element.key {
                b"operationType" => parts.operation = element.value.as_str(),
                b"ns" => parts.namespace = Where::read(&element.value),
                b"to" => parts.renamed_to = Where::read(&element.value),
                b"documentKey" => parts.key = Some(element.value),
                _ => {}
            }
        }
        parts
    }
}

/// The elements of `event`, none if it is no document at all.
fn elements(
    event: &[u8],
) -> impl Iterator<Item = Result<super::extended_json::Element<'_>, BsonError>> {
    Document::new(event).ok().into_iter().flat_map(|event| event.elements())
}

/// Writes what of `event` can be written, and what is missing.
fn salvage(event: &[u8], parts: &Parts<'_>, error: BsonError, out: &mut Vec<u8>) -> u64 {
    let mut replacements = 0;
    let mut unavailable = Vec::new();
    out.push(b'{');
    for element in elements(event) {
        match element {
            Ok(element) => match element.write_field(out) {
                Ok(lossy) => {
                    replacements += lossy.replacements;
                    out.push(b',');
                }
                Err(_) => unavailable.push(String::from_utf8_lossy(element.key)),
            },
            // The rest cannot be told apart.
            Err(_) => unavailable.push("*".into()),
        }
    }
    if parts.operation.is_none() {
        out.extend_from_slice(br#""operationType":"unreadable","#);
    }
    let unavailable = serde_json::to_string(&unavailable).expect("a list of strings is JSON");
    out.extend_from_slice(
        format!(r#""unavailable":{unavailable},"unreadable":"{error}"}}"#).as_bytes(),
    );
    replacements
}
