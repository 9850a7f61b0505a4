//! What an HTTP source is told: which address to ask, how often, and which part of the answer.
//!
//! It must not connect. Invariant: no text that leaves this module holds a password or a query,
//! which is where such addresses carry their keys.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::limits;
use crate::model::Topic;
use crate::source::SourceError;

/// The name of a source that is given none.
const DEFAULT_NAME: &str = "http";

/// The collection of a source that is given none.
const DEFAULT_TOPIC: &str = "current";

/// What an [`HttpSource`](super::HttpSource) is told.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// What is asked, without our options. Never printed as a whole.
    pub(super) url: Url,
    /// The source's name: the first part of its topic. Holds no dot.
    pub name: Arc<str>,
    /// The second part of its topic.
    pub topic: String,
    /// How long it waits between two questions.
    pub every: Duration,
    /// Which part of the answer is watched: a JSON Pointer (RFC 6901), empty for all of it.
    pub pointer: String,
    /// Whether it may ask addresses of private networks and of this machine.
    pub allow_private: bool,
    /// A file of root certificates to use instead of Mozilla's.
    pub root_certificate: Option<PathBuf>,
}

impl HttpConfig {
    /// Reads a source URL: the address, with our options `name=`, `topic=`, `every=`, `pointer=`,
    /// `allow_private=` and `sslrootcert=` in its query; the rest of the query is left to the address.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when it is no address, or one of these options is wrong.
    pub fn from_url(url: &str) -> Result<Self, SourceError> {
        let parsed = Url::parse(url);
        let parsed = parsed.map_err(|error| invalid(format!("source URL: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(invalid("source URL: write http://… or https://…"));
        }
        let mut config = Self {
            url: parsed.clone(),
            name: DEFAULT_NAME.into(),
            topic: DEFAULT_TOPIC.into(),
            every: limits::HTTP_EVERY,
            pointer: String::new(),
            allow_private: false,
            root_certificate: None,
        };
        let mut rest = Vec::new();
        // Pair by pair, because what is not ours has to stay as it was written.
        for pair in parsed.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
            let is_ours = decoded.map(|(key, value)| config.take(&key, &value)).transpose()?;
            if is_ours != Some(true) {
                rest.push(pair);
            }
        }
        config.url.set_query((!rest.is_empty()).then(|| rest.join("&")).as_deref());
        config.url.set_fragment(None);
        config.topic()?;
        Ok(config)
    }

    /// The address without what may be secret.
    #[must_use]
    pub fn address(&self) -> String {
        shown(&self.url)
    }

    /// Whether the option is ours.
    fn take(&mut self, key: &str, value: &str) -> Result<bool, SourceError> {
        match key {
            "name" => self.name = value.into(),
            "topic" => value.clone_into(&mut self.topic),
            "every" => self.every = parse_every(value)?,
            "pointer" => self.pointer = parse_pointer(value)?,
            "allow_private" => self.allow_private = parse_bool(value)?,
            "sslrootcert" if value.is_empty() => return Err(invalid("sslrootcert= is empty")),
            "sslrootcert" => self.root_certificate = Some(value.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn topic(&self) -> Result<Topic, SourceError> {
        Topic::new(&self.name, &self.topic)
            .map_err(|error| invalid(format!("topic {:?}.{:?}: {error}", self.name, self.topic)))
    }
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("address", &self.address())
            .field("name", &self.name)
            .field("topic", &self.topic)
            .field("every", &self.every)
            .field("pointer", &self.pointer)
            .field("allow_private", &self.allow_private)
            .field("root_certificate", &self.root_certificate)
            .finish_non_exhaustive()
    }
}

/// Scheme, host and path: a login or a key in the query is nobody's to see.
pub(super) fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

fn parse_every(text: &str) -> Result<Duration, SourceError> {
    let wrong = || invalid(format!("every={text:?}: write a time such as 500ms, 30s, 5m or 1h"));
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    let every = Duration::from_millis(number.saturating_mul(millis));
    let range = limits::HTTP_EVERY_MIN..=limits::HTTP_EVERY_MAX;
    if !range.contains(&every) {
        return Err(invalid(format!("every={text}: it has to be 100ms to 24h")));
    }
    Ok(every)
}

fn parse_pointer(text: &str) -> Result<String, SourceError> {
    if text.is_empty() || text.starts_with('/') {
        return Ok(text.to_owned());
    }
    Err(invalid(format!(
        "pointer={text:?}: a JSON Pointer begins with a slash, as in /current/temp"
    )))
}

fn parse_bool(text: &str) -> Result<bool, SourceError> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid(format!("allow_private={text:?}: write true or false"))),
    }
}

pub(super) fn invalid(problem: impl Into<String>) -> SourceError {
    SourceError::Unsupported(problem.into())
}
