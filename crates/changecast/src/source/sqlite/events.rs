//! A changelog row becomes a change event.
//!
//! It knows the event's shape and nothing of how rows are read. What any program may have written
//! comes through here, so:
//!
//! | invariant | what it buys |
//! |---|---|
//! | every row becomes an event, whatever it holds; what cannot be sent is named in `unavailable` | a poison row never stops the stream, and nothing is left out in silence |
//! | an event holds no line break and fits the log | nothing downstream has to check it |
//! | a write that changed nothing is no event, as in MongoDB | no noise |

use std::sync::Arc;

use super::description::describe;
use super::object::{Object, depth, join, quote, readable};
use crate::limits;
use crate::model::{Change, Op, Timestamp, Topic};

/// What the event holds besides its three large parts: names, of which none is longer than
/// [`NAME_BYTES_MAX`], up to six times as long once they are escaped.
const ENVELOPE_BYTES_MAX: usize = 256 << 10;

/// Bytes of a name as it is sent. The file's checks allow less; whoever switches them off is cut.
const NAME_BYTES_MAX: usize = 4096;

/// The last millisecond that RFC 3339 can write.
const TIME_MAX: u64 = 253_402_300_799_999;

/// A row of the changelog, as text whatever it was.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) time: i64,
    pub(super) op: String,
    pub(super) collection: String,
    pub(super) document_id: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

impl Row {
    /// What it weighs in memory: bytes.
    pub(super) fn weight(&self) -> usize {
        let image = |image: &Option<String>| image.as_ref().map_or(0, String::len);
        image(&self.before) + image(&self.after) + self.collection.len() + self.document_id.len()
    }
}

/// A change as a row tells it, whatever wrote the row.
pub(super) struct Event<'r> {
    pub(super) id: i64,
    pub(super) time: i64,
    pub(super) op: Op,
    pub(super) op_name: &'r str,
    pub(super) collection: String,
    /// The `documentKey`, as JSON.
    pub(super) key: String,
    /// The `_id`, as JSON, where it is not among the fields of the images.
    pub(super) own_id: Option<String>,
    pub(super) before: Image,
    pub(super) after: Image,
    /// The paths of what the images lack.
    pub(super) unavailable: Vec<String>,
}

impl<'r> Event<'r> {
    /// What a row of the store's own changelog tells.
    pub(super) fn of_store(row: &'r Row) -> Self {
        let document_id = quote(clip(&row.document_id));
        Self {
            id: row.id,
            time: row.time,
            op: Op::from_name(&row.op),
            op_name: &row.op,
            collection: row.collection.clone(),
            key: format!(r#"{{"_id":{document_id}}}"#),
            own_id: Some(document_id),
            before: Image::read(row.before.as_deref()),
            after: Image::read(row.after.as_deref()),
            unavailable: Vec::new(),
        }
    }
}

/// Encodes the changes of one source.
#[derive(Clone)]
pub(super) struct Encoder {
    /// The source's name, which [`Topic`] takes with any collection the file's checks allow.
    pub(super) name: Arc<str>,
    /// The file's identity.
    pub(super) identity: String,
}

impl Encoder {
    /// The change that `event` tells of; none if it changed nothing.
    pub(super) fn change(&self, event: Event<'_>) -> Option<Change> {
        let mut parts = Parts::default();
        let own_id = event.own_id.as_deref();
        let before = parts.document(Parts::BEFORE, &event.before, own_id);
        let after = parts.document(Parts::FULL, &event.after, own_id);
        let op = event.op;
        if let (Op::Update | Op::Replace, Some(before), Some(after)) = (op, &before, &after)
            && before.members() == after.members()
            && event.unavailable.is_empty()
        {
            return None;
        }
        if op == Op::Update {
            // Of a value that is not there nobody can tell whether it has changed.
            let is_whole = event.unavailable.is_empty();
            parts.describe(before.as_ref().filter(|_| is_whole), after.as_ref());
        }
        let whole = |object: Object<'_>| match own_id {
            Some(id) => identified(id, &object),
            None => object.to_string(),
        };
        parts.full = after.map(whole);
        parts.before = before.map(whole);
        parts.fit(
            (limits::ENTRY_BYTES_MAX - ENVELOPE_BYTES_MAX).saturating_sub(2 * event.key.len()),
        );
        let topic = self.topic(&event.collection);
        let text = self.event(&event, &topic, &parts);
        Some(Change { topic, op, key: event.key.into(), event: text.into() })
    }

    fn event(&self, event: &Event<'_>, topic: &Topic, parts: &Parts) -> String {
        let id = format!(r#"{{"_data":"{}-{}"}}"#, self.identity, event.id);
        let op = quote(clip(event.op_name));
        let millis = u64::try_from(event.time).unwrap_or(0).min(TIME_MAX);
        let time = format!(r#"{{"$date":"{}"}}"#, Timestamp(millis));
        let (db, coll) = (quote(&self.name), quote(topic.collection()));
        let ns = format!(r#"{{"db":{db},"coll":{coll}}}"#);
        let unavailable = parts.unavailable(&event.unavailable);
        let members = [
            ("_id", Some(&*id)),
            ("operationType", Some(&*op)),
            ("wallTime", Some(&*time)),
            (Parts::FULL, parts.full.as_deref()),
            ("ns", Some(&*ns)),
            ("documentKey", Some(&*event.key)),
            (Parts::DESCRIPTION, parts.description.as_deref()),
            (Parts::BEFORE, parts.before.as_deref()),
            ("unavailable", unavailable.as_deref()),
        ];
        join(members.iter().filter_map(|(name, value)| Some((*name, (*value)?))))
    }

    fn topic(&self, collection: &str) -> Topic {
        Topic::new(&self.name, collection).unwrap_or_else(|_| {
            let mut text = collection.replace(char::is_control, "\u{fffd}");
            text.truncate(text.floor_char_boundary(limits::COLLECTION_BYTES_MAX));
            let text = if text.is_empty() { "\u{fffd}" } else { &text };
            Topic::new(&self.name, text).expect("the name was checked, the collection is clean")
        })
    }
}

/// The parts of an event that can be large, or missing.
#[derive(Default)]
struct Parts {
    full: Option<String>,
    description: Option<String>,
    before: Option<String>,
    missing: Vec<&'static str>,
}

impl Parts {
    const FULL: &'static str = "fullDocument";
    const DESCRIPTION: &'static str = "updateDescription";
    const BEFORE: &'static str = "fullDocumentBeforeChange";

    fn document<'t>(
        &mut self,
        name: &'static str,
        image: &'t Image,
        own_id: Option<&str>,
    ) -> Option<Object<'t>> {
        let text = match image {
            Image::Absent => return None,
            Image::Unreadable => "",
            Image::Text(text) => text,
        };
        let Ok(mut object) = Object::parse(text) else {
            self.missing.push(name);
            return None;
        };
        if own_id.is_some() {
            // The row's id is the truth.
            object.remove("_id");
        }
        Some(object)
    }

    fn describe(&mut self, before: Option<&Object<'_>>, after: Option<&Object<'_>>) {
        let both = before.zip(after);
        self.description = both.and_then(|(before, after)| describe(before, after).ok());
        if self.description.is_none() {
            self.missing.push(Self::DESCRIPTION);
        }
    }

    /// Leaves out what `room` bytes do not hold, the dispensable first.
    fn fit(&mut self, room: usize) {
        let size = |part: &Option<String>| part.as_ref().map_or(0, String::len);
        let mut bytes = size(&self.full) + size(&self.description) + size(&self.before);
        for (name, part) in [
            (Self::BEFORE, &mut self.before),
            (Self::DESCRIPTION, &mut self.description),
            (Self::FULL, &mut self.full),
        ] {
            if bytes > room && part.is_some() {
                bytes -= size(part);
                *part = None;
                self.missing.push(name);
            }
        }
    }

    /// What is missing, beside the `paths` that the images lack.
    fn unavailable(&self, paths: &[String]) -> Option<String> {
        let paths = paths.iter().map(String::as_str);
        let names: Vec<String> = self.missing.iter().copied().chain(paths).map(quote).collect();
        (!names.is_empty()).then(|| format!("[{}]", names.join(",")))
    }
}

/// A row's image, minified and safe for every reader, if it can be sent.
pub(super) enum Image {
    Absent,
    Unreadable,
    Text(String),
}

impl Image {
    fn read(image: Option<&str>) -> Self {
        match image {
            None => Self::Absent,
            Some(text) if depth(text) > limits::DOCUMENT_DEPTH_MAX => Self::Unreadable,
            Some(text) => readable(text).map_or(Self::Unreadable, Self::Text),
        }
    }
}

/// A document with its id in front; `id` is quoted already.
pub(super) fn identified(id: &str, body: &Object<'_>) -> String {
    let members = body.members().iter().map(|(key, value)| (&**key, *value));
    join(std::iter::once(("_id", id)).chain(members))
}

fn clip(name: &str) -> &str {
    name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::Parts;

    #[test]
    fn what_does_not_fit_is_left_out_and_named() {
        for (room, unavailable) in [
            (9, None),
            (8, Some(r#"["fullDocumentBeforeChange"]"#)),
            (5, Some(r#"["fullDocumentBeforeChange","updateDescription"]"#)),
            (2, Some(r#"["fullDocumentBeforeChange","updateDescription","fullDocument"]"#)),
        ] {
            let part = || Some("{ }".to_owned());
            let (full, description, before) = (part(), part(), part());
            let mut parts = Parts { full, description, before, missing: Vec::new() };
            parts.fit(room);
            assert_eq!(parts.unavailable(&[]).as_deref(), unavailable, "{room}");
        }
    }
}
