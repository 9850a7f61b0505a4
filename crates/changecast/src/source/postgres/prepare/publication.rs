//! The publication: what it has to hold, and may.
//!
//! | invariant | what it buys |
//! |---|---|
//! | a table whose updates a publication would refuse is not published | watching breaks no writer |
//! | what may not be done is said in SQL | whoever may has only to run it |

use postgres_protocol::escape::{escape_identifier, escape_literal};

use super::{Preparation, Server, first};
use crate::source::SourceError;
use crate::source::postgres::errors::{Failure, explain, operator};
use crate::source::postgres::scope::{Tables, collection};

/// Where schemas can be published as a whole: PostgreSQL 15.
const VERSION_SCHEMAS: u32 = 150_000;

impl Preparation<'_> {
    /// Makes sure that the publication holds what is watched.
    pub(super) async fn publish(&mut self, server: &Server) -> Result<(), SourceError> {
        self.check_tables().await?;
        let name = escape_literal(&self.config.publication);
        let sql = format!("SELECT puballtables FROM pg_publication WHERE pubname = {name}");
        match first(self.query(&sql).await?).as_deref() {
            Some("t") => Ok(()),
            Some(_) => self.extend_publication(server).await,
            None => self.create_publication(server).await,
        }
    }

    /// Whether every table that is named is there.
    async fn check_tables(&mut self) -> Result<(), SourceError> {
        for Tables { schema, table } in &self.config.scope.0 {
            let schema_text = escape_literal(schema);
            let sql = match table {
                Some(table) => format!(
                    "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                     WHERE relkind IN ('r', 'p') AND nspname = {schema_text} AND relname = {}",
                    escape_literal(table)
                ),
                None => format!("SELECT 1 FROM pg_namespace WHERE nspname = {schema_text}"),
            };
            if self.query(&sql).await?.is_empty() {
                let what = match table {
                    Some(table) => format!("table {:?}", collection(schema, table)),
                    None => format!("schema {schema:?}"),
                };
                return Err(operator(
                    format!("there is no {what} in the database {:?}", self.config.database),
                    "create it, or correct table= in the source's URL",
                ));
            }
        }
        Ok(())
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
        let publication = escape_literal(&self.config.publication);
        if self.config.scope.is_all() {
            // Whoever made it chose what it holds.
            return Ok(());
        }
        let mut missing = Vec::new();
        for tables in &self.config.scope.0 {
            let schema = escape_literal(&tables.schema);
            let sql = match &tables.table {
                Some(table) => format!(
                    "SELECT 1 FROM pg_publication_tables WHERE pubname = {publication}
                     AND schemaname = {schema} AND tablename = {}",
                    escape_literal(table)
                ),
                None if server.version < VERSION_SCHEMAS => continue,
                None => format!(
                    "SELECT 1 FROM pg_publication_namespace s JOIN pg_publication p
                     ON p.oid = pnpubid JOIN pg_namespace n ON n.oid = pnnspid
                     WHERE pubname = {publication} AND nspname = {schema}
                     UNION ALL SELECT 1 FROM pg_publication_tables
                     WHERE pubname = {publication} AND schemaname = {schema}"
                ),
            };
            if self.query(&sql).await?.is_empty() {
                missing.push(tables.clone());
            }
        }
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
        let sql = "SELECT nspname, relname FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE relkind IN ('r', 'p') AND relpersistence = 'p'
             AND nspname NOT IN ('pg_catalog', 'information_schema') AND NOT relispartition
             AND (relreplident = 'n' OR relreplident = 'd' AND NOT EXISTS (
                 SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
             ORDER BY 1, 2";
        let rows = self.query(sql).await?;
        let names = rows.into_iter().filter_map(|row| {
            let mut columns = row.into_iter();
            Some((columns.next()??, columns.next()??))
        });
        let bare: Vec<(String, String)> =
            names.filter(|(schema, table)| self.config.scope.holds(schema, table)).collect();
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
