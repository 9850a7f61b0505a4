//! Encrypted connections, and whom they are made with.

use super::{failure, watched_in_vain, watched_with};
use crate::mongodb::{news_of, told_until};
use crate::support::{Postgres, PostgresDatabase};

#[tokio::test]
async fn a_connection_is_encrypted_and_the_server_known_as_far_as_is_asked_for() {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    let source = |options: &str| {
        let url = database.source(options);
        url.replace("127.0.0.1", "localhost")
    };
    let (_plain, mut client) = watched_in_vain(&source("&slot=a&sslmode=require")).await;
    failure(&mut client, "offers no encryption", "ssl = on").await;
    let certificate = postgres.encrypt().await;
    news_of(&mut client, "live").await;

    let (_stranger, mut client) = watched_in_vain(&source("&slot=b&sslmode=verify-full")).await;
    failure(&mut client, "TLS cannot be used", "sslrootcert").await;
    let options = format!("&slot=c&sslmode=verify-full&sslrootcert={}", certificate.display());
    let (_known, mut client) = watched_with(&source(&options)).await;
    database.insert_numbers(1..2).await;
    told_until(&mut client, 1).await;
    let sql = "SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl";
    assert_eq!(database.ask(sql).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_server_is_known_by_an_authority_of_ones_own() {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    let (ours, other) = postgres.encrypt_by_authority().await;
    let ours = format!("sslrootcert={}", ours.display());
    let other = format!("sslrootcert={}", other.display());
    let by_name = |options: &str| database.source(options).replace("127.0.0.1", "localhost");
    let by_address = |options: &str| database.source(options);
    for refused in [
        // Another authority, and none of one's own.
        by_name(&format!("&slot=a&sslmode=verify-full&{other}")),
        by_name(&format!("&slot=b&sslmode=verify-ca&{other}")),
        by_name("&slot=c&sslmode=verify-ca"),
        // Another name than the certificate's.
        by_address(&format!("&slot=d&sslmode=verify-full&{ours}")),
    ] {
        let (_server, mut client) = watched_in_vain(&refused).await;
        failure(&mut client, "TLS cannot be used", "sslrootcert").await;
    }
    let nowhere = by_name("&slot=e&sslmode=verify-full&sslrootcert=/nowhere");
    let (_server, mut client) = watched_in_vain(&nowhere).await;
    failure(&mut client, "sslrootcert=/nowhere cannot be used", "a file in PEM").await;
    let taken = [
        by_name(&format!("&slot=f&sslmode=verify-full&{ours}")),
        by_address(&format!("&slot=g&sslmode=verify-ca&{ours}")),
        by_address(&format!("&slot=h&sslmode=require&{ours}")),
        by_address("&slot=i&sslmode=require"),
        by_address("&slot=j&sslmode=prefer"),
    ];
    for (number, taken) in (1..).zip(&taken) {
        let (_server, mut client) = watched_with(taken).await;
        database.insert_numbers(number..number + 1).await;
        told_until(&mut client, number).await;
        let sql = "SELECT 1 FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl";
        assert!(database.ask(sql).await.is_some(), "{taken}");
    }
}
