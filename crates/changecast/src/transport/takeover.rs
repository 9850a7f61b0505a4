//! Takes a socket out of HTTP once a request turns out to be a stream, for a shard or for a task.
//!
//! A handler grants a stream by putting it into its response. The response passes every layer above
//! the handler, as any other, and its head is written by who takes the socket: HTTP never hears of it, so that
//! no byte of it is in a buffer of HTTP's when the socket leaves.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::SystemTime;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::stall::StallGuard;
use crate::fanout::WireKind;
use crate::hub::Follower;

/// A stream that a request has been granted: who takes its socket.
pub(super) enum Grant {
    /// A shard.
    Shard { follower: Follower, wire: WireKind },
    /// A task.
    Task(Serve),
}

/// Serves a WebSocket that has left HTTP.
pub(super) type Serve = Box<dyn FnOnce(Departed) -> BoxFuture<'static, ()> + Send>;

/// A socket that has left HTTP.
pub(super) struct Departed {
    pub(super) socket: StallGuard<TcpStream>,
    /// The head of the response, still to be written.
    pub(super) head: Bytes,
    /// What the client has sent beyond its request.
    pub(super) unread: Bytes,
}

/// A response's extension that holds a grant: extensions can be copied, a grant is taken once.
#[derive(Clone)]
struct Slot(Arc<Mutex<Option<Grant>>>);

/// The response to a request that was granted a stream.
pub(super) fn grant(grant: Grant, head: impl IntoResponse) -> Response {
    let mut response = head.into_response();
    let headers = response.headers_mut();
    if let Grant::Shard { wire: WireKind::Chunked | WireKind::Plain, .. } = &grant {
        // The connection is not for anything else any more.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Grant::Shard { wire: WireKind::Chunked, .. } = &grant {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    response.extensions_mut().insert(Slot(Arc::new(Mutex::new(Some(grant)))));
    response
}

/// A granted stream, ready to be taken over.
pub(super) struct Granted {
    pub(super) grant: Grant,
    /// The head of the response.
    pub(super) head: Bytes,
}

impl Granted {
    /// Takes the stream out of a response that has one.
    pub(super) fn take(response: &Response) -> Option<Self> {
        let Slot(slot) = response.extensions().get()?;
        let grant = slot.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Self { grant, head: head(response) })
    }
}

/// The head of a response as HTTP/1 writes it (RFC 9112, sections 4 and 5).
fn head(response: &Response) -> Bytes {
    let mut head = BytesMut::with_capacity(512);
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or("");
    head.put_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).as_bytes());
    // The layers above take it for an answer without a body.
    let headers = response.headers().iter().filter(|(name, _)| *name != header::CONTENT_LENGTH);
    for (name, value) in headers {
        put_header(&mut head, name.as_str(), value.as_bytes());
    }
    let date = httpdate::fmt_http_date(SystemTime::now());
    put_header(&mut head, "date", date.as_bytes());
    head.put_slice(b"\r\n");
    head.freeze()
}

fn put_header(head: &mut BytesMut, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        head.put_slice(part);
    }
}

/// What a connection's request and its socket tell the loop that drives it.
#[derive(Clone, Default)]
pub(super) struct Handover(Arc<State>);

#[derive(Default)]
struct State {
    granted: Mutex<Option<Granted>>,
    /// Whether everything that HTTP has written is in the socket: answers to earlier requests of the
    /// connection may still be on their way when a stream is granted.
    is_flushed: AtomicBool,
}

impl Handover {
    /// The request has been granted a stream.
    pub(super) fn give(&self, granted: Granted) {
        *self.granted() = Some(granted);
    }

    pub(super) fn take(&self) -> Option<Granted> {
        self.granted().take()
    }

    /// Whether the socket can be taken over, if it could be flushed since it was last looked at.
    pub(super) fn is_due(&self) -> bool {
        self.0.is_flushed.load(Ordering::Relaxed) && self.granted().is_some()
    }

    /// Whether it is flushed has to show anew.
    pub(super) fn look_again(&self) {
        self.0.is_flushed.store(false, Ordering::Relaxed);
    }

    fn granted(&self) -> MutexGuard<'_, Option<Granted>> {
        self.0.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that tells its handover when it has been flushed.
pub(super) struct FlushWatch<T> {
    io: T,
    handover: Handover,
}

impl<T> FlushWatch<T> {
    pub(super) fn new(io: T, handover: Handover) -> Self {
        Self { io, handover }
    }

    pub(super) fn into_inner(self) -> T {
        self.io
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FlushWatch<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FlushWatch<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.handover.look_again();
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.handover.look_again();
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(context);
        if matches!(outcome, Poll::Ready(Ok(()))) {
            self.handover.0.is_flushed.store(true, Ordering::Relaxed);
        }
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
