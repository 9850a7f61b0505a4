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

    /// A page of a collection's documents, in the order of their keys.
    ///
    /// Everything that the database had committed before the call, and a stream can have told, is in
    /// it: whoever follows from a place before the call misses nothing. The default has no lists.
    ///
    /// # Errors
    /// When the names or `after` are not valid, or the database fails.
    async fn list(&self, collection: &str, wanted: ListPage) -> Result<Listed, DocumentsError> {
        let (_, _) = (collection, wanted);
        Err(DocumentsError::Missing("this source lists no documents".into()))
    }
}

/// Which page of a collection is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage {
    /// The key after which it begins, as [`Listed::next`] said it; none for the first page.
    pub after: Option<String>,
    /// How many documents it has at most; a source may end it sooner.
    pub limit: usize,
}

/// A page of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The documents as JSON, `_id` included, in the order of their keys.
    pub documents: Vec<String>,
    /// The `after` of the next page; none where this is the last.
    pub next: Option<String>,
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
    /// There is no such collection here, or none that can be had so.
    #[error("{0}")]
    Missing(String),
    /// The database's user may not do it.
    #[error("{0}")]
    Refused(String),
    /// Another document, or another writer, stands in the way.
    #[error("{0}")]
    Conflict(String),
    /// The database failed; it may work again later.
    #[error("the database failed: {0}")]
    Unavailable(String),
}
