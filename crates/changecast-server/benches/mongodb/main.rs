//! How fast MongoDB's inserts become durable here and reach subscribers, beside what the driver's own
//! loop does, and Motor's.
//!
//! Run with `scripts/bench sources mongodb`. First a backlog is drained, which was written while nobody
//! listened; then inserts are carried as they are made, with the latency from just before the
//! insert to the subscriber's read. All are compared with a bare `watch` loop over the driver in
//! this process, in the same run.

mod backlog;
mod live;
#[path = "../server/mod.rs"]
mod server;

use mongodb::Client;
use mongodb::bson::{Document, doc};

use server::Result;

fn main() -> Result<()> {
    let uri = variable("CHANGECAST_TEST_MONGO")?;
    let python = variable("BENCH_PYTHON")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::with_uri_str(&uri).await?;
        let database = client.database(&format!("bench_{}", std::process::id()));
        backlog::bench(&uri, &python, &database).await?;
        live::bench(&uri, &database).await?;
        Ok(database.drop().await?)
    })
}

fn variable(name: &str) -> Result<String> {
    Ok(std::env::var(name).map_err(|_| format!("{name} is not set: run scripts/bench sources"))?)
}

/// One insert's, with the time in it.
fn document() -> Document {
    doc! {
        "at": format!("@@{:019}@@", live::nanos()),
        "customer": "Ada Lovelace",
        "item": "analytical engine",
        "quantity": 1,
        "price": 12_500.50,
        "status": "new",
        "note": "x".repeat(60),
    }
}
