//! What Redis's errors mean, in one place and in words short enough for a status line.
//!
//! The module must not decide what follows: [`SourceError`] does. Invariant: no text holds a user
//! name, a password, or a value.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

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
        if let Some(broken) = io_cause(error) {
            return self.explain_io(broken);
        }
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
            (_, Some("MOVED" | "ASK")) => self.elsewhere(error),
            (_, Some("CROSSSLOT")) => SourceError::Operator {
                problem: format!(
                    "{} is a node of a cluster, which answers for one slot at a time, and what is \
                     watched lies in several",
                    self.address
                ),
                remedy: "make one source for each stream, or give them a {tag} in common".into(),
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

    /// For a key that another node of the cluster has.
    fn elsewhere(&self, error: &RedisError) -> SourceError {
        let problem =
            format!("{} is a node of a cluster, and what is watched is on another", self.address);
        // An address without a host means the one that was asked.
        let node = error.redirect_node().map(|(node, _)| node).filter(|it| !it.starts_with(':'));
        let remedy = match node {
            Some(node) => format!("name the node that has it in the URL: {node}"),
            None => "name the node that has it in the URL: CLUSTER SLOTS tells which".into(),
        };
        SourceError::Operator { problem, remedy }
    }

    fn explain_io(&self, broken: &io::Error) -> SourceError {
        let refused = broken.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match refused {
            Some(rustls::Error::InvalidCertificate(why)) => SourceError::Operator {
                problem: format!("{}: its certificate is not trusted: {why}", self.address),
                remedy: "correct the host in the URL, have the server's certificate renewed, or \
                         name the file with your own CA's certificate by sslrootcert="
                    .into(),
            },
            Some(rustls::Error::AlertReceived(alert)) => SourceError::Operator {
                problem: format!("{} refuses the connection: {alert:?}", self.address),
                remedy: "give it a certificate that it trusts by sslcert= and sslkey= in the URL"
                    .into(),
            },
            _ => {
                let words = broken.to_string();
                let words = words.split(" (os error").next().unwrap_or(&words).to_lowercase();
                self.lost(&first_words(&words))
            }
        }
    }

    /// For files of certificates that cannot be used.
    pub(super) fn bad_files(&self, error: &RedisError) -> SourceError {
        let why = io_cause(error).map_or_else(|| error.category().to_owned(), ToString::to_string);
        SourceError::Operator {
            problem: format!("{}: {}", self.address, first_words(&why)),
            remedy: "correct sslcert= and sslkey= in the URL: they name files in PEM".into(),
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

fn io_cause(error: &RedisError) -> Option<&io::Error> {
    let cause = error.source()?.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    cause.downcast_ref()
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
