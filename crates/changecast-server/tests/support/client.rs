//! The HTTP client that tests write documents with.

/// A client that talks to nobody but the server under test.
pub(crate) fn http_client() -> reqwest::Client {
    // An error means that another test has chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy();
    client.redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}
