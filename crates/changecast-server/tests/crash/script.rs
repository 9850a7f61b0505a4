//! What a writer writes: documents are inserted, updated and deleted, never to come back.

use fastrand::Rng;

use super::ledger::Fact;

/// Writes in one transaction at most.
const BATCH_MAX: usize = 8;

/// One of how many writes goes to the quiet collection.
const QUIET_EVERY: usize = 200;

/// A document is kept for updates while there are fewer than this per collection.
const LIVE_MAX: usize = 40;

/// One writer's own documents.
pub(crate) struct Script {
    random: Rng,
    /// The collections that it writes; the quiet one, if it has it, apart.
    collections: &'static [u8],
    quiet: Option<u8>,
    next_key: u32,
    live: Vec<Fact>,
}

impl Script {
    /// `first_key` sets it apart from other writers.
    pub(crate) fn new(
        seed: u64,
        collections: &'static [u8],
        quiet: Option<u8>,
        first_key: u32,
    ) -> Self {
        let random = Rng::with_seed(seed);
        Self { random, collections, quiet, next_key: first_key, live: Vec::new() }
    }

    /// What belongs into the next transaction. The first write of several is an insert, so that
    /// one can tell from it whether all of them were committed.
    pub(crate) fn batch(&mut self) -> Vec<Fact> {
        if self.quiet.is_some() && self.random.usize(0..QUIET_EVERY) == 0 {
            return self.quiet.map(|quiet| self.insert(quiet)).into_iter().collect();
        }
        if self.random.u8(0..8) > 0 {
            return vec![self.fact(&[])];
        }
        let collection = self.collection();
        let mut batch = vec![self.insert(collection)];
        for _ in 0..self.random.usize(1..BATCH_MAX) {
            let next = self.fact(&batch);
            batch.push(next);
        }
        batch
    }

    /// One insert into each collection: once it has come, everything before has.
    pub(crate) fn last_words(&mut self) -> Vec<Fact> {
        let all: Vec<u8> = self.collections.iter().copied().chain(self.quiet).collect();
        all.into_iter().map(|collection| self.insert(collection)).collect()
    }

    /// Text that makes documents differ in size.
    pub(crate) fn padding(&mut self) -> String {
        let length = match self.random.u8(0..50) {
            0 => self.random.usize(4_000..20_000),
            _ => self.random.usize(0..200),
        };
        "x".repeat(length)
    }

    /// Milliseconds until the next transaction.
    pub(crate) fn pause(&mut self) -> u64 {
        self.random.u64(0..5)
    }

    /// A single write, of no document that `batch` writes already.
    fn fact(&mut self, batch: &[Fact]) -> Fact {
        let what = self.random.u8(0..10);
        let live = (!self.live.is_empty()).then(|| self.random.usize(0..self.live.len()));
        let live = live.filter(|at| {
            let known = self.live[*at];
            !batch.iter().any(|fact| (fact.collection, fact.key) == (known.collection, known.key))
        });
        match live {
            Some(at) if what < 5 => {
                self.live[at].version += 1;
                self.live[at]
            }
            Some(at) if what < 7 || self.live.len() > LIVE_MAX => {
                Fact { version: Fact::DELETED, ..self.live.swap_remove(at) }
            }
            _ => {
                let collection = self.collection();
                self.insert(collection)
            }
        }
    }

    fn collection(&mut self) -> u8 {
        self.collections[self.random.usize(0..self.collections.len())]
    }

    fn insert(&mut self, collection: u8) -> Fact {
        let fact = Fact { collection, key: self.next_key, version: 1 };
        self.next_key += 1;
        if Some(collection) != self.quiet {
            self.live.push(fact);
        }
        fact
    }
}
