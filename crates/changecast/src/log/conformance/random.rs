//! Random histories against a model: a list of all that was ever appended. Whatever is read from
//! wherever is exactly what the model has there, or the page says up to where it is lost (G2).

use std::collections::HashMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::support::{Kind, change, gap, read_all, seqs, tail_of, topics};
use crate::log::{Batch, Log, LogSize, PositionUpdate, Retention};
use crate::model::{Body, Position, Seq, TopicSet};

const TOPICS: [&str; 5] = ["a.x", "a.y", "a.y.z", "b.x", "b.y"];
const SETS: [&str; 8] =
    ["*", "a.*", "a.y.*", "b.*", "a.x", "a.y b.y", "c.*", "a.x a.y a.y.z b.x b.y"];
const SCOPES: [&str; 4] = ["*", "a.*", "b.x", "a.y.*"];

#[derive(Clone, Debug)]
enum Step {
    Append { source: usize, bodies: Vec<Body>, position: PositionUpdate },
    Reopen,
    Read { after: prop::sample::Index, set: usize, last: u32 },
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        6 => (0..TOPICS.len(), 0..200_usize)
            .prop_map(|(topic, size)| change(TOPICS[topic], vec![b'x'; size])),
        1 => (0..SCOPES.len()).prop_map(|scope| gap(SCOPES[scope])),
    ]
}

fn position() -> impl Strategy<Value = PositionUpdate> {
    prop_oneof![
        Just(PositionUpdate::Keep),
        any::<u8>().prop_map(|at| PositionUpdate::Set(Position::new(vec![at]))),
        Just(PositionUpdate::Clear),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..2_usize, vec(body(), 0..8), position())
            .prop_map(|(source, bodies, position)| Step::Append { source, bodies, position }),
        1 => Just(Step::Reopen),
        5 => (any::<prop::sample::Index>(), 0..SETS.len(), 0..30_u32)
            .prop_map(|(after, set, last)| Step::Read { after, set, last }),
    ]
}

fn retention() -> impl Strategy<Value = Retention> {
    (1..40_u64, 200..8_000_u64).prop_map(|(entries_max, bytes_max)| Retention {
        entries_max,
        bytes_max,
        ..Default::default()
    })
}

/// All that was ever appended; an entry's place is its index plus one.
#[derive(Default)]
struct Model {
    entries: Vec<Body>,
    positions: HashMap<usize, Position>,
}

impl Model {
    fn append(&mut self, source: usize, bodies: Vec<Body>, position: PositionUpdate) {
        self.entries.extend(bodies);
        match position {
            PositionUpdate::Keep => {}
            PositionUpdate::Set(position) => _ = self.positions.insert(source, position),
            PositionUpdate::Clear => _ = self.positions.remove(&source),
        }
    }

    fn at(&self, seq: u64) -> &Body {
        &self.entries[seq as usize - 1]
    }

    fn concerns(&self, seq: u64, set: &TopicSet) -> bool {
        match self.at(seq) {
            Body::Change(change) => set.matches(&change.topic),
            Body::Gap(gap) => set.overlaps(&gap.topics()),
        }
    }

    /// The newest place before `first_kept` that counts as a loss for `set`.
    fn lost_to(&self, set: &TopicSet, first_kept: u64) -> Seq {
        let is_loss = |seq: &u64| matches!(self.at(*seq), Body::Gap(_)) || self.concerns(*seq, set);
        Seq((1..first_kept).rev().find(is_loss).unwrap_or(0))
    }

    async fn check_kept(&self, log: &dyn Log, retention: &Retention) -> u64 {
        let tail = self.entries.len() as u64;
        assert_eq!(tail_of(log), Seq(tail));
        let (kept, _) = read_all(log, Seq::ZERO, &TopicSet::all()).await;
        let first = tail + 1 - kept.len() as u64;
        assert_eq!(seqs(&kept), (first..=tail).collect::<Vec<_>>(), "a run up to the tail");
        let bytes = kept.iter().map(|entry| entry.weight() as u64).sum::<u64>();
        assert_eq!(log.size(), LogSize { entry_count: kept.len() as u64, bytes });
        assert!(kept.len() as u64 <= retention.entries_max && bytes <= retention.bytes_max);
        first
    }

    async fn check(&self, log: &dyn Log, retention: &Retention, after: Seq, set: &TopicSet) -> u64 {
        let first_kept = self.check_kept(log, retention).await;
        let (read, said_lost_to) = read_all(log, after, set).await;
        let tail = self.entries.len() as u64;
        let expected: Vec<_> = (first_kept.max(after.0 + 1)..=tail)
            .filter(|seq| self.concerns(*seq, set))
            .map(|seq| (seq, self.at(seq).clone()))
            .collect();
        let read: Vec<_> = read.iter().map(|entry| (entry.seq.0, entry.body.clone())).collect();
        assert_eq!(read, expected, "{set} after {after}");
        let lost_to = self.lost_to(set, first_kept);
        assert_eq!(log.trimmed(set), lost_to);
        if after < Seq(tail) {
            assert_eq!(said_lost_to, (lost_to > after).then_some(lost_to), "{set} after {after}");
        }
        for source in 0..2 {
            let stored = log.position(&source.to_string()).await.unwrap();
            assert_eq!(stored.as_ref(), self.positions.get(&source));
        }
        first_kept
    }

    fn place_of_last(&self, count: u32, set: &TopicSet, first_kept: u64) -> Seq {
        let tail = self.entries.len() as u64;
        let chosen = (first_kept..=tail).rev().filter(|seq| self.concerns(*seq, set));
        Seq(chosen.take(count as usize).last().map_or(tail, |seq| seq - 1))
    }
}

async fn run(kind: Kind, retention: Retention, steps: Vec<Step>) {
    let mut log: Arc<dyn Log> = kind.open(retention);
    let epoch = log.epoch();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append { source, bodies, position } => {
                model.append(source, bodies.clone(), position.clone());
                let source = source.to_string().into();
                log.append(Batch { source, bodies, position }).await.unwrap();
            }
            Step::Reopen => log = kind.reopen(log, retention).await,
            Step::Read { after, set, last } => {
                let after = Seq(after.index(model.entries.len() + 1) as u64);
                let set = topics(SETS[set]);
                let first_kept = model.check(&*log, &retention, after, &set).await;
                let place = log.place_of_last(last, &set).await.unwrap();
                assert_eq!(place, model.place_of_last(last, &set, first_kept), "{last} of {set}");
            }
        }
    }
    for set in SETS {
        model.check(&*log, &retention, Seq::ZERO, &topics(set)).await;
    }
    assert_eq!(log.epoch(), epoch);
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn g2_any_read_of_the_memory_log_is_exact_or_says_what_is_lost(
        retention in retention(), steps in vec(step(), 1..40),
    ) {
        block_on(run(Kind::memory(), retention, steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn g2_any_read_of_the_sqlite_log_is_exact_or_says_what_is_lost(
        retention in retention(), steps in vec(step(), 1..40),
    ) {
        block_on(run(Kind::sqlite(), retention, steps));
    }
}
