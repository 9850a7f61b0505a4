//! Source URLs.

use crate::source::postgres::PostgresConfig;
use crate::source::postgres::config::Tls;

fn read(url: &str) -> PostgresConfig {
    PostgresConfig::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn refused(url: &str) -> String {
    PostgresConfig::from_url(url).expect_err(url).to_string()
}

#[test]
fn a_url_names_the_server_the_database_and_the_tables() {
    let config = read("postgres://ada:s%40crt@db.example:5433/shop?table=orders&table=audit.*");
    assert_eq!((&*config.host, config.port, &*config.user), ("db.example", 5433, "ada"));
    assert_eq!(config.password.as_deref(), Some("s@crt"));
    assert_eq!((&*config.database, &*config.name), ("shop", "shop"));
    assert_eq!(config.describe_tables(), "orders, audit.*");
    assert_eq!((&*config.slot, &*config.publication), ("changecast_shop", "changecast_shop"));
}

#[test]
fn what_is_not_said_has_a_default() {
    let config = read("postgresql:///Shop-1");
    assert_eq!((&*config.host, config.port, &*config.user), ("localhost", 5432, "postgres"));
    assert_eq!((&*config.slot, config.tls), ("changecast_shop_1", Tls::Prefer));
    assert_eq!(config.describe_tables(), "*");
    assert_eq!(read("postgres://[::1]/shop").host, "::1");
    assert_eq!(
        read("postgres:///shop?host=/run/postgresql").place(),
        "/run/postgresql/.s.PGSQL.5432"
    );
}

#[test]
fn options_are_taken_out() {
    let url = "postgres://h/shop?name=eu&slot=one&publication=Two%20b&sslmode=verify-full";
    let config = read(url);
    assert_eq!((&*config.name, &*config.slot, &*config.publication), ("eu", "one", "Two b"));
    assert_eq!(config.tls, Tls::VerifyFull);
}

#[test]
fn what_is_wrong_is_named() {
    for (url, words) in [
        ("postgres://h", "no database"),
        ("postgres://h/", "no database"),
        ("postgres://h/a.b", "dot"),
        ("postgres://h/shop?tabel=x", "tabel"),
        ("postgres://h/shop?sslmode=yes", "verify-full"),
        ("postgres://h/shop?slot=Upper", "slot=Upper"),
        ("postgres://h/shop?table=", "table="),
        ("postgres://h/shop?table=a*", "a*"),
        ("postgres://h:port/shop", "port"),
    ] {
        let said = refused(url);
        assert!(said.contains(words), "{url}: {said}");
    }
}

#[test]
fn a_password_is_never_said() {
    for url in [
        "postgres://ada:s3cret@h/shop?tabel=x",
        "postgres://ada:s3cret%@h/shop",
        "postgres://ada:s3cret@h:x/shop",
        "postgres://ada:s3cret@h/",
    ] {
        assert!(!refused(url).contains("s3cret"), "{url}");
    }
    let config = read("postgres://ada:s3cret@h/shop");
    assert!(!format!("{config:?}").contains("s3cret"));
}
