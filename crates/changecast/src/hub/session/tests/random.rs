//! Random interleavings of everything that can happen around a session. What must hold is checked
//! after each step, by `Client::check` and `Client::step`:
//!
//! G1 and G3 entries come in strictly increasing order, over all connections of one client;
//! G2 every entry between start and cursor is delivered or covered by a gap that was told before;
//! G5 whatever word was the last that arrived, its id resumes without a hole and without a repeat;
//! G6 a silence ends in a bookmark that carries the cursor;
//! G9 once the world stands still, a bounded number of steps catches up.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::id;
use super::simulation::{Client, World, foreign};
use crate::hub::session::Start;

#[derive(Clone, Debug)]
enum Event {
    Append(Vec<bool>),
    Trim(u64),
    Feed(u64),
    Shrink(u64),
    Tick(u64),
    Board,
    Drain,
    Steps {
        count: usize,
        take: usize,
        race: Race,
    },
    /// The connection breaks, and this was the last word that arrived.
    Reconnect(Index),
    Settle,
}

/// What happens between a step and what the socket's owner does about it.
#[derive(Clone, Copy, Debug)]
enum Race {
    Nothing,
    RingMovesOn,
    LogIsTrimmed,
}

impl Race {
    fn run(self, world: &mut World) {
        match self {
            Self::Nothing => {}
            Self::RingMovesOn => {
                world.feed(3);
                world.shrink(3);
            }
            Self::LogIsTrimmed => world.trim(3),
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let race = prop_oneof![Just(Race::Nothing), Just(Race::RingMovesOn), Just(Race::LogIsTrimmed)];
    prop_oneof![
        4 => vec(any::<bool>(), 1..6).prop_map(Event::Append),
        2 => (1..6_u64).prop_map(Event::Trim),
        4 => (1..8_u64).prop_map(Event::Feed),
        2 => (1..8_u64).prop_map(Event::Shrink),
        2 => (0..20_u64).prop_map(Event::Tick),
        1 => Just(Event::Board),
        1 => Just(Event::Drain),
        8 => (1..6_usize, 1..4_usize, race)
            .prop_map(|(count, take, race)| Event::Steps { count, take, race }),
        2 => any::<Index>().prop_map(Event::Reconnect),
        1 => Just(Event::Settle),
    ]
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![
        Just(Start::Now),
        Just(Start::Earliest),
        (0..8_u32).prop_map(Start::Last),
        (0..40_u64).prop_map(|seq| Start::After(id(seq))),
        (0..40_u64).prop_map(|seq| Start::After(foreign(seq))),
        Just(Start::Unreadable),
    ]
}

fn run(entries: Vec<bool>, cut: u64, start: &Start, events: Vec<Event>) {
    let mut world = World::new(entries, cut);
    let mut client = Client::open(&world, start);
    for event in events {
        match event {
            Event::Append(entries) => world.append(&entries),
            Event::Trim(count) => world.trim(count),
            Event::Feed(count) => world.feed(count),
            Event::Shrink(count) => world.shrink(count),
            Event::Tick(seconds) => world.tick(Duration::from_secs(seconds)),
            Event::Board => world.change_board(),
            Event::Drain => world.drain(),
            Event::Steps { count, take, race } => {
                for _ in 0..count {
                    client.step(&mut world, take, |world| race.run(world));
                }
            }
            Event::Reconnect(index) if client.word_count() > 0 => {
                let index = index.index(client.word_count());
                client.reconnect(&mut world, index);
            }
            Event::Reconnect(_) => {}
            Event::Settle => client.settle(&mut world),
        }
    }
    client.settle(&mut world);
    client.check(&world);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn g1_g2_g3_g5_g6_g9_hold_whatever_happens_around_a_session(
        entries in vec(any::<bool>(), 0..30),
        cut in 0..30_u64,
        start in start(),
        events in vec(event(), 1..80),
    ) {
        run(entries, cut, &start, events);
    }
}
