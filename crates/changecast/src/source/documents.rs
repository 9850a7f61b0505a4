//! Reading and writing single documents by key, beside watching them.

use async_trait::async_trait;
use bytes::Bytes;

/// A source's documents.
#[async_trait]
pub trait Documents: Send + Sync + 'static {
    /// The document as JSON, `_id` included; `None` where there is none.
    ///
    /// # Errors
    /// When the names are not valid, or the database fails.
    async fn get(&self, collection: &str, id: &str) -> Result<Option<String>, DocumentsError>;

    /// The document in the form in which it is served; by default that is [`get`](Self::get)'s JSON.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    async fn read(&self, collection: &str, id: &str) -> Result<Option<Content>, DocumentsError> {
        Ok(self.get(collection, id).await?.map(Content::json))
    }

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

/// A document as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Bytes,
}

impl Content {
    const JSON: &str = "application/json; charset=UTF-8";

    /// A JSON text.
    #[must_use]
    pub fn json(text: String) -> Self {
        Self { content_type: Self::JSON, body: text.into() }
    }

    /// Whether it is JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.content_type == Self::JSON
    }
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
