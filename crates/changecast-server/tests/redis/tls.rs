//! TLS: a CA of one's own, a name that is another's, and a certificate of ours.

use super::{becomes, check_numbers, fails, follow, source, watched_in_vain};
use crate::check::checked;
use crate::support::{Authority, Certificate, RedisServer, Subscriber, TestServer, free_port, run};

/// A Redis that can be reached by TLS, too.
struct Encrypted {
    redis: RedisServer,
    port: u16,
}

impl Encrypted {
    /// It shows `certificate`, and wants one of `authority` from clients if so told.
    async fn start(authority: &Authority, certificate: &Certificate, clients: &str) -> Self {
        let port = free_port();
        let (certificate, key) = certificate.texts();
        let roots = authority.certificate().to_str().expect("UTF-8");
        let port_text = port.to_string();
        let options = [
            ["--tls-port", &port_text],
            ["--tls-cert-file", certificate],
            ["--tls-key-file", key],
            ["--tls-ca-cert-file", roots],
            ["--tls-auth-clients", clients],
        ];
        Self { redis: RedisServer::start_with(options.as_flattened()).await, port }
    }

    fn url(&self, host: &str) -> String {
        format!("rediss://{host}:{}/0", self.port)
    }
}

#[tokio::test]
async fn a_server_of_our_own_ca_is_followed_and_nobody_else() {
    let authority = Authority::new();
    let server = Encrypted::start(&authority, &authority.sign("DNS:localhost"), "no").await;
    let roots = format!("stream=orders&sslrootcert={}", authority.certificate().display());
    let trusted = source(&server.url("localhost"), &roots);
    let (report, outcome) = checked(&["--source", &trusted]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"ok".into()), "{report}");
    let changecast = TestServer::start_with(&["--source", &trusted]).await;
    let mut client = follow(&changecast).await;
    server.redis.add_all("orders", 0..3).await;
    check_numbers(&client.changes(3).await, 0..3);

    // Its CA is not known, its name is another, or the roots are others'.
    let stranger = Authority::new();
    let others = format!("stream=orders&sslrootcert={}", stranger.certificate().display());
    let wrong = [("localhost", "stream=orders"), ("127.0.0.1", &*roots), ("localhost", &*others)];
    for (host, query) in wrong {
        let (_server, mut client) = watched_in_vain(&server.url(host), query).await;
        fails(&mut client, "its certificate is not trusted", "sslrootcert=").await;
    }
}

#[tokio::test]
async fn channels_are_followed_over_tls_too() {
    let authority = Authority::new();
    let server = Encrypted::start(&authority, &authority.sign("IP:127.0.0.1"), "no").await;
    let query = format!("channel=news&sslrootcert={}", authority.certificate().display());
    let source = source(&server.url("127.0.0.1"), &query);
    let changecast = TestServer::start_with(&["--source", &source]).await;
    let mut client = follow(&changecast).await;
    server.redis.run(&["PUBLISH", "news", "hello"]).await;
    assert_eq!(client.change().await.change.document(), &"hello");
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_is_told_apart_and_gets_it() {
    let authority = Authority::new();
    let server = Encrypted::start(&authority, &authority.sign("DNS:localhost"), "yes").await;
    let roots = format!("stream=orders&sslrootcert={}", authority.certificate().display());
    let (_server, mut client) = watched_in_vain(&server.url("localhost"), &roots).await;
    fails(&mut client, "refuses the connection", "sslcert=").await;
    let ours = authority.sign("DNS:changecast");
    let (certificate, key) = ours.texts();
    let query = format!("{roots}&sslcert={certificate}&sslkey={key}");
    let changecast =
        TestServer::start_with(&["--source", &source(&server.url("localhost"), &query)]).await;
    let mut client = follow(&changecast).await;
    server.redis.add("orders", 0).await;
    check_numbers(&client.changes(1).await, 0..1);
}

#[tokio::test]
async fn g9_files_that_cannot_be_used_are_named_and_mended_without_a_restart() {
    let authority = Authority::new();
    let server = Encrypted::start(&authority, &authority.sign("DNS:localhost"), "no").await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("roots.pem");
    let query = format!("stream=orders&sslrootcert={}", file.display());
    let (_server, mut client) = watched_in_vain(&server.url("localhost"), &query).await;
    fails(&mut client, "roots.pem cannot be used", "sslrootcert=").await;
    std::fs::copy(authority.certificate(), &file).expect("a copy");
    becomes(&mut client, "live").await;
    server.redis.add("orders", 0).await;
    check_numbers(&client.changes(1).await, 0..1);
}

#[tokio::test]
async fn certificates_that_contradict_the_url_are_told_at_the_start() {
    for (url, words) in [
        ("redis://localhost?stream=a&sslrootcert=/a.pem", "write rediss://"),
        ("rediss://localhost?stream=a&sslcert=/a.pem", "belong together"),
        ("rediss://localhost?stream=a&sslrootcert=", "sslrootcert= is empty"),
    ] {
        let outcome = run(&["--source", url]).await;
        assert_eq!(outcome.code, Some(3), "{url}: {outcome:?}");
        assert!(outcome.stderr.contains(words), "{url}: {}", outcome.stderr);
    }
}
