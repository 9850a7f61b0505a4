//! A connection to the server, encrypted or not, before anybody logs in.
//!
//! Made here once for replication and for queries, so that both reach the same server in the same
//! way.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::config::{PostgresConfig, Tls};
use super::errors::{Failure, explain, operator};
use crate::limits;
use crate::source::{SourceError, certificates};

/// A connection of any kind.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// What a client sends to ask for encryption: its length, and a number that is no version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Connects, within [`limits::POSTGRES_CONNECT_TIMEOUT`].
pub(super) async fn dial(config: &PostgresConfig) -> Result<Box<dyn Socket>, SourceError> {
    let dialing = tokio::time::timeout(limits::POSTGRES_CONNECT_TIMEOUT, connect(config));
    dialing.await.unwrap_or_else(|_| Err(explain(config, Failure::Broken("no answer".into()))))
}

async fn connect(config: &PostgresConfig) -> Result<Box<dyn Socket>, SourceError> {
    let broken = |error: std::io::Error| explain(config, error.into());
    if config.host.starts_with('/') {
        let socket = UnixStream::connect(config.place()).await.map_err(broken)?;
        return Ok(Box::new(socket));
    }
    let address = (&*config.host, config.port);
    let mut socket = TcpStream::connect(address).await.map_err(broken)?;
    configure(&socket).map_err(broken)?;
    if config.tls == Tls::Disable {
        return Ok(Box::new(socket));
    }
    socket.write_all(&SSL_REQUEST).await.map_err(broken)?;
    // Just the one byte: what follows it belongs to the encrypted connection.
    match socket.read_u8().await.map_err(broken)? {
        b'S' => {}
        _ if config.tls == Tls::Prefer => return Ok(Box::new(socket)),
        _ => {
            return Err(operator(
                format!("{} offers no encryption", config.place()),
                "set ssl = on in postgresql.conf, or sslmode=prefer in the source's URL",
            ));
        }
    }
    let name = ServerName::try_from(config.host.clone())
        .map_err(|_| super::errors::invalid("source URL: the host is no name"))?;
    let connector = TlsConnector::from(Arc::new(client_config(config)?));
    let encrypted =
        connector.connect(name, socket).await.map_err(|error| match error.get_ref() {
            Some(cause) if cause.downcast_ref::<Error>().is_some() => bad_tls(config, cause),
            _ => explain(config, error.into()),
        })?;
    Ok(Box::new(encrypted))
}

/// A server that has vanished must be noticed although nobody writes.
fn configure(socket: &TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = socket2::SockRef::from(socket);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(limits::TCP_IDLE)
        .with_interval(limits::TCP_PROBE_EVERY)
        .with_retries(limits::TCP_PROBES);
    socket.set_tcp_keepalive(&keepalive)
}

fn bad_tls(config: &PostgresConfig, cause: impl std::fmt::Display) -> SourceError {
    operator(
        format!("{}: TLS cannot be used: {cause}", config.place()),
        "check sslmode and sslrootcert in the source's URL, and the server's certificate",
    )
}

fn client_config(config: &PostgresConfig) -> Result<ClientConfig, SourceError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let bad = |error: &dyn std::fmt::Display| bad_tls(config, error);
    let roots = Arc::new(roots(config)?);
    let verifies = matches!(config.tls, Tls::VerifyCa | Tls::VerifyFull);
    let chain = verifies
        .then(|| WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build())
        .transpose()
        .map_err(|error| bad(&error))?;
    let checks_name = config.tls == Tls::VerifyFull;
    let verifier = Verifier { chain, checks_name, provider: Arc::clone(&provider) };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error))?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

fn roots(config: &PostgresConfig) -> Result<RootCertStore, SourceError> {
    if let Some(path) = &config.root_certificate {
        return certificates::roots("sslrootcert", path);
    }
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok(roots)
}

/// As much checking as the `sslmode` asks for.
#[derive(Debug)]
struct Verifier {
    /// None to take any certificate.
    chain: Option<Arc<WebPkiServerVerifier>>,
    checks_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is checked last: the chain is good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
