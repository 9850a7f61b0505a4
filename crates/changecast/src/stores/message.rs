//! What is submitted, and how it stands in the log: as a published change, whose event has a member
//! `message` where there is something to say beside the value.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::StoreError;
use crate::hub::Telling;
use crate::limits;
use crate::model::{Change, extend_json};

/// A value, and how it is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<T> {
    /// What is told.
    pub value: T,
    /// The name of the event, for `addEventListener`; without one it goes to `onmessage`.
    pub event: Option<String>,
    /// An id of the message's own. Subscribers see it behind the id that resumes and a slash:
    /// `abcdefgh-42/order-7`.
    pub id: Option<String>,
    /// How long browsers are to wait from here on before they reconnect.
    pub retry: Option<Duration>,
}

impl<T> Message<T> {
    /// A message that is this value.
    pub fn new(value: T) -> Self {
        Self { value, event: None, id: None, retry: None }
    }

    /// The same by this event's name, without line breaks.
    #[must_use]
    pub fn with_event(mut self, name: impl Into<String>) -> Self {
        self.event = Some(name.into());
        self
    }

    /// The same with an id of its own, without line breaks, and of [`limits::MESSAGE_NAME_BYTES_MAX`]
    /// at most.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The same, that tells browsers to wait so long before they reconnect.
    #[must_use]
    pub fn with_retry(mut self, retry: Duration) -> Self {
        self.retry = Some(retry);
        self
    }
}

/// A message as text, checked.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    /// The value, compact.
    pub(super) json: String,
    /// The event's member `message`, if there is anything to say in it.
    pub(super) told: Option<String>,
}

/// What an event says beside the value.
#[derive(Default, Serialize, Deserialize)]
struct Told<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    event: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<u64>,
    /// The value as it was submitted, where a browser would round one of its numbers, so that the
    /// document has another form of it.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    json: Option<Cow<'a, str>>,
}

impl Told<'_> {
    /// As JSON, if it says anything.
    fn text(&self) -> Option<String> {
        let Self { event, id, retry, json } = self;
        let says_more = event.is_some() || id.is_some() || retry.is_some() || json.is_some();
        // Texts and a number always serialize.
        says_more.then(|| serde_json::to_string(self).unwrap_or_default())
    }
}

impl Outgoing {
    pub(super) fn new<T: Serialize>(message: &Message<T>) -> Result<Self, StoreError> {
        let json = serde_json::to_string(&message.value);
        let json = json.map_err(|error| StoreError::Invalid(format!("not JSON: {error}")))?;
        check("event's name", message.event.as_deref())?;
        check("id", message.id.as_deref())?;
        let extended = extend_json(&json);
        let extended = extended.map_err(|error| StoreError::Invalid(error.to_string()))?;
        let told = Told {
            event: message.event.as_deref().map(Cow::Borrowed),
            id: message.id.as_deref().map(Cow::Borrowed),
            retry: message.retry.map(|retry| u64::try_from(retry.as_millis()).unwrap_or(u64::MAX)),
            json: (extended != json).then_some(Cow::Borrowed(&json)),
        };
        let told = told.text();
        Ok(Self { json, told })
    }

    /// What was submitted, of what is read back.
    pub(super) fn of(payload: Payload<'_>) -> Self {
        let Payload { json, event, id, retry } = payload;
        let json = json.into_owned();
        let differs = extend_json(&json).is_ok_and(|extended| extended != json);
        let told = Told { event, id, retry, json: differs.then_some(Cow::Borrowed(&json)) };
        let told = told.text();
        Self { json, told }
    }

    /// How a publisher is to tell it.
    pub(super) fn telling(&self, document_id: Option<&'static str>) -> Telling {
        Telling { document_id, message: self.told.clone() }
    }
}

/// What stands in a line of its own cannot hold the end of one, nor what ends a C string.
fn check(what: &str, name: Option<&str>) -> Result<(), StoreError> {
    let Some(name) = name else { return Ok(()) };
    if name.len() > limits::MESSAGE_NAME_BYTES_MAX {
        let most = limits::MESSAGE_NAME_BYTES_MAX;
        return Err(StoreError::Invalid(format!("a message's {what} has at most {most} bytes")));
    }
    if name.contains(['\r', '\n', '\0']) {
        let problem = format!("a message's {what} holds neither a line break nor a NUL: {name:?}");
        return Err(StoreError::Invalid(problem));
    }
    Ok(())
}

/// What a change of a store says, read back.
pub(crate) struct Payload<'a> {
    /// The value, as JSON.
    pub(crate) json: Cow<'a, str>,
    /// The event's name.
    pub(crate) event: Option<Cow<'a, str>>,
    /// The message's own id.
    pub(crate) id: Option<Cow<'a, str>>,
    /// Milliseconds to wait before reconnecting.
    pub(crate) retry: Option<u64>,
}

impl<'a> Payload<'a> {
    /// The payload of a change; of one that is no message, `null`.
    pub(crate) fn read(change: &'a Change) -> Self {
        Self::of_event(&change.event)
    }

    /// The same of its event.
    pub(super) fn of_event(event: &'a [u8]) -> Self {
        #[derive(Default, Deserialize)]
        struct Event<'a> {
            #[serde(borrow, rename = "fullDocument")]
            document: Option<&'a RawValue>,
            #[serde(borrow)]
            message: Option<Told<'a>>,
        }
        let event: Event<'a> = serde_json::from_slice(event).unwrap_or_default();
        let told = event.message.unwrap_or_default();
        let document = event.document.map_or("null", RawValue::get);
        Self {
            json: told.json.unwrap_or(Cow::Borrowed(document)),
            event: told.event,
            id: told.id,
            retry: told.retry,
        }
    }
}
