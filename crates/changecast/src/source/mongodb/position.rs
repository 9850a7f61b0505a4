//! Where a stream goes on: resume tokens, and how a position remembers one.
//!
//! A position is JSON: `{"version":1,"scope":["shop","orders"],"token":"…"}`. The scope is the
//! database and its watched collections, none of them for all. The token is the server's own
//! document in base64, byte for byte; where there is none yet, `"time":[seconds,increment]` stands
//! in its place. The module must not talk to a server.
//!
//! A token taken under another scope cannot be handed to a server without leaving out what the new
//! scope adds. Then the stream is opened at the token's time, and what is not after the token is
//! left out here: tokens are ordered as their text is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mongodb::bson::{self, Document, RawDocument, RawDocumentBuf, Timestamp};
use mongodb::change_stream::event::ResumeToken;
use serde::{Deserialize, Serialize};

use super::scope::Watched;
use crate::model::Position;
use crate::source::SourceError;

const VERSION: u32 = 1;

/// How many seconds a server's clock may be behind a token before the token counts as unknown to
/// it: a token may be ahead of the last write by a little,
const AHEAD_SECONDS_MAX: u32 = 2;

/// and of what one router of a sharded cluster has heard of by more.
const AHEAD_SECONDS_MAX_SHARDED: u32 = 30;

/// What a server calls a resume token: a document whose `_data` is text in hexadecimal digits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token(RawDocumentBuf);

impl Token {
    pub(super) fn from_driver(token: ResumeToken) -> Option<Self> {
        bson::serialize_to_raw_document_buf(&token).ok().map(Self)
    }

    pub(super) fn of_event(event: &RawDocument) -> Option<Self> {
        event.get_document("_id").ok().map(|token| Self(token.to_owned()))
    }

    pub(super) fn for_driver(&self) -> Result<ResumeToken, SourceError> {
        bson::deserialize_from_slice(self.0.as_bytes()).map_err(|_| unreadable())
    }

    /// The text that orders tokens.
    fn data(&self) -> Option<&str> {
        self.0.get_str("_data").ok()
    }

    /// Tokens of a server that orders them otherwise count as new, so that none is left out.
    fn is_after(&self, other: &Self) -> bool {
        match (self.data(), other.data()) {
            (Some(data), Some(other)) => data > other,
            _ => self != other,
        }
    }

    /// When its change was committed: the first value of the text, after the byte that says so.
    pub(super) fn time(&self) -> Option<Timestamp> {
        let data = self.data()?;
        let number = |from: usize| u32::from_str_radix(data.get(from..from + 8)?, 16).ok();
        data.starts_with("82").then_some(())?;
        Some(Timestamp { time: number(2)?, increment: number(10)? })
    }
}

/// Where to open a stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// Here and now.
    Now,
    /// Right after what the token tells.
    After(Token),
    /// At this time, what was committed then included.
    At(Timestamp),
}

/// Where to open a stream, and what it has to leave out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Start {
    pub(super) place: Place,
    /// The token up to which everything has been delivered already.
    pub(super) floor: Option<Token>,
}

impl Start {
    /// Whether what `token` tells has yet to be delivered.
    pub(super) fn is_new(&self, token: &Token) -> bool {
        self.floor.as_ref().is_none_or(|floor| token.is_after(floor))
    }

    /// Whether `token` is further than the place: a position must never move back.
    pub(super) fn is_ahead(&self, token: &Token) -> bool {
        let place = match &self.place {
            Place::After(place) => Some(place),
            Place::Now | Place::At(_) => None,
        };
        self.is_new(token) && place.is_none_or(|place| token.is_after(place))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    scope: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<(u32, u32)>,
}

/// Reads and writes the positions of one scope.
pub(super) struct Positions {
    scope: Vec<String>,
    /// What every position with a token starts with.
    token_prefix: String,
}

impl Positions {
    pub(super) fn new(watched: &Watched) -> Self {
        let scope = watched.identity();
        let list = serde_json::to_string(&scope).expect("a list of strings is JSON");
        let token_prefix = format!(r#"{{"version":{VERSION},"scope":{list},"token":""#);
        Self { scope, token_prefix }
    }

    pub(super) fn after(&self, token: &Token) -> Position {
        let mut text = self.token_prefix.clone();
        STANDARD.encode_string(token.0.as_bytes(), &mut text);
        text.push_str(r#""}"#);
        Position::new(text)
    }

    /// `None` for here and now, which passes.
    pub(super) fn at(&self, place: &Place) -> Option<Position> {
        match place {
            Place::Now => None,
            Place::After(token) => Some(self.after(token)),
            Place::At(time) => {
                let scope = self.scope.clone();
                let time = Some((time.time, time.increment));
                let stored = Stored { version: VERSION, scope, token: None, time };
                Some(Position::new(serde_json::to_vec(&stored).expect("a position is JSON")))
            }
        }
    }

    /// Where to go on from a stored position.
    pub(super) fn start(&self, position: Option<&Position>) -> Result<Start, SourceError> {
        let Some(position) = position else {
            return Ok(Start { place: Place::Now, floor: None });
        };
        let stored: Stored =
            serde_json::from_slice(position.as_bytes()).map_err(|_| unreadable())?;
        if stored.version != VERSION {
            return Err(unreadable());
        }
        match (stored.token, stored.time) {
            (Some(text), None) => {
                let token = decode(&text).ok_or_else(unreadable)?;
                if stored.scope == self.scope {
                    return Ok(Start { place: Place::After(token), floor: None });
                }
                let time = token.time().ok_or_else(unreadable)?;
                Ok(Start { place: Place::At(time), floor: Some(token) })
            }
            (None, Some((time, increment))) => {
                Ok(Start { place: Place::At(Timestamp { time, increment }), floor: None })
            }
            _ => Err(unreadable()),
        }
    }
}

fn decode(text: &str) -> Option<Token> {
    let bytes = STANDARD.decode(text).ok()?;
    RawDocumentBuf::from_bytes(bytes).ok().map(Token)
}

fn unreadable() -> SourceError {
    SourceError::HistoryLost("the stored position cannot be read".into())
}

/// The time right after everything that the server had done when it answered.
pub(super) fn time_after(hello: &Document) -> Option<Timestamp> {
    let done = hello.get_timestamp("operationTime").ok()?;
    Some(Timestamp { time: done.time, increment: done.increment.saturating_add(1) })
}

/// Refuses a place that the server has not reached yet: a database restored from a backup would
/// stay silent until it does, and what happens meanwhile would be lost.
pub(super) fn check_clock(hello: &Document, place: &Place) -> Result<(), SourceError> {
    let place = match place {
        Place::Now => return Ok(()),
        Place::After(token) => token.time(),
        Place::At(time) => Some(*time),
    };
    // A secondary may just be late.
    let is_primary = hello.get_bool("isWritablePrimary").unwrap_or(false);
    let is_router = hello.get_str("msg").is_ok_and(|message| message == "isdbgrid");
    let ahead = if is_router { AHEAD_SECONDS_MAX_SHARDED } else { AHEAD_SECONDS_MAX };
    match (place, hello.get_timestamp("operationTime")) {
        (Some(place), Ok(now)) if is_primary && place.time > now.time.saturating_add(ahead) => {
            Err(SourceError::HistoryLost(
                "the database is at an earlier time than the stored position: it was restored \
                 from a backup, or is another one"
                    .into(),
            ))
        }
        _ => Ok(()),
    }
}
