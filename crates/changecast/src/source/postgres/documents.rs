//! Rows by primary key, as documents: the shape that events have, too.
//!
//! | invariant | what it buys |
//! |---|---|
//! | only tables that are watched are served | opening documents opens no other table |
//! | names come from the catalog and are quoted, values are parameters | nothing that a client sends is run |
//! | what a client sent wrong is told apart from what failed | a bad value is no failure of the database |

mod list;
mod table;

use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::types::ToSql;

use self::table::{Parameters, Table};
use super::catalog::Control;
use super::errors::shorten;
use super::scope::split_collection;
use crate::source::{Documents, DocumentsError, ListPage, Listed, SourceError, Write, Written};

pub(super) use self::table::Column;

/// The rows of one database's watched tables.
pub(super) struct PostgresDocuments {
    control: Arc<Control>,
}

#[async_trait]
impl Documents for PostgresDocuments {
    async fn get(&self, collection: &str, id: &str) -> Result<Option<String>, DocumentsError> {
        let Some(table) = self.table(collection).await? else {
            return Ok(None);
        };
        let parameters = table.key_values(id)?;
        let columns: Vec<String> =
            table.columns.iter().map(|column| format!("{}::text", column.quoted)).collect();
        let sql = format!(
            "SELECT {} FROM {} WHERE {}",
            columns.join(", "),
            table.name,
            table.key_condition()
        );
        let rows = self.query(&sql, &parameters).await?;
        rows.first().map(|row| table.document(row)).transpose()
    }

    async fn write(
        &self,
        collection: &str,
        id: &str,
        write: Write,
    ) -> Result<Written, DocumentsError> {
        let Some(table) = self.table(collection).await? else {
            return Err(invalid(format!("there is no table {collection:?}")));
        };
        let key = table.key_values(id)?;
        match write {
            Write::Put(body) => self.put(&table, key, &body).await,
            Write::Patch(body) => self.patch(&table, key, &body).await,
            Write::Delete => {
                let condition = table.key_condition();
                let sql = format!("DELETE FROM {} WHERE {condition} RETURNING true", table.name);
                let rows = self.query(&sql, &key).await?;
                Ok(if rows.is_empty() { Written::Missing } else { Written::Deleted })
            }
        }
    }

    async fn list(&self, collection: &str, wanted: ListPage) -> Result<Listed, DocumentsError> {
        self.page(collection, &wanted).await
    }
}

impl PostgresDocuments {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self { control }
    }

    async fn table(&self, collection: &str) -> Result<Option<Table>, DocumentsError> {
        let (schema, table) = split_collection(collection);
        if !self.control.config.scope.holds(schema, table) {
            return Err(invalid(format!("the table {collection:?} is not watched")));
        }
        Table::load(&self.control, schema, table).await
    }

    /// Inserts the row or replaces it as a whole: a column that is not named gets its default.
    async fn put(
        &self,
        table: &Table,
        mut parameters: Parameters,
        body: &str,
    ) -> Result<Written, DocumentsError> {
        let given = table.read(body, &mut parameters, false)?;
        let keys = table.keys();
        let all: Vec<&Column> = keys.iter().copied().chain(given.iter().copied()).collect();
        let names: Vec<&str> = all.iter().map(|column| &*column.quoted).collect();
        let values: Vec<String> =
            (1..).zip(&all).map(|(number, column)| column.value(number)).collect();
        let key_names: Vec<&str> = keys.iter().map(|column| &*column.quoted).collect();
        let set =
            table.columns.iter().filter(|column| column.key_place == 0).filter_map(|column| {
                let name = &column.quoted;
                let is_given = given.iter().any(|given| given.name == column.name);
                match (is_given, column.is_generated) {
                    (true, _) => Some(format!("{name} = EXCLUDED.{name}")),
                    (false, false) => Some(format!("{name} = DEFAULT")),
                    (false, true) => None,
                }
            });
        let set: Vec<String> = set.collect();
        let action = match set.is_empty() {
            true => "NOTHING".to_owned(),
            false => format!("UPDATE SET {}", set.join(", ")),
        };
        // A row that no transaction has locked or deleted before is a new one.
        let is_new = if table.is_partitioned { "false" } else { "xmax = 0" };
        let sql = format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}) ON CONFLICT ({}) DO {action} \
             RETURNING {is_new}",
            table.name,
            names.join(", "),
            values.join(", "),
            key_names.join(", ")
        );
        let rows = self.query(&sql, &parameters).await?;
        let is_new = rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false));
        Ok(if is_new { Written::Inserted } else { Written::Updated })
    }

    async fn patch(
        &self,
        table: &Table,
        mut parameters: Parameters,
        body: &str,
    ) -> Result<Written, DocumentsError> {
        let first = parameters.len() + 1;
        let given = table.read(body, &mut parameters, true)?;
        let set: Vec<String> = (first..)
            .zip(&given)
            .map(|(number, column)| format!("{} = {}", column.quoted, column.value(number)))
            .collect();
        let condition = table.key_condition();
        let sql = match set.is_empty() {
            true => format!("SELECT true FROM {} WHERE {condition}", table.name),
            false => {
                let set = set.join(", ");
                format!("UPDATE {} SET {set} WHERE {condition} RETURNING true", table.name)
            }
        };
        let rows = self.query(&sql, &parameters).await?;
        Ok(if rows.is_empty() { Written::Missing } else { Written::Updated })
    }

    async fn query(
        &self,
        sql: &str,
        parameters: &Parameters,
    ) -> Result<Vec<tokio_postgres::Row>, DocumentsError> {
        let client = self.control.client().await.map_err(unavailable)?;
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        client.query(sql, &parameters).await.map_err(explain)
    }
}

pub(super) fn invalid(problem: impl Into<String>) -> DocumentsError {
    DocumentsError::Invalid(problem.into())
}

fn unavailable(error: SourceError) -> DocumentsError {
    DocumentsError::Unavailable(error.to_string())
}

/// What the server refuses for its values (classes 22 and 23) is the client's to mend.
fn explain(error: tokio_postgres::Error) -> DocumentsError {
    match error.as_db_error() {
        Some(server) => {
            let words = shorten(server.message());
            let code = server.code().code();
            if code.starts_with("22") || code.starts_with("23") || code == "428C9" {
                invalid(words)
            } else {
                DocumentsError::Unavailable(words)
            }
        }
        None => DocumentsError::Unavailable(error.to_string()),
    }
}
