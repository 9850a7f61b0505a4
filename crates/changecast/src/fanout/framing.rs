//! Frames as the socket takes them: encoded once for all subscribers, with what HTTP or WebSocket
//! wants around each.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::hub::{Codec, Control};
use crate::model::{Change, EventId};
use crate::websocket;

/// Each frame as a chunk of an HTTP/1.1 body (RFC 9112, section 7.1).
pub(crate) struct Chunked(pub(crate) Arc<dyn Codec>);

/// The chunk that ends a body.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl Codec for Chunked {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn framing(&self) -> &'static str {
        "chunked"
    }

    fn change(&self, id: EventId, change: &Change) -> Bytes {
        chunk(&self.0.change(id, change))
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        self.0.control(control).map(|frame| chunk(&frame))
    }
}

/// A chunk of no bytes would end the body, but no format has an empty frame.
fn chunk(data: &[u8]) -> Bytes {
    let head = format!("{:x}\r\n", data.len());
    let mut chunk = BytesMut::with_capacity(head.len() + data.len() + 2);
    chunk.put_slice(head.as_bytes());
    chunk.put_slice(data);
    chunk.put_slice(b"\r\n");
    chunk.freeze()
}

/// Each frame as a WebSocket text frame (RFC 6455, section 5.2).
pub(crate) struct Framed(pub(crate) Arc<dyn Codec>);

impl Codec for Framed {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn framing(&self) -> &'static str {
        "websocket"
    }

    fn change(&self, id: EventId, change: &Change) -> Bytes {
        websocket::frame::text(&self.0.change(id, change))
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        self.0.control(control).map(|frame| websocket::frame::text(&frame))
    }
}
