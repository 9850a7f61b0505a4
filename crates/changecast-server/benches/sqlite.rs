//! How fast what triggers wrote into the changelog of a user's SQLite file becomes durable here and
//! reaches a subscriber, beside a plain loop that reads the same rows and throws them away.
//!
//! Run with `scripts/bench sources sqlite`.

mod server;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rusqlite::{Connection, params};

use server::{Result, Server, drain, head, tell, tell_ratio};

/// As many as the changelog holds when nobody reads it, and a few less.
const ROWS: u64 = 90_000;

const ROWS_PER_TRANSACTION: u64 = 100;

/// Rows that the plain loop reads at once, as changecast does.
const PAGE_ROWS: i64 = 1_024;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("app.db");
    let mut connection = Connection::open(&file)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.execute_batch(
        "CREATE TABLE items (id INTEGER PRIMARY KEY, customer TEXT, quantity INT, note TEXT)",
    )?;
    install(&file)?;
    let source = format!("sqlite://{}?table=items", file.display());
    let data = folder.path().join("data");
    let arguments = ["--source", source.as_str()];
    drop(Server::start_positioned(&data, &arguments)?);
    head(&format!("SQLite, {ROWS} rows, {ROWS_PER_TRANSACTION} a transaction"))?;
    tell("written, with the triggers", write_backlog(&mut connection)?)?;
    let base = read_plainly(&connection)?;
    tell("a plain loop over the changelog", base)?;
    let ours = drain(&data, &arguments, ROWS)?;
    tell("changecast, 1 subscriber", ours)?;
    tell_ratio("of the plain loop", ours / base, None)
}

fn install(file: &Path) -> Result<()> {
    let status = Command::new(env!("CARGO_BIN_EXE_changecast"))
        .args(["sqlite", "install"])
        .arg(file)
        .args(["--table", "items"])
        .stdout(std::process::Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err("changecast sqlite install failed".into()) }
}

fn write_backlog(connection: &mut Connection) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..ROWS / ROWS_PER_TRANSACTION {
        let transaction = connection.transaction()?;
        for quantity in 0..ROWS_PER_TRANSACTION {
            transaction
                .prepare_cached("INSERT INTO items (customer, quantity, note) VALUES (?, ?, ?)")?
                .execute(params!["Ada Lovelace", quantity as i64, "x".repeat(120)])?;
        }
        transaction.commit()?;
    }
    Ok(ROWS as f64 / began.elapsed().as_secs_f64())
}

fn read_plainly(connection: &Connection) -> Result<f64> {
    let began = Instant::now();
    let (mut last, mut seen) = (0_i64, 0_u64);
    while seen < ROWS {
        let mut statement = connection.prepare_cached(
            "SELECT id, time, op, layout, before, after FROM changecast_changelog
             WHERE id > ? ORDER BY id LIMIT ?",
        )?;
        let mut rows = statement.query(params![last, PAGE_ROWS])?;
        let before = seen;
        while let Some(row) = rows.next()? {
            last = row.get(0)?;
            let after: Option<String> = row.get(5)?;
            // What says that the table was installed has no image.
            seen += u64::from(after.is_some());
            let (time, op, layout): (i64, String, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let images: Option<String> = row.get(4)?;
            std::hint::black_box((time, op, layout, images, after));
        }
        if seen == before {
            return Err(format!("the changelog ends after {seen} changes").into());
        }
    }
    Ok(ROWS as f64 / began.elapsed().as_secs_f64())
}
