//! How fast PostgreSQL's changes become durable here and reach a subscriber, beside
//! `pg_recvlogical`, which throws them away.
//!
//! Run with `scripts/bench postgres`. Both drain the same kind of backlog through a slot of their own:
//! rows written while nobody listened, in transactions of a hundred rows and of one.

mod server;

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use server::Server;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Rows of a transaction, and how many transactions of that kind.
const BACKLOGS: [(u64, u64); 2] = [(100, 2_000), (1, 20_000)];

/// What a change has and nothing else in the stream has.
const MARK: &[u8] = b"\ndata: {\"_id\"";

#[tokio::main]
async fn main() -> Result<()> {
    let variable = |name: &str| {
        std::env::var(name).map_err(|_| format!("{name} is not set: run scripts/bench postgres"))
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
    let mut out = std::io::stdout();
    writeln!(out, "{:<30}{:>16}{:>16}{:>8}", "", "pg_recvlogical", "changecast", "ratio")?;
    for (rows, transactions) in BACKLOGS {
        let count = rows * transactions;
        let base = count as f64 / received(&receiver, &url, &client, rows, transactions).await?;
        let ours = count as f64 / carried(&url, &client, rows, transactions).await?;
        let what = format!("{rows} rows a transaction");
        writeln!(out, "{what:<30}{base:>14.0}/s{ours:>14.0}/s{:>8.2}", ours / base)?;
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

/// Seconds that PostgreSQL's own program takes.
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
        .args([
            "--dbname",
            url,
            "--slot",
            "bench",
            "--start",
            "--endpos",
            &end,
            "--file",
            "/dev/null",
        ])
        .args(["--option", "proto_version=1", "--option", "publication_names=bench", "--no-loop"])
        .status()?;
    let seconds = began.elapsed().as_secs_f64();
    client.batch_execute("SELECT pg_drop_replication_slot('bench')").await?;
    if status.success() { Ok(seconds) } else { Err("pg_recvlogical failed".into()) }
}

/// Seconds from the start of the process to the subscriber's last change.
async fn carried(url: &str, client: &Client, rows: u64, transactions: u64) -> Result<f64> {
    let data = tempfile::tempdir()?;
    let source = format!("{url}?table=items&publication=bench&slot=changecast_bench");
    // The slot has to be there before the rows.
    let server = Server::start(data.path(), &["--source", &source])?;
    while client
        .query_opt(
            "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'changecast_bench' AND active",
            &[],
        )
        .await?
        .is_none()
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Its position is written once the slot is followed.
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(server);
    write_backlog(client, rows, transactions).await?;
    let began = Instant::now();
    let server = Server::start(data.path(), &["--source", &source])?;
    let port = server.port;
    let reading = tokio::task::spawn_blocking(move || read(port, rows * transactions));
    reading.await??;
    let seconds = began.elapsed().as_secs_f64();
    drop(server);
    while client
        .execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'changecast_bench'", &[])
        .await
        .is_err()
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(seconds)
}

/// Reads the stream from its beginning until so many changes have come.
fn read(port: u16, count: u64) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /events?since=earliest HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let (mut buffer, mut carry, mut seen) = (vec![0; 256 << 10], Vec::new(), 0);
    while seen < count {
        let size = stream.read(&mut buffer)?;
        if size == 0 {
            return Err(format!("the stream ended after {seen} changes").into());
        }
        carry.extend_from_slice(buffer.get(..size).unwrap_or_default());
        seen += carry.windows(MARK.len()).filter(|window| *window == MARK).count() as u64;
        // What may be the beginning of another mark.
        carry.drain(..carry.len().saturating_sub(MARK.len() - 1));
    }
    Ok(())
}
