//! What filtering costs, printed and not judged:
//! `cargo test --release -p changecast --all-features --lib -- filter_speed --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use super::*;

const EVENT: &str = r#"{"_id":{"_data":"8265A1B2C3000000012B022C0100296E5A1004F1E2D3C4B5A697880123456789ABCDEF46645F696400645D505646CF6D4FE581014AB20004"},"operationType":"update","clusterTime":{"$timestamp":{"t":1705161411,"i":1}},"wallTime":{"$date":"2024-01-13T15:56:51.123Z"},"fullDocument":{"_id":{"$oid":"5d505646cf6d4fe581014ab2"},"status":"open","user":48213,"total":129.5,"tags":["new","priority"],"items":[{"sku":"A-100","quantity":2,"price":49.75},{"sku":"B-7","quantity":1,"price":30.0}],"updated":{"$date":"2024-01-13T15:56:51.100Z"}},"ns":{"db":"shop","coll":"orders"},"documentKey":{"_id":{"$oid":"5d505646cf6d4fe581014ab2"}},"updateDescription":{"updatedFields":{"status":"open"},"removedFields":[],"truncatedArrays":[]}}"#;

/// Runs of each thing, in batches: the fastest batch is told, for others share the machine.
const BATCHES: u32 = if cfg!(debug_assertions) { 20 } else { 2_000 };
const BATCH: u32 = 16;

fn measure(name: &str, mut run: impl FnMut()) {
    let mut batch = || {
        let start = Instant::now();
        (0..BATCH).for_each(|_| run());
        start.elapsed()
    };
    let fastest = (0..BATCHES).map(|_| batch()).min().unwrap_or_default() / BATCH;
    println!("{name:>32}: {fastest:>10.1?} each, {:>11.0}/s", 1.0 / fastest.as_secs_f64());
}

#[test]
fn filter_speed() {
    println!("event of {} bytes", EVENT.len());
    measure("parse", || {
        black_box(Event::parse(black_box(EVENT.as_bytes())));
    });
    let event = Event::parse(EVENT.as_bytes());
    let ids: Vec<String> = (0..1000).map(|id| (id * 7).to_string()).collect();
    for (name, text) in [
        ("equality", r#"{"fullDocument.status":"closed"}"#.to_owned()),
        ("equality and range", r#"{"fullDocument.status":"open","fullDocument.total":{"$gt":200}}"#.to_owned()),
        ("through an array", r#"{"fullDocument.items.sku":"C-9"}"#.to_owned()),
        ("$in of 1000", format!(r#"{{"fullDocument.user":{{"$in":[{}]}}}}"#, ids.join(","))),
        ("$regex", r#"{"fullDocument.status":{"$regex":"^clos"}}"#.to_owned()),
        ("$or of three", r#"{"$or":[{"operationType":"delete"},{"fullDocument.user":5},{"fullDocument.tags":"old"}]}"#.to_owned()),
    ] {
        let filter = filter(&text);
        measure(name, || {
            black_box(filter.judge(black_box(&event)));
        });
    }
    let mut index = Index::default();
    for id in 0..10_000 {
        index.insert(&filter(&format!(r#"{{"fullDocument.user":{id}}}"#)), id);
    }
    let mut named = vec![];
    measure("index of 10,000 filters", || {
        named.clear();
        index.candidates(black_box(&event), &mut named);
    });
    measure("leave", || {
        black_box(event.leave());
    });
}
