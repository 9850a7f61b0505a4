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
use crate::source::SourceError;

/// How long the driver looks for a server before it says that there is none; the runner tries again
/// anyway, so a short time only means that the state is known sooner.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// How long connecting may take, and how long a monitored server may stay silent before the driver
/// cuts connections that wait for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a [`MongoSource`](super::MongoSource) is told.
#[derive(Clone)]
pub struct MongoConfig {
    /// The connection string, for the driver. Never printed.
    uri: String,
    /// The source's name: the first part of its topics. Holds no dot.
    pub name: Arc<str>,
    /// The database that is watched.
    pub database: String,
    /// What of it is watched.
    pub scope: Scope,
    /// Which documents come with updates; none unless asked for.
    pub full_document: Option<FullDocument>,
    /// Which documents come as they were before the change; none unless asked for.
    pub full_document_before_change: Option<FullDocumentBeforeChange>,
}

/// How the document that an update has changed comes with it, as `fullDocument`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FullDocument {
    /// Looked up when the change is read: it may be newer than the change, or gone.
    UpdateLookup,
    /// As it was right after the change, if the collection keeps images.
    WhenAvailable,
    /// As it was right after the change; where the collection keeps no images, the source fails.
    Required,
}

/// How the document from before the change comes with it, as `fullDocumentBeforeChange`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FullDocumentBeforeChange {
    /// If the collection keeps images.
    WhenAvailable,
    /// Always; where the collection keeps no images, the source fails.
    Required,
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
        }
    }

    /// Reads a source URL: a MongoDB connection string with the database as its path and, among
    /// the driver's own options, `name=`, `collection=` (repeatable; none = the whole database),
    /// `full_document=` and `full_document_before_change=`.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when it names no database, or one of these options is wrong.
    pub fn from_url(url: &str) -> Result<Self, SourceError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut config = Self::new(base, database_of(base)?, Scope::Database);
        let mut collections = Vec::new();
        let mut for_the_driver = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "name" => config.name = percent_decode(value)?.into(),
                "collection" => collections.push(percent_decode(value)?),
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
        // When the driver (3.9.1) resumes a stream and has to ask twice for it, it has forgotten the
        // token by then: it starts from now, or once more from where it first started. Our own
        // retries do not.
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
            .finish()
    }
}

impl FullDocument {
    const NAMES: [(&'static str, Option<Self>); 4] = [
        ("default", None),
        ("updateLookup", Some(Self::UpdateLookup)),
        ("whenAvailable", Some(Self::WhenAvailable)),
        ("required", Some(Self::Required)),
    ];

    /// Reads MongoDB's own word for it; `default` is none.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] for any other word.
    pub fn parse(text: &str) -> Result<Option<Self>, SourceError> {
        by_name("full_document", &Self::NAMES, text)
    }

    /// MongoDB's own word for it.
    pub(super) fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

impl FullDocumentBeforeChange {
    const NAMES: [(&'static str, Option<Self>); 3] = [
        ("off", None),
        ("whenAvailable", Some(Self::WhenAvailable)),
        ("required", Some(Self::Required)),
    ];

    /// Reads MongoDB's own word for it; `off` is none.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] for any other word.
    pub fn parse(text: &str) -> Result<Option<Self>, SourceError> {
        by_name("full_document_before_change", &Self::NAMES, text)
    }

    /// MongoDB's own word for it.
    pub(super) fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

fn by_name<T: Copy>(
    option: &str,
    names: &[(&str, Option<T>)],
    text: &str,
) -> Result<Option<T>, SourceError> {
    if let Some((_, value)) = names.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    Err(invalid(format!("{option}: {text:?} is not one of {}", known.join(", "))))
}

fn name_of<T: Copy + PartialEq>(names: &[(&'static str, Option<T>)], value: T) -> &'static str {
    names.iter().find(|(_, known)| *known == Some(value)).map_or("default", |(name, _)| name)
}

/// The path of a source URL that ends before its query.
fn database_of(base: &str) -> Result<String, SourceError> {
    let after_scheme = base.split_once("://").map_or(base, |(_, rest)| rest);
    let path = after_scheme.split_once('/').map_or("", |(_, path)| path);
    match percent_decode(path)? {
        database if database.is_empty() => {
            Err(invalid("source URL: no database is named, as in mongodb://localhost/shop"))
        }
        database => Ok(database),
    }
}

fn percent_decode(text: &str) -> Result<String, SourceError> {
    let malformed = || invalid(format!("source URL: {text:?} is not percent-encoded UTF-8"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(malformed)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| malformed())?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| malformed())
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
