//! Rows by primary key, as documents: the shape that events have, too.
//!
//! | invariant | what it buys |
//! |---|---|
//! | only tables that are watched are served | opening documents opens no other table |
//! | names come from the catalog and are quoted, values are parameters | nothing that a client sends is run |
//! | what a client sent wrong is told apart from what failed | a bad value is no failure of the database |

mod list;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use postgres_protocol::escape::escape_identifier;
use serde_json::value::RawValue;
use tokio_postgres::types::ToSql;

use super::catalog::Control;
use super::document_value::parameter;
use super::errors::shorten;
use super::scope::split_collection;
use super::values::{self, Kind};
use crate::source::{Documents, DocumentsError, ListPage, Listed, SourceError, Write, Written};

pub(super) struct PostgresDocuments {
    control: Arc<Control>,
}

/// A table as it is now.
struct Table {
    name: String,
    is_partitioned: bool,
    columns: Vec<Column>,
}

pub(super) struct Column {
    pub(super) name: String,
    quoted: String,
    /// Its type, as SQL.
    kind_name: String,
    pub(super) kind: Kind,
    /// Only the database may write it.
    is_generated: bool,
    /// Its place in the primary key, from one; zero if it is none of it.
    key_place: i64,
}

/// What is sent beside the SQL.
type Parameters = Vec<Option<String>>;

const COLUMNS: &str = "SELECT a.attname::text, a.atttypid,
        format_type(a.atttypid, a.atttypmod), a.attgenerated <> '' OR a.attidentity = 'a',
        coalesce(k.place, 0)::int8, c.relkind = 'p'
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
    LEFT JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
        ON k.attnum = a.attnum
    WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')
        AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum";

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
        let client = self.control.client().await.map_err(unavailable)?;
        let rows = client.query(COLUMNS, &[&schema, &table]).await.map_err(explain)?;
        let mut columns = Vec::with_capacity(rows.len());
        let mut is_partitioned = false;
        for row in rows {
            let name: String = row.try_get(0).map_err(explain)?;
            let oid: u32 = row.try_get(1).map_err(explain)?;
            is_partitioned = row.try_get(5).map_err(explain)?;
            columns.push(Column {
                quoted: escape_identifier(&name),
                name,
                kind_name: row.try_get(2).map_err(explain)?,
                kind: self.control.kind(oid).await.map_err(unavailable)?,
                is_generated: row.try_get(3).map_err(explain)?,
                key_place: row.try_get(4).map_err(explain)?,
            });
        }
        let name = format!("{}.{}", escape_identifier(schema), escape_identifier(table));
        Ok((!columns.is_empty()).then_some(Table { name, is_partitioned, columns }))
    }

    /// Inserts the row or replaces it as a whole: a column that is not named gets its default.
    async fn put(
        &self,
        table: &Table,
        mut parameters: Parameters,
        body: &str,
    ) -> Result<Written, DocumentsError> {
        let given = table.read(body, &mut parameters, false)?;
        let keys: Vec<&Column> = table.keys();
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

impl Column {
    /// The parameter of this number, as a value of the column's type.
    fn value(&self, number: usize) -> String {
        format!("${number}::text::{}", self.kind_name)
    }
}

impl Table {
    /// The columns of the primary key, in its order.
    fn keys(&self) -> Vec<&Column> {
        let mut keys: Vec<&Column> =
            self.columns.iter().filter(|column| column.key_place > 0).collect();
        keys.sort_by_key(|column| column.key_place);
        keys
    }

    fn key_condition(&self) -> String {
        let equal = |(number, column): (usize, &Column)| {
            format!("{} = {}", column.quoted, column.value(number))
        };
        let equal: Vec<String> = (1..).zip(self.keys()).map(equal).collect();
        equal.join(" AND ")
    }

    /// The values that the id stands for: several are divided by commas, or it is a `documentKey`.
    fn key_values(&self, id: &str) -> Result<Parameters, DocumentsError> {
        if let Some(values) = self.document_key(id)? {
            return Ok(values);
        }
        let keys = self.keys();
        let parts: Vec<&str> = match keys.len() {
            0 => return Err(invalid("the table has no primary key: its rows have no id")),
            1 => vec![id],
            _ => id.split(',').collect(),
        };
        if parts.len() != keys.len() {
            let names: Vec<&str> = keys.iter().map(|column| &*column.name).collect();
            return Err(invalid(format!(
                "the id has to hold {}, divided by commas",
                names.join(", ")
            )));
        }
        Ok(parts.into_iter().map(|part| Some(part.to_owned())).collect())
    }

    /// The columns that a body names, but for the key, which the id tells; their values are added
    /// to the parameters.
    fn read(
        &self,
        body: &str,
        parameters: &mut Parameters,
        is_patch: bool,
    ) -> Result<Vec<&Column>, DocumentsError> {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(body)
            .map_err(|error| invalid(format!("the body is no JSON object: {error}")))?;
        let mut given = Vec::new();
        for (name, value) in &members {
            let column = self.columns.iter().find(|column| column.name == *name);
            let column = column.ok_or_else(|| invalid(format!("there is no column {name:?}")))?;
            if column.key_place > 0 {
                continue;
            }
            if is_patch && column.kind == Kind::Json && value.get().starts_with('{') {
                return Err(invalid(format!(
                    "a part of the column {name:?} cannot be patched: write the row with PUT"
                )));
            }
            parameters.push(parameter(column, value.get())?);
            given.push(column);
        }
        Ok(given)
    }

    fn document(&self, row: &tokio_postgres::Row) -> Result<String, DocumentsError> {
        let mut out = vec![b'{'];
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            values::write_text(&mut out, &column.name);
            out.push(b':');
            match row.try_get::<_, Option<&str>>(at).map_err(explain)? {
                Some(text) => values::write(&mut out, &column.kind, text),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
        String::from_utf8(out).map_err(|error| DocumentsError::Unavailable(error.to_string()))
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
