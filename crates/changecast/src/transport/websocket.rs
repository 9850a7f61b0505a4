//! WebSocket (RFC 6455): the handshake, and a task that lends the socket to one subscription.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::accept::Peer;
use super::format::Format;
use super::problem::Problem;
use super::{command, frame};
use crate::hub::{Codec, Control, HubError, Output, Subscription};
use crate::limits;
use crate::model::{Change, EventId};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commands {
    /// They change what is followed.
    Obey,
    /// Nothing: the original's protocol has none.
    Ignore,
}

/// A granted handshake, to be answered with a subscription.
pub(super) struct Handshake {
    accept: String,
    speaks_ours: bool,
}

impl Handshake {
    /// Checks the request as RFC 6455, section 4.2.1, wants it.
    pub(super) fn check(headers: &HeaderMap) -> Result<Self, Problem> {
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
        let accept = derive_accept_key(key.as_bytes());
        let speaks_ours = has_token(headers, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        Ok(Self { accept, speaks_ours })
    }

    /// Answers 101 and lends the socket to `subscription` until either ends.
    pub(super) fn accept(
        self,
        mut request: Request<Body>,
        subscription: Subscription,
        commands: Commands,
        tasks: &tokio_util::task::TaskTracker,
    ) -> Response {
        let Ok(accept) = HeaderValue::from_str(&self.accept) else {
            return bad("Missing/Invalid WebSocket headers").into_response();
        };
        let cut = request.extensions().get::<Peer>().map(|peer| peer.cut.clone());
        let upgrade = hyper::upgrade::on(&mut request);
        let serving = async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let connection = Connection::open(TokioIo::new(upgraded), commands).await;
                    connection.run(subscription).await;
                }
                Err(error) => tracing::debug!(%error, "websocket upgrade failed"),
            }
        };
        tasks.spawn(async move { cut.unwrap_or_default().run_until_cancelled(serving).await });
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

fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        let list = value.to_str().unwrap_or("");
        list.split(',').any(|item| item.trim().eq_ignore_ascii_case(token))
    })
}

/// An upgraded connection; over any pipe, so that it can be tried without a network.
pub(super) struct Connection<S> {
    socket: WebSocketStream<S>,
    commands: Commands,
}

/// Why a connection ends.
enum End {
    /// Tell the peer why, and wait a little for its answer.
    Close(CloseCode, &'static str),
    /// The peer is gone, or has closed.
    Gone,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) async fn open(io: S, commands: Commands) -> Self {
        // The library's own defaults cost 128 KiB for each idle connection.
        let config = WebSocketConfig::default()
            .read_buffer_size(4 << 10)
            .write_buffer_size(4 << 10)
            .max_write_buffer_size(usize::MAX)
            .max_message_size(Some(limits::WEBSOCKET_MESSAGE_BYTES_MAX))
            .max_frame_size(Some(limits::WEBSOCKET_MESSAGE_BYTES_MAX));
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        Self { socket, commands }
    }

    pub(super) async fn run(mut self, mut subscription: Subscription) {
        let first_ping = Instant::now() + limits::PING_EVERY;
        let mut pings = interval_at(first_ping, limits::PING_EVERY);
        let end = loop {
            // Each branch is safe to drop: a subscription hands nothing out before it returns, and
            // a half-read message stays in the socket's buffer.
            let outcome = tokio::select! {
                output = subscription.next() => self.hand_out(output).await,
                message = self.socket.next() => self.take_in(message, &mut subscription).await,
                _ = pings.tick() => self.send(vec![Message::Ping(Bytes::new())]).await,
            };
            if let Err(end) = outcome {
                break end;
            }
        };
        if let End::Close(code, reason) = end {
            self.close(code, reason).await;
        }
    }

    async fn hand_out(&mut self, output: Result<Output, HubError>) -> Result<(), End> {
        match output {
            Ok(Output::Messages(messages)) => {
                self.send(messages.into_iter().map(text).collect()).await
            }
            Ok(Output::End(_)) => {
                Err(End::Close(CloseCode::Away, "shutting down, please reconnect"))
            }
            Err(error) => {
                tracing::error!(%error, "subscription failed");
                Err(End::Close(CloseCode::Error, "internal error, please reconnect"))
            }
        }
    }

    async fn take_in(
        &mut self,
        message: Option<Result<Message, Error>>,
        subscription: &mut Subscription,
    ) -> Result<(), End> {
        match message {
            // The library answers pings and closes; both go out with the next write.
            Some(Ok(Message::Ping(_) | Message::Close(_))) => self.flush().await,
            Some(Ok(Message::Text(command))) if self.commands == Commands::Obey => {
                self.greet(subscription).await?;
                let answer = command::obey(&command, subscription);
                self.send(vec![text(Bytes::from(answer))]).await
            }
            Some(Ok(Message::Binary(_))) if self.commands == Commands::Obey => {
                self.greet(subscription).await?;
                let answer = frame::error("commands are JSON texts");
                self.send(vec![text(Bytes::from(answer))]).await
            }
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(end_of(&error)),
            None => Err(End::Gone),
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

    async fn send(&mut self, messages: Vec<Message>) -> Result<(), End> {
        for message in messages {
            self.socket.feed(message).await.map_err(|_| End::Gone)?;
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), End> {
        self.socket.flush().await.map_err(|_| End::Gone)
    }

    /// Says why, and waits for the peer's own close so that nothing it was sent is cut off.
    async fn close(&mut self, code: CloseCode, reason: &'static str) {
        let closing = async {
            self.socket
                .send(Message::Close(Some(CloseFrame { code, reason: reason.into() })))
                .await?;
            while let Some(message) = self.socket.next().await {
                message?;
            }
            Ok::<(), Error>(())
        };
        // A peer that is gone, or never answers, has no claim to more.
        let _ = timeout(limits::CLOSE_TIMEOUT, closing).await;
    }
}

/// A text frame from bytes that are known to be JSON: not validated again for each subscriber.
fn text(bytes: Bytes) -> Message {
    Message::Frame(Frame::message(bytes, OpCode::Data(Data::Text), true))
}

fn end_of(error: &Error) -> End {
    match error {
        Error::Protocol(_) => End::Close(CloseCode::Protocol, "protocol error"),
        Error::Utf8(_) => End::Close(CloseCode::Invalid, "text is not UTF-8"),
        Error::Capacity(_) => End::Close(CloseCode::Size, "message too large"),
        _ => End::Gone,
    }
}
