//! Whether what is watched is there and published, and whether its rows can be told apart.

use postgres_protocol::escape::escape_identifier;
use tokio_postgres::Error;

use super::Look;
use crate::limits;
use crate::source::Finding;
use crate::source::postgres::prepare::publication::{BARE, objects};
use crate::source::postgres::scope::{Tables, collection};

/// Everything that could be watched: its names, whether its rows are kept as a whole, whether it is
/// published, and whether the user may publish it.
const TABLES: &str = "SELECT nspname::text, relname::text, relreplident = 'f',
        EXISTS (SELECT 1 FROM pg_publication_tables t WHERE t.pubname = $1::text
            AND t.schemaname = nspname AND t.tablename = relname),
        pg_has_role(relowner, 'USAGE') AND has_database_privilege(current_database(), 'CREATE')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE relkind IN ('r', 'p') AND relpersistence = 'p' AND NOT relispartition
        AND nspname NOT IN ('pg_catalog', 'information_schema')
    ORDER BY 1, 2";

const PUBLICATION: &str = "SELECT puballtables, pubinsert AND pubupdate AND pubdelete,
        pg_has_role(pubowner, 'USAGE')
    FROM pg_publication WHERE pubname = $1::text";

const SCHEMA: &str = "SELECT 1 FROM pg_namespace WHERE nspname = $1::text";

/// A row of [`TABLES`] that is watched.
struct Table {
    schema: String,
    name: String,
    is_full: bool,
    is_published: bool,
    may_publish: bool,
}

impl Table {
    fn collection(&self) -> String {
        collection(&self.schema, &self.name)
    }

    fn identifier(&self) -> String {
        format!("{}.{}", escape_identifier(&self.schema), escape_identifier(&self.name))
    }
}

/// The row of [`PUBLICATION`].
struct Publication {
    is_all: bool,
    is_complete: bool,
    is_ours: bool,
}

impl Look<'_> {
    pub(super) async fn tables(&self) -> Result<Vec<Finding>, Error> {
        let tables = self.watched().await?;
        let mut findings = self.absent(&tables).await?;
        if !findings.is_empty() {
            return Ok(findings);
        }
        let count = tables.len();
        findings.push(Finding::ok("tables", format!("{count} are watched: {}", self.config.scope)));
        let publication = self.publication().await?;
        let chosen = self.config.scope.is_all() && publication.is_some();
        // Where somebody has chosen what is published, only that is watched.
        let tables: Vec<Table> =
            tables.into_iter().filter(|table| !chosen || table.is_published).collect();
        findings.extend(match &publication {
            None => vec![self.unpublished(&tables)],
            Some(publication) => self.published(publication, &tables),
        });
        findings.extend(self.identities(&tables).await?);
        Ok(findings)
    }

    async fn watched(&self) -> Result<Vec<Table>, Error> {
        let rows = self.client.query(TABLES, &[&self.config.publication]).await?;
        let mut tables = Vec::new();
        for row in rows {
            let table = Table {
                schema: row.try_get(0)?,
                name: row.try_get(1)?,
                is_full: row.try_get(2)?,
                is_published: row.try_get(3)?,
                may_publish: row.try_get(4)?,
            };
            if self.config.scope.holds(&table.schema, &table.name) {
                tables.push(table);
            }
        }
        Ok(tables)
    }

    async fn publication(&self) -> Result<Option<Publication>, Error> {
        let row = self.client.query_opt(PUBLICATION, &[&self.config.publication]).await?;
        let read = |row: tokio_postgres::Row| {
            let (is_all, is_complete) = (row.try_get(0)?, row.try_get(1)?);
            Ok(Publication { is_all, is_complete, is_ours: row.try_get(2)? })
        };
        row.map(read).transpose()
    }

    /// What is named and is not there.
    async fn absent(&self, tables: &[Table]) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        for Tables { schema, table } in &self.config.scope.0 {
            let is_there = match table {
                Some(name) => {
                    tables.iter().any(|table| table.schema == *schema && table.name == *name)
                }
                None => self.client.query_opt(SCHEMA, &[schema]).await?.is_some(),
            };
            if is_there {
                continue;
            }
            let what = match table {
                Some(table) => {
                    format!("table {:?} that could be watched", collection(schema, table))
                }
                None => format!("schema {schema:?}"),
            };
            let detail = format!("there is no {what} in the database {:?}", self.config.database);
            let mend = "create it, or correct table= in the source's URL";
            findings.push(Finding::problem("tables", detail, mend));
        }
        Ok(findings)
    }

    // ── The publication ────────────────────────────────────────────────────────────────────────

    /// Whether the publication can be made.
    fn unpublished(&self, tables: &[Table]) -> Finding {
        let name = &self.config.publication;
        let scope = &self.config.scope;
        let is_by_table = !scope.is_all() && scope.0.iter().all(|tables| tables.table.is_some());
        let may = is_by_table && tables.iter().all(|table| table.may_publish);
        if self.server.is_superuser || may {
            let detail = format!("{name:?} is made at the first start");
            return Finding::ok("publication", detail);
        }
        let objects = if scope.is_all() {
            "ALL TABLES".to_owned()
        } else {
            match objects(self.server.version, &scope.0) {
                Ok(objects) => objects,
                Err(error) => return Finding::failed("publication", &error),
            }
        };
        let sql = format!(
            "CREATE PUBLICATION {} FOR {objects} WITH (publish_via_partition_root = true)",
            escape_identifier(name)
        );
        let detail = format!("there is no {name:?}, and the user may not make it");
        Finding::problem("publication", detail, self.psql(&[&sql]))
    }

    /// Whether the publication has what is watched.
    fn published(&self, publication: &Publication, tables: &[Table]) -> Vec<Finding> {
        let name = &self.config.publication;
        let quoted = escape_identifier(name);
        let missing: Vec<&Table> = tables.iter().filter(|table| !table.is_published).collect();
        let names = |tables: &[&Table], of: fn(&Table) -> String| {
            let names: Vec<String> = tables.iter().map(|table| of(table)).collect();
            names.join(", ")
        };
        let is_added = |table: &&Table| self.is_added(table, tables);
        let mut findings = Vec::new();
        if tables.is_empty() && self.config.scope.is_all() && !publication.is_all {
            let sql = format!("ALTER PUBLICATION {quoted} ADD TABLE NAME");
            let detail = format!("{name:?} has no table: nothing is watched");
            findings.push(Finding::warning("publication", detail, self.psql(&[&sql])));
        } else if missing.is_empty() || publication.is_all {
            let detail = format!("{name:?} has all that is watched");
            findings.push(Finding::ok("publication", detail));
        } else if publication.is_ours && missing.iter().all(is_added) {
            let added = names(&missing, Table::collection);
            let detail = format!("{name:?} is given what it lacks at the next start: {added}");
            findings.push(Finding::ok("publication", detail));
        } else {
            let objects = names(&missing, Table::identifier);
            let sql = format!("ALTER PUBLICATION {quoted} ADD TABLE {objects}");
            let detail = format!("{name:?} lacks {}", names(&missing, Table::collection));
            findings.push(Finding::problem("publication", detail, self.psql(&[&sql])));
        }
        if !publication.is_complete {
            let sql = format!(
                "ALTER PUBLICATION {quoted} SET (publish = 'insert, update, delete, truncate')"
            );
            let detail = format!("{name:?} leaves out inserts, updates or deletes");
            findings.push(Finding::warning("publication", detail, self.psql(&[&sql])));
        }
        findings
    }

    /// Whether the source publishes a table by itself: it is named, or nothing of its schema is
    /// published yet.
    fn is_added(&self, table: &Table, tables: &[Table]) -> bool {
        let is_named = |named: &Tables| {
            named.schema == table.schema && named.table.as_ref() == Some(&table.name)
        };
        if self.config.scope.0.iter().any(is_named) {
            return self.server.is_superuser || table.may_publish;
        }
        let begun = |other: &Table| other.schema == table.schema && other.is_published;
        self.server.is_superuser && !tables.iter().any(begun)
    }

    /// Whether the rows of every table can be told apart.
    async fn identities(&self, tables: &[Table]) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        for row in self.client.query(BARE, &[]).await? {
            let (schema, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let is_watched = |table: &Table| table.schema == schema && table.name == name;
            if !tables.iter().any(is_watched) || findings.len() == limits::CHECK_COLLECTIONS_MAX {
                continue;
            }
            let (schema, name): (String, String) = (row.try_get(2)?, row.try_get(3)?);
            let detail = format!(
                "{:?} has no primary key: published, it refuses every UPDATE and DELETE",
                collection(&schema, &name)
            );
            let (schema, name) = (escape_identifier(&schema), escape_identifier(&name));
            let sql = format!("ALTER TABLE {schema}.{name} REPLICA IDENTITY FULL");
            findings.push(Finding::problem("identity", detail, self.psql(&[&sql])));
        }
        if findings.is_empty() {
            let full = tables.iter().filter(|table| table.is_full).count();
            let detail = format!(
                "{full} of {} tables keep the whole row before a change, the others its key",
                tables.len()
            );
            findings.push(Finding::ok("identity", detail));
        }
        Ok(findings)
    }
}
