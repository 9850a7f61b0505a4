//! PostgreSQL: a table for each collection.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, GenericClient, NoTls};

use super::{Failure, fact};
use crate::ledger::{COLLECTIONS, Fact};

/// A connection that is made anew when it is gone.
pub(crate) struct Tables {
    url: String,
    client: Option<Client>,
}

impl Tables {
    pub(crate) fn at(url: String) -> Self {
        Self { url, client: None }
    }

    /// The database and its tables: one of them in a schema of its own.
    pub(crate) async fn create(&mut self, database: &str, administrator: &str) {
        let client = connect(administrator).await.expect("PostgreSQL answers");
        client.batch_execute(&format!("CREATE DATABASE {database}")).await.expect("a database");
        let client = connect(&self.url).await.expect("PostgreSQL answers");
        client.batch_execute("CREATE SCHEMA users").await.expect("a schema");
        for name in COLLECTIONS {
            let create = format!("CREATE TABLE {name} (_id text PRIMARY KEY, v bigint, pad text)");
            client.batch_execute(&create).await.expect("a table");
        }
    }

    async fn client(&mut self) -> Result<&mut Client, Failure> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = Some(connect(&self.url).await?);
        }
        self.client.as_mut().ok_or_else(|| "just made".into())
    }

    pub(super) async fn write(&mut self, batch: &[Fact], padding: &str) -> Result<(), Failure> {
        let client = self.client().await?;
        let transaction = client.transaction().await?;
        for fact in batch {
            match write_row(&transaction, *fact, padding).await {
                // The first of several is an insert: it was committed before, and all of them.
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => return Ok(()),
                outcome => outcome?,
            }
        }
        Ok(transaction.commit().await?)
    }

    /// Every row, sorted.
    pub(crate) async fn read(&mut self) -> Vec<Fact> {
        let client = self.client().await.expect("PostgreSQL answers");
        let mut facts = Vec::new();
        for (at, name) in COLLECTIONS.iter().enumerate() {
            let rows = client.query(&format!("SELECT _id, v FROM {name}"), &[]).await;
            let rows = rows.expect("rows");
            facts.extend(rows.iter().map(|row| fact(at, row.get(0), row.get(1))));
        }
        facts.sort_unstable();
        facts
    }
}

async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn write_row(
    client: &impl GenericClient,
    fact: Fact,
    padding: &str,
) -> Result<(), tokio_postgres::Error> {
    let (table, id, version) = (fact.collection_name(), fact.id(), i64::from(fact.version));
    if fact.is_delete() {
        client.execute(&format!("DELETE FROM {table} WHERE _id = $1"), &[&id]).await?;
    } else if fact.version == 1 {
        let insert = format!("INSERT INTO {table} VALUES ($1, $2, $3)");
        client.execute(&insert, &[&id, &version, &padding]).await?;
    } else {
        let update =
            format!("UPDATE {table} SET v = v + 1, pad = $3 WHERE _id = $1 AND v + 1 = $2");
        client.execute(&update, &[&id, &version, &padding]).await?;
    }
    Ok(())
}
