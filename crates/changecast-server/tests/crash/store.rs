//! The ways to write, a file for each.
//!
//! Every write can be told from its effect, so that one whose answer was lost can be tried again
//! and is committed exactly once.

pub(crate) mod file;
mod http;
pub(crate) mod mongo;
pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod rows;

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::ledger::Fact;
use super::support::PATIENCE;

const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) enum Store {
    Mongo(mongodb::Database),
    Postgres(postgres::Tables),
    Redis(redis::Streams),
    /// A SQLite database of its own.
    Rows(Connection),
    /// The embedded store's file, written as any other program would.
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
                Self::Mongo(database) => mongo::write(database, batch, padding).await,
                Self::Postgres(tables) => tables.write(batch, padding).await,
                Self::Redis(streams) => streams.write(batch, padding).await,
                Self::Rows(connection) => {
                    tokio::task::block_in_place(|| rows::write(connection, batch, padding))
                        .map_err(Into::into)
                }
                Self::File(connection) => {
                    tokio::task::block_in_place(|| file::write(connection, batch, padding))
                        .map_err(Into::into)
                }
                Self::Http(client, url) => http::write(client, url, batch[0], padding).await,
            };
            if outcome.is_ok() {
                return;
            }
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
    }
}

fn fact(collection: usize, id: &str, version: i64) -> Fact {
    let key = id.strip_prefix('k').and_then(|key| key.parse().ok()).expect("an id of ours");
    let version = u32::try_from(version).expect("a version of ours");
    Fact { collection: u8::try_from(collection).expect("few"), key, version }
}

/// A SQLite file, as any other program opens it.
pub(crate) fn open_sqlite(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("the file opens");
    connection.busy_timeout(PATIENCE).expect("a setting");
    connection
}

/// One transaction, each of whose writes must find its row.
fn write_sqlite(
    connection: &mut Connection,
    batch: &[Fact],
    write_row: impl Fn(&Connection, Fact) -> rusqlite::Result<usize>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for fact in batch {
        assert_eq!(write_row(&transaction, *fact)?, 1, "{fact:?}");
    }
    transaction.commit()
}
