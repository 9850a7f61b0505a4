//! The publication: what it has to hold, and may.
//!
//! | invariant | what it buys |
//! |---|---|
//! | what is watched stays published, or the stream ends | a table made anew is a gap, never silence |
//! | a table whose updates a publication would refuse is not published | watching breaks no writer |
//! | what may not be done is said in SQL | whoever may has only to run it |

use std::sync::atomic::Ordering;

use postgres_protocol::escape::{escape_identifier, escape_literal};

use super::published::{exists, unpublished};
use super::{Preparation, Server, first};
use crate::source::SourceError;
use crate::source::postgres::errors::{Failure, explain, lost, operator};
use crate::source::postgres::position::{Identity, Place};
use crate::source::postgres::scope::{Tables, collection};
use crate::source::postgres::session::Row;

/// Where schemas can be published as a whole: PostgreSQL 15.
pub(super) const VERSION_SCHEMAS: u32 = 150_000;

/// Asks for tables whose rows nothing identifies: the names that each is watched by, and its own.
///
/// Partitions are watched by their whole, and each has an identity of its own.
pub(in crate::source::postgres) const BARE: &str =
    "SELECT rn.nspname::text, r.relname::text, n.nspname::text, c.relname::text FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_class r ON r.oid = CASE WHEN c.relispartition
         THEN pg_partition_root(c.oid) ELSE c.oid END
     JOIN pg_namespace rn ON rn.oid = r.relnamespace
     WHERE (c.relkind = 'r' OR c.relkind = 'p' AND NOT c.relispartition)
     AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
     AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS (
         SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
     ORDER BY 1, 2, c.relispartition, 3, 4";

impl Preparation<'_> {
    /// Fails unless all that is watched has been published since the position: what was not would be
    /// skipped without a word.
    ///
    /// It was not if the publication was dropped, or a table was: one of the same name is another
    /// table, which nobody has published.
    pub(super) async fn check_published(
        &mut self,
        server: &Server,
        position: &(Identity, Place),
    ) -> Result<(), SourceError> {
        let name = &self.config.publication;
        if self.query(&exists(self.config)).await?.is_empty() {
            // The server cannot read the slot up to where there is a publication again.
            self.control.is_slot_stuck.store(true, Ordering::Release);
            return Err(lost(format!("the publication {name:?} is gone")));
        }
        let missing = self.unpublished(server.version).await?;
        let Some(Tables { schema, table }) = missing.first() else {
            return Ok(());
        };
        let what = match table {
            Some(table) => format!("table {:?}", collection(schema, table)),
            None => format!("schema {schema:?}"),
        };
        self.control.note_resumption(position);
        Err(lost(format!(
            "the {what} was made anew or is watched anew, and was not in the publication {name:?}: \
             its changes until now are not told"
        )))
    }

    /// Makes sure that the publication holds what is watched.
    pub(super) async fn publish(&mut self, server: &Server) -> Result<(), SourceError> {
        self.check_tables().await?;
        let name = escape_literal(&self.config.publication);
        let sql = format!("SELECT puballtables FROM pg_publication WHERE pubname = {name}");
        match first(self.query(&sql).await?).as_deref() {
            Some("t") => self.check_partitions().await,
            Some(_) => {
                self.check_partitions().await?;
                self.extend_publication(server).await
            }
            None => self.create_publication(server).await,
        }
    }

    /// A publication may tell a partitioned table's changes as its partitions', which are not
    /// watched where the whole is named.
    async fn check_partitions(&mut self) -> Result<(), SourceError> {
        let sql = format!(
            "SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
             WHERE relkind = 'p' AND NOT relispartition AND EXISTS (
                 SELECT 1 FROM pg_publication WHERE pubname = {} AND NOT pubviaroot)",
            escape_literal(&self.config.publication)
        );
        let wholes = names(self.query(&sql).await?);
        let Some((schema, table)) = wholes.iter().find(|(schema, table)| {
            let mut named = self.config.scope.0.iter();
            named.any(|it| it.schema == *schema && it.table.as_ref() == Some(table))
        }) else {
            return Ok(());
        };
        let (name, whole) = (&self.config.publication, collection(schema, table));
        Err(operator(
            format!("the publication {name:?} tells the changes of {whole:?} as its partitions'"),
            format!(
                "run: ALTER PUBLICATION {} SET (publish_via_partition_root = true);",
                escape_identifier(name)
            ),
        ))
    }

    /// Whether every table that is named is there.
    async fn check_tables(&mut self) -> Result<(), SourceError> {
        for Tables { schema, table } in &self.config.scope.0 {
            let schema_text = escape_literal(schema);
            let sql = match table {
                Some(table) => format!(
                    "SELECT relpersistence FROM pg_class c
                     JOIN pg_namespace n ON n.oid = relnamespace
                     WHERE relkind IN ('r', 'p') AND nspname = {schema_text} AND relname = {}",
                    escape_literal(table)
                ),
                None => format!("SELECT 'p' FROM pg_namespace WHERE nspname = {schema_text}"),
            };
            let Some(persistence) = first(self.query(&sql).await?) else {
                let what = match table {
                    Some(table) => format!("table {:?}", collection(schema, table)),
                    None => format!("schema {schema:?}"),
                };
                return Err(operator(
                    format!("there is no {what} in the database {:?}", self.config.database),
                    "create it, or correct table= in the source's URL",
                ));
            };
            if let (Some(table), "u") = (table, &*persistence) {
                let quoted = format!("{}.{}", escape_identifier(schema), escape_identifier(table));
                return Err(operator(
                    format!("the table {:?} is unlogged", collection(schema, table)),
                    format!("so that its changes are told, run: ALTER TABLE {quoted} SET LOGGED;"),
                ));
            }
        }
        Ok(())
    }

    /// What is watched and there, and not published.
    async fn unpublished(&mut self, version: u32) -> Result<Vec<Tables>, SourceError> {
        let Some(sql) = unpublished(self.config, version) else {
            return Ok(Vec::new());
        };
        let rows = self.query(&sql).await?;
        let read = |row: Row| {
            let mut columns = row.into_iter();
            Some(Tables { schema: columns.next()??, table: columns.next()? })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    async fn create_publication(&mut self, server: &Server) -> Result<(), SourceError> {
        self.check_identities().await?;
        let name = escape_identifier(&self.config.publication);
        let objects = if self.config.scope.is_all() {
            "ALL TABLES".to_owned()
        } else {
            objects(server.version, &self.config.scope.0)?
        };
        let sql = format!(
            "CREATE PUBLICATION {name} FOR {objects} WITH (publish_via_partition_root = true)"
        );
        self.change_publication(&sql).await
    }

    /// Adds the tables that are watched and not published yet.
    async fn extend_publication(&mut self, server: &Server) -> Result<(), SourceError> {
        let missing = self.unpublished(server.version).await?;
        if missing.is_empty() {
            return Ok(());
        }
        self.check_identities().await?;
        let name = escape_identifier(&self.config.publication);
        let objects = objects(server.version, &missing)?;
        self.change_publication(&format!("ALTER PUBLICATION {name} ADD {objects}")).await
    }

    async fn change_publication(&mut self, sql: &str) -> Result<(), SourceError> {
        match self.session.query(sql).await {
            Ok(_) => Ok(()),
            Err(Failure::Server { code, message }) if code == "42501" => Err(operator(
                format!("the user {:?} may not publish: {message}", self.config.user),
                format!("as a superuser, run in {:?}: {sql};", self.config.database),
            )),
            // Another one was faster.
            Err(Failure::Server { code, .. }) if code == "42710" => Ok(()),
            Err(failure) => Err(explain(self.config, failure)),
        }
    }

    /// Once published, a table that nothing identifies the rows of takes no update and no delete.
    async fn check_identities(&mut self) -> Result<(), SourceError> {
        let rows = self.query(BARE).await?.into_iter().filter_map(|row| {
            let mut columns = row.into_iter();
            let mut next = || columns.next().flatten();
            Some(((next()?, next()?), (next()?, next()?)))
        });
        let bare: Vec<(String, String)> = rows
            .filter(|((schema, table), _)| self.config.scope.holds(schema, table))
            .map(|(_, own)| own)
            .collect();
        let Some((schema, table)) = bare.first() else {
            return Ok(());
        };
        let quoted = |(schema, table): &(String, String)| {
            let (schema, table) = (escape_identifier(schema), escape_identifier(table));
            format!("ALTER TABLE {schema}.{table} REPLICA IDENTITY FULL;")
        };
        // A few are enough for a status line.
        let commands: Vec<String> = bare.iter().take(5).map(quoted).collect();
        let more = if bare.len() > 5 { ", and so on for the others" } else { "" };
        Err(operator(
            format!(
                "the table {:?} has no primary key: once published, it would refuse every UPDATE \
                 and DELETE",
                collection(schema, table)
            ),
            format!("add a primary key, or run: {}{more}", commands.join(" ")),
        ))
    }
}

/// What a publication of these tables is for, as SQL spells it.
pub(in crate::source::postgres) fn objects(
    version: u32,
    wanted: &[Tables],
) -> Result<String, SourceError> {
    let mut objects = Vec::new();
    for Tables { schema, table } in wanted {
        let quoted = escape_identifier(schema);
        objects.push(match table {
            Some(table) => format!("TABLE {quoted}.{}", escape_identifier(table)),
            None if version >= VERSION_SCHEMAS => format!("TABLES IN SCHEMA {quoted}"),
            None => {
                return Err(operator(
                    format!("PostgreSQL 14 cannot publish the whole schema {schema:?}"),
                    "name its tables with table= in the source's URL, or upgrade to 15",
                ));
            }
        });
    }
    Ok(objects.join(", "))
}

/// The schemas and tables of rows that begin with them.
fn names(rows: Vec<Row>) -> Vec<(String, String)> {
    let read = |row: Row| {
        let mut columns = row.into_iter();
        Some((columns.next()??, columns.next()??))
    };
    rows.into_iter().filter_map(read).collect()
}
