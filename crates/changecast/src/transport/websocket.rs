//! WebSocket (RFC 6455): the handshake, and a task that lends the socket to one subscription.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use super::authorize::Applicant;
use super::format::Format;
use super::problem::Problem;
use super::stall::StallGuard;
use super::takeover::Departed;
use super::{command, frame};
use crate::fanout::{self, Answer, Obey, Reply};
use crate::hub::{Codec, Control, HubError, Output, Subscription};
use crate::limits;
use crate::model::{Change, EventId};
use crate::websocket::{self, Event, Receiver, Violation};

/// The subprotocol of `/ws`.
const SUBPROTOCOL: &str = "changecast.v1+json";

/// The frames of `/ws`.
pub(super) struct WebSocket(pub(super) Format);

impl Codec for WebSocket {
    fn name(&self) -> &'static str {
        self.0.pick(["websocket", "websocket-data", "websocket-cloudevents", "websocket-debezium"])
    }

    fn change(&self, id: EventId, change: &Change) -> Bytes {
        frame::change(self.0, id, change, "")
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        frame::control(control, "")
    }
}

/// What becomes of a client's messages.
pub(crate) enum Commands {
    /// They change what is followed, once the applicant may have it, where somebody is to be asked.
    Obey(Option<Applicant>),
    /// Nothing: the original's protocol has none.
    Ignore,
    /// Somebody attends to them, and to the client's end. That takes a task.
    Attend(Box<dyn Attend>),
}

/// What a client has said.
pub(crate) enum Said {
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

/// Attends to one client; dropped when the client is gone, however it went.
#[async_trait]
pub(crate) trait Attend: Send {
    /// The client has said something; the answer, if there is one. Until then nothing else that the
    /// client says is heard, and nothing is delivered to it.
    async fn hear(&mut self, said: Said) -> Option<String>;
}

impl Commands {
    /// What a shard does with a client's message; none if it takes a task to attend to it.
    pub(super) fn by_shard(&self) -> Option<Option<Obey>> {
        match self {
            Self::Attend(_) => None,
            Self::Obey(_) | Self::Ignore => Some(self.obey()),
        }
    }

    pub(super) fn are_ignored(&self) -> bool {
        matches!(self, Self::Ignore)
    }

    fn obey(&self) -> Option<Obey> {
        let Self::Obey(applicant) = self else { return None };
        let applicant = applicant.clone();
        Some(Arc::new(move |text, follower| match text {
            Some(text) => command::obey(text, follower, applicant.as_ref()),
            None => Reply::Now(frame::error("commands are JSON texts")),
        }))
    }
}

/// A checked handshake, to be answered with a subscription.
pub(crate) struct Handshake {
    accept: String,
    speaks_ours: bool,
}

impl Handshake {
    /// Checks the request as RFC 6455, section 4.2.1, wants it.
    pub(crate) fn check(headers: &HeaderMap) -> Result<Self, Problem> {
        if !has_token(headers, &header::UPGRADE, "websocket") {
            return Err(bad(r#"Can "Upgrade" only to "WebSocket"."#));
        }
        if !has_token(headers, &header::CONNECTION, "upgrade") {
            return Err(bad(r#""Connection" must be "Upgrade"."#));
        }
        let version = headers.get(header::SEC_WEBSOCKET_VERSION);
        if version.is_some_and(|version| version != "13") {
            let detail = "this server speaks version 13 of the WebSocket protocol";
            return Err(Problem::new(StatusCode::UPGRADE_REQUIRED, "websocket", detail)
                .with_header(header::SEC_WEBSOCKET_VERSION, "13"));
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == KEY_LENGTH);
        let (Some(key), Some(_)) = (key, version) else {
            return Err(bad("Missing/Invalid WebSocket headers"));
        };
        if has_body(headers) {
            return Err(bad("A handshake has no body: it could not be told from frames."));
        }
        let accept = websocket::accept_key(key.as_bytes());
        let speaks_ours = has_token(headers, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        Ok(Self { accept, speaks_ours })
    }

    /// The head of the answer.
    pub(super) fn head(self) -> Response {
        let Ok(accept) = HeaderValue::from_str(&self.accept) else {
            return bad("Missing/Invalid WebSocket headers").into_response();
        };
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        if self.speaks_ours {
            let protocol = HeaderValue::from_static(SUBPROTOCOL);
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }
}

/// Base64 of 16 bytes.
const KEY_LENGTH: usize = 24;

fn bad(detail: &str) -> Problem {
    Problem::bad_request("websocket", detail)
}

/// Whether a body follows the headers (RFC 9112, section 6).
fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0")
}

fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        let list = value.to_str().unwrap_or("");
        list.split(',').any(|item| item.trim().eq_ignore_ascii_case(token))
    })
}

/// A subscription, and what becomes of what its client says, on their way to a socket.
pub(super) struct Conversation {
    pub(super) subscription: Subscription,
    pub(super) commands: Commands,
    /// Cancelled to end it at once.
    pub(super) cut: CancellationToken,
    /// Cancelled once the server is about to end.
    pub(super) ending: CancellationToken,
}

impl Conversation {
    /// Goes on over the socket that HTTP hands out.
    pub(super) async fn upgraded(self, upgrade: OnUpgrade) {
        match upgrade.await {
            Ok(upgraded) => {
                let socket = StallGuard::new(TokioIo::new(upgraded));
                self.over(socket, Bytes::new()).await;
            }
            Err(error) => tracing::debug!(%error, "websocket upgrade failed"),
        }
    }

    /// The same over one that was taken out of HTTP before its answer.
    pub(super) async fn after(self, departed: Departed) {
        let Departed { mut socket, head, unread } = departed;
        if socket.write_all(&head).await.is_ok() {
            self.over(socket, unread).await;
        }
    }

    async fn over(self, socket: impl AsyncRead + AsyncWrite + Unpin, unread: Bytes) {
        let Self { subscription, mut commands, cut, ending } = self;
        let connection = Connection::new(socket, &mut commands, ending);
        cut.run_until_cancelled(connection.run(subscription, unread)).await;
    }
}

/// An upgraded connection; over any pipe, so that it can be tried without a network.
pub(super) struct Connection<'a, S> {
    io: S,
    receiver: Receiver,
    commands: &'a mut Commands,
    /// Cancelled once the server is about to end.
    ending: CancellationToken,
}

/// Why a connection ends.
enum End {
    /// Tell the peer why, and wait a little for its answer.
    Close(fanout::End),
    /// The peer has broken the protocol: nothing that it says has a meaning any more.
    Violation(Violation),
    /// The peer has closed, and has been answered.
    Closed,
    /// The peer is gone.
    Gone,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<Violation> for End {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Connection<'a, S> {
    pub(super) fn new(io: S, commands: &'a mut Commands, ending: CancellationToken) -> Self {
        let receiver = Receiver::new(limits::WEBSOCKET_MESSAGE_BYTES_MAX);
        Self { io, receiver, commands, ending }
    }

    /// Serves `subscription` until either end has enough. The client has said `unread` already.
    pub(super) async fn run(mut self, mut subscription: Subscription, unread: Bytes) {
        let first_ping = Instant::now() + limits::PING_EVERY;
        let mut pings = interval_at(first_ping, limits::PING_EVERY);
        let mut outcome = if unread.is_empty() {
            Ok(())
        } else {
            self.take_in(Ok(unread.into()), &mut subscription).await
        };
        while outcome.is_ok() {
            // Each branch is safe to drop: a subscription hands nothing out before it returns, and
            // nothing is read before it is handed out.
            outcome = tokio::select! {
                output = subscription.next() => self.hand_out(output).await,
                input = read(&mut self.io) => self.take_in(input, &mut subscription).await,
                _ = pings.tick() => self.send(&[websocket::frame::ping()]).await,
                // The hub of a store need not know of the server's end.
                () = self.ending.cancelled() => Err(End::Close(fanout::End::Session)),
            };
        }
        // Nothing more is for it: it counts as a subscriber no longer.
        drop(subscription);
        if let Err(end) = outcome {
            // A peer that is gone, or never answers, has no claim to more.
            let _ = timeout(limits::CLOSE_TIMEOUT, self.end(end)).await;
        }
    }

    async fn hand_out(&mut self, output: Result<Output, HubError>) -> Result<(), End> {
        match output {
            Ok(Output::Messages(messages)) => self.send_texts(&messages).await,
            Ok(Output::End(_)) => Err(End::Close(fanout::End::Session)),
            Err(error) => {
                tracing::error!(%error, "subscription failed");
                Err(End::Close(fanout::End::Failure))
            }
        }
    }

    /// Answers all that came in one piece. The next is read only after that, so that a client that
    /// asks without reading waits for itself.
    async fn take_in(
        &mut self,
        input: io::Result<Vec<u8>>,
        subscription: &mut Subscription,
    ) -> Result<(), End> {
        let input = input?;
        if input.is_empty() {
            return Err(End::Gone);
        }
        let mut input = input.as_slice();
        while let Some(event) = self.receiver.receive(&mut input)? {
            self.answer(event, subscription).await?;
        }
        Ok(())
    }

    async fn answer(&mut self, event: Event, subscription: &mut Subscription) -> Result<(), End> {
        if let Event::Close(close) = &event {
            self.send(&[websocket::frame::close_back(close.as_ref())]).await?;
            return Err(End::Closed);
        }
        if let Commands::Attend(attendant) = &mut *self.commands {
            let said = match event {
                Event::Text(text) => Said::Text(text),
                Event::Binary(bytes) => Said::Binary(bytes),
                event => return self.reply(&event, None, subscription).await,
            };
            let answer = tokio::select! {
                answer = attendant.hear(said) => answer,
                // However long it takes, an end does not wait for it.
                () = subscription.draining() => return Err(End::Close(fanout::End::Session)),
                () = self.ending.cancelled() => return Err(End::Close(fanout::End::Session)),
            };
            let answer = answer.map(|answer| websocket::frame::text(answer.as_bytes()));
            return self.send(answer.as_slice()).await;
        }
        let obey = self.commands.obey();
        if obey.is_some() && matches!(event, Event::Text(_) | Event::Binary(_)) {
            self.greet(subscription).await?;
        }
        self.reply(&event, obey, subscription).await
    }

    async fn reply(
        &mut self,
        event: &Event,
        obey: Option<Obey>,
        subscription: &mut Subscription,
    ) -> Result<(), End> {
        match fanout::answer(event, obey.as_ref(), subscription.follower()) {
            Answer::Nothing => Ok(()),
            Answer::Frame(frame) => self.send(&[frame]).await,
            Answer::Later(asked) => {
                let then = asked.await;
                let words = then(subscription.follower());
                self.send(&[websocket::frame::text(words.as_bytes())]).await
            }
        }
    }

    /// Says what is still to be said first. An answer names a place: were it ahead of the gap that
    /// leads there, a client that loses the connection in between would never hear of the gap.
    async fn greet(&mut self, subscription: &mut Subscription) -> Result<(), End> {
        while subscription.is_greeting() {
            let output = subscription.next().await;
            self.hand_out(output).await?;
        }
        Ok(())
    }

    /// Sends texts that are known to be JSON, many at once where they are short.
    async fn send_texts(&mut self, texts: &[Bytes]) -> Result<(), End> {
        let mut batch = Vec::new();
        for text in texts {
            websocket::frame::begin_text(&mut batch, text.len());
            if text.len() > limits::WEBSOCKET_WRITE_BYTES {
                self.io.write_all(&batch).await?;
                self.io.write_all(text).await?;
                batch.clear();
            } else {
                batch.extend_from_slice(text);
            }
            if batch.len() >= limits::WEBSOCKET_WRITE_BYTES {
                self.io.write_all(&batch).await?;
                batch.clear();
            }
        }
        self.send(&[batch.into()]).await
    }

    async fn send(&mut self, frames: &[Bytes]) -> Result<(), End> {
        for frame in frames {
            self.io.write_all(frame).await?;
        }
        Ok(self.io.flush().await?)
    }

    /// Says why, and waits for the peer's own end so that nothing it was sent is cut off.
    async fn end(mut self, end: End) -> Result<(), End> {
        match end {
            End::Close(end) => {
                self.send(&[end.close_frame()]).await?;
                self.await_close().await?;
            }
            End::Violation(violation) => {
                let reason = violation.to_string();
                self.send(&[websocket::frame::close(violation.code(), &reason)]).await?;
            }
            End::Closed => {}
            End::Gone => return Ok(()),
        }
        // A socket that is dropped with something unread takes back what was written.
        self.io.shutdown().await?;
        while !read(&mut self.io).await?.is_empty() {}
        Ok(())
    }

    async fn await_close(&mut self) -> Result<(), End> {
        loop {
            let input = read(&mut self.io).await?;
            let mut input = match input.as_slice() {
                [] => return Ok(()),
                input => input,
            };
            while let Some(event) = self.receiver.receive(&mut input)? {
                if matches!(event, Event::Close(_)) {
                    return Ok(());
                }
            }
        }
    }
}

/// What comes next, as long as it is: empty at the end. What waits for it holds no buffer.
async fn read<S: AsyncRead + Unpin>(io: &mut S) -> io::Result<Vec<u8>> {
    std::future::poll_fn(|context| poll_read(Pin::new(io), context)).await
}

fn poll_read<S: AsyncRead>(
    io: Pin<&mut S>,
    context: &mut Context<'_>,
) -> Poll<io::Result<Vec<u8>>> {
    let mut bytes = [MaybeUninit::uninit(); limits::WEBSOCKET_READ_BYTES];
    let mut buffer = ReadBuf::uninit(&mut bytes);
    ready!(io.poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().to_vec()))
}
