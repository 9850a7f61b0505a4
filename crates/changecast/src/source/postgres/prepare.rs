//! Makes a stream possible: looks at the server, the publication and the slot, makes what is missing
//! if that is allowed, and otherwise says in SQL what has to be done.
//!
//! All of it is asked on the connection that streams afterwards, so that what is found here holds
//! there.
//!
//! | invariant | what it buys |
//! |---|---|
//! | a slot is made only where no position asks for the old one | a lost slot is always a gap |
//! | a publication is made before its slot | the slot's first transaction sees it |

pub(super) mod publication;
pub(super) mod published;

use std::sync::atomic::Ordering;

use postgres_protocol::escape::escape_literal;

use super::catalog::Control;
use super::config::PostgresConfig;
use super::errors::{explain, lost, operator};
use super::position::{Identity, Place, lsn_text, parse_lsn};
use super::session::{Row, Session};
use crate::source::SourceError;

/// The oldest version that the tests and the documents promise: PostgreSQL 14.
pub(super) const VERSION_MIN: u32 = 140_000;

/// A server that is ready to stream.
pub(super) struct Prepared {
    pub(super) identity: Identity,
    pub(super) place: Place,
}

/// Asks and prepares on one session.
pub(super) struct Preparation<'a> {
    pub(super) session: &'a mut Session,
    pub(super) control: &'a Control,
    pub(super) config: &'a PostgresConfig,
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
        self.check_role(&server).await?;
        if let Some((identity, place)) = &start {
            self.check_history(&server, identity, *place).await?;
        }
        self.choose_encoding().await?;
        let found = self.slot().await?;
        let found = found.map(|slot| self.check_slot(slot)).transpose()?;
        let is_slot_stuck = self.control.is_slot_stuck.load(Ordering::Acquire);
        let place = match (start, found) {
            (Some(position), Some(Some(confirmed))) => {
                let (_, place) = position;
                check_confirmed(self.config, place, confirmed)?;
                self.check_published(&server, &position).await?;
                self.publish(&server).await?;
                place
            }
            (Some(_), _) => {
                let slot = &self.config.slot;
                return Err(lost(format!("the replication slot {slot:?} is gone or unusable")));
            }
            (None, Some(Some(confirmed))) if !is_slot_stuck => {
                self.publish(&server).await?;
                let place = self.control.resumption(&server.identity);
                place.filter(|place| place.lsn >= confirmed).unwrap_or(Place::at(confirmed))
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

    /// A standby must not be taken for the server that was watched before, or for one that is
    /// younger than it: it may be promoted, or is just the wrong one.
    async fn check_role(&mut self, server: &Server) -> Result<(), SourceError> {
        if first(self.query("SELECT pg_is_in_recovery()").await?).as_deref() == Some("f") {
            return Ok(());
        }
        // A slot of the standby's own can be read there, from PostgreSQL 16 on; not a copy of the
        // primary's.
        let is_own = if server.version < 170_000 { "true" } else { "NOT synced" };
        let slot = escape_literal(&self.config.slot);
        let sql = format!("SELECT {is_own} FROM pg_replication_slots WHERE slot_name = {slot}");
        if first(self.query(&sql).await?).as_deref() == Some("t") {
            return Ok(());
        }
        Err(operator(
            format!("{} is a standby", self.config.place()),
            "name the primary in the source's URL; or, if it shall take over, run there: SELECT \
             pg_promote();",
        ))
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
        let is_same = then.timeline == now.timeline;
        if then.timeline > now.timeline || is_same && server.flushed < place.lsn {
            return Err(lost("the server is older than the position: restored from a backup?"));
        }
        if is_same {
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
