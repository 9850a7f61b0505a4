//! One JSON object a line: for `curl`, `jq` and programs without an SSE parser.

use axum::http::{HeaderMap, header};
use bytes::Bytes;

use super::format::Format;
use super::frame;
use crate::hub::{Codec, Control};
use crate::model::{Change, EventId};

pub(super) const CONTENT_TYPE: &str = "application/x-ndjson";

pub(super) struct Ndjson(pub(super) Format);

impl Codec for Ndjson {
    fn name(&self) -> &'static str {
        self.0.pick(["ndjson", "ndjson-data", "ndjson-cloudevents", "ndjson-debezium"])
    }

    fn change(&self, id: EventId, change: &Change) -> Bytes {
        frame::change(self.0, id, change, "\n")
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        frame::control(control, "\n")
    }
}

/// Whether the client asks for lines rather than events.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|value| {
        value.to_str().is_ok_and(|accept| {
            accept.split(',').any(|kind| {
                let kind = kind.split(';').next().unwrap_or("").trim();
                kind.eq_ignore_ascii_case(CONTENT_TYPE)
            })
        })
    })
}
