//! Writing: one statement each, so that it happens as a whole or not at all.

use bson::{Bson, Document, doc};

use super::key::{Key, document_of};
use super::{MongoDocuments, Place, problem};
use crate::limits;
use crate::model::extend_json;
use crate::source::{DocumentsError, Write, Written};

impl MongoDocuments {
    pub(super) async fn write_one(
        &self,
        place: &Place,
        key: &Key,
        write: Write,
    ) -> Result<Written, DocumentsError> {
        match write {
            Write::Put(body) => self.put(place, key, &read_body(key, &body)?).await,
            Write::Patch(patch) => self.patch(place, key, read_body(key, &patch)?).await,
            Write::Delete => {
                let deleted = place.collection.delete_one(key.filter()).await;
                let deleted = deleted.map_err(|error| self.explain(&error))?;
                Ok(if deleted.deleted_count == 0 { Written::Missing } else { Written::Deleted })
            }
        }
    }

    async fn put(
        &self,
        place: &Place,
        key: &Key,
        body: &Document,
    ) -> Result<Written, DocumentsError> {
        let mut document = doc! { "_id": key.value().clone() };
        document.extend(body.clone());
        let collection = place.collection.clone_with_type::<Document>();
        let put = || async { collection.replace_one(key.filter(), &document).upsert(true).await };
        let replaced = match put().await {
            // Somebody else was faster to insert it: now it can be replaced.
            Err(error) if problem::is_duplicate(&error) => put().await,
            replaced => replaced,
        };
        let replaced = replaced.map_err(|error| self.explain(&error))?;
        Ok(if replaced.upserted_id.is_some() { Written::Inserted } else { Written::Updated })
    }

    /// Reads, merges, and writes if nobody has written in between. MongoDB tells it as an update of
    /// what has changed, or as a replacement where the whole document is shorter.
    async fn patch(
        &self,
        place: &Place,
        key: &Key,
        patch: Document,
    ) -> Result<Written, DocumentsError> {
        for _ in 0..limits::PATCH_TRIES_MAX {
            let Some(current) = self.current(place, key).await? else {
                return Ok(Written::Missing);
            };
            let merged = merge(Some(current.clone()), patch.clone());
            if merged == current {
                return Ok(Written::Updated);
            }
            let mut filter = key.filter();
            let same = doc! { "$eq": ["$$ROOT", { "$literal": current }] };
            filter.insert("$expr", same);
            let update = vec![doc! { "$replaceWith": { "$literal": merged } }];
            let updated = place.collection.update_one(filter, update).await;
            if updated.map_err(|error| self.explain(&error))?.matched_count > 0 {
                return Ok(Written::Updated);
            }
        }
        let problem = "others write the document all the time; try again";
        Err(DocumentsError::Conflict(problem.into()))
    }
}

/// The body without its `_id`, which has to be the address's.
fn read_body(key: &Key, body: &str) -> Result<Document, DocumentsError> {
    let refused = |why: String| {
        DocumentsError::Invalid(format!("the body must be an object in Extended JSON: {why}"))
    };
    let text = extend_json(body).map_err(|error| refused(error.to_string()))?;
    let mut document = document_of(&text).map_err(refused)?;
    // A name that holds NUL is found only now.
    document.to_vec().map_err(|error| refused(error.to_string()))?;
    match document.remove("_id") {
        Some(own) if !key.is(&own) => Err(DocumentsError::Invalid(
            "the body's _id is not the address's: leave _id out or make them equal".into(),
        )),
        _ => Ok(document),
    }
}

/// JSON Merge Patch (RFC 7396) on values that keep their types. Recursion follows the patch, whose
/// depth its parser has bounded.
fn merge(target: Option<Document>, patch: Document) -> Document {
    let mut merged = target.unwrap_or_default();
    for (name, change) in patch {
        match change {
            Bson::Null => {
                merged.remove(&name);
            }
            Bson::Document(change) => {
                let old = match merged.get(&name) {
                    Some(Bson::Document(old)) => Some(old.clone()),
                    _ => None,
                };
                merged.insert(name, merge(old, change));
            }
            change => {
                merged.insert(name, change);
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_replaces_removes_and_descends() {
        let target = doc! { "a": 1, "b": { "c": 2, "d": bson::DateTime::MIN }, "e": [1, 2] };
        let patch = doc! { "a": Bson::Null, "b": { "c": Bson::Null, "x": 1_i64 }, "e": [3],
        "n": { "m": Bson::Null } };
        let expected = doc! { "b": { "d": bson::DateTime::MIN, "x": 1_i64 }, "e": [3], "n": {} };
        assert_eq!(merge(Some(target), patch), expected);
    }

    #[test]
    fn a_field_of_any_name_is_only_a_name() {
        let merged = merge(Some(doc! { "a": { "b": 1 } }), doc! { "a.b": 2, "$set": { "x": 1 } });
        assert_eq!(merged, doc! { "a": { "b": 1 }, "a.b": 2, "$set": { "x": 1 } });
    }
}
