//! What a PostgreSQL source is told: where to connect, what to watch, by which slot and
//! publication.
//!
//! It must not connect. Invariant: no text that leaves this module holds a password, neither a
//! `Debug` output nor an error.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::errors::invalid;
use super::scope::Scope;
use crate::model::Topic;
use crate::source::{SourceError, percent};

const DEFAULT_PORT: u16 = 5432;

/// Bytes of a name that PostgreSQL keeps; it cuts longer ones in silence.
const NAME_BYTES_MAX: usize = 63;

/// What a [`PostgresSource`](super::PostgresSource) is told.
#[derive(Clone)]
pub struct PostgresConfig {
    /// The source's name: the first part of its topics. Holds no dot.
    pub name: Arc<str>,
    /// The database that is watched.
    pub database: String,
    /// Which of its tables.
    pub(super) scope: Scope,
    /// The replication slot, which is this source's own.
    pub slot: String,
    /// The publication that the slot is read through.
    pub publication: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) tls: Tls,
    pub(super) root_certificate: Option<PathBuf>,
}

/// PostgreSQL's own `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Tls {
    const NAMES: [(&'static str, Self); 5] = [
        ("disable", Self::Disable),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    fn parse(text: &str) -> Result<Self, SourceError> {
        let known = Self::NAMES.iter().find(|(name, _)| *name == text);
        known.map(|(_, tls)| *tls).ok_or_else(|| {
            let names: Vec<&str> = Self::NAMES.iter().map(|(name, _)| *name).collect();
            invalid(format!("sslmode: {text:?} is not one of {}", names.join(", ")))
        })
    }
}

impl PostgresConfig {
    /// Reads a source URL: `postgres://user:password@host:port/database` with, as its query,
    /// `table=` (repeatable; `orders`, `audit.log`, `audit.*`; none = all), `name=`, `slot=`,
    /// `publication=`, and PostgreSQL's own `host=` (a directory of sockets), `sslmode=` and
    /// `sslrootcert=`.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when it names no database, or an option is wrong or unknown.
    pub fn from_url(url: &str) -> Result<Self, SourceError> {
        let rest = ["postgres://", "postgresql://"].iter().find_map(|it| url.strip_prefix(it));
        let rest = rest.ok_or_else(|| invalid("source URL: it begins with postgres://"))?;
        let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = base.rsplit_once('/').unwrap_or((base, ""));
        let database = decode(database)?;
        if database.is_empty() {
            let problem = "source URL: no database is named, as in postgres://localhost/shop";
            return Err(invalid(problem));
        }
        let mut config = Self::of_database(&database);
        config.read_authority(authority)?;
        let mut tables = Vec::new();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            config.read_option(&key, value.into_owned(), &mut tables)?;
        }
        config.scope = Scope::parse(&tables)?;
        config.finish()
    }

    fn of_database(database: &str) -> Self {
        Self {
            name: database.into(),
            database: database.to_owned(),
            scope: Scope::default(),
            slot: String::new(),
            publication: String::new(),
            host: "localhost".into(),
            port: DEFAULT_PORT,
            user: "postgres".into(),
            password: None,
            tls: Tls::Prefer,
            root_certificate: None,
        }
    }

    fn read_authority(&mut self, authority: &str) -> Result<(), SourceError> {
        let (login, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        // The words must not repeat what may be a part of the password.
        let malformed = |_| invalid("source URL: user or password is not percent-encoded UTF-8");
        if !user.is_empty() {
            self.user = decode(user).map_err(malformed)?;
        }
        self.password = password.map(decode).transpose().map_err(malformed)?;
        let (host, port) = split_port(address)?;
        if !host.is_empty() {
            self.host = decode(host.trim_matches(['[', ']']))?;
        }
        self.port = port.unwrap_or(DEFAULT_PORT);
        Ok(())
    }

    fn read_option(
        &mut self,
        key: &str,
        value: String,
        tables: &mut Vec<String>,
    ) -> Result<(), SourceError> {
        match key {
            "table" => tables.push(value),
            "name" => self.name = value.into(),
            "slot" => self.slot = value,
            "publication" => self.publication = value,
            "host" => self.host = value,
            "sslmode" => self.tls = Tls::parse(&value)?,
            "sslrootcert" => self.root_certificate = Some(value.into()),
            _ => {
                return Err(invalid(format!(
                    "source URL: the option {key:?} is unknown; there are table, name, slot, \
                     publication, host, sslmode and sslrootcert"
                )));
            }
        }
        Ok(())
    }

    /// Fills in what follows from the name, and checks what the server would not.
    fn finish(mut self) -> Result<Self, SourceError> {
        Topic::new(&self.name, "table")
            .map_err(|error| invalid(format!("source name {:?}: {error}", self.name)))?;
        let own_name = own_name(&self.name);
        if self.slot.is_empty() {
            self.slot.clone_from(&own_name);
        }
        if self.publication.is_empty() {
            self.publication = own_name;
        }
        let is_slot_letter = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_');
        if !self.slot.chars().all(is_slot_letter) || self.slot.len() > NAME_BYTES_MAX {
            let problem = format!("slot={}: up to 63 of the characters a-z, 0-9 and _", self.slot);
            return Err(invalid(problem));
        }
        if self.publication.len() > NAME_BYTES_MAX || self.publication.contains([',', '\0']) {
            return Err(invalid("publication=: up to 63 bytes, and no comma"));
        }
        let holds_nul = |text: &str| text.contains('\0');
        if [&self.user, &self.database, &self.host].into_iter().any(|text| holds_nul(text)) {
            return Err(invalid("source URL: a name holds a zero byte"));
        }
        Ok(self)
    }

    /// Where the database is, in words.
    pub(super) fn place(&self) -> String {
        if self.host.starts_with('/') {
            return format!("{}/.s.PGSQL.{}", self.host, self.port);
        }
        format!("{}:{}", self.host, self.port)
    }

    /// The tables that are watched, in words.
    #[must_use]
    pub fn describe_tables(&self) -> String {
        self.scope.to_string()
    }
}

/// The name of slot and publication, unless they are given.
fn own_name(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = name.chars().map(letter).collect();
    let mut own = format!("changecast_{name}");
    own.truncate(NAME_BYTES_MAX);
    own
}

fn split_port(address: &str) -> Result<(&str, Option<u16>), SourceError> {
    let is_bare_v6 = address.ends_with(']');
    match address.rsplit_once(':') {
        Some((host, port)) if !is_bare_v6 && !port.is_empty() => {
            let port = port.parse().map_err(|_| {
                invalid("source URL: the port is no number; percent-encode / ? # @ : in a password")
            })?;
            Ok((host, Some(port)))
        }
        _ => Ok((address.trim_end_matches(':'), None)),
    }
}

fn decode(text: &str) -> Result<String, SourceError> {
    // The words must not repeat what may be a part of a password.
    percent::decode(text).ok_or_else(|| invalid("source URL: a part is not percent-encoded UTF-8"))
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("name", &self.name)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("database", &self.database)
            .field("tables", &self.scope)
            .field("slot", &self.slot)
            .field("publication", &self.publication)
            .finish_non_exhaustive()
    }
}
