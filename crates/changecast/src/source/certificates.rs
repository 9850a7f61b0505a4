//! Files of certificates that a source's URL names, for servers whose certificate is from a CA of
//! one's own.
//!
//! They are read anew for each connection, so that a renewed one needs no restart. Invariant: no
//! error holds anything of what is in them.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::SourceError;

/// What is in the file that `option` names.
pub(super) fn read(option: &str, path: &Path) -> Result<Vec<u8>, SourceError> {
    std::fs::read(path).map_err(|error| unusable(option, path, &error.to_string()))
}

/// The certificates in the file that `option` names: whoever they vouch for is trusted.
pub(super) fn roots(option: &str, path: &Path) -> Result<RootCertStore, SourceError> {
    roots_in(option, path, &read(option, path)?)
}

/// The same, of what has been read.
pub(super) fn roots_in(
    option: &str,
    path: &Path,
    pem: &[u8],
) -> Result<RootCertStore, SourceError> {
    let unusable = |why: &str| unusable(option, path, why);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| unusable("it is not PEM"))?;
        roots.add(certificate).map_err(|_| unusable("a certificate in it is malformed"))?;
    }
    if roots.is_empty() { Err(unusable("no certificate is in it")) } else { Ok(roots) }
}

fn unusable(option: &str, path: &Path, why: &str) -> SourceError {
    SourceError::Operator {
        problem: format!("{option}={} cannot be used: {why}", path.display()),
        remedy: format!("name a file in PEM that changecast may read by {option}= in the URL"),
    }
}
