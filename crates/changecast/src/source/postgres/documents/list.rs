//! Rows in the order of the primary key, in pages, and ids that are an event's `documentKey`.
//!
//! | invariant | what it buys |
//! |---|---|
//! | what the stream has told is seen before anything is read | state and stream join without a hole |
//! | a page begins after a key, not after a number of rows | what is written meanwhile moves no row to another page |
//! | names are the catalog's and quoted, values are parameters | nothing that a client sends is run |

use std::collections::BTreeMap;
use std::pin::pin;

use futures_util::TryStreamExt as _;
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};
use tokio_postgres::types::ToSql;

use super::{Parameters, PostgresDocuments, Table, explain, invalid, unavailable};
use crate::limits;
use crate::source::postgres::document_value::parameter;
use crate::source::postgres::values;
use crate::source::{DocumentsError, ListPage, Listed};

impl PostgresDocuments {
    /// The page, unless the server takes too long over it.
    pub(super) async fn page(
        &self,
        collection: &str,
        wanted: &ListPage,
    ) -> Result<Listed, DocumentsError> {
        let reading = timeout(limits::DOCUMENT_TIMEOUT, self.read_page(collection, wanted));
        let silent = |_| DocumentsError::Unavailable("no answer in time".into());
        reading.await.map_err(silent)?
    }

    async fn read_page(
        &self,
        collection: &str,
        wanted: &ListPage,
    ) -> Result<Listed, DocumentsError> {
        let Some(table) = self.table(collection).await? else {
            return Err(DocumentsError::Missing(format!("there is no table {collection:?}")));
        };
        if table.keys().is_empty() {
            return Err(invalid("the table has no primary key: its rows have no order"));
        }
        let after = wanted.after.as_deref().map(|after| table.read_after(after)).transpose()?;
        self.settled().await?;
        let parameters = after.unwrap_or_default();
        let sql = table.page_sql(!parameters.is_empty(), wanted.limit);
        let client = self.control.client().await.map_err(unavailable)?;
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let rows = client.query_raw(&sql, parameters).await.map_err(explain)?;
        let mut rows = pin!(rows);
        let (mut listed, mut last, mut bytes) = (Listed::default(), None, 0);
        // Rows are taken one by one, so that no more than a page is ever held.
        while let Some(row) = rows.try_next().await.map_err(explain)? {
            if listed.documents.len() >= wanted.limit || bytes >= limits::LIST_BYTES_MAX {
                listed.next = last;
                break;
            }
            let document = table.listed_document(&row)?;
            bytes += document.len();
            last = Some(table.after(&row)?);
            listed.documents.push(document);
        }
        Ok(listed)
    }

    /// Returns once a query sees everything that the stream has told by now.
    async fn settled(&self) -> Result<(), DocumentsError> {
        let told = &self.control.told;
        let mut unseen = told.unseen();
        while !unseen.is_empty() {
            let client = self.control.client().await.map_err(unavailable)?;
            let row = client.query_one("SELECT pg_current_snapshot()::text", &[]).await;
            let snapshot: String = row.and_then(|row| row.try_get(0)).map_err(explain)?;
            let senseless = || DocumentsError::Unavailable(format!("{snapshot:?} is no snapshot"));
            told.strike_out(&mut unseen, &snapshot).ok_or_else(senseless)?;
            if !unseen.is_empty() {
                sleep(limits::POSTGRES_ASK_EVERY).await;
            }
        }
        Ok(())
    }
}

impl Table {
    /// The rows of a page, and one more that tells whether others follow. Of a row that is too
    /// large only the key comes; the last column says so.
    fn page_sql(&self, is_after: bool, limit: usize) -> String {
        let keys = self.keys();
        let names: Vec<String> = keys.iter().map(|key| format!("t.{}", key.quoted)).collect();
        let names = names.join(", ");
        let condition = if is_after {
            let values: Vec<String> =
                (1..).zip(&keys).map(|(number, key)| key.value(number)).collect();
            format!("WHERE ({names}) > ({})", values.join(", "))
        } else {
            String::new()
        };
        let sizes: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("coalesce(octet_length(t.{}::text), 0)::int8", column.quoted))
            .collect();
        let values: Vec<String> = self
            .columns
            .iter()
            .map(|column| match column.key_place {
                0 => format!("CASE WHEN s.fits THEN t.{}::text END", column.quoted),
                _ => format!("t.{}::text", column.quoted),
            })
            .collect();
        // OFFSET 0 lets the size be computed once a row, not once a column.
        format!(
            "SELECT {}, s.fits
             FROM (SELECT * FROM {} t {condition} ORDER BY {names} LIMIT {}) t
             CROSS JOIN LATERAL (SELECT {} <= {} AS fits OFFSET 0) s ORDER BY {names}",
            values.join(", "),
            self.name,
            limit.saturating_add(1),
            sizes.join(" + "),
            limits::LIST_BYTES_MAX,
        )
    }

    fn listed_document(&self, row: &tokio_postgres::Row) -> Result<String, DocumentsError> {
        let document = self.document(row)?;
        if row.try_get(self.columns.len()).map_err(explain)? {
            return Ok(document);
        }
        let is_left_out = |column: &&super::Column| column.key_place == 0;
        let left_out: Vec<&str> =
            self.columns.iter().filter(is_left_out).map(|column| &*column.name).collect();
        let keys = self.columns.iter().enumerate().filter(|(_, column)| column.key_place > 0);
        let mut out = b"{".to_vec();
        for (at, column) in keys {
            values::write_text(&mut out, &column.name);
            out.push(b':');
            let text = row.try_get::<_, Option<&str>>(at).map_err(explain)?;
            values::write(&mut out, &column.kind, text.unwrap_or_default());
            out.push(b',');
        }
        values::write_text(&mut out, "$unavailable");
        out.push(b':');
        let names = serde_json::to_vec(&left_out);
        out.extend(names.map_err(|error| DocumentsError::Unavailable(error.to_string()))?);
        out.push(b'}');
        String::from_utf8(out).map_err(|error| DocumentsError::Unavailable(error.to_string()))
    }

    /// The key of a row as the `after` of the next page: PostgreSQL's own texts, which lose nothing.
    fn after(&self, row: &tokio_postgres::Row) -> Result<String, DocumentsError> {
        let place = |name: &str| self.columns.iter().position(|column| column.name == name);
        let places = self.keys().into_iter().filter_map(|key| place(&key.name));
        let texts: Result<Vec<Option<&str>>, _> = places.map(|at| row.try_get(at)).collect();
        let text = serde_json::to_string(&texts.map_err(explain)?);
        text.map_err(|error| DocumentsError::Unavailable(error.to_string()))
    }

    fn read_after(&self, after: &str) -> Result<Parameters, DocumentsError> {
        let texts: Option<Vec<String>> = serde_json::from_str(after).ok();
        let texts = texts.filter(|texts| texts.len() == self.keys().len());
        let texts = texts.ok_or_else(|| invalid("after takes what a page said as its next"))?;
        Ok(texts.into_iter().map(Some).collect())
    }

    /// The values of an id that is an event's `documentKey`: an object of just the key's columns.
    pub(super) fn document_key(&self, id: &str) -> Result<Option<Parameters>, DocumentsError> {
        if !id.starts_with('{') {
            return Ok(None);
        }
        let Ok(members) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(id) else {
            return Ok(None);
        };
        let keys = self.keys();
        if members.len() != keys.len() || keys.iter().any(|key| !members.contains_key(&key.name)) {
            return Ok(None);
        }
        let values = keys.iter().filter_map(|key| Some((key, members.get(&key.name)?)));
        values.map(|(key, value)| parameter(key, value.get())).collect::<Result<_, _>>().map(Some)
    }
}
