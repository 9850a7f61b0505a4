//! A certificate authority of a test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What it signs is trusted by whoever is told of its certificate, and by nobody else.
pub(crate) struct Authority {
    directory: TempDir,
    own: Certificate,
}

/// Files in PEM.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let own = make(directory.path(), "authority", &["basicConstraints=critical,CA:TRUE"], None);
        Self { directory, own }
    }

    /// Its own certificate, for whoever is to trust it.
    pub(crate) fn certificate(&self) -> &Path {
        &self.own.certificate
    }

    /// A certificate for `host`, as `DNS:localhost` or `IP:127.0.0.1`.
    pub(crate) fn sign(&self, host: &str) -> Certificate {
        let name = host.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let about = [&*format!("subjectAltName={host}"), "basicConstraints=critical,CA:FALSE"];
        make(self.directory.path(), &name, &about, Some(&self.own))
    }
}

impl Certificate {
    /// Both paths: of the certificate, and of its key.
    pub(crate) fn texts(&self) -> (&str, &str) {
        (self.certificate.to_str().expect("UTF-8"), self.key.to_str().expect("UTF-8"))
    }
}

fn make(directory: &Path, name: &str, about: &[&str], signer: Option<&Certificate>) -> Certificate {
    let made = Certificate {
        certificate: directory.join(format!("{name}.crt")),
        key: directory.join(format!("{name}.key")),
    };
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-new", "-x509", "-days", "2", "-nodes", "-newkey", "ec"]);
    openssl.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", &format!("/CN={name}")]);
    for about in about {
        openssl.args(["-addext", about]);
    }
    if let Some(signer) = signer {
        openssl.arg("-CA").arg(&signer.certificate).arg("-CAkey").arg(&signer.key);
    }
    let output = openssl.arg("-keyout").arg(&made.key).arg("-out").arg(&made.certificate).output();
    let output = output.expect("openssl is there, as PostgreSQL's package asks for it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    made
}
