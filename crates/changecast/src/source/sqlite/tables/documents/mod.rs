//! Rows of somebody else's tables as documents: by primary key, and in pages.
//!
//! | invariant | what it buys |
//! |---|---|
//! | only tables that are watched are served | opening documents opens no other table |
//! | names come from the schema and are quoted, values are parameters | nothing that a client sends is run |
//! | a value has the type that it has in an event, on the way in, too | what was read can be written back as it was |
//! | a write is one transaction, with the schema that it was made for | a row is written as a whole or not at all |

mod key;
mod read;
mod shape;
mod value;
mod write;

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::config::SqliteFileConfig;
use super::decode::is_wanted;
use super::schema;
use crate::limits;
use crate::source::{Documents, DocumentsError, ListPage, Listed, SourceError, Write, Written};

/// The documents of one file.
pub(super) struct FileDocuments {
    config: SqliteFileConfig,
    /// Each holds a thread while it waits for another program's lock.
    permits: Semaphore,
}

impl FileDocuments {
    pub(super) fn new(config: SqliteFileConfig) -> Self {
        Self { config, permits: Semaphore::new(limits::FILE_DOCUMENTS_AT_ONCE) }
    }

    /// Does `work` on a connection of its own: the file may be another by now.
    async fn with_file<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &SqliteFileConfig) -> Result<T, DocumentsError>
        + Send
        + 'static,
    ) -> Result<T, DocumentsError> {
        let waiting = timeout(limits::DOCUMENT_TIMEOUT, self.permits.acquire());
        let busy = |_| DocumentsError::Unavailable("the file is busy".into());
        let _permit = waiting.await.map_err(busy)?;
        let config = self.config.clone();
        let working = spawn_blocking(move || {
            let mut connection = schema::open(&config.path).map_err(unavailable)?;
            work(&mut connection, &config)
        });
        working.await.map_err(|error| DocumentsError::Unavailable(error.to_string()))?
    }
}

#[async_trait]
impl Documents for FileDocuments {
    async fn get(&self, collection: &str, id: &str) -> Result<Option<String>, DocumentsError> {
        key::check_length(id)?;
        let (collection, id) = (collection.to_owned(), id.to_owned());
        self.with_file(move |file, config| read::get(file, config, &collection, &id)).await
    }

    async fn write(
        &self,
        collection: &str,
        id: &str,
        write: Write,
    ) -> Result<Written, DocumentsError> {
        key::check_length(id)?;
        let (collection, id) = (collection.to_owned(), id.to_owned());
        self.with_file(move |file, config| write::write(file, config, (&collection, &id), &write))
            .await
    }

    async fn list(&self, collection: &str, wanted: ListPage) -> Result<Listed, DocumentsError> {
        let collection = collection.to_owned();
        self.with_file(move |file, config| read::list(file, config, &collection, &wanted)).await
    }
}

/// Says so if the table is none that is watched.
fn check_watched(
    connection: &Connection,
    config: &SqliteFileConfig,
    table: &str,
) -> Result<(), DocumentsError> {
    let is_installed = schema::is_there(connection).map_err(unavailable)?
        && schema::layouts(connection)
            .map_err(explain)?
            .iter()
            .any(|layout| layout.collection == table);
    if is_installed && is_wanted(config, table) {
        return Ok(());
    }
    let name = &config.name;
    Err(DocumentsError::Missing(format!("{table:?} is no table that source {name:?} watches")))
}

fn invalid(problem: impl Into<String>) -> DocumentsError {
    DocumentsError::Invalid(problem.into())
}

fn unavailable(error: SourceError) -> DocumentsError {
    DocumentsError::Unavailable(error.to_string())
}

/// What the schema refuses is the client's to mend; SQLite's words for it hold no values.
fn explain(error: rusqlite::Error) -> DocumentsError {
    let Some(cause) = error.sqlite_error() else {
        return DocumentsError::Unavailable(error.to_string());
    };
    match (cause.code, cause.extended_code) {
        (
            ErrorCode::ConstraintViolation,
            ffi::SQLITE_CONSTRAINT_UNIQUE
            | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | ffi::SQLITE_CONSTRAINT_ROWID,
        ) => DocumentsError::Conflict(format!("another row has the same: {error}")),
        (ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig, _) => {
            invalid(format!("the table refuses it: {error}"))
        }
        (ErrorCode::ReadOnly | ErrorCode::PermissionDenied, _) => DocumentsError::Refused(
            "the file cannot be written: let the user that changecast runs as write it".into(),
        ),
        _ => DocumentsError::Unavailable(error.to_string()),
    }
}
