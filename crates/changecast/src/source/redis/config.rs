//! What a Redis source is told: where to connect, and what to watch there.
//!
//! It must not connect. Invariant: no text that leaves this module holds a password, neither a
//! `Debug` output nor an error.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use url::Url;

use crate::limits;
use crate::model::Topic;
use crate::source::SourceError;

/// The name of a source that is given none.
const DEFAULT_NAME: &str = "redis";

/// What the client takes from a URL's query by itself.
const CLIENT_OPTIONS: [&str; 4] = ["protocol", "db", "user", "pass"];

/// What a [`RedisSource`](super::RedisSource) is told.
#[derive(Clone)]
pub struct RedisConfig {
    /// Address, database and login. Never printed as a whole.
    pub(super) connection: ConnectionInfo,
    pub(super) tls: TlsFiles,
    /// The source's name: the first part of its topics. Holds no dot.
    pub name: Arc<str>,
    /// What is watched.
    pub watched: Watched,
}

/// Files for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsFiles {
    /// Root certificates to use instead of Mozilla's.
    pub(super) roots: Option<PathBuf>,
    /// Our own certificate, and its key, for a server that asks for one.
    pub(super) own: Option<(PathBuf, PathBuf)>,
}

/// What of a Redis is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Watched {
    /// These streams: ordered and resumable.
    Streams(Vec<String>),
    /// Messages as they pass: Redis keeps none, so what is published while nobody listens is gone.
    Live {
        /// Channels, or patterns of them such as `orders.*`.
        channels: Vec<String>,
        /// Patterns of keys, such as `orders:*`, whose changes are told.
        keys: Vec<String>,
    },
}

impl RedisConfig {
    /// Reads a source URL: `redis://host:port/database` (`rediss://` for TLS,
    /// `redis+unix:///path` for a socket) with `name=`, and `stream=` or `channel=` and
    /// `keyspace=`, all repeatable; for TLS also `sslrootcert=`, and `sslcert=` with `sslkey=`.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when it names nothing to watch, or something is wrong.
    pub fn from_url(url: &str) -> Result<Self, SourceError> {
        // The parser's own words might repeat the password.
        let parsed = Url::parse(url);
        let mut parsed = parsed.map_err(|error| invalid(format!("source URL: {error}")))?;
        let mut options = Options::default();
        let mut for_the_client = Vec::new();
        for (key, value) in parsed.query_pairs() {
            if !options.take(&key, &value)? {
                for_the_client.push((key.into_owned(), value.into_owned()));
            }
        }
        parsed.set_query(None);
        if !for_the_client.is_empty() {
            parsed.query_pairs_mut().extend_pairs(for_the_client);
        }
        let connection = parsed.into_connection_info().map_err(|error| {
            let words = error.detail().unwrap_or(error.category()).to_owned();
            invalid(format!("source URL: {words}; write redis://host:6379/0?stream=orders"))
        })?;
        let tls = options.tls_files(connection.addr())?;
        let config = Self { connection, tls, watched: options.watched()?, name: options.name() };
        config.check_names()?;
        Ok(config)
    }

    /// Where the server is, for errors and the banner.
    #[must_use]
    pub fn address(&self) -> String {
        match self.connection.addr() {
            ConnectionAddr::Unix(path) => path.display().to_string(),
            address => address.to_string(),
        }
    }

    /// The number of the database.
    #[must_use]
    pub fn database(&self) -> i64 {
        self.connection.redis_settings().db()
    }

    fn check_names(&self) -> Result<(), SourceError> {
        let names = match &self.watched {
            Watched::Streams(streams) => streams.clone(),
            Watched::Live { .. } => vec![super::live::FALLBACK_TOPIC.to_owned()],
        };
        for name in names {
            Topic::new(&self.name, &name)
                .map_err(|error| invalid(format!("topic {:?}.{name:?}: {error}", self.name)))?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("address", &self.address())
            .field("database", &self.database())
            .field("name", &self.name)
            .field("watched", &self.watched)
            .finish_non_exhaustive()
    }
}

/// Our own options of a source URL.
#[derive(Default)]
struct Options {
    name: Option<String>,
    streams: Vec<String>,
    channels: Vec<String>,
    keys: Vec<String>,
    root_certificate: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Options {
    /// Whether the option is ours; what is nobody's is refused.
    fn take(&mut self, key: &str, value: &str) -> Result<bool, SourceError> {
        match key {
            "name" => self.name = Some(value.to_owned()),
            "stream" => add(&mut self.streams, key, value)?,
            "channel" => add(&mut self.channels, key, value)?,
            "keyspace" => add(&mut self.keys, key, value)?,
            "sslrootcert" => self.root_certificate = Some(filled(key, value)?.into()),
            "sslcert" => self.certificate = Some(filled(key, value)?.into()),
            "sslkey" => self.key = Some(filled(key, value)?.into()),
            key if CLIENT_OPTIONS.contains(&key) => return Ok(false),
            key => {
                return Err(invalid(format!(
                    "source URL: a Redis source has no option {key:?}; it has name, stream, \
                     channel, keyspace, sslrootcert, sslcert and sslkey"
                )));
            }
        }
        Ok(true)
    }

    fn name(&self) -> Arc<str> {
        self.name.as_deref().unwrap_or(DEFAULT_NAME).into()
    }

    fn tls_files(&mut self, address: &ConnectionAddr) -> Result<TlsFiles, SourceError> {
        let own = match (self.certificate.take(), self.key.take()) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(invalid("source URL: sslcert= and sslkey= belong together")),
        };
        let files = TlsFiles { roots: self.root_certificate.take(), own };
        if files != TlsFiles::default() && !matches!(address, ConnectionAddr::TcpTls { .. }) {
            return Err(invalid("source URL: certificates are for TLS: write rediss://"));
        }
        Ok(files)
    }

    fn watched(&self) -> Result<Watched, SourceError> {
        let is_live = !self.channels.is_empty() || !self.keys.is_empty();
        let count = self.streams.len() + self.channels.len() + self.keys.len();
        match (self.streams.is_empty(), is_live) {
            _ if count > limits::REDIS_WATCHED_MAX => Err(invalid(format!(
                "source URL: more than {} names; divide them among several sources",
                limits::REDIS_WATCHED_MAX
            ))),
            (true, false) => Err(invalid(
                "source URL: nothing is named to watch, as in ?stream=orders (or channel=, or \
                 keyspace=)",
            )),
            (false, true) => Err(invalid(
                "source URL: streams can be resumed, channels and keys cannot: make them two \
                 sources",
            )),
            (false, false) => Ok(Watched::Streams(self.streams.clone())),
            (true, true) => {
                Ok(Watched::Live { channels: self.channels.clone(), keys: self.keys.clone() })
            }
        }
    }
}

fn add(list: &mut Vec<String>, key: &str, value: &str) -> Result<(), SourceError> {
    let value = filled(key, value)?;
    if !list.iter().any(|known| known == value) {
        list.push(value.to_owned());
    }
    Ok(())
}

fn filled<'a>(key: &str, value: &'a str) -> Result<&'a str, SourceError> {
    if value.is_empty() {
        return Err(invalid(format!("source URL: {key}= is empty")));
    }
    Ok(value)
}

pub(super) fn invalid(problem: impl Into<String>) -> SourceError {
    SourceError::Unsupported(problem.into())
}
