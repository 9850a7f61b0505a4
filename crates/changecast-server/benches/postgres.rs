//! How fast PostgreSQL's changes become durable here and reach a subscriber, beside
//! `pg_recvlogical`, which throws them away.
//!
//! Run with `scripts/bench sources postgres`. Both drain the same kind of backlog through a slot of
//! their own: rows written while nobody listened, in transactions of a hundred rows and of one.

mod server;

use std::process::Command;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use server::{Result, Server, drain, head, tell, tell_ratio};

/// Rows of a transaction, and how many transactions of that kind.
const BACKLOGS: [(u64, u64); 2] = [(100, 2_000), (1, 20_000)];

/// Rows a second, and what of `pg_recvlogical`'s that has to be.
const GOAL_PER_SECOND: f64 = 100_000.0;
const GOAL_RATIO: f64 = 0.4;

#[tokio::main]
async fn main() -> Result<()> {
    let variable = |name: &str| {
        std::env::var(name).map_err(|_| format!("{name} is not set: run scripts/bench sources"))
    };
    let server = variable("CHANGECAST_TEST_POSTGRES")?;
    let receiver = format!("{}/pg_recvlogical", variable("CHANGECAST_TEST_POSTGRES_BIN")?);
    let name = format!("bench_{}", std::process::id());
    connect(&format!("{server}/postgres"))
        .await?
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .await?;
    let url = format!("{server}/{name}");
    let client = connect(&url).await?;
    client
        .batch_execute(
            "CREATE TABLE items (id bigserial PRIMARY KEY, customer text, quantity int, note text);
             CREATE PUBLICATION bench FOR TABLE items",
        )
        .await?;
    for (rows, transactions) in BACKLOGS {
        head(&format!("PostgreSQL, {} rows, {rows} a transaction", rows * transactions))?;
        let base = received(&receiver, &url, &client, rows, transactions).await?;
        tell("pg_recvlogical", base)?;
        let ours = carried(&url, &client, rows, transactions).await?;
        tell("changecast, 1 subscriber", ours)?;
        tell_ratio("rows a second", ours, Some(GOAL_PER_SECOND))?;
        tell_ratio("of pg_recvlogical", ours / base, Some(GOAL_RATIO))?;
    }
    drop(client);
    connect(&format!("{server}/postgres"))
        .await?
        .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .await?;
    Ok(())
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn write_backlog(client: &Client, rows: u64, transactions: u64) -> Result<()> {
    let insert = format!(
        "INSERT INTO items (customer, quantity, note)
         SELECT 'Ada Lovelace', i, repeat('x', 120) FROM generate_series(1, {rows}) i"
    );
    for _ in 0..transactions {
        client.batch_execute(&insert).await?;
    }
    Ok(())
}

/// Rows a second that PostgreSQL's own program takes.
async fn received(
    program: &str,
    url: &str,
    client: &Client,
    rows: u64,
    transactions: u64,
) -> Result<f64> {
    client.batch_execute("SELECT pg_create_logical_replication_slot('bench', 'pgoutput')").await?;
    write_backlog(client, rows, transactions).await?;
    let end: String =
        client.query_one("SELECT pg_current_wal_lsn()::text", &[]).await?.try_get(0)?;
    let began = Instant::now();
    let status = Command::new(program)
        .args(["--dbname", url, "--slot", "bench", "--start", "--endpos", &end])
        .args(["--file", "/dev/null", "--no-loop"])
        .args(["--option", "proto_version=1", "--option", "publication_names=bench"])
        .status()?;
    let seconds = began.elapsed().as_secs_f64();
    client.batch_execute("SELECT pg_drop_replication_slot('bench')").await?;
    if !status.success() {
        return Err("pg_recvlogical failed".into());
    }
    Ok((rows * transactions) as f64 / seconds)
}

async fn carried(url: &str, client: &Client, rows: u64, transactions: u64) -> Result<f64> {
    let data = tempfile::tempdir()?;
    // A cluster's slots share their names: a run that was cut short must not stop the next one.
    let slot = format!("changecast_bench_{}", std::process::id());
    let source = format!("{url}?table=items&publication=bench&slot={slot}");
    // The slot has to be there before the rows.
    drop(Server::start_positioned(data.path(), &["--source", &source])?);
    write_backlog(client, rows, transactions).await?;
    let draining = tokio::task::spawn_blocking(move || {
        drain(data.path(), &["--source", &source], rows * transactions)
    });
    let per_second = draining.await??;
    while client.execute("SELECT pg_drop_replication_slot($1::text::name)", &[&slot]).await.is_err()
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(per_second)
}
