//! Reading: always the primary's, and always what a majority has.

use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use mongodb::options::{Hint, ReadConcern, ReadPreference, SelectionCriteria};

use super::key::Key;
use super::{MongoDocuments, Place, problem};
use crate::limits;
use crate::source::mongodb::extended_json::write_document;
use crate::source::{DocumentsError, Listed};

impl MongoDocuments {
    pub(super) async fn get_one(
        &self,
        place: &Place,
        key: &Key,
    ) -> Result<Option<String>, DocumentsError> {
        let mut session = self.session(place).await?;
        let found = place
            .collection
            .find_one(key.filter())
            .read_concern(ReadConcern::majority())
            .selection_criteria(primary())
            .max_time(limits::DOCUMENT_TIMEOUT)
            .session(&mut session)
            .await;
        let found = found.map_err(|error| self.explain(&error))?;
        found.map(|document| text(document.as_bytes())).transpose()
    }

    pub(super) async fn page(
        &self,
        place: &Place,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Listed, DocumentsError> {
        let mut session = self.session(place).await?;
        // One to skip, and one that tells whether more follow.
        let count = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(2);
        let mut find = place
            .collection
            .find(doc! {})
            .sort(doc! { "_id": 1 })
            .hint(Hint::Keys(doc! { "_id": 1 }))
            .limit(count)
            .read_concern(ReadConcern::majority())
            .selection_criteria(primary())
            .max_time(limits::DOCUMENT_TIMEOUT);
        if let Some(after) = &after {
            // Unlike `$gt`, a bound of the index reaches over all types; it includes its value.
            find = find.min(doc! { "_id": after.value().clone() });
        }
        let cursor = find.session(&mut session).await;
        let mut cursor = cursor.map_err(|error| self.explain(&error))?;
        let (mut listed, mut last, mut bytes) = (Listed::default(), None, 0);
        while let Some(document) = cursor.next(&mut session).await {
            let document = document.map_err(|error| self.explain(&error))?;
            let id = Key::text_of(document.as_bytes());
            let is_first = last.is_none();
            if is_first && after.is_some() && after == id.as_deref().and_then(parse) {
                continue;
            }
            if listed.documents.len() >= limit || bytes >= limits::LIST_BYTES_MAX {
                listed.next = last.flatten();
                break;
            }
            let document = text(document.as_bytes())?;
            bytes += document.len();
            listed.documents.push(document);
            last = Some(id);
        }
        Ok(listed)
    }

    /// A session whose reads are not older than now. A majority may have more than a new primary
    /// knows of; everything that any stream has told, the primary has at least applied.
    async fn session(&self, place: &Place) -> Result<ClientSession, DocumentsError> {
        let starting = async {
            let mut session = place.client.start_session().causal_consistency(true).await?;
            let admin = place.client.database("admin");
            let ping = admin.run_command(doc! { "ping": 1 }).selection_criteria(primary());
            ping.session(&mut session).await?;
            Ok(session)
        };
        starting.await.map_err(|error: Error| self.explain(&error))
    }

    pub(super) fn explain(&self, error: &Error) -> DocumentsError {
        problem::explain(&self.source.hosts, error)
    }

    /// The document as it is now on the primary, to be changed.
    pub(super) async fn current(
        &self,
        place: &Place,
        key: &Key,
    ) -> Result<Option<Document>, DocumentsError> {
        let collection = place.collection.clone_with_type::<Document>();
        let found = collection.find_one(key.filter()).selection_criteria(primary()).await;
        found.map_err(|error| self.explain(&error))
    }
}

fn parse(text: &str) -> Option<Key> {
    Key::parse(text).ok()
}

fn primary() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(ReadPreference::Primary)
}

fn text(document: &[u8]) -> Result<String, DocumentsError> {
    let mut text = Vec::with_capacity(document.len() * 2);
    // What is lossy is the same in the events, and counted there.
    let _lossy = write_document(document, &mut text).map_err(|error| {
        DocumentsError::Unavailable(format!("the document cannot be read: {error}"))
    })?;
    String::from_utf8(text).map_err(|error| DocumentsError::Unavailable(error.to_string()))
}
