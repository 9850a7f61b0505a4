//! What can go wrong with a question, and what it means for whoever looks after the source.

use std::io;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;

use super::config::shown;
use super::document::NoDocument;
use crate::limits;
use crate::source::SourceError;

/// Why there is no answer that can be used. Addresses are without query and login.
#[derive(Debug)]
pub(super) enum Fault {
    Silent(String),
    Unreachable {
        address: String,
        cause: String,
    },
    Untrusted {
        address: String,
        cause: String,
    },
    /// The certificates that it is to be checked against cannot be used.
    Roots(SourceError),
    Private(String),
    BadHost(String),
    TooManyRedirects(String),
    BadRedirect(String),
    Status {
        address: String,
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    TooLarge(String),
    BrokenOff(String),
    Html(String),
    Document {
        address: String,
        why: NoDocument,
    },
}

impl Fault {
    pub(super) fn of_connection(url: &Url, error: &io::Error) -> Self {
        Self::Unreachable { address: shown(url), cause: plain(error) }
    }

    pub(super) fn of_exchange(url: &Url, error: &hyper::Error) -> Self {
        let cause = if error.is_parse() { "no HTTP comes from there" } else { "it broke off" };
        Self::Unreachable { address: shown(url), cause: cause.into() }
    }

    pub(super) fn of_tls(address: String, error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidCertificate(why)) => {
                Self::Untrusted { address, cause: why.to_string() }
            }
            _ => Self::Unreachable { address, cause: plain(error) },
        }
    }

    /// When the server wants to be asked again.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(super) fn into_error(self) -> SourceError {
        let unavailable = SourceError::Unavailable;
        match self {
            Self::Silent(address) => unavailable(format!("no answer from {address}")),
            Self::Unreachable { address, cause } => unavailable(format!("{address}: {cause}")),
            Self::BrokenOff(address) => unavailable(format!("{address}: the answer broke off")),
            Self::Status { address, status, .. } => of_status(&address, status),
            Self::Untrusted { address, cause } => operator(
                format!("{address}: its certificate is not trusted: {cause}"),
                "correct the host in the URL, have the server's certificate renewed, or name the \
                 file with your own CA's certificate by sslrootcert=",
            ),
            Self::Roots(error) => error,
            Self::Private(host) => operator(
                format!("{host} is an address of a private network or of this machine"),
                "add allow_private=true to the source's URL if it is meant to be asked",
            ),
            Self::BadHost(address) => {
                operator(format!("{address}: that is no host"), "correct the source's URL")
            }
            Self::TooManyRedirects(address) => operator(
                format!("{address}: more than {} redirects", limits::HTTP_REDIRECTS_MAX),
                "name the last address in the source's URL",
            ),
            Self::BadRedirect(address) => operator(
                format!("{address}: it redirects to what cannot be followed"),
                "name the last address in the source's URL; https is never left for http",
            ),
            Self::TooLarge(address) => operator(
                format!("{address}: more than {} bytes", limits::HTTP_BODY_BYTES_MAX),
                "ask for less, as most interfaces let you by their query",
            ),
            Self::Html(address) => operator(
                format!("{address}: a web page instead of JSON"),
                "name the address of the data; a login page or an error page may be in between",
            ),
            Self::Document { address, why } => operator(
                format!("{address}: {why}"),
                "check address and pointer; curl shows what is answered",
            ),
        }
    }
}

fn of_status(address: &str, status: StatusCode) -> SourceError {
    let problem = format!("{address}: status {}", status.as_u16());
    match status.as_u16() {
        401 | 403 | 407 => operator(
            format!("{problem}: it lets nobody in"),
            "put the login or the key into the source's URL",
        ),
        408 | 425 | 429 | 500.. => SourceError::Unavailable(problem),
        _ => operator(problem, "check the address; curl shows what is answered"),
    }
}

fn operator(problem: String, remedy: &str) -> SourceError {
    SourceError::Operator { problem, remedy: remedy.into() }
}

fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// Seconds, or a date.
pub(super) fn parse_retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = OffsetDateTime::parse(text.trim(), &Rfc2822).ok()?;
    let wait = date - OffsetDateTime::from(SystemTime::now());
    Some(wait.try_into().unwrap_or_default())
}
