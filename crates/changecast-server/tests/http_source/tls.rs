//! HTTPS: Mozilla's roots, or those of a file.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::support::{Authority, Certificate};

impl Stub {
    /// Speaks TLS, and shows `certificate`.
    async fn start_encrypted(answer: &str, certificate: &Certificate) -> Self {
        let own = CertificateDer::from_pem_file(&certificate.certificate).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(&certificate.key).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![own], key)
            .expect("they belong together");
        Self::start_with(answer, Some(TlsAcceptor::from(Arc::new(config)))).await
    }
}

fn trusting(authority: &Authority) -> String {
    format!("sslrootcert={}", authority.certificate().display())
}

#[tokio::test]
async fn a_server_of_our_own_ca_is_asked_and_nobody_else() {
    let authority = Authority::new();
    let answer = json_answer(&json!(1));
    let mut stub = Stub::start_encrypted(&answer, &authority.sign("IP:127.0.0.1")).await;
    let trusted = stub.source(&trusting(&authority));
    let (report, outcome) = checked(&["--source", &trusted]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"ok".into()), "{report}");
    let (server, mut client) = watched(&trusted).await;
    check_change(&mut client, "insert", json!(1)).await;
    let request = stub.asked(1).await;
    assert!(!request.contains("sslrootcert"), "it is our option: {request}");

    let renamed = trusted.replace("127.0.0.1", "localhost");
    let other = Authority::new();
    let stranger = stub.source(&trusting(&other));
    drop((server, client));
    for source in [stub.source(""), renamed, stranger] {
        let (_server, mut client) = watched(&source).await;
        fails(&mut client, "its certificate is not trusted", "sslrootcert=").await;
    }
}

#[tokio::test]
async fn g9_roots_that_cannot_be_read_are_named_and_mended_without_a_restart() {
    let authority = Authority::new();
    let answer = json_answer(&json!(1));
    let stub = Stub::start_encrypted(&answer, &authority.sign("IP:127.0.0.1")).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("roots.pem");
    std::fs::write(&file, "nothing").expect("written");
    let source = stub.source(&format!("sslrootcert={}", file.display()));
    let (_server, mut client) = watched(&source).await;
    fails(&mut client, "no certificate is in it", "sslrootcert=").await;
    std::fs::copy(authority.certificate(), &file).expect("a copy");
    check_change(&mut client, "insert", json!(1)).await;
}

#[tokio::test]
async fn https_is_never_left_for_http() {
    let authority = Authority::new();
    let plain = Stub::start(&json_answer(&json!(1))).await;
    let answer = status("302 Found", &format!("Location: {}\r\n", plain.url("/v1")));
    let stub = Stub::start_encrypted(&answer, &authority.sign("IP:127.0.0.1")).await;
    let (_server, mut client) = watched(&stub.source(&trusting(&authority))).await;
    fails(&mut client, "cannot be followed", "https is never left for http").await;
    assert_eq!(plain.count(), 0);
}
