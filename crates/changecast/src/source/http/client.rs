//! One question to a web server: an answer of bounded size, in bounded time, from an address that
//! was checked.
//!
//! | invariant | what it buys |
//! |---|---|
//! | the address that is connected to is the one that was checked, at every hop | no name or redirect leads into a private network |
//! | a login is sent to the host that it was written for only | a redirect cannot ask for it |
//! | no error holds a query or a login | keys stay where they are |

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::address::is_public;
use super::config::{HttpConfig, invalid, shown};
use super::fault::Fault;
use super::position::Validators;
use crate::limits;
use crate::source::certificates;

/// What a server answered.
pub(super) enum Answer {
    /// Nothing has changed.
    Unchanged,
    /// Bytes, which may or may not be JSON.
    Body { bytes: Bytes, validators: Validators, is_html: bool },
}

/// Asks one address.
pub(super) struct Client {
    url: Url,
    allow_private: bool,
    tls: TlsConnector,
    /// Instead of the roots in `tls`; read anew for each connection.
    root_certificate: Option<PathBuf>,
}

impl Client {
    pub(super) fn new(config: &HttpConfig) -> Result<Self, rustls::Error> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Ok(Self {
            url: config.url.clone(),
            allow_private: config.allow_private,
            tls: connector(roots)?,
            root_certificate: config.root_certificate.clone(),
        })
    }

    fn tls(&self) -> Result<TlsConnector, Fault> {
        let Some(path) = &self.root_certificate else { return Ok(self.tls.clone()) };
        let roots = certificates::roots("sslrootcert", path).map_err(Fault::Roots)?;
        connector(roots).map_err(|error| Fault::Roots(invalid(format!("TLS: {error}"))))
    }

    /// Asks once, for a value other than the one that `known` is of.
    pub(super) async fn ask(&self, known: &Validators) -> Result<Answer, Fault> {
        match timeout(limits::HTTP_TIMEOUT, self.follow(known)).await {
            Ok(answer) => answer,
            Err(_) => Err(Fault::Silent(shown(&self.url))),
        }
    }

    async fn follow(&self, known: &Validators) -> Result<Answer, Fault> {
        let mut url = self.url.clone();
        for _ in 0..=limits::HTTP_REDIRECTS_MAX {
            let response = self.send(&url, known).await?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED
            {
                return read(&url, response).await;
            }
            url = self.next_hop(&url, response.headers())?;
        }
        Err(Fault::TooManyRedirects(shown(&self.url)))
    }

    fn next_hop(&self, from: &Url, headers: &HeaderMap) -> Result<Url, Fault> {
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| from.join(location).ok());
        let next = next.ok_or_else(|| Fault::BadRedirect(shown(from)))?;
        let is_downgrade = from.scheme() == "https" && next.scheme() != "https";
        if !matches!(next.scheme(), "http" | "https") || is_downgrade {
            return Err(Fault::BadRedirect(shown(from)));
        }
        Ok(next)
    }

    async fn send(&self, url: &Url, known: &Validators) -> Result<Response<Incoming>, Fault> {
        let stream = self.connect(url).await?;
        if url.scheme() == "http" {
            return exchange(stream, self.request(url, known)?, url).await;
        }
        let host = url.host_str().unwrap_or_default();
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|_| Fault::BadHost(shown(url)))?;
        let stream = self.tls()?.connect(name, stream).await;
        let stream = stream.map_err(|error| Fault::of_tls(shown(url), &error))?;
        exchange(stream, self.request(url, known)?, url).await
    }

    /// Connects to an address that may be asked, and to no other.
    async fn connect(&self, url: &Url) -> Result<TcpStream, Fault> {
        let addresses = resolve(url).await.map_err(|error| Fault::of_connection(url, &error))?;
        let is_allowed = |address: &SocketAddr| self.allow_private || is_public(address.ip());
        let mut failure = None;
        for address in addresses.iter().filter(|address| is_allowed(address)) {
            match timeout(limits::HTTP_CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = Some(error),
                Err(_) => failure = Some(io::ErrorKind::TimedOut.into()),
            }
        }
        match failure {
            Some(error) => Err(Fault::of_connection(url, &error)),
            None => Err(Fault::Private(url.host_str().unwrap_or_default().to_owned())),
        }
    }

    fn request(&self, url: &Url, known: &Validators) -> Result<Request<Empty<Bytes>>, Fault> {
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut request = Request::get(format!("{}{query}", url.path()))
            .header(header::HOST, host_header(url))
            .header(header::ACCEPT, "application/json, */*;q=0.1")
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::USER_AGENT, concat!("changecast/", env!("CARGO_PKG_VERSION")));
        if let Some(etag) = &known.etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(modified) = &known.modified {
            request = request.header(header::IF_MODIFIED_SINCE, modified);
        }
        if url.origin() == self.url.origin()
            && let Some(login) = login(&self.url)
        {
            request = request.header(header::AUTHORIZATION, login);
        }
        request.body(Empty::new()).map_err(|_| Fault::BadHost(shown(url)))
    }
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    // Named, so that whoever embeds this may choose another for themselves.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(tls)))
}

async fn resolve(url: &Url) -> io::Result<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or(80);
    match url.host() {
        Some(Host::Ipv4(address)) => Ok(vec![(address, port).into()]),
        Some(Host::Ipv6(address)) => Ok(vec![(address, port).into()]),
        Some(Host::Domain(name)) => Ok(tokio::net::lookup_host((name, port)).await?.collect()),
        None => Err(io::ErrorKind::InvalidInput.into()),
    }
}

async fn exchange<S>(
    stream: S,
    request: Request<Empty<Bytes>>,
    url: &Url,
) -> Result<Response<Incoming>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| Fault::of_exchange(url, &error);
    let handshake = hyper::client::conn::http1::Builder::new()
        .max_buf_size(limits::HTTP_HEADER_BYTES_MAX)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(broken)?;
    // Ends with the answer's body, or as soon as that is dropped.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(broken)
}

async fn read(url: &Url, response: Response<Incoming>) -> Result<Answer, Fault> {
    let headers = response.headers();
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match response.status() {
        StatusCode::NOT_MODIFIED => return Ok(Answer::Unchanged),
        StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {}
        status => {
            let retry_after = text(header::RETRY_AFTER).and_then(super::fault::parse_retry_after);
            return Err(Fault::Status { address: shown(url), status, retry_after });
        }
    }
    let owned = |name| text(name).map(ToOwned::to_owned);
    let validators =
        Validators { etag: owned(header::ETAG), modified: owned(header::LAST_MODIFIED) };
    let is_html = text(header::CONTENT_TYPE).is_some_and(|kind| kind.contains("html"));
    let body = Limited::new(response.into_body(), limits::HTTP_BODY_BYTES_MAX).collect().await;
    match body {
        Ok(body) => Ok(Answer::Body { bytes: body.to_bytes(), validators, is_html }),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Fault::TooLarge(shown(url)))
        }
        Err(_) => Err(Fault::BrokenOff(shown(url))),
    }
}

fn host_header(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What the URL says before its host, as the header wants it.
fn login(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| {
        let spelled = text.replace('+', "%2B");
        url::form_urlencoded::parse(spelled.as_bytes()).next().map(|(name, _)| name.into_owned())
    };
    let user = decoded(url.username()).unwrap_or_default();
    let password = url.password().and_then(decoded).unwrap_or_default();
    let mut value =
        HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            .ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// How long to wait, at most, whatever the server says.
pub(super) fn capped(wait: Duration) -> Duration {
    wait.min(limits::HTTP_RETRY_AFTER_MAX)
}
