//! Reading and writing single documents by key, beside watching them.

use async_trait::async_trait;

/// A source's documents.
#[async_trait]
pub trait Documents: Send + Sync + 'static {
    /// The document as JSON, `_id` included; `None` where there is none.
    ///
    /// # Errors
    /// When the names are not valid, or the database fails.
    async fn get(&self, collection: &str, id: &str) -> Result<Option<String>, DocumentsError>;

    /// Does `write` and returns once it is durable.
    ///
    /// # Errors
    /// When the names or the body are not valid, or the database fails; then nothing is written.
    async fn write(
        &self,
        collection: &str,
        id: &str,
        write: Write,
    ) -> Result<Written, DocumentsError>;
}

/// What to do with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Insert it or replace it as a whole with this JSON object.
    Put(String),
    /// Change it by a JSON Merge Patch (RFC 7396).
    Patch(String),
    /// Remove it.
    Delete,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// There was none; now there is.
    Inserted,
    /// It has changed, or been replaced.
    Updated,
    /// It is gone.
    Deleted,
    /// There is none to change or remove.
    Missing,
}

/// Why a document could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentsError {
    /// The request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The database failed; it may work again later.
    #[error("the database failed: {0}")]
    Unavailable(String),
}
