//! What the stream does not tell of a table: the types its database has made, and its primary key
//! where another identity is replicated.
//!
//! Asked on a connection of its own, which is opened at the first need and kept. The answers are of
//! now, while the stream may tell of the past: what does not fit is left out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls};

use super::config::PostgresConfig;
use super::decode::Relation;
use super::dial::dial;
use super::errors::{Failure, explain};
use super::position::{Identity, Place};
use super::scope;
use super::table::{Table, TableColumn};
use super::told::Told;
use super::values::Kind;
use crate::limits;
use crate::source::SourceError;

/// Queries beside the stream.
pub(super) struct Control {
    pub(super) config: PostgresConfig,
    /// Kept while it works. A tokio mutex: held while it connects.
    client: Mutex<Option<Arc<Client>>>,
    /// Whether the slot leads to what can never be read.
    pub(super) is_slot_stuck: AtomicBool,
    /// What the stream has told and queries may not see yet.
    pub(super) told: Told,
    /// Where to go on after a gap that concerns some tables only. Held for a moment.
    resumption: std::sync::Mutex<Option<(Identity, Place)>>,
}

/// How deep domains over arrays over domains are looked into.
const TYPE_DEPTH_MAX: u32 = 8;

impl Control {
    pub(super) fn new(config: PostgresConfig) -> Self {
        let is_slot_stuck = AtomicBool::new(false);
        let (told, resumption) = Default::default();
        Self { config, client: Mutex::default(), is_slot_stuck, told, resumption }
    }

    /// Keeps the place that a stream without a position goes on from, once.
    pub(super) fn note_resumption(&self, position: &(Identity, Place)) {
        *self.resumption.lock().unwrap_or_else(PoisonError::into_inner) = Some(position.clone());
    }

    /// That place, if it is of this history.
    pub(super) fn resumption(&self, identity: &Identity) -> Option<Place> {
        let kept = self.resumption.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(of, _)| of == identity).map(|(_, place)| *place)
    }

    /// A stream is open: what was kept for it is of no use any more.
    pub(super) fn note_open(&self) {
        self.is_slot_stuck.store(false, Ordering::Release);
        *self.resumption.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The connection, made anew if it has broken.
    pub(super) async fn client(&self) -> Result<Arc<Client>, SourceError> {
        let mut kept = self.client.lock().await;
        if let Some(client) = kept.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let socket = dial(&self.config).await?;
        let mut options = tokio_postgres::Config::new();
        options.user(&self.config.user).dbname(&self.config.database);
        options.application_name(&self.config.slot);
        options.options(
            "-c DateStyle=ISO -c IntervalStyle=iso_8601 -c TimeZone=UTC -c extra_float_digits=1 \
             -c bytea_output=hex -c statement_timeout=20s",
        );
        // What encryption there is, the socket has.
        options.ssl_mode(tokio_postgres::config::SslMode::Disable);
        options.channel_binding(tokio_postgres::config::ChannelBinding::Disable);
        if let Some(password) = &self.config.password {
            options.password(password);
        }
        let connecting = options.connect_raw(socket, NoTls);
        let connecting = tokio::time::timeout(limits::POSTGRES_CONNECT_TIMEOUT, connecting);
        let silent = |_| Failure::Broken("no answer".into());
        let connected = connecting.await.map_err(silent);
        let connected = connected.and_then(|connected| connected.map_err(Failure::from));
        let (client, connection) = connected.map_err(|failure| explain(&self.config, failure))?;
        // It ends with the client; whoever asks through it learns what went wrong.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Arc::clone(kept.insert(Arc::new(client))))
    }

    /// How far the server's WAL is safely on its disk.
    pub(super) async fn flushed(&self) -> Result<u64, SourceError> {
        let sql = "SELECT (pg_current_wal_flush_lsn() - '0/0')::int8";
        let row = self.client().await?.query_one(sql, &[]).await;
        let flushed = row.and_then(|row| row.try_get::<_, i64>(0));
        flushed.map(i64::cast_unsigned).map_err(|error| explain(&self.config, error.into()))
    }

    async fn primary_key(&self, table: u32) -> Result<Vec<String>, SourceError> {
        let sql = "SELECT a.attname::text FROM pg_index i
             CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE i.indrelid = $1 AND i.indisprimary ORDER BY k.place";
        let rows = self.client().await?.query(sql, &[&table]).await;
        let names = rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect());
        names.map_err(|error| explain(&self.config, error.into()))
    }

    /// The kind of a type that was made in the database.
    pub(super) async fn kind(&self, oid: u32) -> Result<Kind, SourceError> {
        let sql = "SELECT typtype = 'd', typbasetype, CASE WHEN typcategory = 'A' THEN typelem
             ELSE 0::oid END FROM pg_type WHERE oid = $1";
        let client = self.client().await?;
        let (mut oid, mut array_depth) = (oid, 0);
        for _ in 0..TYPE_DEPTH_MAX {
            let found = match Kind::built_in(oid) {
                Some(kind) => Some(kind),
                None => {
                    let row = client.query_opt(sql, &[&oid]).await;
                    let row = row.map_err(|error| explain(&self.config, error.into()))?;
                    let read = |row: tokio_postgres::Row| {
                        Some((row.try_get(0).ok()?, row.try_get(1).ok()?, row.try_get(2).ok()?))
                    };
                    match row.and_then(read) {
                        Some((true, base, _)) => {
                            oid = base;
                            None
                        }
                        Some((false, _, element)) if element != 0 => {
                            oid = element;
                            array_depth += 1;
                            None
                        }
                        _ => Some(Kind::Text),
                    }
                }
            };
            if let Some(kind) = found {
                let wrap = |kind, _| Kind::Array(Box::new(kind));
                return Ok((0..array_depth).fold(kind, wrap));
            }
        }
        Ok(Kind::Text)
    }
}

/// Makes tables of what the stream says of them.
pub(super) struct Catalog {
    control: Arc<Control>,
    kinds: HashMap<u32, Kind>,
}

impl Catalog {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self { control, kinds: HashMap::new() }
    }

    /// The table, if it is watched.
    pub(super) async fn table(
        &mut self,
        relation: &Relation<'_>,
    ) -> Result<Option<Table>, SourceError> {
        let schema = String::from_utf8_lossy(relation.schema).into_owned();
        let table = String::from_utf8_lossy(relation.table).into_owned();
        let control = Arc::clone(&self.control);
        let config = &control.config;
        if !config.scope.holds(&schema, &table) {
            return Ok(None);
        }
        let mut columns = Vec::with_capacity(relation.columns.len());
        for column in &relation.columns {
            let kind = self.kind(column.kind).await?;
            columns.push(TableColumn::new(&String::from_utf8_lossy(column.name), kind));
        }
        let key = self.key(relation).await?;
        let topic = scope::topic(&config.name, &schema, &table);
        Ok(Some(Table::new(&config.database, topic, (&schema, &table), columns, key)))
    }

    async fn kind(&mut self, oid: u32) -> Result<Kind, SourceError> {
        if let Some(kind) = Kind::built_in(oid).or_else(|| self.kinds.get(&oid).cloned()) {
            return Ok(kind);
        }
        let kind = self.control.kind(oid).await?;
        self.kinds.insert(oid, kind.clone());
        Ok(kind)
    }

    /// The columns that identify a row. The stream marks them, unless all of the row or nothing
    /// does.
    async fn key(&self, relation: &Relation<'_>) -> Result<Vec<usize>, SourceError> {
        let columns = || relation.columns.iter().enumerate();
        if matches!(relation.identity, b'd' | b'i') {
            return Ok(columns().filter(|(_, column)| column.is_key).map(|(at, _)| at).collect());
        }
        let names = self.control.primary_key(relation.id).await?;
        let place = |name: &String| {
            columns().find(|(_, column)| column.name == name.as_bytes()).map(|(at, _)| at)
        };
        Ok(names.iter().map(place).collect::<Option<_>>().unwrap_or_default())
    }
}
