//! A backlog, drained from one place by the driver's own loop, by changecast and by Motor.

use std::process::Command;
use std::time::Instant;

use futures_util::StreamExt;
use mongodb::bson::{Document, RawDocumentBuf};
use mongodb::change_stream::event::ResumeToken;
use mongodb::{Collection, Database};

use super::document;
use super::server::{Result, Server, drain, head, tell, tell_ratio};

const CHANGES: u64 = 50_000;
const INSERTS_PER_CALL: u64 = 500;

/// What of the driver's own loop has to reach one subscriber, and how often Motor's.
const GOAL_RATIO: f64 = 0.5;
const GOAL_OF_MOTOR: f64 = 5.0;

const MOTOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/mongodb/motor_loop.py");

pub(super) async fn bench(uri: &str, python: &str, database: &Database) -> Result<()> {
    let changes: Collection<Document> = database.collection("backlog");
    let data = tempfile::tempdir()?;
    let namespace = format!("{}.backlog", database.name());
    let arguments = ["--mongo", uri, "--ns", &namespace];
    drop(Server::start_positioned(data.path(), &arguments)?);
    let token = changes.watch().await?.resume_token().ok_or("the server told no resume token")?;
    for _ in 0..CHANGES / INSERTS_PER_CALL {
        changes.insert_many((0..INSERTS_PER_CALL).map(|_| document())).await?;
    }
    head(&format!("MongoDB, a backlog of {CHANGES} inserts of 200 bytes"))?;
    let base = read_plainly(&changes, &token).await?;
    tell("the driver's own loop", base)?;
    let motor = read_with_motor(uri, python, &changes, &token)?;
    tell("Motor's async for", motor)?;
    let ours = drain(data.path(), &arguments, CHANGES)?;
    tell("changecast, 1 subscriber", ours)?;
    tell_ratio("of the driver's own loop", ours / base, Some(GOAL_RATIO))?;
    tell_ratio("of Motor's async for", ours / motor, Some(GOAL_OF_MOTOR))
}

async fn read_plainly(changes: &Collection<Document>, token: &ResumeToken) -> Result<f64> {
    let began = Instant::now();
    let watch = changes.watch().start_after(token.clone());
    let mut stream = watch.await?.with_type::<RawDocumentBuf>();
    for _ in 0..CHANGES {
        let event = stream.next().await.ok_or("the stream ended")??;
        std::hint::black_box(event);
    }
    Ok(CHANGES as f64 / began.elapsed().as_secs_f64())
}

fn read_with_motor(
    uri: &str,
    python: &str,
    changes: &Collection<Document>,
    token: &ResumeToken,
) -> Result<f64> {
    let namespace = changes.namespace();
    let output = Command::new(python)
        .args([MOTOR, uri, &namespace.db, &namespace.coll, &serde_json::to_string(token)?])
        .arg(CHANGES.to_string())
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
