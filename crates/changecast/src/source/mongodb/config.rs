//! What a MongoDB source is told: where to connect, what to watch, which images to ask for.
//!
//! It must not connect. Invariant: no text that leaves this module holds a password, neither a
//! `Debug` output nor an error.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mongodb::options::{ClientOptions, ConnectionString};

use super::errors::{Hosts, invalid};
use super::scope::Scope;
use crate::limits;
use crate::source::{FullDocument, FullDocumentBeforeChange, SourceError, percent};

/// How long the driver looks for a server before it says that there is none; the runner tries again
/// anyway, so a short time only means that the state is known sooner.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// How long connecting may take, and how long a monitored server may stay silent before the driver
/// cuts connections that wait for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The name of a source that watches a whole cluster, unless it is given another.
const CLUSTER_NAME: &str = "mongodb";

/// What a [`MongoSource`](super::MongoSource) is told.
#[derive(Clone)]
pub struct MongoConfig {
    /// The connection string, for the driver. Never printed.
    uri: String,
    /// The source's name: the first part of its topics. Holds no dot.
    pub name: Arc<str>,
    /// The database that is watched; empty for the whole cluster.
    pub database: String,
    /// What of it is watched.
    pub scope: Scope,
    /// Which documents come with updates; none unless asked for.
    pub full_document: Option<FullDocument>,
    /// Which documents come as they were before the change; none unless asked for.
    pub full_document_before_change: Option<FullDocumentBeforeChange>,
    /// What MongoDB does with every change before it sends it: a list of stages in Extended JSON.
    pub pipeline: Option<String>,
}

impl MongoConfig {
    /// Watches `scope` of `database` under the database's own name, through the MongoDB
    /// connection string `uri`.
    #[must_use]
    pub fn new(uri: impl Into<String>, database: impl Into<String>, scope: Scope) -> Self {
        let database = database.into();
        Self {
            uri: uri.into(),
            name: database.as_str().into(),
            database,
            scope,
            full_document: None,
            full_document_before_change: None,
            pipeline: None,
        }
    }

    /// Watches all databases, as the source `mongodb`; topics are `<database>.<collection>`.
    #[must_use]
    pub fn cluster(uri: impl Into<String>) -> Self {
        Self { name: CLUSTER_NAME.into(), ..Self::new(uri, "", Scope::Cluster) }
    }

    /// Reads a source URL: a MongoDB connection string with the database as its path (`*` = all)
    /// and, among the driver's own options, `name=`, `collection=` (repeatable; none = the whole
    /// database), `pipeline=` (percent-encoded, `+` is a space), `full_document=` and
    /// `full_document_before_change=`.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when it names no database, or one of these options is wrong.
    pub fn from_url(url: &str) -> Result<Self, SourceError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut config = match database_of(base)? {
            (address, database) if database == "*" => Self::cluster(format!("{address}/")),
            (_, database) => Self::new(base, database, Scope::Database),
        };
        let base = config.uri.clone();
        let mut collections = Vec::new();
        let mut for_the_driver = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "name" => config.name = percent_decode(value)?.into(),
                "collection" => collections.push(percent_decode(value)?),
                "pipeline" => config.pipeline = Some(form_decode(value)?),
                "full_document" => config.full_document = FullDocument::parse(value)?,
                "full_document_before_change" => {
                    config.full_document_before_change = FullDocumentBeforeChange::parse(value)?;
                }
                _ => for_the_driver.push(pair),
            }
        }
        if !for_the_driver.is_empty() {
            config.uri = format!("{base}?{}", for_the_driver.join("&"));
        }
        if !collections.is_empty() && config.scope == Scope::Cluster {
            return Err(invalid("source URL: collection= needs a database, as in /shop"));
        }
        if !collections.is_empty() {
            config.scope = Scope::Collections(collections);
        }
        Ok(config)
    }

    /// The servers that the connection string names.
    pub(super) fn hosts(&self) -> Result<Hosts, SourceError> {
        match ConnectionString::parse(&self.uri) {
            Ok(parsed) => Ok(Hosts::new(&parsed.host_info)),
            Err(_) => Err(invalid(format!("connection string: {}", self.explain_uri()))),
        }
    }

    /// Says what is wrong with the connection string, by reading it again without its password.
    fn explain_uri(&self) -> String {
        match ConnectionString::parse(without_password(&self.uri)) {
            Err(error) => super::errors::short(&error),
            Ok(_) => "percent-encode special characters in the user name and password".into(),
        }
    }

    /// The driver's options. Looks up the servers' names where the connection string says so.
    pub(super) async fn client_options(&self) -> mongodb::error::Result<ClientOptions> {
        let mut options = ClientOptions::parse(&self.uri).await?;
        options.app_name.get_or_insert_with(|| "changecast".into());
        options.server_selection_timeout.get_or_insert(SERVER_SELECTION_TIMEOUT);
        options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
        // Each stream holds a connection while it waits: the driver's ten would make the eleventh
        // stream wait for the others.
        options.max_pool_size.get_or_insert(limits::MONGO_CONNECTIONS_MAX);
        // What fails is asked again here, with pauses.
        options.retry_reads = Some(false);
        Ok(options)
    }
}

impl fmt::Debug for MongoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoConfig")
            .field("uri", &without_password(&self.uri))
            .field("name", &self.name)
            .field("database", &self.database)
            .field("scope", &self.scope)
            .field("full_document", &self.full_document)
            .field("full_document_before_change", &self.full_document_before_change)
            .field("pipeline", &self.pipeline)
            .finish()
    }
}

/// The address and the path of a source URL that ends before its query.
fn database_of(base: &str) -> Result<(&str, String), SourceError> {
    let after_scheme = base.find("://").map_or(0, |at| at + 3);
    let path = base.get(after_scheme..).and_then(|rest| rest.split_once('/'));
    let (_, path) = path.unwrap_or((base, ""));
    let address = base.get(..base.len() - path.len()).unwrap_or(base).trim_end_matches('/');
    match percent_decode(path)? {
        database if database.is_empty() => Err(invalid(
            "source URL: no database is named, as in mongodb://localhost/shop (or /* for all)",
        )),
        database => Ok((address, database)),
    }
}

/// As [`percent_decode`], where forms write spaces as plus signs: JSON has a use for neither.
fn form_decode(text: &str) -> Result<String, SourceError> {
    percent_decode(&text.replace('+', " "))
}

fn percent_decode(text: &str) -> Result<String, SourceError> {
    let malformed = || invalid(format!("source URL: {text:?} is not percent-encoded UTF-8"));
    percent::decode(text).ok_or_else(malformed)
}

/// `uri` with a placeholder for all that may belong to user name and password, even where special
/// characters in them are not encoded.
fn without_password(uri: &str) -> String {
    match (uri.split_once("://"), uri.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://user:password@{rest}"),
        (None, Some((_, rest))) => format!("user:password@{rest}"),
        (_, None) => uri.to_owned(),
    }
}
