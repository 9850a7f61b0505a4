//! What differs between a stream over HTTP and a WebSocket: how it ends, and what may come in.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::framing::LAST_CHUNK;
use crate::hub::Follower;
use crate::limits;
use crate::websocket::{Event, Receiver, frame};

/// Does what a client's message asks for. There is no text if it is binary.
pub(crate) type Obey = Arc<dyn Fn(Option<&str>, &mut Follower) -> Reply + Send + Sync>;

/// What comes of a client's message.
pub(crate) enum Reply {
    /// The answer.
    Now(String),
    /// Somebody has to be asked first. Until then, nothing more of this client's is heard.
    Later(BoxFuture<'static, Then>),
}

/// Does what was asked for, or not, now that it has been said which, and returns the answer.
pub(crate) type Then = Box<dyn FnOnce(&mut Follower) -> String + Send>;

/// The frame that answers what a client has said.
pub(crate) enum Answer {
    /// There is none.
    Nothing,
    /// This one.
    Frame(Bytes),
    /// The one with the words that come of this.
    Later(BoxFuture<'static, Then>),
}

/// How a connection is to speak.
pub(crate) enum WireKind {
    /// A body in chunks, as HTTP/1.1 has it.
    Chunked,
    /// A body that ends with the connection, as HTTP/1.0 has it.
    Plain,
    /// Frames both ways, and what becomes of a client's messages; without it they are ignored.
    WebSocket(Option<Obey>),
}

/// How a connection speaks.
pub(super) enum Wire {
    Chunked,
    Plain,
    WebSocket(Box<WebSocket>),
}

/// The state of a WebSocket.
pub(super) struct WebSocket {
    receiver: Receiver,
    /// What becomes of a client's messages; without it they are ignored.
    obey: Option<Obey>,
    /// What was read, and waits until the answers before it are written.
    unread: Vec<u8>,
    /// Whether the client has ended the connection, be it by a violation: it need not say so again.
    is_over: bool,
    /// What has to be asked before the next message is heard, …
    question: Option<BoxFuture<'static, Then>>,
    /// … and whether its answer is still to come.
    is_asking: bool,
    ping_at: Instant,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The session is over, and the client is to come back.
    Session,
    /// The log cannot be read.
    Failure,
}

impl End {
    /// What a WebSocket's client is told.
    pub(crate) fn close_frame(self) -> Bytes {
        match self {
            Self::Session => frame::close(1001, "shutting down, please reconnect"),
            Self::Failure => frame::close(1011, "internal error, please reconnect"),
        }
    }
}

impl Wire {
    /// The wire of a connection whose client has sent `unread` already: after the request for a
    /// stream over HTTP it has nothing more to say, and that is thrown away.
    pub(super) fn new(kind: WireKind, unread: &[u8]) -> Self {
        match kind {
            WireKind::Chunked => Self::Chunked,
            WireKind::Plain => Self::Plain,
            WireKind::WebSocket(obey) => Self::WebSocket(Box::new(WebSocket {
                receiver: Receiver::new(limits::WEBSOCKET_MESSAGE_BYTES_MAX),
                obey,
                unread: unread.to_vec(),
                is_over: false,
                question: None,
                is_asking: false,
                ping_at: Instant::now() + limits::PING_EVERY,
            })),
        }
    }

    /// The last words; none where the connection's own end says it.
    pub(super) fn farewell(&self, end: End) -> Option<Bytes> {
        match (self, end) {
            (Self::Chunked, End::Session) => Some(Bytes::from_static(LAST_CHUNK)),
            // Without its last chunk, a body is seen to have broken off.
            (Self::Chunked, End::Failure) | (Self::Plain, _) => None,
            (Self::WebSocket(_), end) => Some(end.close_frame()),
        }
    }

    /// Whether the other end is still to say, too, that it has ended. One that has waits for us to
    /// close the connection (RFC 6455, section 7.1.1).
    pub(super) fn awaits_close(&self) -> bool {
        matches!(self, Self::WebSocket(socket) if !socket.is_over)
    }

    /// When the next ping is due.
    pub(super) fn ping_at(&self) -> Option<Instant> {
        match self {
            Self::WebSocket(socket) => Some(socket.ping_at),
            Self::Chunked | Self::Plain => None,
        }
    }

    /// A ping, if it is due.
    pub(super) fn ping(&mut self, now: Instant) -> Option<Bytes> {
        match self {
            Self::WebSocket(socket) if now >= socket.ping_at => {
                socket.ping_at = now + limits::PING_EVERY;
                Some(frame::ping())
            }
            _ => None,
        }
    }

    /// Takes in what was read. A stream over HTTP has nothing more to ask for.
    pub(super) fn take_in(&mut self, bytes: &[u8]) {
        if let Self::WebSocket(socket) = self {
            socket.unread.extend_from_slice(bytes);
        }
    }

    /// Whether there are messages that wait to be heard.
    pub(super) fn has_unread(&self) -> bool {
        matches!(self, Self::WebSocket(socket) if !socket.unread.is_empty() && !socket.is_asking)
    }

    /// Whether somebody is being asked about the last message that was heard.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self, Self::WebSocket(socket) if socket.is_asking)
    }

    /// What has to be asked about it.
    pub(super) fn take_question(&mut self) -> Option<BoxFuture<'static, Then>> {
        match self {
            Self::WebSocket(socket) => socket.question.take(),
            Self::Chunked | Self::Plain => None,
        }
    }

    /// Answers that message: the next one may be heard.
    pub(super) fn answer_later(&mut self, then: Then, follower: &mut Follower) -> Bytes {
        if let Self::WebSocket(socket) = self {
            socket.is_asking = false;
        }
        frame::text(then(follower).as_bytes())
    }

    /// Answers what was taken in, until the answers are many; whether the client has closed the
    /// connection, or has lost its right to it. One that `is_ending` gets no more answers.
    pub(super) fn converse(
        &mut self,
        follower: &mut Follower,
        is_ending: bool,
        answers: &mut Vec<u8>,
    ) -> bool {
        match self {
            Self::WebSocket(socket) => socket.converse(follower, is_ending, answers),
            Self::Chunked | Self::Plain => false,
        }
    }
}

impl WebSocket {
    fn converse(
        &mut self,
        follower: &mut Follower,
        is_ending: bool,
        answers: &mut Vec<u8>,
    ) -> bool {
        let mut input = &*self.unread;
        let mut is_closed = false;
        while !is_closed && !self.is_asking && answers.len() < limits::WRITE_BYTES_MAX {
            let answer = match self.receiver.receive(&mut input) {
                Ok(None) => break,
                Ok(Some(Event::Close(code))) => {
                    is_closed = true;
                    Some(frame::close_back(code.as_ref()))
                }
                Ok(Some(event)) => match answer(&event, self.obey.as_ref(), follower) {
                    Answer::Nothing => None,
                    Answer::Frame(frame) => Some(frame),
                    Answer::Later(_) if is_ending => None,
                    Answer::Later(question) => {
                        self.question = Some(question);
                        self.is_asking = true;
                        None
                    }
                },
                Err(violation) => {
                    is_closed = true;
                    Some(frame::close(violation.code(), &violation.to_string()))
                }
            };
            if let Some(answer) = answer.filter(|_| !is_ending) {
                answers.extend_from_slice(&answer);
            }
        }
        let taken = self.unread.len() - input.len();
        self.unread.drain(..taken);
        if self.unread.is_empty() {
            // Few clients say much: the room goes back.
            self.unread = Vec::new();
        }
        self.is_over |= is_closed;
        is_closed
    }
}

/// Answers what a client has said, unless that was its last word.
pub(crate) fn answer(event: &Event, obey: Option<&Obey>, follower: &mut Follower) -> Answer {
    let message = match event {
        Event::Ping(payload) => return Answer::Frame(frame::pong(payload)),
        Event::Text(text) => Some(&**text),
        Event::Binary(_) => None,
        Event::Pong | Event::Close(_) => return Answer::Nothing,
    };
    match obey.map(|obey| obey(message, follower)) {
        None => Answer::Nothing,
        Some(Reply::Now(words)) => Answer::Frame(frame::text(words.as_bytes())),
        Some(Reply::Later(asked)) => Answer::Later(asked),
    }
}
