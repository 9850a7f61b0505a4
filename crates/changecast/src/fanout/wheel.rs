//! The deadlines of a shard's connections: a hashed wheel (Varghese and Lauck, 1987).
//!
//! An entry is a reminder, not the deadline itself: deliveries move deadlines all the time, and must
//! not touch the wheel. Whoever is reminded too early asks to be reminded again.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::Key;

/// How coarse the wheel is; nobody is reminded early, and late by at most this.
const TICK: Duration = Duration::from_millis(100);

/// How far ahead it reaches, in ticks; what is later is reminded at the end, and asks again.
const REACH: u64 = 512;

pub(super) struct Wheel {
    started: Instant,
    /// Everything up to this tick has been handed out.
    tick: u64,
    buckets: Vec<Vec<Key>>,
}

impl Wheel {
    pub(super) fn new(now: Instant) -> Self {
        let buckets = (0..REACH).map(|_| Vec::new()).collect();
        Self { started: now, tick: 0, buckets }
    }

    /// Reminds of `key` at `when`, or before if that is far away.
    pub(super) fn remind(&mut self, key: Key, when: Instant) {
        let elapsed = when.saturating_duration_since(self.started);
        let due = elapsed.as_nanos().div_ceil(TICK.as_nanos());
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        let due = due.clamp(self.tick + 1, self.tick + REACH - 1);
        self.bucket(due).push(key);
    }

    /// Takes out everything that is due.
    pub(super) fn due(&mut self, now: Instant, keys: &mut Vec<Key>) {
        let elapsed = now.saturating_duration_since(self.started);
        let last = u64::try_from(elapsed.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX);
        // After a long sleep, one turn empties every bucket.
        for due in (self.tick + 1..=last).take(REACH as usize) {
            keys.append(self.bucket(due));
        }
        self.tick = self.tick.max(last);
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = (self.tick + 1..self.tick + REACH).find(|due| {
            self.buckets.get((due % REACH) as usize).is_some_and(|bucket| !bucket.is_empty())
        })?;
        Some(self.started + TICK * u32::try_from(due).unwrap_or(u32::MAX))
    }

    fn bucket(&mut self, due: u64) -> &mut Vec<Key> {
        let index = (due % REACH) as usize;
        // The remainder is within the wheel.
        self.buckets.get_mut(index).unwrap_or_else(|| unreachable!("{index} is below {REACH}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(serial: u32) -> Key {
        Key { slot: 0, serial }
    }

    #[test]
    fn it_says_when_to_wake() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        assert_eq!(wheel.next(), None);
        wheel.remind(key(1), start + Duration::from_millis(250));
        assert_eq!(wheel.next(), Some(start + Duration::from_millis(300)));
        let mut due = Vec::new();
        wheel.due(start + Duration::from_millis(299), &mut due);
        assert!(due.is_empty());
        wheel.due(start + Duration::from_millis(300), &mut due);
        assert_eq!((due, wheel.next()), (vec![key(1)], None));
    }

    proptest! {
        /// Whoever asks again when reminded too early is never late by more than a tick beyond the
        /// last look, and never early.
        #[test]
        fn nobody_is_forgotten(
            deadlines in prop::collection::vec(0_u64..200_000, 1..40),
            steps in prop::collection::vec(1_u64..70_000, 1..60),
        ) {
            let start = Instant::now();
            let mut wheel = Wheel::new(start);
            let at = |ms: u64| start + Duration::from_millis(ms);
            for (index, deadline) in deadlines.iter().enumerate() {
                wheel.remind(key(index as u32), at(*deadline));
            }
            let (mut now, mut met) = (0, vec![None; deadlines.len()]);
            for step in steps.into_iter().chain([300_000; 5]) {
                now += step;
                let mut due = Vec::new();
                wheel.due(at(now), &mut due);
                for key in due {
                    let deadline = deadlines[key.serial as usize];
                    if deadline <= now {
                        prop_assert!(met[key.serial as usize].replace(now).is_none(), "twice");
                    } else {
                        wheel.remind(key, at(deadline));
                    }
                }
                for (deadline, met) in deadlines.iter().zip(&met) {
                    let is_late = *deadline + 100 <= now;
                    prop_assert!(!is_late || met.is_some(), "{deadline} is missed at {now}");
                }
            }
        }
    }
}
