//! What filters cost: changes per second through the hub, beside the same without a filter.
//!
//! Run with `scripts/bench filters`. Changes go from a log in memory through the hub to one follower
//! of everything, whom the clock runs for, while so many others follow under a filter of their own.
//! *Indexed*: each asks for one user's changes, and each change is some user's. *Residual*: each is a
//! range that no change is in, which only evaluating it can tell.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use changecast::board::Board;
use changecast::filter::Filter;
use changecast::hub::{
    Codec, Control, Hub, Mode, Output, Selection, Span, Start, Subscribe, Subscription,
};
use changecast::log::{Batch, Log, MemoryLog, PositionUpdate, Retention};
use changecast::model::{Body, Change, EventId, Op, Topic, TopicSet};
use changecast::telemetry::Telemetry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// So many users there are, each as busy as the others.
const USERS: u64 = 10_000;
const CHANGES_PER_APPEND: u64 = 250;
/// Changes of a round: fewer where each costs ten thousand evaluations.
const CHANGES: u64 = 100_000;
const CHANGES_IF_COSTLY: u64 = 5_000;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(bench())
}

async fn bench() -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "changes of {} bytes, {CHANGES_PER_APPEND} an append\n", event(1).len())?;
    writeln!(out, "{:<28}{:>12}{:>9}{:>16}", "", "changes/s", "ratio", "µs per change")?;
    let base = round(&[], CHANGES).await?;
    report("no filter", base, base)?;
    for count in [1, 100, USERS] {
        let filters: Vec<_> =
            (0..count).map(|user| format!(r#"{{"fullDocument.user":{user}}}"#)).collect();
        report(&format!("{count} indexed"), round(&filters, CHANGES).await?, base)?;
    }
    for count in [1, 100, USERS] {
        let changes = if count == USERS { CHANGES_IF_COSTLY } else { CHANGES };
        let filters: Vec<_> = (0..count)
            .map(|more| format!(r#"{{"fullDocument.total":{{"$gt":{}}}}}"#, 1_000_000 + more))
            .collect();
        report(&format!("{count} residual"), round(&filters, changes).await?, base)?;
    }
    Ok(())
}

fn report(what: &str, per_second: f64, base: f64) -> Result<()> {
    let (ratio, micros) = (per_second / base, 1e6 / per_second);
    writeln!(std::io::stdout(), "{what:<28}{per_second:>12.0}{ratio:>9.4}{micros:>16.1}")?;
    Ok(())
}

/// Changes per second, as the follower of everything gets them.
async fn round(filters: &[String], changes: u64) -> Result<f64> {
    let log = Arc::new(MemoryLog::new(Retention::default()));
    let stop = CancellationToken::new();
    let shared: Arc<dyn Log> = Arc::<MemoryLog>::clone(&log);
    let hub = Hub::start(shared, Board::default(), Arc::new(Telemetry::new()), stop.clone());
    let mut others = JoinSet::new();
    for filter in filters {
        let mut subscription = subscribe(&hub, Some(Filter::parse(filter)?)).await?;
        others.spawn(async move {
            while matches!(subscription.next().await, Ok(Output::Messages(_))) {}
        });
    }
    let mut everything = subscribe(&hub, None).await?;
    let started = Instant::now();
    let appending = tokio::spawn(async move {
        for first in (0..changes).step_by(CHANGES_PER_APPEND as usize) {
            let bodies = (first..first + CHANGES_PER_APPEND).map(change).collect::<Result<_>>()?;
            let batch = Batch { source: "shop".into(), bodies, position: PositionUpdate::Keep };
            log.append(batch).await?;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });
    let mut seen = 0;
    while seen < changes {
        let Output::Messages(messages) = everything.next().await? else {
            return Err("the hub ended".into());
        };
        seen += messages.iter().filter(|message| message.starts_with(b"id: ")).count() as u64;
    }
    let per_second = changes as f64 / started.elapsed().as_secs_f64();
    appending.await??;
    stop.cancel();
    others.shutdown().await;
    Ok(per_second)
}

async fn subscribe(hub: &Hub, filter: Option<Filter>) -> Result<Subscription> {
    let wanted = Subscribe {
        selection: Selection::new(TopicSet::all(), filter),
        start: Start::Now,
        codec: Arc::new(Blocks),
        mode: Mode::Queue,
        span: Span::Endless,
    };
    Ok(hub.subscribe(wanted, CancellationToken::new()).await?)
}

fn change(number: u64) -> Result<Body> {
    Ok(Body::Change(Change {
        topic: Topic::parse("shop.orders")?,
        op: Op::Insert,
        key: Bytes::from(format!(r#"{{"_id":{number}}}"#)),
        event: Bytes::from(event(number)),
    }))
}

fn event(number: u64) -> String {
    let (user, total) = (number % USERS, number % 1_000);
    let note = "a note that is as long as notes are, more or less. ".repeat(4);
    format!(
        r#"{{"_id":{{"_data":"8266{number:040}"}},"operationType":"insert","clusterTime":{{"$timestamp":{{"t":1763712650,"i":{number}}}}},"wallTime":{{"$date":"2026-11-21T07:50:50.465Z"}},"fullDocument":{{"_id":{number},"user":{user},"status":"open","total":{total},"customer":{{"name":"Ada Lovelace","city":"London"}},"items":[{{"sku":"A-100","quantity":2}},{{"sku":"B-7","quantity":1}}],"note":"{note}"}},"ns":{{"db":"shop","coll":"orders"}},"documentKey":{{"_id":{number}}}}}"#
    )
}

/// Server-sent events, as small as they can be.
struct Blocks;

impl Codec for Blocks {
    fn name(&self) -> &'static str {
        "blocks"
    }

    fn change(&self, id: EventId, change: &Change) -> Bytes {
        let mut block = BytesMut::with_capacity(change.event.len() + 64);
        block.put_slice(format!("id: {id}\ndata: ").as_bytes());
        block.put_slice(&change.event);
        block.put_slice(b"\n\n");
        block.freeze()
    }

    fn control(&self, _: &Control) -> Option<Bytes> {
        None
    }
}
