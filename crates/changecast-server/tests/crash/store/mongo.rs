//! MongoDB.

use mongodb::bson::{Document, doc};
use mongodb::error::{ErrorKind, WriteFailure};
use mongodb::options::WriteConcern;
use mongodb::{ClientSession, Collection, Database};

use super::{Failure, fact};
use crate::ledger::{COLLECTIONS, Fact};

/// A write counts once a crash of the only member cannot undo it.
pub(crate) fn durable() -> WriteConcern {
    WriteConcern::builder().w(mongodb::options::Acknowledgment::Majority).journal(true).build()
}

pub(super) async fn write(
    database: &Database,
    batch: &[Fact],
    padding: &str,
) -> Result<(), Failure> {
    if let [fact] = batch {
        return write_document(&of_collection(database, *fact), *fact, padding, None).await;
    }
    let mut session = database.client().start_session().await?;
    session.start_transaction().write_concern(durable()).await?;
    for fact in batch {
        let collection = of_collection(database, *fact);
        let before = write_document(&collection, *fact, padding, Some(&mut session));
        match before.await {
            Err(error) if is_there_already(&error) => return Ok(()),
            outcome => outcome?,
        }
    }
    Ok(session.commit_transaction().await?)
}

fn of_collection(database: &Database, fact: Fact) -> Collection<Document> {
    database.collection(fact.collection_name())
}

/// Alone, it succeeds also where it was done before; in a transaction, an insert then fails.
async fn write_document(
    collection: &Collection<Document>,
    fact: Fact,
    padding: &str,
    session: Option<&mut ClientSession>,
) -> Result<(), Failure> {
    let id = fact.id();
    let is_alone = session.is_none();
    if fact.is_delete() {
        let delete = collection.delete_one(doc! { "_id": id });
        match session {
            Some(session) => delete.session(session).await?,
            None => delete.await?,
        };
    } else if fact.version == 1 {
        let insert = collection.insert_one(doc! { "_id": id, "v": fact.version, "pad": padding });
        let outcome = match session {
            Some(session) => insert.session(session).await,
            None => insert.await,
        };
        match outcome {
            Err(error) if is_alone && is_duplicate_key(&error) => {}
            outcome => drop(outcome?),
        }
    } else {
        let before = doc! { "_id": id, "v": fact.version - 1 };
        let after = doc! { "$set": { "v": fact.version, "pad": padding } };
        let update = collection.update_one(before, after);
        match session {
            Some(session) => update.session(session).await?,
            None => update.await?,
        };
    }
    Ok(())
}

fn is_there_already(error: &Failure) -> bool {
    error.downcast_ref::<mongodb::error::Error>().is_some_and(is_duplicate_key)
}

fn is_duplicate_key(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == 11000)
}

/// Every document of MongoDB, sorted.
pub(crate) async fn read(database: &Database) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (at, name) in COLLECTIONS.iter().enumerate() {
        let collection = database.collection::<Document>(name);
        let mut cursor = collection.find(doc! {}).await.expect("the database answers");
        while cursor.advance().await.expect("the database answers") {
            let document = cursor.deserialize_current().expect("a document");
            let version = document.get_i32("v").ok().map(i64::from);
            let version = version.or_else(|| document.get_i64("v").ok()).expect("a version");
            facts.push(fact(at, document.get_str("_id").expect("an id"), version));
        }
    }
    facts.sort_unstable();
    facts
}
