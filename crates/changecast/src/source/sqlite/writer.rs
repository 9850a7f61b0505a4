//! The writer thread: takes what waits, commits it as one transaction, then answers.
//!
//! | invariant | what it buys |
//! |---|---|
//! | each write is one statement, which SQLite undoes alone if it fails | one bad write does not fail those it shares a transaction with |
//! | nobody is answered before the commit | an answered write survives a crash |

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use super::documents::{Checked, check_size};
use super::merge_patch::merge;
use super::object::Object;
use super::stream::Wake;
use crate::failpoint;
use crate::limits;
use crate::source::{DocumentsError, Written};

type Outcome = Result<Written, DocumentsError>;

pub(super) enum Command {
    Write(Request),
    /// Forgets the changelog up to here.
    Prune {
        upto: i64,
    },
    /// Commits what came before, moves the write-ahead log into the file, and ends.
    Close {
        reply: oneshot::Sender<()>,
    },
}

pub(super) struct Request {
    pub(super) collection: String,
    pub(super) id: String,
    pub(super) write: Checked,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// What one commit takes of the queue.
struct Group {
    requests: Vec<Request>,
    prune: Option<i64>,
    close: Option<oneshot::Sender<()>>,
}

/// Runs until it is closed, or nobody can write any more.
pub(super) fn run(
    mut connection: Connection,
    mut queue: mpsc::Receiver<Command>,
    wake: &Arc<Wake>,
) {
    while let Some(first) = queue.blocking_recv() {
        let Group { requests, prune, close } = take_group(first, &mut queue);
        let outcomes = commit(&mut connection, &requests, prune);
        wake.notify();
        let failed = outcomes.as_ref().err().map(ToString::to_string);
        if let Some(error) = &failed {
            tracing::error!(%error, "document write failed");
        }
        let mut outcomes = outcomes.unwrap_or_default().into_iter();
        for request in requests {
            let failed = || Err(DocumentsError::Unavailable(failed.clone().unwrap_or_default()));
            // Whoever asked may have stopped waiting.
            let _ = request.reply.send(outcomes.next().unwrap_or_else(failed));
        }
        if let Some(reply) = close {
            checkpoint(&connection);
            let _ = reply.send(());
            return;
        }
    }
}

/// Leaves nothing in the write-ahead log, unless another program reads just now.
fn checkpoint(connection: &Connection) {
    let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    if let Err(error) = done {
        tracing::warn!(%error, "the store's write-ahead log stays beside it");
    }
}

/// Takes what is waiting, up to a commit's size.
fn take_group(first: Command, queue: &mut mpsc::Receiver<Command>) -> Group {
    let mut group = Group { requests: Vec::new(), prune: None, close: None };
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(command) = next {
        match command {
            Command::Write(request) => {
                bytes += request.write.weight();
                group.requests.push(request);
            }
            Command::Prune { upto } => group.prune = group.prune.max(Some(upto)),
            Command::Close { reply } => {
                group.close = Some(reply);
                break;
            }
        }
        let is_full =
            bytes >= limits::COMMIT_BYTES_MAX || group.requests.len() >= limits::WRITE_QUEUE_MAX;
        next = if is_full { None } else { queue.try_recv().ok() };
    }
    group
}

fn commit(
    connection: &mut Connection,
    requests: &[Request],
    prune: Option<i64>,
) -> rusqlite::Result<Vec<Outcome>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(requests.len());
    for request in requests {
        let outcome = write(&transaction, request);
        if transaction.is_autocommit() {
            // A full disk and the like undo everything at once.
            return Err(outcome.err().unwrap_or(rusqlite::Error::InvalidQuery));
        }
        outcomes.push(outcome.unwrap_or_else(|error| Err(refusal(&error))));
    }
    if let Some(upto) = prune {
        forget(&transaction, upto)?;
    }
    failpoint::hit("store.before_commit");
    transaction.commit()?;
    failpoint::hit("store.after_commit");
    Ok(outcomes)
}

fn refusal(error: &rusqlite::Error) -> DocumentsError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => DocumentsError::Invalid(error.to_string()),
        _ => DocumentsError::Unavailable(error.to_string()),
    }
}

fn write(connection: &Connection, request: &Request) -> rusqlite::Result<Outcome> {
    let key = (&*request.collection, &*request.id);
    match &request.write {
        Checked::Put(body) => put(connection, key, body).map(Ok),
        Checked::Patch(patch) => match stored(connection, key)? {
            Some(body) => self::patch(connection, key, &body, patch),
            None => Ok(Ok(Written::Missing)),
        },
        Checked::Delete => {
            let count = connection
                .prepare_cached("DELETE FROM document WHERE collection = ? AND id = ?")?
                .execute(key)?;
            Ok(Ok(if count == 0 { Written::Missing } else { Written::Deleted }))
        }
    }
}

fn put(connection: &Connection, key: (&str, &str), body: &str) -> rusqlite::Result<Written> {
    let exists = connection
        .prepare_cached("SELECT 1 FROM document WHERE collection = ? AND id = ?")?
        .exists(key)?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO document (collection, id, body) VALUES (?, ?, ?)")?
        .execute(params![key.0, key.1, body])?;
    Ok(if exists { Written::Updated } else { Written::Inserted })
}

fn patch(
    connection: &Connection,
    key: (&str, &str),
    body: &str,
    patch: &str,
) -> rusqlite::Result<Outcome> {
    if Object::parse(body).is_err() {
        let problem = "the stored document is no JSON object: replace it as a whole";
        return Ok(Err(DocumentsError::Invalid(problem.into())));
    }
    let merged = merge(Some(body), patch);
    if let Err(error) = check_size(&merged) {
        return Ok(Err(error));
    }
    connection
        .prepare_cached("UPDATE document SET body = ? WHERE collection = ? AND id = ?")?
        .execute(params![merged, key.0, key.1])?;
    Ok(Ok(Written::Updated))
}

/// The document's body; none where there is none.
pub(super) fn stored(
    connection: &Connection,
    key: (&str, &str),
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT body FROM document WHERE collection = ? AND id = ?")?
        .query_row(key, |row| Ok(String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned()))
        .optional()
}

/// Removes changelog rows up to `upto`, a bounded number at a time, and what `OR IGNORE` left
/// pending: nothing is pending between two transactions.
fn forget(connection: &Connection, upto: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM changelog WHERE id <= min(?, (SELECT min(id) FROM changelog) + ?)",
        )?
        .execute(params![upto, limits::PRUNE_ROWS_MAX])?;
    connection.prepare_cached("DELETE FROM changelog_pending")?.execute([])?;
    Ok(())
}
