//! What formats take out of a change event, as the text that it is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::Change;

/// Members of an event; `None` where it has none of the name.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", bound = "'de: 'a")]
pub(super) struct Parts<'a> {
    #[serde(borrow)]
    pub(super) operation_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) ns: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) document_key: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) full_document: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) full_document_before_change: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) update_description: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) wall_time: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) cluster_time: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) txn: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) txn_number: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) unavailable: Option<&'a RawValue>,
}

impl<'a> Parts<'a> {
    pub(super) fn read(event: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(event).ok()
    }

    /// The document after the change, if it came as a whole.
    pub(super) fn after(&self) -> Option<&'a RawValue> {
        self.full_document.filter(|document| document.get() != "null")
    }

    /// The document before the change, if it came.
    pub(super) fn before(&self) -> Option<&'a RawValue> {
        self.full_document_before_change.filter(|document| document.get() != "null")
    }

    /// The event's own word for what happened.
    pub(super) fn operation(&self, change: &Change) -> Cow<'_, str> {
        match &self.operation_type {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Borrowed(change.op.name()),
        }
    }

    /// When the database did it, as milliseconds since 1970 and as RFC 3339, if it says.
    pub(super) fn time(&self) -> Option<Time> {
        self.wall_time.and_then(Time::of_date).or_else(|| Time::of_timestamp(self.cluster_time?))
    }
}

/// A moment, as far as a browser and a log know one.
pub(super) struct Time {
    pub(super) millis: u64,
    pub(super) text: String,
}

impl Time {
    /// Of `{"$date":"…"}`.
    fn of_date(value: &RawValue) -> Option<Self> {
        let date: BTreeMap<&str, &RawValue> = serde_json::from_str(value.get()).ok()?;
        let text: String = serde_json::from_str(date.get("$date")?.get()).ok()?;
        let time: crate::model::Timestamp = text.parse().ok()?;
        Some(Self { millis: time.0, text })
    }

    /// Of `{"$timestamp":{"t":…,"i":…}}`: whole seconds.
    fn of_timestamp(value: &RawValue) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(value.get()).ok()?;
        let seconds = value.get("$timestamp")?.get("t")?.as_u64()?;
        let millis = seconds.checked_mul(1000)?;
        Some(Self { millis, text: crate::model::Timestamp(millis).to_string() })
    }
}

/// One JSON object, member by member.
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self(String::from("{"))
    }

    /// Adds a member whose value is JSON.
    pub(super) fn raw(mut self, name: &str, json: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quote(name));
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    /// Adds a member if there is a value.
    pub(super) fn maybe(self, name: &str, json: Option<&RawValue>) -> Self {
        match json {
            Some(json) => self.raw(name, json.get()),
            None => self,
        }
    }

    /// Adds a member that is a text.
    pub(super) fn text(self, name: &str, text: &str) -> Self {
        self.raw(name, &quote(text))
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn quote(text: &str) -> String {
    // Every text is a JSON string.
    serde_json::to_string(text).unwrap_or_default()
}

/// The event's key, as JSON; `null` where it has none.
pub(super) fn key_of<'a>(change: &'a Change, parts: &Parts<'a>) -> &'a str {
    match parts.document_key {
        Some(key) => key.get(),
        None => {
            std::str::from_utf8(&change.key).ok().filter(|key| !key.is_empty()).unwrap_or("null")
        }
    }
}
