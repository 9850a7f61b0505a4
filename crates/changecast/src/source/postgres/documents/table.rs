//! A table whose rows are documents: its columns and key, as the catalog has them now, and what of
//! them goes into SQL.
//!
//! It must not run what it writes, and writes no value into it: values are numbered parameters.

use std::collections::BTreeMap;

use postgres_protocol::escape::escape_identifier;
use serde_json::value::RawValue;

use super::{explain, invalid, unavailable};
use crate::source::DocumentsError;
use crate::source::postgres::catalog::Control;
use crate::source::postgres::document_value::parameter;
use crate::source::postgres::values::{self, Kind};

/// A table as it is now.
pub(super) struct Table {
    /// Schema and name, quoted.
    pub(super) name: String,
    pub(super) is_partitioned: bool,
    pub(super) columns: Vec<Column>,
}

pub(in crate::source::postgres) struct Column {
    pub(in crate::source::postgres) name: String,
    pub(super) quoted: String,
    /// Its type, as SQL.
    kind_name: String,
    pub(in crate::source::postgres) kind: Kind,
    /// Only the database may write it.
    pub(super) is_generated: bool,
    /// Its place in the primary key, from one; zero if it is none of it.
    pub(super) key_place: i64,
}

/// What is sent beside the SQL.
pub(super) type Parameters = Vec<Option<String>>;

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

impl Column {
    /// The parameter of this number, as a value of the column's type.
    pub(super) fn value(&self, number: usize) -> String {
        format!("${number}::text::{}", self.kind_name)
    }
}

impl Table {
    /// Asks the catalog; none if there is no such table.
    pub(super) async fn load(
        control: &Control,
        schema: &str,
        table: &str,
    ) -> Result<Option<Self>, DocumentsError> {
        let client = control.client().await.map_err(unavailable)?;
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
                kind: control.kind(oid).await.map_err(unavailable)?,
                is_generated: row.try_get(3).map_err(explain)?,
                key_place: row.try_get(4).map_err(explain)?,
            });
        }
        let name = format!("{}.{}", escape_identifier(schema), escape_identifier(table));
        Ok((!columns.is_empty()).then_some(Self { name, is_partitioned, columns }))
    }

    /// The columns of the primary key, in its order.
    pub(super) fn keys(&self) -> Vec<&Column> {
        let mut keys: Vec<&Column> =
            self.columns.iter().filter(|column| column.key_place > 0).collect();
        keys.sort_by_key(|column| column.key_place);
        keys
    }

    pub(super) fn key_condition(&self) -> String {
        let equal = |(number, column): (usize, &Column)| {
            format!("{} = {}", column.quoted, column.value(number))
        };
        let equal: Vec<String> = (1..).zip(self.keys()).map(equal).collect();
        equal.join(" AND ")
    }

    /// The values that the id stands for: several are divided by commas, or it is a `documentKey`.
    pub(super) fn key_values(&self, id: &str) -> Result<Parameters, DocumentsError> {
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
    pub(super) fn read(
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

    pub(super) fn document(&self, row: &tokio_postgres::Row) -> Result<String, DocumentsError> {
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
