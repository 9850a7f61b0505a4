//! Documents of a MongoDB by key, and in pages.
//!
//! It must not know streams. What a client sends is a value wherever it goes: it never becomes an
//! operator, a field path or a projection.
//!
//! | invariant | what it buys | test |
//! |---|---|---|
//! | an id is compared with `$eq` | `{"$gt": ""}` is a strange id, not every document | `an_id_is_never_an_operator` |
//! | reads are the primary's, of what a majority has, not older than the question | what a stream has told is there, and what is rolled back later is not | `state_and_stream_join_without_a_hole` |
//! | a patch is taken only by the document that it was made for | two writers lose neither's fields | `patches_at_once_lose_nothing` |

mod key;
mod problem;
mod read;
mod write;

use std::future::Future;

use async_trait::async_trait;
use mongodb::bson::RawDocumentBuf;
use mongodb::{Client, Collection};
use tokio::time::timeout;

use self::key::Key;
use super::MongoSource;
use crate::limits;
use crate::source::{Documents, DocumentsError, ListPage, Listed, SourceError, Write, Written};

/// The documents of a watched MongoDB.
pub(super) struct MongoDocuments {
    source: MongoSource,
}

/// A collection to ask, and the client whose it is.
struct Place {
    client: Client,
    collection: Collection<RawDocumentBuf>,
}

impl MongoDocuments {
    pub(super) fn new(source: MongoSource) -> Self {
        Self { source }
    }

    async fn place(&self, collection: &str) -> Result<Place, DocumentsError> {
        let Some((database, collection)) = self.source.watched.namespace(collection) else {
            let name = &self.source.watched.name;
            let problem = format!("{collection:?} is no collection that source {name:?} watches");
            return Err(DocumentsError::Missing(problem));
        };
        let client = self.source.client().await.map_err(unavailable)?;
        let collection = client.database(database).collection(collection);
        Ok(Place { client, collection })
    }

    async fn in_time<T>(
        &self,
        asking: impl Future<Output = Result<T, DocumentsError>>,
    ) -> Result<T, DocumentsError> {
        match timeout(limits::DOCUMENT_TIMEOUT, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(unavailable(self.source.hosts.silent())),
        }
    }
}

fn unavailable(error: SourceError) -> DocumentsError {
    DocumentsError::Unavailable(error.to_string())
}

#[async_trait]
impl Documents for MongoDocuments {
    async fn get(&self, collection: &str, id: &str) -> Result<Option<String>, DocumentsError> {
        let key = Key::parse(id)?;
        self.in_time(async { self.get_one(&self.place(collection).await?, &key).await }).await
    }

    async fn write(
        &self,
        collection: &str,
        id: &str,
        write: Write,
    ) -> Result<Written, DocumentsError> {
        let key = Key::parse(id)?;
        self.in_time(async { self.write_one(&self.place(collection).await?, &key, write).await })
            .await
    }

    async fn list(&self, collection: &str, wanted: ListPage) -> Result<Listed, DocumentsError> {
        let after = wanted.after.as_deref().map(Key::parse).transpose()?;
        let limit = wanted.limit;
        self.in_time(async { self.page(&self.place(collection).await?, after, limit).await }).await
    }
}
