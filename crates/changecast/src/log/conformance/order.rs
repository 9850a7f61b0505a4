//! Appending, paging, choosing, counting back: what holds while nothing is trimmed.

use std::sync::Arc;

use super::support::{
    Kind, assert_closed, batch, batch_at, change, changes, gap, read_all, seqs, tail_of, topics,
};
use crate::limits;
use crate::log::{Batch, LogError, PositionUpdate, Retention};
use crate::model::{Body, Position, Seq, TopicSet};

pub(super) async fn read_in_append_order(kind: &Kind) {
    let bodies = [changes("a.x", 3), vec![gap("b.*")], changes("b.y", 2)].concat();
    let log = kind.open(Retention::default());
    assert_eq!(tail_of(&*log), Seq::ZERO);
    let epoch = log.epoch();
    for (index, body) in bodies.iter().enumerate() {
        let tail = log.append(batch("s", vec![body.clone()])).await.unwrap();
        assert_eq!(tail, Seq(index as u64 + 1));
    }
    assert_eq!(log.append(batch("t", changes("t.z", 5))).await.unwrap(), Seq(11));
    let log = kind.settle(log, Retention::default()).await;
    assert_eq!(log.epoch(), epoch);

    let (entries, lost_to) = read_all(&*log, Seq::ZERO, &TopicSet::all()).await;
    assert_eq!(seqs(&entries), (1..=11).collect::<Vec<_>>());
    assert_eq!(lost_to, None);
    let read: Vec<Body> = entries.iter().map(|entry| entry.body.clone()).collect();
    assert_eq!(read, [bodies, changes("t.z", 5)].concat());
    let by_source: Vec<&str> = entries.iter().map(|entry| &*entry.source).collect();
    assert_eq!(by_source, [["s"; 6].as_slice(), &["t"; 5]].concat());
}

pub(super) async fn sources_keep_order(kind: &Kind) {
    const APPENDS: usize = 25;
    let log = kind.open(Retention::default());
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for index in 0..APPENDS {
                    let bodies = vec![
                        change(&format!("s{writer}.x"), format!("{index}a")),
                        change(&format!("s{writer}.x"), format!("{index}b")),
                    ];
                    let source = format!("s{writer}");
                    log.append(batch_at(&source, bodies, &index.to_string())).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let log = kind.settle(log, Retention::default()).await;
    let (all, _) = read_all(&*log, Seq::ZERO, &TopicSet::all()).await;
    assert_eq!(seqs(&all), (1..=8 * 2 * APPENDS as u64).collect::<Vec<_>>());
    for writer in 0..8 {
        let (own, _) = read_all(&*log, Seq::ZERO, &topics(&format!("s{writer}.*"))).await;
        let expected: Vec<Body> = (0..APPENDS)
            .flat_map(|index| [format!("{index}a"), format!("{index}b")])
            .map(|event| change(&format!("s{writer}.x"), event))
            .collect();
        assert_eq!(own.iter().map(|entry| entry.body.clone()).collect::<Vec<_>>(), expected);
        let pairs_are_together = own.chunks(2).all(|pair| pair[1].seq == pair[0].seq.next());
        assert!(pairs_are_together, "a batch is one run of the order");
        let last = Position::new((APPENDS - 1).to_string());
        assert_eq!(log.position(&format!("s{writer}")).await.unwrap(), Some(last));
    }
}

pub(super) async fn entry_cap(kind: &Kind) {
    let cap = limits::PAGE_ENTRIES_MAX;
    let log = kind.holding(vec![batch("a", changes("a.x", 2 * cap + 7))]).await;
    for set in [TopicSet::all(), topics("a.x")] {
        let mut after = Seq::ZERO;
        for expected in [cap, cap, 7] {
            let page = log.read(after, &set).await.unwrap();
            let first = after.0 + 1;
            assert_eq!(seqs(&page.entries), (first..first + expected as u64).collect::<Vec<_>>());
            assert_eq!(page.covered, Seq(after.0 + expected as u64));
            after = page.covered;
        }
    }
}

pub(super) async fn byte_cap(kind: &Kind) {
    let cap = limits::PAGE_BYTES_MAX;
    let sizes = [cap / 3, cap / 3, cap / 3, cap / 3, 3 * cap, 10];
    let bodies = sizes.iter().map(|size| change("a.x", vec![b'x'; *size])).collect();
    let log = kind.holding(vec![batch("a", bodies)]).await;
    for set in [TopicSet::all(), topics("a.x")] {
        let mut after = Seq::ZERO;
        while after < Seq(6) {
            let page = log.read(after, &set).await.unwrap();
            let (_, before_last) = page.entries.split_last().expect("a page leads on");
            let bytes: usize = before_last.iter().map(|entry| entry.weight()).sum();
            assert!(bytes < cap, "a page ends with the entry that fills it");
            assert_eq!(page.entries[0].seq, after.next());
            assert_eq!(page.entries.last().unwrap().seq, page.covered);
            after = page.covered;
        }
        assert_eq!(after, Seq(6));
    }
}

pub(super) async fn patterns(kind: &Kind) {
    let many = limits::MERGED_TOPICS_MAX + 9;
    let mut batches = Vec::new();
    for round in 0..3 {
        for index in 0..many {
            batches.push(batch("shop", vec![change(&format!("shop.t{index}"), "{}")]));
        }
        batches.push(batch("shop", vec![change("shop.orders.eu", "{}"), gap("shop.t0")]));
        batches.push(batch("stock", changes("stock.items", round + 1)));
    }
    let batches = merge_by_source(batches);
    let log = kind.holding(batches).await;
    let (all, _) = read_all(&*log, Seq::ZERO, &TopicSet::all()).await;
    let exactly_many = (0..many).map(|index| format!("shop.t{index} ")).collect::<String>();
    for patterns in [
        "*",
        "shop.*",
        "shop.orders.*",
        "stock.*",
        "stock.items",
        "shop.t0",
        "shop.t1",
        "shop.t1 stock.items",
        "shop.orders.* stock.*",
        "nobody.writes.this",
        "nobody.*",
        &exactly_many,
    ] {
        let set = topics(patterns);
        for after in [0, 1, all.len() as u64 / 2] {
            let expected: Vec<_> = all
                .iter()
                .filter(|entry| entry.seq.0 > after && entry.concerns(&set))
                .cloned()
                .collect();
            let (read, lost_to) = read_all(&*log, Seq(after), &set).await;
            assert_eq!(read, expected, "{patterns} after {after}");
            assert_eq!(lost_to, None);
        }
    }
}

/// Fewer, larger batches in the same order: a commit each would only cost time.
fn merge_by_source(batches: Vec<Batch>) -> Vec<Batch> {
    let mut merged: Vec<Batch> = Vec::new();
    for batch in batches {
        match merged.last_mut() {
            Some(last) if last.source == batch.source => last.bodies.extend(batch.bodies),
            _ => merged.push(batch),
        }
    }
    merged
}

pub(super) async fn full_merged_pages(kind: &Kind) {
    let count = limits::PAGE_ENTRIES_MAX * 2;
    let mut bodies = Vec::new();
    for index in 0..count {
        bodies.push(change(["a.x", "a.y", "a.z"][index % 3], "{}"));
        if index % 100 == 0 {
            bodies.push(gap(["a.x", "b.*"][index / 100 % 2]));
        }
    }
    let log = kind.holding(vec![batch("a", bodies)]).await;
    let (all, _) = read_all(&*log, Seq::ZERO, &TopicSet::all()).await;
    for set in [topics("a.x a.y"), topics("a.z"), topics("a.x a.y a.z"), topics("b.q")] {
        let expected: Vec<_> = all.iter().filter(|entry| entry.concerns(&set)).cloned().collect();
        assert_eq!(read_all(&*log, Seq::ZERO, &set).await.0, expected, "{set}");
    }
}

pub(super) async fn quiet_coverage(kind: &Kind) {
    let log = kind
        .holding(vec![batch("a", changes("a.quiet", 1)), batch("a", changes("a.busy", 500))])
        .await;
    for (set, expected) in
        [(topics("a.quiet"), vec![1]), (topics("a.none"), vec![]), (topics("z.*"), vec![])]
    {
        let page = log.read(Seq::ZERO, &set).await.unwrap();
        assert_eq!((seqs(&page.entries), page.covered), (expected, Seq(501)), "{set}");
    }
}

pub(super) async fn gaps_concern_overlapping(kind: &Kind) {
    let bodies = vec![gap("shop.orders"), gap("shop.*"), gap("*")];
    let log = kind.holding(vec![batch("shop", bodies)]).await;
    for (patterns, expected) in [
        ("*", vec![1, 2, 3]),
        ("shop.*", vec![1, 2, 3]),
        ("shop.orders", vec![1, 2, 3]),
        ("shop.items", vec![2, 3]),
        ("stock.*", vec![3]),
        ("stock.items", vec![3]),
    ] {
        let (read, _) = read_all(&*log, Seq::ZERO, &topics(patterns)).await;
        assert_eq!(seqs(&read), expected, "{patterns}");
    }
}

pub(super) async fn places_of_last(kind: &Kind) {
    // 1 x, 2 y, 3 x, 4 gap of a.x, 5 y, 6 gap of b.*, 7 b.z
    let bodies = ["a.x", "a.y", "a.x"].map(|topic| change(topic, "{}")).to_vec();
    let rest = vec![gap("a.x"), change("a.y", "{}")];
    let log = kind
        .holding(vec![
            batch("a", bodies),
            batch("a", rest),
            batch("b", vec![gap("b.*"), change("b.z", "{}")]),
        ])
        .await;
    for (count, patterns, expected) in [
        (0, "*", 7),
        (1, "*", 6),
        (7, "*", 0),
        (100, "*", 0),
        (u32::MAX, "*", 0),
        (1, "a.x", 3),
        (2, "a.x", 2),
        (3, "a.x", 0),
        (1, "a.y", 4),
        (2, "a.y", 1),
        (9, "a.y", 1),
        (1, "a.*", 4),
        (3, "a.*", 2),
        (1, "b.*", 6),
        (2, "b.*", 5),
        (1, "b.other", 5),
        (5, "c.*", 7),
    ] {
        let place = log.place_of_last(count, &topics(patterns)).await.unwrap();
        assert_eq!(place, Seq(expected), "last {count} of {patterns}");
        let (read, _) = read_all(&*log, place, &topics(patterns)).await;
        assert!(read.len() <= count as usize);
    }
    let empty = kind_of_empty(kind).await;
    assert_eq!(empty, Seq::ZERO);
}

async fn kind_of_empty(kind: &Kind) -> Seq {
    let other = match kind {
        Kind::Memory => Kind::memory(),
        Kind::Sqlite(_) => Kind::sqlite(),
        Kind::SqliteReopened(_) => Kind::sqlite_reopened(),
    };
    let log = other.holding(Vec::new()).await;
    log.place_of_last(5, &TopicSet::all()).await.unwrap()
}

pub(super) async fn after_the_tail(kind: &Kind) {
    let log = kind.holding(vec![batch("a", changes("a.x", 3))]).await;
    for set in [TopicSet::all(), topics("a.x")] {
        for after in [3, 4, 1 << 40] {
            let page = log.read(Seq(after), &set).await.unwrap();
            assert_eq!((page.entries.len(), page.lost_to), (0, None), "after {after}");
            assert_eq!(page.covered, Seq(after));
        }
    }
}

pub(super) async fn positions(kind: &Kind) {
    let at = |text: &str| Some(Position::new(text.to_owned()));
    let log = kind.open(Retention::default());
    assert_eq!(log.position("a").await.unwrap(), None);
    log.append(batch_at("a", changes("a.x", 1), "one")).await.unwrap();
    log.append(batch_at("b", Vec::new(), "other")).await.unwrap();
    log.append(batch("a", changes("a.x", 1))).await.unwrap();
    let log = kind.settle(log, Retention::default()).await;
    assert_eq!(log.position("a").await.unwrap(), at("one"), "Keep keeps");
    assert_eq!(log.position("b").await.unwrap(), at("other"), "a position needs no entry");
    assert_eq!(tail_of(&*log), Seq(2));

    log.append(batch_at("a", changes("a.x", 1), "two")).await.unwrap();
    let log = kind.settle(log, Retention::default()).await;
    assert_eq!(log.position("a").await.unwrap(), at("two"), "Set replaces");

    let refused = vec![change("a.x", vec![0; limits::ENTRY_BYTES_MAX + 1])];
    log.append(batch_at("a", refused, "three")).await.unwrap_err();
    assert_eq!(log.position("a").await.unwrap(), at("two"), "what is refused moves nothing");

    let position = PositionUpdate::Clear;
    let cleared = Batch { source: "a".into(), bodies: vec![gap("a.*")], position };
    log.append(cleared).await.unwrap();
    let log = kind.settle(log, Retention::default()).await;
    assert_eq!(log.position("a").await.unwrap(), None, "Clear removes");
    assert_eq!(log.position("b").await.unwrap(), at("other"));
}

pub(super) async fn tail(kind: &Kind) {
    let log = kind.open(Retention::default());
    let mut tail = log.tail();
    let writer = {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            for _ in 0..40 {
                let appended = log.append(batch("a", changes("a.x", 2))).await.unwrap();
                assert!(tail_of(&*log) >= appended, "the tail has moved once append returns");
            }
        })
    };
    let mut known = Seq::ZERO;
    while known < Seq(80) {
        tail.changed().await.unwrap();
        let moved = *tail.borrow_and_update();
        assert!(moved > known && moved.0.is_multiple_of(2), "the tail never shows half a batch");
        let page = log.read(known, &TopicSet::all()).await.unwrap();
        assert!(page.covered >= moved && page.entries.last().unwrap().seq >= moved);
        known = moved;
    }
    writer.await.unwrap();
}

pub(super) async fn closed(kind: &Kind) {
    let log = kind.open(Retention::default());
    log.append(batch("a", changes("a.x", 1))).await.unwrap();
    log.close().await;
    assert_closed(&log.append(batch("a", changes("a.x", 1))).await);
    log.close().await;
    assert_eq!(tail_of(&*log), Seq(1));
    let (entries, _) = read_all(&*log, Seq::ZERO, &TopicSet::all()).await;
    assert_eq!(seqs(&entries), [1], "what it holds can still be read");
}

pub(super) async fn oversized(kind: &Kind) {
    let log = kind.open(Retention::default());
    let too_large = vec![change("a.x", "{}"), change("a.x", vec![0; limits::ENTRY_BYTES_MAX])];
    let (refused, accepted) =
        tokio::join!(log.append(batch("a", too_large)), log.append(batch("b", changes("b.x", 2))),);
    assert!(matches!(refused, Err(LogError::EntryTooLarge { .. })), "{refused:?}");
    assert_eq!(accepted.unwrap(), Seq(2), "nothing of the refused batch was stored");
    assert_eq!(log.fault(), None);
    assert_eq!(log.append(batch("a", changes("a.x", 1))).await.unwrap(), Seq(3));
}
