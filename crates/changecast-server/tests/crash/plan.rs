//! What happens in which round: all of it follows from the seed.

use std::fmt;

use fastrand::Rng;

use super::rig::Source;

const FAILPOINTS: [&str; 6] = [
    "log.before_append",
    "log.before_commit",
    "log.after_commit",
    "log.after_show",
    "runner.after_append",
    "runner.after_acknowledge",
];

/// Where the embedded store, which is written over HTTP too, may die besides.
const STORE_FAILPOINTS: [&str; 2] = ["store.before_commit", "store.after_commit"];

/// A round: `faults` begin once so many writes have been committed.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) after_writes: usize,
    /// One, or two at once on different things.
    pub(crate) faults: Vec<Fault>,
    /// Whether all clients are to catch up at its end, to be checked.
    pub(crate) is_checked: bool,
}

/// Between changecast and its clients, or between the database and changecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Clients,
    Database,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9`; back after so many writes.
    Kill {
        away: usize,
    },
    /// `kill -9`, and once more so many milliseconds after the start.
    KillTwice {
        millis: u64,
    },
    /// It is started again such that it dies at a named point.
    Failpoint {
        name: &'static str,
        hit: u64,
    },
    Terminate {
        away: usize,
    },
    /// SIGSTOP, and SIGCONT after so many milliseconds. Not writes: it may hold the store's lock.
    Pause {
        millis: u64,
    },
    /// `kill -9` of the database, which is started again at once.
    KillDatabase,
    /// Every connection is reset.
    Cut(Place),
    /// Nothing passes in the one direction, the other, or both, and nobody is told; after so many
    /// milliseconds the connections break, or go on as if nothing had been.
    HalfOpen {
        place: Place,
        from_client: bool,
        from_server: bool,
        millis: u64,
        then_cut: bool,
    },
}

impl Fault {
    /// Two faults of one subject cannot be applied at once.
    fn subject(&self) -> u8 {
        match self {
            Self::Kill { .. } | Self::KillTwice { .. } | Self::Failpoint { .. } => 0,
            Self::Terminate { .. } | Self::Pause { .. } => 0,
            Self::KillDatabase => 1,
            Self::Cut(place) | Self::HalfOpen { place, .. } => match place {
                Place::Clients => 2,
                Place::Database => 3,
            },
        }
    }

    fn random(random: &mut Rng, source: Source) -> Self {
        let is_server = source.is_server();
        loop {
            return match random.u8(0..20) {
                0..5 => Self::Kill { away: random.usize(0..30) },
                5..7 => Self::KillTwice { millis: random.u64(0..150) },
                7..12 => Self::failpoint(random, source),
                12 => Self::Terminate { away: random.usize(0..30) },
                13 => Self::Pause { millis: random.u64(10..400) },
                14 => Self::Cut(Place::Clients),
                15 | 16 => Self::half_open(random, Place::Clients),
                17 if is_server => Self::KillDatabase,
                18 if is_server => Self::Cut(Place::Database),
                19 if is_server => Self::half_open(random, Place::Database),
                // An embedded store is a file: there is nothing in between.
                _ => continue,
            };
        }
    }

    fn failpoint(random: &mut Rng, source: Source) -> Self {
        let of_store = if source == Source::Embedded { &STORE_FAILPOINTS[..] } else { &[] };
        let names: Vec<_> = FAILPOINTS.iter().chain(of_store).collect();
        Self::Failpoint { name: names[random.usize(0..names.len())], hit: random.u64(1..12) }
    }

    fn half_open(random: &mut Rng, place: Place) -> Self {
        let (from_client, from_server) =
            [(true, false), (false, true), (true, true)][random.usize(0..3)];
        let (millis, then_cut) = (random.u64(20..400), random.bool());
        Self::HalfOpen { place, from_client, from_server, millis, then_cut }
    }
}

/// All rounds of a campaign.
pub(crate) fn plan(seed: u64, rounds: usize, check_every: usize, source: Source) -> Vec<Round> {
    let mut random = Rng::with_seed(seed);
    let mut plan = Vec::new();
    for number in 1..=rounds {
        let mut faults = vec![Fault::random(&mut random, source)];
        if random.u8(0..4) == 0 {
            let second = Fault::random(&mut random, source);
            if second.subject() != faults[0].subject() {
                faults.push(second);
            }
        }
        let is_checked = number % check_every == 0 || number == rounds;
        plan.push(Round { after_writes: random.usize(0..300), faults, is_checked });
    }
    plan
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { away } => write!(f, "kill -9, away for {away} writes"),
            Self::KillTwice { millis } => write!(f, "kill -9, again {millis} ms after the start"),
            Self::Failpoint { name, hit } => write!(f, "dies at {name}:{hit}"),
            Self::Terminate { away } => write!(f, "SIGTERM, away for {away} writes"),
            Self::Pause { millis } => write!(f, "paused for {millis} ms"),
            Self::KillDatabase => f.write_str("kill -9 of the database"),
            Self::Cut(place) => write!(f, "{place} cut off"),
            Self::HalfOpen { place, from_client, from_server, millis, then_cut } => {
                let direction = match (from_client, from_server) {
                    (true, true) => "both ways",
                    (true, false) => "what clients send",
                    _ => "what servers send",
                };
                let end = if *then_cut { "cut" } else { "healed" };
                write!(f, "{place} half-open ({direction}), {end} after {millis} ms")
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clients => "clients",
            Self::Database => "database",
        })
    }
}

#[test]
fn the_same_seed_plans_the_same() {
    let planned = |seed| format!("{:?}", plan(seed, 50, 10, Source::MongoDb));
    assert_eq!(planned(7), planned(7));
    assert_ne!(planned(7), planned(8));
}
