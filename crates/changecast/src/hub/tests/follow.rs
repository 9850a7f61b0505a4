//! Replay and live as one stream: every subscriber sees exactly its entries, in order, whenever
//! it comes and whatever it drops on the way.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use super::support::{Subscriber, TestCodec, TestHub, TestLog, Word, append, finish, topics};
use crate::board::Board;
use crate::hub::{HubError, Start};
use crate::limits::BOOKMARK_EVERY;
use crate::log::Log;
use crate::model::{Body, Seq, SourceState, SourceStatus, Timestamp, TopicSet};

const TOPICS: [&str; 6] = ["a.x", "a.y", "a.y.z", "b.x", "b.y", "c.quiet"];
const SETS: [&str; 7] = ["*", "a.*", "a.y.* b.x", "b.*", "c.quiet", "a.x", "nobody.*"];

/// The places after `after` of the changes that `patterns` choose, by the log's own word.
async fn expected(log: &TestLog, after: u64, patterns: &str) -> Vec<u64> {
    let (set, mut place, mut seqs) = (topics(patterns), Seq(after), Vec::new());
    while place < *log.tail().borrow() {
        let page = log.read(place, &TopicSet::all()).await.unwrap();
        let chosen = page.entries.iter().filter(|entry| match &entry.body {
            Body::Change(change) => set.matches(&change.topic),
            Body::Gap(_) => false,
        });
        seqs.extend(chosen.map(|entry| entry.seq.0));
        place = page.covered;
    }
    seqs
}

async fn write(log: &TestLog, random: &mut fastrand::Rng, batch_count: usize) {
    for _ in 0..batch_count {
        let batch: Vec<_> =
            (0..random.usize(1..8)).map(|_| TOPICS[random.usize(..TOPICS.len())]).collect();
        append(log, &batch, random.usize(0..200)).await;
        if random.u8(..) < 64 {
            tokio::task::yield_now().await;
        }
    }
}

fn spawn_writer(hub: &TestHub, seed: u64, batch_count: usize) -> tokio::task::JoinHandle<()> {
    let log = Arc::clone(&hub.log);
    tokio::spawn(async move {
        write(&log, &mut fastrand::Rng::with_seed(seed), batch_count).await;
        finish(&log).await;
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g2_g3_each_of_many_subscribers_sees_exactly_its_entries_in_order() {
    let hub = TestHub::start();
    let codec = TestCodec::new("one");
    let mut random = fastrand::Rng::with_seed(11);
    write(&hub.log, &mut random, 200).await;
    let writer = spawn_writer(&hub, 12, 2_000);
    let mut followers = JoinSet::new();
    for index in 0..60 {
        let patterns = SETS[index % SETS.len()];
        let tail = hub.log.tail().borrow().0;
        let start = match random.u8(..5) {
            0 => Start::Now,
            1 => Start::Earliest,
            2 => Start::Last(random.u32(..50)),
            _ => Start::After(hub.id(random.u64(..=tail))),
        };
        let mut subscriber = hub.subscribe(patterns, start, &codec).await;
        followers.spawn(async move {
            subscriber.listen_to_the_finish().await;
            (patterns, subscriber)
        });
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    for (patterns, subscriber) in followers.join_all().await {
        let expected = expected(&hub.log, subscriber.position(), patterns).await;
        assert_eq!(subscriber.changes(), expected, "{patterns}");
        assert!(!subscriber.heard.iter().any(|word| matches!(word, Word::Gap(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_g3_there_is_no_seam_between_replay_and_live() {
    let hub = TestHub::start();
    let codec = TestCodec::new("one");
    // More than a page, so that replaying takes several reads while the writer goes on.
    write(&hub.log, &mut fastrand::Rng::with_seed(21), 700).await;
    let writer = spawn_writer(&hub, 22, 1_500);
    let mut followers = JoinSet::new();
    while !writer.is_finished() && followers.len() < 100 {
        let mut subscriber = hub.subscribe("*", Start::Earliest, &codec).await;
        followers.spawn(async move {
            subscriber.listen_to_the_finish().await;
            subscriber
        });
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    let last = hub.log.tail().borrow().0;
    for subscriber in followers.join_all().await {
        assert_eq!(subscriber.changes(), (1..last).collect::<Vec<_>>());
    }
}

/// Polls `next` a few times and drops it, thousands of times over.
#[tokio::test]
async fn g2_g3_dropping_next_at_any_moment_loses_nothing_and_repeats_nothing() {
    let hub = TestHub::start();
    let codec = TestCodec::new("one");
    let mut random = fastrand::Rng::with_seed(31);
    // Some 30 pages to read from the log, then 3,000 batches that come one by one.
    write(&hub.log, &mut random, 8_000).await;
    let mut subscriber = hub.subscribe("a.* b.x", Start::Earliest, &codec).await;
    let log = Arc::clone(&hub.log);
    let writer = tokio::spawn(async move {
        for seed in 0..3_000 {
            write(&log, &mut fastrand::Rng::with_seed(seed), 1).await;
            tokio::task::yield_now().await;
        }
        finish(&log).await;
    });
    let (mut dropped_count, mut round) = (0, 0);
    while !subscriber.heard.contains(&Word::Finish) {
        round += 1;
        let patience = random.usize(..4);
        let patiently = async {
            for _ in 0..patience {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            output = subscriber.subscription.next() => subscriber.take(output.unwrap()),
            () = patiently => dropped_count += 1,
        }
    }
    writer.await.unwrap();
    assert!(dropped_count > 1_000, "{dropped_count} of {round} rounds dropped the call");
    assert_eq!(subscriber.changes(), expected(&hub.log, 0, "a.* b.x").await);
}

#[tokio::test]
async fn g5_every_word_of_a_session_resumes_exactly() {
    let hub = TestHub::start();
    let codec = TestCodec::new("one");
    write(&hub.log, &mut fastrand::Rng::with_seed(41), 40).await;
    hub.finish().await;
    let mut whole = hub.subscribe("a.*", Start::Earliest, &codec).await;
    whole.listen_to_the_finish().await;
    for (index, word) in whole.heard.iter().enumerate() {
        let (Word::Hello(seq) | Word::Change(seq)) = word else {
            continue;
        };
        let mut resumed = hub.subscribe("a.*", Start::After(hub.id(*seq)), &codec).await;
        resumed.listen_to_the_finish().await;
        assert_eq!(resumed.heard[1..], whole.heard[index + 1..], "after {word:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g6_a_quiet_subscriber_gets_bookmarks_that_move_with_the_log() {
    let hub = TestHub::start();
    let codec = TestCodec::new("one");
    let mut quiet = hub.subscribe("c.quiet", Start::Now, &codec).await;
    quiet.listen().await.unwrap();
    for expected in [3, 6, 9] {
        hub.append(&["a.x", "a.x", "a.x"]).await;
        let before = tokio::time::Instant::now();
        quiet.listen().await.unwrap();
        assert_eq!(before.elapsed().as_secs(), BOOKMARK_EVERY.as_secs());
        assert_eq!(quiet.heard.last(), Some(&Word::Bookmark(expected)));
    }
}

fn status(name: &str, state: SourceState) -> SourceStatus {
    SourceStatus {
        name: name.into(),
        kind: "test",
        replayable: true,
        topics: topics(&format!("{name}.*")),
        state,
        positioned: false,
        error: None,
        remedy: None,
        since: Timestamp(0),
        last_change: None,
        gap_count: 0,
    }
}

fn set_state(board: &Board, name: &str, state: SourceState) {
    board.update(name, |status| status.state = state);
}

#[tokio::test]
async fn a_subscriber_hears_of_its_own_sources_only() {
    let hub = TestHub::start();
    let codec = TestCodec::new("one");
    for name in ["a", "b"] {
        hub.board.add(status(name, SourceState::Connecting));
    }
    let mut subscriber = hub.subscribe("a.*", Start::Now, &codec).await;
    subscriber.listen().await.unwrap();
    set_state(&hub.board, "b", SourceState::Live);
    set_state(&hub.board, "a", SourceState::Live);
    set_state(&hub.board, "a", SourceState::Live);
    hub.append(&["a.x"]).await;
    subscriber.listen_until(&Word::Change(1)).await;
    assert_eq!(subscriber.heard, [Word::Hello(0), Word::Source("Live".into()), Word::Change(1)]);
}

#[tokio::test(start_paused = true)]
async fn g9_after_the_log_could_not_be_read_the_feed_goes_on_and_a_client_resumes() {
    let hub = TestHub::start();
    let codec = TestCodec::new("one");
    hub.append(&["a.x", "a.x"]).await;
    // Once somebody has heard of them, the feed has passed them: a view that is new lacks them.
    let mut early = hub.subscribe("a.x", Start::Earliest, &codec).await;
    early.listen_until(&Word::Change(2)).await;
    let mut live = hub.subscribe("*", Start::Now, &codec).await;
    live.listen().await.unwrap();
    let mut replaying = hub.subscribe("*", Start::Earliest, &codec).await;
    replaying.listen().await.unwrap();

    hub.log.reads_fail.store(true, Ordering::Relaxed);
    let error = behind_the_frames(&hub, &mut replaying).await;
    assert!(matches!(error, HubError::Log(_)), "{error}");
    hub.append(&["a.x"]).await;
    tokio::time::sleep(crate::limits::BACKOFF_MIN * 3).await;
    hub.log.reads_fail.store(false, Ordering::Relaxed);

    live.listen_until(&Word::Change(3)).await;
    assert_eq!(live.changes(), [3]);
    let mut again = hub.subscribe("*", Start::After(hub.id(0)), &codec).await;
    again.listen_until(&Word::Change(3)).await;
    assert_eq!(again.changes(), [1, 2, 3]);
}

/// Listens until the log must be read, which fails.
async fn behind_the_frames(hub: &TestHub, subscriber: &mut Subscriber) -> HubError {
    assert!(*hub.log.tail().borrow() > Seq(subscriber.position()));
    loop {
        if let Err(error) = subscriber.listen().await {
            return error;
        }
    }
}
