//! What the driver's errors mean, in one place, and in words short enough for a status line.
//!
//! The module must not decide what follows: [`SourceError`] does. Invariant: no text holds a user
//! name, a password, or a document.

use mongodb::bson::Document;
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::HostInfo;

use crate::source::SourceError;

/// Characters of a server's own words that are passed on.
const SERVER_WORDS_MAX: usize = 200;

/// The servers of one source, for its errors.
pub(super) struct Hosts(String);

/// A configuration that cannot be used.
pub(super) fn invalid(problem: impl Into<String>) -> SourceError {
    SourceError::Unsupported(problem.into())
}

impl Hosts {
    pub(super) fn new(info: &HostInfo) -> Self {
        Self(match info {
            HostInfo::DnsRecord(name) => name.clone(),
            HostInfo::HostIdentifiers(hosts) => {
                hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            }
            _ => "the server".into(),
        })
    }

    /// All of them.
    pub(super) fn names(&self) -> &str {
        &self.0
    }

    /// The first of them.
    pub(super) fn first(&self) -> &str {
        self.0.split(", ").next().unwrap_or(&self.0)
    }

    /// For a server that does not answer in time.
    pub(super) fn silent(&self) -> SourceError {
        SourceError::Unavailable(format!("no answer from {}", self.0))
    }

    /// What an error of the driver means.
    pub(super) fn explain(&self, error: &Error) -> SourceError {
        if let Some((code, message)) = server_words(error) {
            return self.explain_code(code, message);
        }
        match &*error.kind {
            ErrorKind::Authentication { .. } => self.refused(&short(error)),
            ErrorKind::ServerSelection { message, .. } => self.explain_selection(message),
            ErrorKind::Io(cause) => self.lost(&plain(&cause.to_string())),
            ErrorKind::ConnectionPoolCleared { message, .. } => {
                self.lost(&cause_in(message).unwrap_or_else(|| "it was closed".into()))
            }
            ErrorKind::InvalidArgument { .. } | ErrorKind::IncompatibleServer { .. } => {
                invalid(short(error))
            }
            ErrorKind::InvalidTlsConfig { .. } => SourceError::Operator {
                problem: format!("TLS cannot be used: {}", short(error)),
                remedy: "check the tls options of the connection string, and the files they name"
                    .into(),
            },
            _ => SourceError::Unavailable(short(error)),
        }
    }

    fn explain_code(&self, code: i32, message: &str) -> SourceError {
        let words = server_sentence(message);
        match code {
            18 => self.refused(&words),
            13 => SourceError::Operator {
                problem: format!("{} does not permit it: {words}", self.0),
                remedy: GRANT_READ.into(),
            },
            40573 => self.standalone(),
            NO_MATCHING_DOCUMENT => SourceError::Operator {
                problem: format!("an image that is required was not kept: {words}"),
                remedy:
                    "turn on changeStreamPreAndPostImages for the collection, or ask for images \
                         with `whenAvailable` instead of `required`"
                        .into(),
            },
            FATAL if message.contains("was modified by the pipeline") => SourceError::Operator {
                problem: "the pipeline removes or changes _id, which is the resume token".into(),
                remedy: "leave _id as it is, in $project, $replaceRoot and the like".into(),
            },
            // Asking again from the same place would fail for ever.
            BSON_OBJECT_TOO_LARGE => SourceError::HistoryLost(
                "a change is larger than the 16 MB that MongoDB sends at once; it and all that \
                 followed it until now are skipped"
                    .into(),
            ),
            code if HISTORY_LOST.contains(&code) => SourceError::HistoryLost(words),
            code => SourceError::Unavailable(format!("{words} (code {code})")),
        }
    }

    /// For a member of a replica set that has yet to be made one.
    pub(super) fn uninitiated(&self) -> SourceError {
        SourceError::Operator {
            problem: format!("the replica set of {} is not initiated", self.0),
            remedy: "run rs.initiate() once in mongosh".into(),
        }
    }

    /// For a server that is no member of the replica set `wanted`.
    pub(super) fn stranger(&self, hello: &Document, wanted: &str) -> SourceError {
        let is_router = hello.contains_key("msg");
        let problem = match hello.get_str("setName") {
            Ok(name) => format!("is a member of the replica set {name:?}, not of {wanted:?}"),
            Err(_) if is_router => {
                format!("is a router of a sharded cluster, no member of {wanted:?}")
            }
            Err(_) => return self.standalone(),
        };
        SourceError::Operator {
            problem: format!("{} {problem}", self.0),
            remedy: "correct replicaSet in the connection string, or leave it out".into(),
        }
    }

    pub(super) fn standalone(&self) -> SourceError {
        SourceError::Operator {
            problem: format!("{} is a standalone server and has no change streams", self.0),
            remedy: "start mongod with --replSet rs0 and run rs.initiate() once in mongosh".into(),
        }
    }

    fn refused(&self, words: &str) -> SourceError {
        SourceError::Operator {
            problem: format!("{} does not let the user in: {words}", self.0),
            remedy: "check user name, password and authSource in the connection string".into(),
        }
    }

    fn lost(&self, cause: &str) -> SourceError {
        SourceError::Unavailable(format!("connection to {} lost: {cause}", self.0))
    }

    /// The driver tells all it knows of every server; one cause is enough.
    fn explain_selection(&self, message: &str) -> SourceError {
        if message.contains("Type: RsGhost") {
            return self.uninitiated();
        }
        SourceError::Unavailable(match cause_in(message) {
            Some(cause) => format!("no server reachable at {}: {cause}", self.0),
            None => format!("no server at {} can be used now, such as a primary", self.0),
        })
    }
}

/// What helps a user who may not watch.
pub(super) const GRANT_READ: &str = "grant the user the role `read` on the watched database";

/// NoMatchingDocument: the collection keeps no images, or did not yet.
const NO_MATCHING_DOCUMENT: i32 = 47;

/// ChangeStreamFatalError
const FATAL: i32 = 280;

const BSON_OBJECT_TOO_LARGE: i32 = 10334;

/// The server cannot go on after a token: it no longer knows it, or never did, or cannot read it.
const HISTORY_LOST: [i32; 11] = [
    9,     // FailedToParse: a token that is not hexadecimal
    15,    // Overflow: a token that ends too soon
    136,   // CappedPositionLost
    260,   // InvalidResumeToken
    280,   // ChangeStreamFatalError
    286,   // ChangeStreamHistoryLost
    40576, // the same before 4.4
    40585, // the same before 4.4
    40647, // a token of another shape
    40649, // a token of another kind
    50811, // a token with a broken text
];

/// What passes by itself, as the specification of change streams lists it for servers that do not
/// say so by a label.
const RESUMABLE: [i32; 17] =
    [6, 7, 63, 89, 91, 133, 150, 189, 234, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436];

const CURSOR_NOT_FOUND: i32 = 43;

/// A replica set that has yet to look at its own configuration.
const NOT_YET_INITIALIZED: i32 = 94;

/// The servers' wire version from which on labels say what is resumable (4.4).
const LABELS_FROM_WIRE_VERSION: i32 = 9;

/// Whether a stream that has failed so can be opened again where it was.
pub(super) fn is_resumable(error: &Error, wire_version: i32) -> bool {
    match server_words(error) {
        None => !matches!(
            &*error.kind,
            ErrorKind::Authentication { .. }
                | ErrorKind::InvalidArgument { .. }
                | ErrorKind::InvalidTlsConfig { .. }
                | ErrorKind::IncompatibleServer { .. }
        ),
        Some((CURSOR_NOT_FOUND, _)) => true,
        Some(_) if wire_version >= LABELS_FROM_WIRE_VERSION => {
            error.contains_label("ResumableChangeStreamError")
        }
        Some((code, _)) => RESUMABLE.contains(&code),
    }
}

/// Whether a server will not answer this user's question, however often it is asked.
pub(super) fn is_refusal(error: &Error) -> bool {
    server_words(error)
        .is_some_and(|(code, _)| !RESUMABLE.contains(&code) && code != NOT_YET_INITIALIZED)
}

/// Whether a server has refused what a stream asks for, and not where it starts.
pub(super) fn is_about_options(error: &Error, is_now: bool) -> bool {
    is_refusal(error)
        && server_words(error).is_some_and(|(code, _)| is_now || !HISTORY_LOST.contains(&code))
}

/// What to say then.
pub(super) fn refused_options(words: &str) -> SourceError {
    SourceError::Operator {
        problem: format!("the server refuses what the source asks for: {words}"),
        remedy: "correct the pipeline, or the option that the words name".into(),
    }
}

/// Whether a server waits for `rs.initiate()`.
pub(super) fn is_uninitiated(hello: &Document) -> bool {
    hello.get_bool("isreplicaset").unwrap_or(false)
}

/// Whether the driver has found no server to ask.
pub(super) fn is_selection(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::ServerSelection { .. })
}

/// Whether it has none left to look at, either.
pub(super) fn is_without_servers(error: &Error) -> bool {
    // It lists them last, if it has any.
    matches!(&*error.kind, ErrorKind::ServerSelection { message, .. }
        if !message.contains("Servers: ["))
}

/// The server's code and words, if it answered at all.
pub(super) fn server_words(error: &Error) -> Option<(i32, &str)> {
    match &*error.kind {
        ErrorKind::Command(answer) => Some((answer.code, &answer.message)),
        ErrorKind::Write(WriteFailure::WriteError(refusal)) => {
            Some((refusal.code, &refusal.message))
        }
        // The driver hides the server's answer to a login behind its own words.
        _ => {
            let cause = std::error::Error::source(error)?;
            let boxed = || cause.downcast_ref::<Box<Error>>().map(|cause| &**cause);
            server_words(cause.downcast_ref().or_else(boxed)?)
        }
    }
}

/// The driver's own words for what kind of error it is, without its labels and responses.
pub(super) fn short(error: &Error) -> String {
    let text = match &*error.kind {
        ErrorKind::InvalidArgument { message, .. } => message.clone(),
        kind => kind.to_string(),
    };
    plain(&first_words(&text))
}

/// The first cause that the driver quotes from another error.
fn cause_in(message: &str) -> Option<String> {
    let (_, quoted) = message.split_once("Kind: ")?;
    let (cause, _) = quoted.split_once(", labels:")?;
    Some(plain(cause))
}

/// Without the driver's and the system's trimmings.
fn plain(text: &str) -> String {
    let text = text.strip_prefix("I/O error: ").unwrap_or(text);
    let text = text.split_once(" (os error").map_or(text, |(text, _)| text);
    let text = text.trim_end_matches('.');
    let mut characters = text.chars();
    let second_is_upper = text.chars().nth(1).is_some_and(char::is_uppercase);
    match characters.next() {
        Some(first) if !second_is_upper => first.to_lowercase().chain(characters).collect(),
        _ => text.to_owned(),
    }
}

/// The innermost of a server's messages, up to the document it quotes: that may hold values.
pub(super) fn server_sentence(message: &str) -> String {
    let inner = message.rsplit(":: caused by :: ").next().unwrap_or(message);
    let (sentence, _) = inner.split_once('{').unwrap_or((inner, ""));
    plain(&first_words(sentence.trim_end_matches([' ', ':', ','])))
}

fn first_words(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    match line.char_indices().nth(SERVER_WORDS_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}
