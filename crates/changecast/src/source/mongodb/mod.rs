//! MongoDB: one change stream per source, on one collection, several, a whole database, or the
//! whole cluster.
//!
//! The driver knows MongoDB and hands out changes already encoded; it must not know the log, nor
//! anybody who follows it.
//!
//! | invariant | what it buys | test |
//! |---|---|---|
//! | `watch` returns only once the server has opened the stream | no later change is missed | `a_change_right_after_watch_is_always_seen` |
//! | every position is a resume token, or lies before one | resuming neither loses nor repeats | `resuming_loses_nothing_and_repeats_nothing` |
//! | streams are reopened with `startAfter` only | a drop is followed by what comes after it | `after_a_drop_the_collection_lives_on` |
//! | events are taken raw; no value can stop a stream | a poison value costs one character, not the source | `poison_values_are_carried` |
//! | the server's stream is asked by one task | a reader may drop `next` at any time | `dropping_the_stream_kills_the_cursor` |
//! | who answers is asked before each opening | a database put in another's place is a gap at once | `g2_a_replaced_database_is_a_gap_at_once` |
//!
//! # Topics
//!
//! A change belongs to `<source>.<collection>`. A rename belongs to the collection's old name, or
//! to the new one if only that is watched. What names no collection (`dropDatabase`, and the
//! `invalidate` that follows) belongs to the one collection that is watched, or else to
//! `<source>.$database`, a name that no collection can have. Where the whole cluster is watched,
//! the database's name stands in the place of the source's.

mod check;
mod config;
mod cursor;
mod decode;
mod deployment;
mod documents;
mod errors;
mod extended_json;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod mongo;
mod position;
mod request;
mod scope;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use tokio::sync::Mutex;

use self::documents::MongoDocuments;
use self::errors::Hosts;
use self::position::Positions;
use self::request::Request;
use self::scope::Watched;
use self::stream::{Follower, Opener};
use super::{ChangeStream, Documents, Finding, Source, SourceError, WatchOptions};
use crate::limits;
use crate::model::TopicSet;
use crate::telemetry::Telemetry;

pub use config::MongoConfig;
pub use mongo::Mongo;
pub use scope::Scope;

/// A watched MongoDB. Cloning is cheap: all clones share their connections.
#[derive(Clone)]
pub struct MongoSource {
    config: MongoConfig,
    watched: Arc<Watched>,
    hosts: Arc<Hosts>,
    telemetry: Arc<Telemetry>,
    client: Arc<SharedClient>,
    /// Streams that are being followed: a check need not try whether one can be opened.
    open_streams: Arc<AtomicUsize>,
}

/// Made at first use, inside a runtime, and kept: its pool and monitors outlive every stream. A
/// tokio mutex: held while a client is made, which may look up names.
type SharedClient = Mutex<Option<Client>>;

impl MongoSource {
    /// Checks `config`; nothing is connected yet.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when a name, the pipeline or the connection string is not
    /// valid.
    pub fn new(config: MongoConfig, telemetry: Arc<Telemetry>) -> Result<Self, SourceError> {
        let hosts = config.hosts()?;
        Request::new(&config, &WatchOptions::new())?;
        let watched = Watched::new(&config.name, &config.database, &config.scope)?;
        Ok(Self {
            config,
            watched: Arc::new(watched),
            hosts: Arc::new(hosts),
            telemetry,
            client: Arc::default(),
            open_streams: Arc::default(),
        })
    }

    /// Opens a stream of changes, eagerly, as [`Source::watch`] says.
    ///
    /// # Errors
    /// As [`Source::watch`].
    pub async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        let request = Request::new(&self.config, &options)?;
        let positions = Positions::new(&self.watched, request.fingerprint.as_deref());
        let start = positions.start(&options)?;
        let client = self.client().await?;
        let hello = self.hello(&client).await?;
        let opener = Opener {
            client,
            request,
            watched: Arc::clone(&self.watched),
            hosts: Arc::clone(&self.hosts),
        };
        let (follower, initial) = Follower::open(opener, positions, start, hello).await?;
        let initial = initial.or_else(|| options.token().cloned());
        let (sender, stream) = ChangeStream::new(initial);
        let (telemetry, open_streams) =
            (Arc::clone(&self.telemetry), Arc::clone(&self.open_streams));
        open_streams.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            follower.run(sender, telemetry).await;
            open_streams.fetch_sub(1, Ordering::Relaxed);
        });
        Ok(stream)
    }

    async fn client(&self) -> Result<Client, SourceError> {
        let mut kept = self.client.lock().await;
        if let Some(client) = &*kept {
            return Ok(client.clone());
        }
        let options = self.config.client_options().await;
        let client = options.and_then(Client::with_options);
        let client = client.map_err(|error| self.hosts.explain(&error))?;
        Ok(kept.insert(client).clone())
    }

    async fn hello(&self, client: &Client) -> Result<Document, SourceError> {
        let error = match say_hello(client).await {
            Ok(hello) if errors::is_uninitiated(&hello) => return Err(self.hosts.uninitiated()),
            Ok(hello) => return Ok(hello),
            Err(error) => error,
        };
        if errors::is_selection(&error) {
            // The driver strikes out for good a server that is not what the connection string says,
            // and takes a new replica set in place of the old for an outdated primary: a client
            // made anew looks without prejudice.
            self.client.lock().await.take();
        }
        if errors::is_without_servers(&error)
            && let Some(stranger) = self.stranger().await
        {
            return Err(stranger);
        }
        Err(self.hosts.explain(&error))
    }

    /// What is wrong with the server that answers in the place of the replica set's member.
    async fn stranger(&self) -> Option<SourceError> {
        let mut options = self.config.client_options().await.ok()?;
        let wanted = options.repl_set_name.take()?;
        options.hosts.truncate(1);
        options.direct_connection = Some(true);
        let client = Client::with_options(options).ok()?;
        let hello = say_hello(&client).await.ok()?;
        Some(self.hosts.stranger(&hello, &wanted))
    }
}

async fn say_hello(client: &Client) -> mongodb::error::Result<Document> {
    let admin = client.database("admin");
    admin.run_command(doc! { "hello": 1 }).await
}

#[async_trait]
impl Source for MongoSource {
    fn name(&self) -> &Arc<str> {
        &self.watched.name
    }

    fn kind(&self) -> &'static str {
        "mongodb"
    }

    fn topics(&self) -> TopicSet {
        self.watched.topics()
    }

    async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        Self::watch(self, options).await
    }

    async fn check(&self) -> Vec<Finding> {
        self.findings().await
    }

    fn documents(&self) -> Option<Arc<dyn Documents>> {
        Some(Arc::new(MongoDocuments::new(self.clone())))
    }

    async fn probe(&self) -> Result<(), SourceError> {
        let ping = async {
            let client = self.client().await?;
            let answer = client.database("admin").run_command(doc! { "ping": 1 }).await;
            answer.map(drop).map_err(|error| self.hosts.explain(&error))
        };
        match tokio::time::timeout(limits::PROBE_TIMEOUT, ping).await {
            Ok(answer) => answer,
            Err(_) => Err(self.hosts.silent()),
        }
    }
}
