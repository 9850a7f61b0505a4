//! Trimming: what goes, what stays, and who is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::support::{
    Kind, batch, batch_at, change, changes, gap, read_all, seqs, tail_of, topics,
};
use crate::log::{Clock, Log, LogSize, Retention};
use crate::model::{Position, Seq, Timestamp, TopicSet};

const UNLIMITED: Retention =
    Retention { entries_max: u64::MAX, bytes_max: u64::MAX, age_max: Duration::MAX };

fn keep_entries(entries_max: u64) -> Retention {
    Retention { entries_max, ..UNLIMITED }
}

/// What is kept is a run that ends at the tail, is counted right, and what is gone is told.
async fn check_kept(log: &dyn Log) -> u64 {
    let (kept, lost_to) = read_all(log, Seq::ZERO, &TopicSet::all()).await;
    let tail = tail_of(log).0;
    let first = tail + 1 - kept.len() as u64;
    assert_eq!(seqs(&kept), (first..=tail).collect::<Vec<_>>());
    assert_eq!(lost_to, (first > 1).then_some(Seq(first - 1)));
    let bytes = kept.iter().map(|entry| entry.weight() as u64).sum();
    assert_eq!(log.size(), LogSize { entry_count: kept.len() as u64, bytes });
    kept.len() as u64
}

pub(super) async fn by_count(kind: &Kind) {
    let retention = keep_entries(48);
    let mut log = kind.open(retention);
    for index in 0..30 {
        let bodies = [changes("a.x", 4), vec![gap("a.*")]].concat();
        log.append(batch_at("a", bodies, &index.to_string())).await.unwrap();
        log = kind.settle(log, retention).await;
        let kept = check_kept(&*log).await;
        let appended = 5 * (index + 1);
        assert!(kept <= 48, "{kept}");
        assert!(kept >= appended.min(45), "no more than a sixteenth goes beyond the cap: {kept}");
    }
    assert_eq!(log.position("a").await.unwrap(), Some(Position::new("29")), "positions stay");
}

pub(super) async fn by_bytes(kind: &Kind) {
    let retention = Retention { bytes_max: 16_000, ..UNLIMITED };
    let mut log = kind.open(retention);
    for size in [10, 3_000, 500, 0, 7_000, 2_000, 2_000, 1, 15_000, 9_000, 9_000] {
        let bodies = vec![change("a.x", vec![b'x'; size]), gap("a.*")];
        log.append(batch("a", bodies)).await.unwrap();
        log = kind.settle(log, retention).await;
        check_kept(&*log).await;
        assert!(log.size().bytes <= 16_000);
    }
    let larger = vec![change("a.x", vec![b'x'; 20_000])];
    let tail = log.append(batch("a", larger)).await.unwrap();
    let log = kind.settle(log, retention).await;
    assert_eq!(check_kept(&*log).await, 0, "larger than all that may be kept");
    assert_eq!(log.trimmed(&TopicSet::all()), tail);
}

pub(super) async fn quiet_topic(kind: &Kind) {
    let retention = keep_entries(32);
    let log = kind.open(retention);
    log.append(batch("a", changes("a.gone", 2))).await.unwrap();
    log.append(batch("a", changes("a.busy", 100))).await.unwrap();
    log.append(batch("a", changes("a.quiet", 1))).await.unwrap();
    let log = kind.settle(log, retention).await;

    let quiet = log.read(Seq::ZERO, &topics("a.quiet")).await.unwrap();
    assert_eq!((seqs(&quiet.entries), quiet.lost_to), (vec![103], None));
    let unknown = log.read(Seq::ZERO, &topics("b.*")).await.unwrap();
    assert_eq!((unknown.entries.len(), unknown.lost_to), (0, None));

    let gone = log.read(Seq::ZERO, &topics("a.gone")).await.unwrap();
    assert_eq!((gone.entries.len(), gone.lost_to), (0, Some(Seq(2))));
    let gone = log.read(Seq(1), &topics("a.gone a.quiet")).await.unwrap();
    assert_eq!((seqs(&gone.entries), gone.lost_to), (vec![103], Some(Seq(2))));
    let seen = log.read(Seq(2), &topics("a.gone")).await.unwrap();
    assert_eq!(seen.lost_to, None, "who has seen the last of it has lost nothing");

    let (busy, lost_to) = read_all(&*log, Seq::ZERO, &topics("a.busy")).await;
    let first = busy.first().unwrap().seq;
    assert_eq!(lost_to, Some(Seq(first.0 - 1)));
    assert_eq!(log.trimmed(&topics("a.busy")), Seq(first.0 - 1));
    assert_eq!(log.trimmed(&topics("a.quiet")), Seq::ZERO);
    assert_eq!(log.trimmed(&topics("a.gone")), Seq(2));

    let mut states = log.topics();
    states.sort_by(|one, two| one.topic.cmp(&two.topic));
    let states: Vec<_> =
        states.iter().map(|state| (&*state.topic, state.last_seq, state.trimmed_seq)).collect();
    let busy = ("a.busy", 102, first.0 - 1);
    assert_eq!(states, [busy, ("a.gone", 2, 2), ("a.quiet", 103, 0)]);
}

pub(super) async fn trimmed_gap(kind: &Kind) {
    let retention = keep_entries(16);
    let log = kind.open(retention);
    log.append(batch("a", vec![change("a.x", "{}"), gap("a.*")])).await.unwrap();
    log.append(batch("b", changes("b.x", 50))).await.unwrap();
    let log = kind.settle(log, retention).await;
    // Which topics the gap concerned is forgotten with it: to be safe, it is a loss for everybody.
    for set in [TopicSet::all(), topics("a.x"), topics("c.*")] {
        assert!(log.trimmed(&set) >= Seq(2), "{set}");
        assert!(log.read(Seq(1), &set).await.unwrap().lost_to >= Some(Seq(2)), "{set}");
    }
    assert_eq!(log.read(Seq(2), &topics("c.*")).await.unwrap().lost_to, None);
}

/// A clock that the test sets, in hours.
fn hand_set() -> (Arc<AtomicU64>, Clock) {
    let hours = Arc::new(AtomicU64::new(1_000));
    let shown = Arc::clone(&hours);
    (hours, Clock::new(move || Timestamp(shown.load(Ordering::Relaxed) * 3_600_000)))
}

pub(super) async fn by_age(kind: &Kind) {
    let (hours, clock) = hand_set();
    let retention = Retention { age_max: Duration::from_secs(10 * 3_600), ..UNLIMITED };
    let mut log = kind.open_at(retention, clock.clone());
    for hour in 0..30 {
        hours.store(1_000 + hour, Ordering::Relaxed);
        log.append(batch("a", vec![change("a.x", "{}"), gap("a.*")])).await.unwrap();
        log = kind.settle_at(log, retention, clock.clone()).await;
        assert_eq!(check_kept(&*log).await, 2 * (hour + 1).min(11), "the last ten hours");
    }
    assert_eq!(log.trimmed(&topics("a.x")), Seq(38), "a trimmed gap counts for everybody");
    hours.store(999, Ordering::Relaxed);
    log.append(batch("a", changes("a.x", 1))).await.unwrap();
    assert_eq!(check_kept(&*log).await, 23, "a clock that is set back trims nothing");
}

/// Nobody appends: what becomes too old goes all the same.
pub(super) async fn by_age_while_quiet(kind: &Kind) {
    let (hours, clock) = hand_set();
    let retention = Retention { age_max: Duration::from_secs(10 * 3_600), ..UNLIMITED };
    let log = kind.open_at(retention, clock.clone());
    log.append(batch_at("a", changes("a.x", 3), "p")).await.unwrap();
    hours.fetch_add(6, Ordering::Relaxed);
    log.append(batch("a", changes("a.y", 2))).await.unwrap();
    let log = kind.settle_at(log, retention, clock).await;
    for (passed, kept) in [(4, 5), (1, 2), (5, 2), (1, 0), (99, 0)] {
        hours.fetch_add(passed, Ordering::Relaxed);
        log.tend().await;
        assert_eq!(check_kept(&*log).await, kept);
    }
    assert_eq!(tail_of(&*log), Seq(5));
    assert_eq!(log.trimmed(&topics("a.x")), Seq(3));
    assert_eq!(log.position("a").await.unwrap(), Some(Position::new("p")));
    assert_eq!(log.append(batch("a", changes("a.x", 1))).await.unwrap(), Seq(6));
}
