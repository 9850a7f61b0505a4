//! Changes as they happen, to one and to many subscribers.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use mongodb::bson::{Document, RawDocumentBuf};
use mongodb::{Collection, Database};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::document;
use super::server::{Result, Server, head, tell_ratio};

const INSERTS: u64 = 50_000;
const INSERTS_PER_CALL: u64 = 500;
const PACED: u64 = 1_000;
const PACE: Duration = Duration::from_millis(10);
const SUBSCRIBERS: [usize; 2] = [1, 100];

/// What of the driver's own loop has to reach one subscriber.
const GOAL_RATIO: f64 = 0.5;

/// What a change has and nothing else in the stream has.
const MARK: &[u8] = b"@@";

pub(super) async fn bench(uri: &str, database: &Database) -> Result<()> {
    head(&format!(
        "MongoDB, {INSERTS} inserts of 200 bytes, {INSERTS_PER_CALL} a call; then {PACED} single ones, one every {PACE:?}"
    ))?;
    writeln!(
        std::io::stdout(),
        "  {:<34}{:>12}  {:>8}{:>10}{:>10}",
        "",
        "inserts",
        "ratio",
        "p50 ms",
        "p99 ms"
    )?;
    let base = raw_loop(&database.collection("raw")).await?;
    report("the driver's own loop", &base, &base)?;
    let mut ratios = Vec::new();
    for count in SUBSCRIBERS {
        let name = format!("items{count}");
        let data = tempfile::tempdir()?;
        let namespace = format!("{}.{name}", database.name());
        let arguments = ["--mongo", uri, "--ns", &namespace];
        let server = Server::start_positioned(data.path(), &arguments)?;
        let figures = carried(&server, &database.collection(&name), count).await?;
        report(&format!("changecast, {count} subscribers"), &figures, &base)?;
        ratios.push(figures.per_second / base.per_second);
    }
    tell_ratio("of the driver's own loop", ratios.first().copied().unwrap_or(0.0), Some(GOAL_RATIO))
}

struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

fn report(what: &str, figures: &Figures, base: &Figures) -> Result<()> {
    writeln!(
        std::io::stdout(),
        "  {what:<34}{:>12.0}/s{:>8.2}{:>10.2}{:>10.2}",
        figures.per_second,
        figures.per_second / base.per_second,
        figures.p50.as_secs_f64() * 1e3,
        figures.p99.as_secs_f64() * 1e3,
    )?;
    Ok(())
}

async fn raw_loop(collection: &Collection<Document>) -> Result<Figures> {
    let (seen, stamps) = (Arc::new(AtomicU64::new(0)), mpsc::channel(1 << 16));
    let mut stream = collection.watch().await?.with_type::<RawDocumentBuf>();
    let (counter, sender) = (Arc::clone(&seen), stamps.0);
    let reader = tokio::spawn(async move {
        let mut carry = Vec::new();
        while let Some(Ok(event)) = stream.next().await {
            note(event.as_bytes(), &mut carry, &counter, &sender);
        }
    });
    let figures = measure(collection, &[seen], stamps.1).await;
    reader.abort();
    figures
}

async fn carried(
    server: &Server,
    collection: &Collection<Document>,
    count: usize,
) -> Result<Figures> {
    let (sender, stamps) = mpsc::channel(1 << 16);
    let mut counters = Vec::new();
    for _ in 0..count {
        let seen = Arc::new(AtomicU64::new(0));
        counters.push(Arc::clone(&seen));
        let stream = server.subscribe("")?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            let (mut buffer, mut carry) = (vec![0; 64 << 10], Vec::new());
            while let Ok(size @ 1..) = stream.read(&mut buffer).await {
                note(buffer.get(..size).unwrap_or_default(), &mut carry, &seen, &sender);
            }
        });
    }
    measure(collection, &counters, stamps).await
}

/// Counts the changes in `bytes` and sends on the time that has passed since each was stamped.
fn note(bytes: &[u8], carry: &mut Vec<u8>, seen: &AtomicU64, stamps: &mpsc::Sender<u64>) {
    carry.extend_from_slice(bytes);
    let mut done = 0;
    let now = nanos();
    // A stamp is MARK, 19 digits, MARK.
    while let Some(at) = carry.get(done..).and_then(|rest| rest.windows(2).position(|w| w == MARK))
    {
        let Some(digits) = carry.get(done + at + 2..done + at + 21) else {
            break;
        };
        if let Ok(stamp) = std::str::from_utf8(digits).unwrap_or("").parse::<u64>() {
            // A full queue drops a sample of the burst, which is not timed anyway.
            let _ = stamps.try_send(now.saturating_sub(stamp));
        }
        seen.fetch_add(1, Ordering::Relaxed);
        done += at + 23;
    }
    let keep_from = done.max(carry.len().saturating_sub(24));
    carry.drain(..keep_from.min(carry.len()));
}

async fn measure(
    collection: &Collection<Document>,
    counters: &[Arc<AtomicU64>],
    mut stamps: mpsc::Receiver<u64>,
) -> Result<Figures> {
    let started = Instant::now();
    let mut inserted = 0;
    while inserted < INSERTS {
        collection.insert_many((0..INSERTS_PER_CALL).map(|_| document())).await?;
        inserted += INSERTS_PER_CALL;
    }
    all_have(counters, INSERTS).await?;
    let per_second = INSERTS as f64 / started.elapsed().as_secs_f64();
    while stamps.try_recv().is_ok() {}
    let mut ticks = tokio::time::interval(PACE);
    for _ in 0..PACED {
        ticks.tick().await;
        collection.insert_one(document()).await?;
    }
    all_have(counters, INSERTS + PACED).await?;
    let mut latencies = Vec::new();
    while let Ok(nanos) = stamps.try_recv() {
        latencies.push(nanos);
    }
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = ((latencies.len() as f64 - 1.0) * share) as usize;
        Duration::from_nanos(latencies.get(index).copied().unwrap_or(0))
    };
    Ok(Figures { per_second, p50: at(0.5), p99: at(0.99) })
}

async fn all_have(counters: &[Arc<AtomicU64>], expected: u64) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let least = counters.iter().map(|seen| seen.load(Ordering::Relaxed)).min().unwrap_or(0);
        if least >= expected {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("a subscriber has {least} of {expected} changes").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(super) fn nanos() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}
