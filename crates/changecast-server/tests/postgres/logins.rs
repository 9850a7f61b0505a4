//! A server that lets in only whom it knows, and permits only what it must.

use super::{failure, watched_in_vain, watched_with};
use crate::mongodb::{news_of, told_until};
use crate::support::{Postgres, PostgresDatabase};

const PASSWORD: &str = "s3cret-of-ada";
const WRONG: &str = "wr0ng-s3cret";

/// A server where `ada` is known, and a database of hers.
async fn of_ada(rights: &str) -> (Postgres, PostgresDatabase) {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    database.run(&format!("CREATE ROLE ada LOGIN PASSWORD '{PASSWORD}' {rights}")).await;
    (postgres, database)
}

#[tokio::test]
async fn s3_05_a_wrong_password_is_told_without_the_password_and_mended_without_a_restart() {
    let (postgres, database) = of_ada("SUPERUSER").await;
    let url = postgres.url_for("ada", WRONG, &database.name);
    let (mut server, mut client) = watched_in_vain(&format!("{url}?table=items")).await;
    failure(&mut client, "does not let the user", "password").await;
    database.run(&format!("ALTER ROLE ada PASSWORD '{WRONG}'")).await;
    news_of(&mut client, "live").await;
    database.insert_numbers(1..2).await;
    told_until(&mut client, 1).await;
    for path in ["/sources", "/readyz", "/metrics"] {
        let text = server.get(path).await.text().await.expect("text");
        assert!(!text.contains(WRONG), "{path}: {text}");
    }
    drop(client);
    server.terminate().await;
    let said = server.process().stdout() + &server.process().stderr();
    assert!(said.contains("source failed") && !said.contains(WRONG), "{said}");
}

#[tokio::test]
async fn missing_rights_are_told_in_sql_and_mended_without_a_restart() {
    let (postgres, database) = of_ada("").await;
    let url = postgres.url_for("ada", PASSWORD, &database.name);
    let (_server, mut client) = watched_in_vain(&format!("{url}?table=items")).await;
    failure(&mut client, "does not permit", "ALTER ROLE \"ada\" REPLICATION").await;
    database.run("ALTER ROLE ada REPLICATION").await;
    let publish = format!(
        "CREATE PUBLICATION \"changecast_{}\" FOR TABLE \"public\".\"items\"",
        database.name
    );
    failure(&mut client, "may not publish", &publish).await;
    database.run(&publish).await;
    news_of(&mut client, "live").await;
    database.insert_numbers(1..2).await;
    told_until(&mut client, 1).await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told_and_mended_without_a_restart() {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    let (_server, mut client) = watched_in_vain(&format!("{}?table=t", postgres.url("shop"))).await;
    failure(&mut client, "does not exist", "create the database").await;
    database.run("CREATE DATABASE shop").await;
    failure(&mut client, "there is no table \"t\"", "create it").await;
}

#[tokio::test]
async fn a_server_without_logical_wal_is_told_what_to_do() {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    database.run("ALTER SYSTEM SET wal_level = replica").await;
    postgres.kill().await;
    postgres.start_again().await;
    let (_server, mut client) = watched_in_vain(&database.source("")).await;
    failure(&mut client, "wal_level = replica", "ALTER SYSTEM SET wal_level = logical").await;
}

#[tokio::test]
async fn a_user_who_may_not_connect_is_told_in_sql() {
    let (postgres, database) = of_ada("REPLICATION").await;
    let name = &database.name;
    database.run(&format!("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")).await;
    let url = postgres.url_for("ada", PASSWORD, name);
    let (_server, mut client) = watched_in_vain(&format!("{url}?table=items")).await;
    let grant = format!("GRANT CONNECT ON DATABASE \"{name}\" TO \"ada\"");
    failure(&mut client, "does not permit", &grant).await;
    database.run(&grant).await;
    failure(&mut client, "may not publish", "CREATE PUBLICATION").await;
}

#[tokio::test]
async fn a_login_by_md5_is_understood() {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    let role = format!("CREATE ROLE ada LOGIN SUPERUSER PASSWORD '{PASSWORD}'");
    database.run(&format!("SET password_encryption = 'md5'; {role}")).await;
    postgres.let_in("host all ada 127.0.0.1/32 md5").await;
    let url = postgres.url_for("ada", WRONG, &database.name);
    let (_server, mut client) = watched_in_vain(&format!("{url}?table=items&slot=wrong")).await;
    failure(&mut client, "does not let the user", "password").await;
    let url = postgres.url_for("ada", PASSWORD, &database.name);
    let (_server, mut client) = watched_with(&format!("{url}?table=items")).await;
    database.insert_numbers(1..2).await;
    told_until(&mut client, 1).await;
}

#[tokio::test]
async fn a_server_is_reached_by_its_unix_socket() {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    database.run(&format!("CREATE ROLE ada LOGIN SUPERUSER PASSWORD '{PASSWORD}'")).await;
    let sockets = postgres.directory().display();
    postgres.let_in("local all ada scram-sha-256").await;
    postgres.kill().await;
    postgres.configure(&format!("unix_socket_directories = '{sockets}'"));
    postgres.start_again().await;
    let (port, name) = (postgres.port(), &database.name);
    let url = |password| format!("postgres://ada:{password}@:{port}/{name}?host={sockets}");
    let wrong = format!("{}&table=items&slot=wrong", url(WRONG));
    let (_server, mut client) = watched_in_vain(&wrong).await;
    failure(&mut client, ".s.PGSQL", "password").await;
    let (_server, mut client) = watched_with(&format!("{}&table=items", url(PASSWORD))).await;
    database.insert_numbers(1..2).await;
    told_until(&mut client, 1).await;
    let sql = "SELECT 1 FROM pg_stat_replication WHERE client_addr IS NULL";
    assert!(database.ask(sql).await.is_some(), "not by TCP");
}
