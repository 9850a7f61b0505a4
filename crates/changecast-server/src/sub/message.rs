//! One line of the stream, as far as it has to be understood.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::connection::Broken;

/// A change or a control message. The change itself stays text.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    /// `hello`, `gap`, `source`, `bookmark`; changes have none on the wire.
    #[serde(default = "Message::change_kind", rename = "type")]
    pub(super) kind: String,
    /// What is covered by it.
    pub(super) id: Option<String>,
    pub(super) topic: Option<String>,
    #[serde(borrow)]
    pub(super) change: Option<&'a RawValue>,
    /// Of a gap.
    pub(super) reason: Option<String>,
    /// Of a source's news, with its state and what is wrong.
    pub(super) source: Option<String>,
    pub(super) state: Option<String>,
    pub(super) error: Option<String>,
    pub(super) remedy: Option<String>,
}

impl<'a> Message<'a> {
    pub(super) const CHANGE: &'static str = "change";

    fn change_kind() -> String {
        Self::CHANGE.into()
    }

    pub(super) fn parse(line: &'a str) -> Result<Self, Broken> {
        serde_json::from_str(line)
            .map_err(|error| Broken::ForNow(format!("the server sent no JSON ({error})")))
    }
}
