//! Makes a stream possible: looks at the server, the tables, the publication and the slot, makes
//! what is missing if that is allowed, and otherwise says in SQL what has to be done.
//!
//! All of it is asked on the connection that streams afterwards, so that what is found here holds
//! there.
//!
//! | invariant | what it buys |
//! |---|---|
//! | a slot is made only where no position asks for the old one | a lost slot is always a gap |
//! | a publication is made before its slot | the slot's first transaction sees it |
//! | a table whose updates a publication would refuse is not published | watching breaks no writer |

use postgres_protocol::escape::{escape_identifier, escape_literal};

use super::config::PostgresConfig;
use super::errors::{Failure, explain, lost, operator};
use super::position::{Identity, Place, lsn_text, parse_lsn};
use super::scope::{Tables, collection};
use super::session::{Row, Session};
use crate::source::SourceError;

/// The oldest version that the tests and the documents promise: PostgreSQL 14.
pub(super) const VERSION_MIN: u32 = 140_000;

/// Where schemas can be published as a whole: PostgreSQL 15.
const VERSION_SCHEMAS: u32 = 150_000;

/// A server that is ready to stream.
pub(super) struct Prepared {
    pub(super) identity: Identity,
    pub(super) place: Place,
}

/// Asks and prepares on one session.
pub(super) struct Preparation<'a> {
    pub(super) session: &'a mut Session,
    pub(super) config: &'a PostgresConfig,
    /// Whether the slot has to be made anew.
    pub(super) is_slot_stuck: bool,
}

/// What the server says of itself.
struct Server {
    identity: Identity,
    flushed: u64,
    version: u32,
}

/// A row of `pg_replication_slots`.
struct Slot {
    plugin: String,
    database: String,
    /// None where it can no longer be read.
    confirmed: Option<u64>,
}

impl Preparation<'_> {
    /// Checks everything, makes what is missing, and finds the place to start at.
    pub(super) async fn run(
        mut self,
        start: Option<(Identity, Place)>,
    ) -> Result<Prepared, SourceError> {
        let server = self.server().await?;
        self.check_settings(&server).await?;
        if let Some((identity, place)) = &start {
            self.check_history(&server, identity, *place).await?;
        }
        self.choose_encoding().await?;
        let found = self.slot().await?;
        let found = found.map(|slot| self.check_slot(slot)).transpose()?;
        let place = match (start, found) {
            (Some((_, place)), Some(Some(confirmed))) => {
                check_confirmed(self.config, place, confirmed)?;
                self.publish(&server).await?;
                place
            }
            (Some(_), _) => {
                let slot = &self.config.slot;
                return Err(lost(format!("the replication slot {slot:?} is gone or unusable")));
            }
            (None, Some(Some(confirmed))) if !self.is_slot_stuck => {
                self.publish(&server).await?;
                Place::at(confirmed)
            }
            (None, unusable) => {
                self.publish(&server).await?;
                if unusable.is_some() {
                    self.drop_slot().await?;
                }
                Place::at(self.create_slot().await?)
            }
        };
        Ok(Prepared { identity: server.identity, place })
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<Row>, SourceError> {
        let answer = self.session.query(sql).await;
        answer.map_err(|failure| explain(self.config, failure))
    }

    // ── The server ─────────────────────────────────────────────────────────────────────────────

    async fn server(&mut self) -> Result<Server, SourceError> {
        let identified = self.query("IDENTIFY_SYSTEM").await?;
        let version = self.query("SELECT current_setting('server_version_num')").await?;
        let read = || {
            let mut columns = identified.into_iter().next()?.into_iter();
            let system = columns.next()??;
            let timeline = columns.next()??.parse().ok()?;
            let flushed = parse_lsn(&columns.next()??)?;
            let version = first(version)?.parse().ok()?;
            Some(Server { identity: Identity { system, timeline }, flushed, version })
        };
        read().ok_or_else(|| SourceError::Unavailable("the server does not say who it is".into()))
    }

    async fn check_settings(&mut self, server: &Server) -> Result<(), SourceError> {
        let place = self.config.place();
        if server.version < VERSION_MIN {
            let version = server.version / 10_000;
            return Err(operator(
                format!("{place} is PostgreSQL {version}"),
                "PostgreSQL 14 or newer is needed: upgrade it",
            ));
        }
        let level = self.query("SELECT current_setting('wal_level')").await?;
        match first(level).as_deref() {
            Some("logical") => Ok(()),
            level => Err(operator(
                format!("{place} has wal_level = {}, not logical", level.unwrap_or("?")),
                "as a superuser, run: ALTER SYSTEM SET wal_level = logical; and restart PostgreSQL",
            )),
        }
    }

    /// Where the database checks no text, the server would fail for ever to send in UTF-8 what is
    /// none: such text is taken as it is, and made readable here.
    async fn choose_encoding(&mut self) -> Result<(), SourceError> {
        let encoding = self.query("SELECT current_setting('server_encoding')").await?;
        if first(encoding).as_deref() == Some("SQL_ASCII") {
            self.query("SET client_encoding = 'SQL_ASCII'").await?;
        }
        Ok(())
    }

    /// Whether a place is in the history that this server has.
    async fn check_history(
        &mut self,
        server: &Server,
        identity: &Identity,
        place: Place,
    ) -> Result<(), SourceError> {
        let (then, now) = (identity, &server.identity);
        if then.system != now.system {
            return Err(lost("this is another PostgreSQL cluster than the one watched before"));
        }
        if then.timeline > now.timeline || server.flushed < place.lsn {
            return Err(lost("the server is older than the position: restored from a backup?"));
        }
        if then.timeline == now.timeline {
            return Ok(());
        }
        let history = self.query(&format!("TIMELINE_HISTORY {}", now.timeline)).await?;
        let text = history.into_iter().next().and_then(|row| row.into_iter().nth(1)?);
        let switched = text.as_deref().and_then(|text| switch_point(text, then.timeline));
        match switched {
            Some(switched) if switched >= place.lsn => Ok(()),
            _ => Err(lost("the server took over from another one before the position")),
        }
    }

    // ── The slot ───────────────────────────────────────────────────────────────────────────────

    async fn slot(&mut self) -> Result<Option<Slot>, SourceError> {
        let sql = format!(
            "SELECT plugin, database, CASE WHEN wal_status = 'lost' THEN NULL
                    ELSE confirmed_flush_lsn END
             FROM pg_replication_slots WHERE slot_name = {}",
            escape_literal(&self.config.slot)
        );
        let row = self.query(&sql).await?.into_iter().next();
        Ok(row.map(|row| {
            let mut columns = row.into_iter();
            let mut next = || columns.next().flatten();
            let (plugin, database) = (next().unwrap_or_default(), next().unwrap_or_default());
            Slot { plugin, database, confirmed: next().as_deref().and_then(parse_lsn) }
        }))
    }

    /// Where the slot stands, if it can be read; it must be one that we may use.
    fn check_slot(&self, slot: Slot) -> Result<Option<u64>, SourceError> {
        let PostgresConfig { slot: name, database, .. } = self.config;
        if slot.plugin != "pgoutput" || slot.database != *database {
            return Err(operator(
                format!(
                    "the replication slot {name:?} is of the plugin {:?} and the database {:?}",
                    slot.plugin, slot.database
                ),
                "choose another slot with slot= in the source's URL",
            ));
        }
        Ok(slot.confirmed)
    }

    async fn create_slot(&mut self) -> Result<u64, SourceError> {
        let slot = escape_literal(&self.config.slot);
        let sql = format!("SELECT lsn FROM pg_create_logical_replication_slot({slot}, 'pgoutput')");
        let created = first(self.query(&sql).await?);
        created.as_deref().and_then(parse_lsn).ok_or_else(|| {
            SourceError::Unavailable("the server does not say where the new slot begins".into())
        })
    }

    async fn drop_slot(&mut self) -> Result<(), SourceError> {
        let slot = escape_literal(&self.config.slot);
        self.query(&format!("SELECT pg_drop_replication_slot({slot})")).await.map(drop)
    }

    // ── The publication ────────────────────────────────────────────────────────────────────────

    /// Makes sure that the publication holds what is watched.
    async fn publish(&mut self, server: &Server) -> Result<(), SourceError> {
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
pub(super) fn objects(version: u32, wanted: &[Tables]) -> Result<String, SourceError> {
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

/// A slot that is ahead would skip what lies between, and say nothing.
fn check_confirmed(
    config: &PostgresConfig,
    place: Place,
    confirmed: u64,
) -> Result<(), SourceError> {
    if confirmed <= place.lsn {
        return Ok(());
    }
    Err(lost(format!(
        "the replication slot {:?} is at {}, ahead of the position {}: somebody else has read it",
        config.slot,
        lsn_text(confirmed),
        lsn_text(place.lsn)
    )))
}

/// Where a timeline ended, by the history of a later one.
fn switch_point(history: &str, timeline: u32) -> Option<u64> {
    history.lines().find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        (columns.next()?.parse::<u32>().ok()? == timeline).then_some(())?;
        parse_lsn(columns.next()?)
    })
}

fn first(rows: Vec<Row>) -> Option<String> {
    rows.into_iter().next()?.into_iter().next()?
}
