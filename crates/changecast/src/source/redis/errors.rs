//! What Redis's errors mean, in one place and in words short enough for a status line.
//!
//! The module must not decide what follows: [`SourceError`] does. Invariant: no text holds a user
//! name, a password, or a value.

use redis::{ErrorKind, RedisError};

use crate::source::SourceError;

/// Characters of a server's own words that are passed on.
const SERVER_WORDS_MAX: usize = 200;

/// Says what errors of the server at one address mean.
#[derive(Clone)]
pub(super) struct Explainer {
    pub(super) address: String,
}

impl Explainer {
    pub(super) fn explain(&self, error: &RedisError) -> SourceError {
        let words = error.detail().unwrap_or_else(|| error.category());
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
                self.refused()
            }
            // Of a transaction that it does not end, the server says why in words only.
            (_, code) if code == Some("NOPERM") || words.contains("NOPERM") => {
                self.not_permitted(words)
            }
            (_, Some("WRONGTYPE")) => SourceError::Operator {
                problem: "what is watched is not a stream but another type of key".into(),
                remedy: "name a key that XADD writes to, or remove the one that is in the way"
                    .into(),
            },
            (_, Some("MOVED" | "CROSSSLOT" | "ASK")) => SourceError::Operator {
                problem: format!(
                    "{} is a node of a cluster, and not all that is watched is on it",
                    self.address
                ),
                remedy: "make one source for each node, with the streams that it has".into(),
            },
            (_, Some("DENIED")) => SourceError::Operator {
                problem: format!("{} is in protected mode", self.address),
                remedy: "set a password for the default user, or bind it to the loopback".into(),
            },
            _ if words.contains("DB index") => SourceError::Operator {
                problem: format!("{} has no database of that number", self.address),
                remedy: "correct the number at the end of the URL's path".into(),
            },
            (ErrorKind::InvalidClientConfig, _) => SourceError::Unsupported(first_words(words)),
            _ => self.lost(&first_words(words)),
        }
    }

    /// For a server that does not answer in time.
    pub(super) fn silent(&self) -> SourceError {
        SourceError::Unavailable(format!("no answer from {}", self.address))
    }

    /// For an answer that makes no sense.
    pub(super) fn senseless(&self, command: &str) -> SourceError {
        SourceError::Unavailable(format!("{} answers {command} in no known form", self.address))
    }

    pub(super) fn lost(&self, cause: &str) -> SourceError {
        SourceError::Unavailable(format!("connection to {} lost: {cause}", self.address))
    }

    fn not_permitted(&self, words: &str) -> SourceError {
        SourceError::Operator {
            problem: format!("{} does not permit it: {}", self.address, permission(words)),
            remedy: "grant it, as in ACL SETUSER name +@read +@connection +multi +exec ~key (and \
                     &channel +subscribe +psubscribe for channels)"
                .into(),
        }
    }

    fn refused(&self) -> SourceError {
        SourceError::Operator {
            problem: format!("{} does not let the user in", self.address),
            remedy: "check user name and password in the URL, redis://user:password@host".into(),
        }
    }
}

/// The server's words without the user's name.
fn permission(words: &str) -> String {
    let from = words.find("no permissions").or_else(|| words.find("No permissions"));
    first_words(from.and_then(|from| words.get(from..)).unwrap_or(words))
}

pub(super) fn first_words(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    match line.char_indices().nth(SERVER_WORDS_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}
