//! The ways to write: into MongoDB, into the embedded store's file, or over HTTP.
//!
//! Every write can be told from its effect, so that one whose answer was lost can be tried again
//! and is committed exactly once.

use std::path::Path;
use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::error::{ErrorKind, WriteFailure};
use mongodb::options::WriteConcern;
use mongodb::{ClientSession, Collection, Database};
use rusqlite::{Connection, TransactionBehavior, params};
use serde_json::json;

use super::ledger::{COLLECTIONS, Fact};
use super::support::PATIENCE;

const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) enum Store {
    MongoDb(Database),
    /// Its file, written as any other program would.
    File(Connection),
    /// `/documents` of this server.
    Http(reqwest::Client, String),
}

impl Store {
    pub(crate) fn takes_transactions(&self) -> bool {
        !matches!(self, Self::Http(..))
    }

    /// Commits all of `batch` in one transaction, or over HTTP its only write.
    pub(crate) async fn write_surely(&mut self, batch: &[Fact], padding: &str) {
        loop {
            let outcome = match self {
                Self::MongoDb(database) => write_mongo(database, batch, padding).await,
                Self::File(connection) => {
                    tokio::task::block_in_place(|| write_file(connection, batch, padding))
                        .map_err(Into::into)
                }
                Self::Http(client, url) => write_http(client, url, batch[0], padding).await,
            };
            if outcome.is_ok() {
                return;
            }
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
    }
}

// ── MongoDB ────────────────────────────────────────────────────────────────────────────────────

/// A write counts once a crash of the only member cannot undo it.
pub(crate) fn durable() -> WriteConcern {
    WriteConcern::builder().w(mongodb::options::Acknowledgment::Majority).journal(true).build()
}

async fn write_mongo(database: &Database, batch: &[Fact], padding: &str) -> Result<(), Failure> {
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

// ── The embedded store ─────────────────────────────────────────────────────────────────────────

/// The store's file, as any other program opens it.
pub(crate) fn open_file(data: &Path) -> Connection {
    let connection = Connection::open(data.join("store.db")).expect("the store opens");
    connection.busy_timeout(PATIENCE).expect("a setting");
    connection
}

fn write_file(connection: &mut Connection, batch: &[Fact], padding: &str) -> rusqlite::Result<()> {
    if batch.len() > 4 {
        // What is taken back was never there.
        let undone = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write_row(&undone, batch[0], "taken back")?;
        undone.rollback()?;
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for fact in batch {
        assert_eq!(write_row(&transaction, *fact, padding)?, 1, "{fact:?}");
    }
    transaction.commit()
}

fn write_row(connection: &Connection, fact: Fact, padding: &str) -> rusqlite::Result<usize> {
    let (collection, id) = (fact.collection_name(), fact.id());
    let body = json!({ "v": fact.version, "pad": padding }).to_string();
    if fact.is_delete() {
        let delete = "DELETE FROM document WHERE collection = ?1 AND id = ?2";
        return connection.execute(delete, params![collection, id]);
    }
    let statement = match fact.version {
        1 => "INSERT INTO document VALUES (?1, ?2, ?3)",
        version if version % 3 == 0 => "INSERT OR REPLACE INTO document VALUES (?1, ?2, ?3)",
        _ => "UPDATE document SET body = ?3 WHERE collection = ?1 AND id = ?2",
    };
    connection.execute(statement, params![collection, id, body])
}

/// Putting the same once more changes nothing, and deleting it once more neither.
async fn write_http(
    client: &reqwest::Client,
    url: &str,
    fact: Fact,
    padding: &str,
) -> Result<(), Failure> {
    let url = format!("{url}/{}/{}", fact.collection_name(), fact.id());
    let request = match fact.is_delete() {
        true => client.delete(url),
        false => client.put(url).json(&json!({ "v": fact.version, "pad": padding })),
    };
    let status = request.send().await?.status();
    let is_done = status.is_success() || (fact.is_delete() && status == 404);
    is_done.then_some(()).ok_or_else(|| status.to_string().into())
}

// ── Reading back ───────────────────────────────────────────────────────────────────────────────

/// Every document of MongoDB, sorted.
pub(crate) async fn read_mongo(database: &Database) -> Vec<Fact> {
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

/// Every document of the embedded store, sorted.
pub(crate) fn read_file(connection: &Connection) -> Vec<Fact> {
    let all = "SELECT collection, id, json_extract(body, '$.v') FROM document";
    let mut statement = connection.prepare(all).expect("a query");
    let rows = statement.query_map([], |row| {
        let collection: String = row.get(0)?;
        let at = COLLECTIONS.iter().position(|known| *known == collection).expect("a known one");
        Ok(fact(at, &row.get::<_, String>(1)?, row.get(2)?))
    });
    let mut facts: Vec<_> = rows.expect("rows").map(|row| row.expect("a row")).collect();
    facts.sort_unstable();
    facts
}

fn fact(collection: usize, id: &str, version: i64) -> Fact {
    let key = id.strip_prefix('k').and_then(|key| key.parse().ok()).expect("an id of ours");
    let version = u32::try_from(version).expect("a version of ours");
    Fact { collection: u8::try_from(collection).expect("few"), key, version }
}
