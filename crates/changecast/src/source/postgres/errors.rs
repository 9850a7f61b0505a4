//! What PostgreSQL's errors mean, in one place, and in words short enough for a status line.
//!
//! The module must not decide what follows: [`SourceError`] does. Invariant: no text holds a
//! password or a row's values.

use postgres_protocol::escape::escape_identifier;

use super::config::PostgresConfig;
use crate::source::SourceError;

/// Characters of a server's own words that are passed on.
const SERVER_WORDS_MAX: usize = 300;

/// What went wrong between us and the server.
#[derive(Debug)]
pub(super) enum Failure {
    /// It answered with an error.
    Server { code: String, message: String },
    /// The connection cannot be used any more.
    Broken(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let text = error.to_string();
        Self::Broken(text.split_once(" (os error").map_or(&*text, |(text, _)| text).to_owned())
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(server) => Self::Server {
                code: server.code().code().to_owned(),
                message: server.message().to_owned(),
            },
            None => Self::Broken(error.to_string()),
        }
    }
}

/// A configuration that cannot be used.
pub(super) fn invalid(problem: impl Into<String>) -> SourceError {
    SourceError::Unsupported(problem.into())
}

pub(super) fn lost(reason: impl Into<String>) -> SourceError {
    SourceError::HistoryLost(reason.into())
}

pub(super) fn operator(problem: impl Into<String>, remedy: impl Into<String>) -> SourceError {
    SourceError::Operator { problem: problem.into(), remedy: remedy.into() }
}

/// What a failure means at a server.
pub(super) fn explain(config: &PostgresConfig, failure: Failure) -> SourceError {
    match failure {
        Failure::Server { code, message } => explain_code(config, &code, &shorten(&message)),
        Failure::Broken(cause) => {
            let place = config.place();
            SourceError::Unavailable(format!("no connection to PostgreSQL at {place}: {cause}"))
        }
    }
}

fn explain_code(config: &PostgresConfig, code: &str, words: &str) -> SourceError {
    let PostgresConfig { user, slot, database, .. } = config;
    let place = config.place();
    match code {
        "28P01" | "28000" => operator(
            format!("{place} does not let the user {user:?} in: {words}"),
            "check user name and password in the source's URL, and the server's pg_hba.conf",
        ),
        "3D000" => operator(
            format!("{place}: {words}"),
            "create the database, or correct its name in the source's URL",
        ),
        "42501" if words.contains("for database") => operator(
            format!("{place} does not permit it: {words}"),
            format!(
                "as a superuser, run: GRANT CONNECT ON DATABASE {} TO {};",
                escape_identifier(database),
                escape_identifier(user)
            ),
        ),
        "42501" => operator(
            format!("{place} does not permit it: {words}"),
            format!("as a superuser, run: ALTER ROLE {} REPLICATION;", escape_identifier(user)),
        ),
        "53400" => operator(
            format!("{place}: {words}"),
            "raise max_replication_slots in postgresql.conf and restart PostgreSQL, or drop a \
             slot that nobody uses with pg_drop_replication_slot",
        ),
        "53300" if words.contains("max_wal_senders") => operator(
            format!("{place}: {words}"),
            "raise max_wal_senders in postgresql.conf and restart PostgreSQL",
        ),
        "55006" => SourceError::Unavailable(format!(
            "{words}; each changecast needs a slot of its own: give it one with slot= if another \
             one runs on {slot:?}"
        )),
        "57014" => SourceError::Unavailable(format!(
            "{place} took too long: {words}; a new slot waits for all transactions that are open"
        )),
        // The slot can no longer be read: its WAL was removed, or it was invalidated.
        "55000" if words.contains("replication slot") => lost(words),
        "58P01" if words.contains("WAL segment") => lost(words),
        _ => SourceError::Unavailable(format!("{place}: {words} (SQLSTATE {code})")),
    }
}

/// Whether a stream has come to changes from a time when its publication was not there: the server
/// fails at them for ever, and a slot that is older than its publication is of no use.
///
/// By the code alone: the words may be in any language.
pub(super) fn is_without_publication(failure: &Failure) -> bool {
    matches!(failure, Failure::Server { code, .. } if code == UNDEFINED_OBJECT)
}

const UNDEFINED_OBJECT: &str = "42704";

/// The first line of a server's words, cut.
pub(super) fn shorten(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    match line.char_indices().nth(SERVER_WORDS_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}
