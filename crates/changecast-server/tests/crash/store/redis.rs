//! Redis: a stream for each collection, an entry for each version of a document.

use std::collections::BTreeMap;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

use super::{Failure, fact};
use crate::ledger::{COLLECTIONS, Fact};

/// Adds all entries at once, unless they have been before.
const WRITE: &str = "if redis.call('SETNX', KEYS[1], '') == 1 then \
                     for at = 2, #KEYS do \
                     redis.call('XADD', KEYS[at], '*', 'key', ARGV[2 * at - 3], 'v', ARGV[2 * at - 2], 'pad', ARGV[#ARGV]) \
                     end end";

/// A connection that is made anew when it has failed.
pub(crate) struct Streams {
    url: String,
    connection: Option<MultiplexedConnection>,
}

impl Streams {
    pub(crate) fn at(url: String) -> Self {
        Self { url, connection: None }
    }

    async fn connect(&mut self) -> Result<MultiplexedConnection, Failure> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let patient = AsyncConnectionConfig::new().set_response_timeout(None);
        let client = redis::Client::open(&*self.url)?;
        let connection = client.get_multiplexed_async_connection_with_config(&patient).await?;
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    pub(super) async fn write(&mut self, batch: &[Fact], padding: &str) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        let mut call = redis::cmd("EVAL");
        call.arg(WRITE).arg(batch.len() + 1).arg(format!("done:{:?}", batch[0]));
        for fact in batch {
            call.arg(fact.collection_name());
        }
        for fact in batch {
            call.arg(fact.id()).arg(fact.version);
        }
        let outcome: redis::RedisResult<()> = call.arg(padding).query_async(&mut connection).await;
        if outcome.is_err() {
            self.connection = None;
        }
        Ok(outcome?)
    }

    /// The newest version of every document that is not deleted, sorted.
    pub(crate) async fn read(&mut self) -> Vec<Fact> {
        let mut connection = self.connect().await.expect("Redis answers");
        let mut newest = BTreeMap::new();
        for (at, name) in COLLECTIONS.iter().enumerate() {
            let entries: Vec<(String, BTreeMap<String, String>)> = redis::cmd("XRANGE")
                .arg(name)
                .arg("-")
                .arg("+")
                .query_async(&mut connection)
                .await
                .expect("entries");
            for (_, fields) in entries {
                let told = fact(at, &fields["key"], fields["v"].parse().expect("a version"));
                newest.insert((told.collection, told.key), told);
            }
        }
        newest.into_values().filter(|fact| !fact.is_delete()).collect()
    }
}
