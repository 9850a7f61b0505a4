//! Where a stream goes on: resume tokens, and how a position remembers one.
//!
//! A position is JSON: `{"version":1,"scope":["shop","orders"],"deployment":"…","token":"…"}`. The
//! scope is the database and its watched collections, none of them for all. The deployment is the
//! id of the replica set or cluster, if it is known; `"pipeline":"…"` tells one choice of changes
//! from another. The token is the server's own document in
//! base64, byte for byte; where there is none yet, `"time":[seconds,increment]` stands in its
//! place. The module must not talk to a server.
//!
//! A bare token, `{"_data":"…"}`, is a position, too: that is how other drivers show theirs.
//!
//! A token taken under another scope or pipeline cannot be handed to a server without leaving out
//! what the new one adds. Then the stream is opened at the token's time, and what is not after the token is
//! left out here: tokens are ordered as their text is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mongodb::bson::{self, Document, RawDocument, RawDocumentBuf, Timestamp};
use serde::{Deserialize, Serialize};

use super::scope::Watched;
use crate::model::Position;
use crate::source::{SourceError, WatchOptions};

const VERSION: u32 = 1;

/// What a server calls a resume token: a document whose `_data` is text in hexadecimal digits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token(RawDocumentBuf);

impl Token {
    pub(super) fn of_server(token: &RawDocument) -> Self {
        Self(token.to_owned())
    }

    pub(super) fn of_event(event: &RawDocument) -> Option<Self> {
        event.get_document("_id").ok().map(Self::of_server)
    }

    pub(super) fn for_server(&self) -> Result<Document, SourceError> {
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
    /// The deployment that the place is in, if it is known.
    pub(super) deployment: Option<String>,
    /// Whether the user has asked for `resumeAfter`, which refuses what `startAfter` takes.
    pub(super) is_resume_after: bool,
}

impl Start {
    fn at(place: Place) -> Self {
        Self { place, floor: None, deployment: None, is_resume_after: false }
    }

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
    deployment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pipeline: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<(u32, u32)>,
}

/// Reads and writes the positions of one scope and pipeline.
pub(super) struct Positions {
    scope: Vec<String>,
    pipeline: Option<String>,
    deployment: Option<String>,
    /// What every position with a token starts with.
    token_prefix: String,
}

impl Positions {
    pub(super) fn new(watched: &Watched, pipeline: Option<&str>) -> Self {
        let mut positions = Self {
            scope: watched.identity(),
            pipeline: pipeline.map(ToOwned::to_owned),
            deployment: None,
            token_prefix: String::new(),
        };
        positions.belong_to(None);
        positions
    }

    /// From now on, positions are of this deployment.
    pub(super) fn belong_to(&mut self, deployment: Option<String>) {
        self.deployment = deployment;
        let mut text = self.write(Some(String::new()), None);
        // The token is last.
        text.truncate(text.len() - r#""}"#.len());
        self.token_prefix = text;
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
                Some(Position::new(self.write(None, Some((time.time, time.increment)))))
            }
        }
    }

    fn write(&self, token: Option<String>, time: Option<(u32, u32)>) -> String {
        let (scope, deployment) = (self.scope.clone(), self.deployment.clone());
        let pipeline = self.pipeline.clone();
        let stored = Stored { version: VERSION, scope, deployment, pipeline, token, time };
        serde_json::to_string(&stored).expect("a position is JSON")
    }

    /// Where `options` say to start.
    pub(super) fn start(&self, options: &WatchOptions) -> Result<Start, SourceError> {
        if let Some(time) = options.start_at_operation_time {
            return Ok(Start::at(Place::At(time.into())));
        }
        let Some(position) = options.token() else {
            return Ok(Start::at(Place::Now));
        };
        let is_resume_after = options.resume_after.is_some();
        if let Some(token) = bare_token(position) {
            return Ok(Start { is_resume_after, ..Start::at(Place::After(token)) });
        }
        Ok(Start { is_resume_after, ..self.stored(position)? })
    }

    /// Where to go on from a stored position.
    fn stored(&self, position: &Position) -> Result<Start, SourceError> {
        let stored: Stored =
            serde_json::from_slice(position.as_bytes()).map_err(|_| unreadable())?;
        if stored.version != VERSION {
            return Err(unreadable());
        }
        let start = |place| Start { deployment: stored.deployment, ..Start::at(place) };
        match (stored.token, stored.time) {
            (Some(text), None) => {
                let token = decode(&text).ok_or_else(unreadable)?;
                if stored.scope == self.scope && stored.pipeline == self.pipeline {
                    return Ok(start(Place::After(token)));
                }
                let time = token.time().ok_or_else(unreadable)?;
                Ok(Start { floor: Some(token), ..start(Place::At(time)) })
            }
            (None, Some((time, increment))) => Ok(start(Place::At(Timestamp { time, increment }))),
            _ => Err(unreadable()),
        }
    }
}

/// The server's own token, as other drivers show it.
fn bare_token(position: &Position) -> Option<Token> {
    let document: Document = serde_json::from_slice(position.as_bytes()).ok()?;
    document.contains_key("_data").then_some(())?;
    RawDocumentBuf::try_from(&document).ok().map(Token)
}

fn decode(text: &str) -> Option<Token> {
    let bytes = STANDARD.decode(text).ok()?;
    RawDocumentBuf::from_bytes(bytes).ok().map(Token)
}

fn unreadable() -> SourceError {
    SourceError::HistoryLost("the stored position cannot be read".into())
}
