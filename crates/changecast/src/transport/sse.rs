//! Server-sent events (WHATWG HTML, section 9.2).

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::unfold;
use tokio_util::sync::CancellationToken;

use super::format::Format;
use super::frame::{self, SourceNews};
use crate::hub::{Codec, Control, Hello, HubError, Output, Subscription};
use crate::model::{Change, EventId};

pub(crate) const CONTENT_TYPE: &str = "text/event-stream";

/// What an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Blocks {
    /// Changes are unnamed, so that `onmessage` gets them; everything else has a name, and bookmarks
    /// are no events.
    #[default]
    Named,
    /// Bookmarks as events too, for clients that ignore or misread a block with an id only.
    BookmarksToo,
    /// Every message is an unnamed event, and its data the object that NDJSON has: it tells the topic.
    Enveloped,
}

/// Server-sent events.
pub(super) struct Sse {
    /// How changes look.
    pub(super) format: Format,
    /// What an event is.
    pub(super) blocks: Blocks,
}

impl Codec for Sse {
    fn name(&self) -> &'static str {
        self.format.pick(match self.blocks {
            Blocks::Named => ["sse", "sse-data", "sse-cloudevents", "sse-debezium"],
            Blocks::BookmarksToo => [
                "sse-bookmarks",
                "sse-bookmarks-data",
                "sse-bookmarks-cloudevents",
                "sse-bookmarks-debezium",
            ],
            Blocks::Enveloped => [
                "sse-envelope",
                "sse-envelope-data",
                "sse-envelope-cloudevents",
                "sse-envelope-debezium",
            ],
        })
    }

    fn change(&self, id: EventId, change: &Change) -> Bytes {
        if self.blocks == Blocks::Enveloped {
            let line = frame::change(self.format, id, change, "\n\n");
            return [format!("id: {id}\ndata: ").as_bytes(), &line].concat().into();
        }
        let line = self.format.line(id, change);
        let mut block = BytesMut::with_capacity(line.len() + 64);
        block.put_slice(format!("id: {id}\ndata: ").as_bytes());
        // One line: an invariant of `Change`, and of every format.
        block.put_slice(&line);
        block.put_slice(b"\n\n");
        block.freeze()
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        if self.blocks == Blocks::Enveloped {
            return Some(Bytes::from(enveloped(control)));
        }
        Some(Bytes::from(match control {
            Control::Hello(hello) => opening(hello) + &event("hello", Some(hello.position), hello),
            Control::Gap(gap) => event("gap", Some(gap.id), gap),
            Control::Bookmark(id) if self.blocks == Blocks::BookmarksToo => {
                event("bookmark", Some(*id), &serde_json::json!({}))
            }
            Control::Bookmark(id) => format!("id: {id}\n\n"),
            Control::Source(status) => event("source", None, &SourceNews::of(status)),
            Control::Bye(retry) => format!("retry: {}\n\n", retry.as_millis()),
        }))
    }
}

/// What comes before the first event: something at once, and how long to wait after a disconnect.
fn opening(hello: &Hello) -> String {
    format!(": changecast\nretry: {}\n", hello.retry.as_millis())
}

/// What is no change, as the object that NDJSON has. The id goes beside it, for a browser's own retry.
fn enveloped(control: &Control) -> String {
    let (opening, id) = match control {
        Control::Bye(retry) => return format!("retry: {}\n\n", retry.as_millis()),
        Control::Hello(hello) => (opening(hello), Some(hello.position)),
        Control::Gap(gap) => (String::new(), Some(gap.id)),
        Control::Bookmark(id) => (String::new(), Some(*id)),
        Control::Source(_) => (String::new(), None),
    };
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let line = frame::control(control, "\n\n").unwrap_or_default();
    format!("{opening}{id}data: {}", String::from_utf8_lossy(&line))
}

fn event<T: serde::Serialize>(name: &str, id: Option<EventId>, data: &T) -> String {
    let mut text = format!("event: {name}\n");
    if let Some(id) = id {
        // Writing to a String cannot fail; nor can serializing strings, numbers and lists.
        let _ = writeln!(text, "id: {id}");
    }
    let data = serde_json::to_string(data).unwrap_or_default();
    let _ = write!(text, "data: {data}\n\n");
    text
}

/// A body that writes what the subscription hands out, as it comes, until `ending` is cancelled.
pub(super) fn stream(
    subscription: Subscription,
    content_type: &'static str,
    ending: CancellationToken,
) -> Response {
    let body = unfold(Some((subscription, ending)), |following| async {
        let (mut subscription, ending) = following?;
        let output = tokio::select! {
            // The last words of a hub that ends with the server come before the end.
            biased;
            output = subscription.next() => output,
            () = ending.cancelled() => return None,
        };
        match output {
            Ok(Output::Messages(messages)) => {
                Some((Ok::<_, HubError>(join(messages)), Some((subscription, ending))))
            }
            Ok(Output::End(_)) => None,
            // The body breaks off, which the client sees, and resumes.
            Err(error) => Some((Err(error), None)),
        }
    });
    let mut response = head(content_type);
    *response.body_mut() = Body::from_stream(body);
    response
}

/// The head of a stream.
pub(crate) fn head(content_type: &'static str) -> Response {
    let mut response = Response::default();
    set_headers(&mut response, content_type);
    response
}

fn set_headers(response: &mut Response, content_type: &'static str) {
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// One write for many messages: a further system call costs far more than copying 64 KiB.
fn join(mut messages: Vec<Bytes>) -> Bytes {
    if messages.len() == 1 {
        return messages.pop().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(messages.iter().map(Bytes::len).sum());
    for message in messages {
        all.put_slice(&message);
    }
    all.freeze()
}

/// A refusal that passes: a browser's `EventSource` gives up for ever on anything but 200, so it
/// gets an empty stream that tells when to come back.
pub(crate) fn come_back(error: &HubError) -> Response {
    tracing::warn!(%error, "subscription refused");
    let retry = fastrand::u64(crate::limits::RETRY_DRAIN_MILLIS);
    let mut response = Response::new(Body::from(format!("retry: {retry}\n\n")));
    set_headers(&mut response, CONTENT_TYPE);
    response
}
