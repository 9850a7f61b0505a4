//! Which transactions the stream has told of, held against what a query sees.
//!
//! PostgreSQL writes a commit to its WAL, and so to our stream, a moment before other sessions see
//! what it has written; where a commit waits for a standby, that moment is long. A list that is read
//! in it would lack what its position says is covered.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::position::Identity;
use crate::limits;

/// The newest transactions that were told and may not be seen yet.
#[derive(Default)]
pub(super) struct Told {
    /// A std mutex: held for a push, or for a look at what a snapshot does not see.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Whose transactions they are: another history has others of the same numbers.
    history: Option<Identity>,
    unseen: VecDeque<u32>,
}

impl Told {
    /// A stream of this history begins.
    pub(super) fn begin(&self, history: &Identity) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.history.as_ref() != Some(history) {
            *known = Known { history: Some(history.clone()), unseen: VecDeque::new() };
        }
    }

    /// The stream tells of a transaction.
    pub(super) fn note(&self, xid: u32) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.unseen.len() >= limits::POSTGRES_TOLD_MAX {
            known.unseen.pop_front();
        }
        known.unseen.push_back(xid);
    }

    /// What a query has to see that shows all that has been told by now.
    pub(super) fn unseen(&self) -> Vec<u32> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.unseen.iter().copied().collect()
    }

    /// Strikes out what a query with this snapshot sees, here, too. None where it is no snapshot.
    pub(super) fn strike_out(&self, unseen: &mut Vec<u32>, snapshot: &str) -> Option<()> {
        let snapshot = Snapshot::read(snapshot)?;
        unseen.retain(|xid| !snapshot.sees(*xid));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.unseen.retain(|xid| !snapshot.sees(*xid));
        Some(())
    }
}

/// `xmin:xmax:xip,…`, without the epoch, which the stream does not tell.
struct Snapshot {
    end: u32,
    running: Vec<u32>,
}

impl Snapshot {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (_, end, running) = (parts.next()?, parts.next()?, parts.next()?);
        let number = |text: &str| {
            let number = text.parse::<u64>().ok()?;
            u32::try_from(number & u64::from(u32::MAX)).ok()
        };
        let running = running.split(',').filter(|text| !text.is_empty()).map(number);
        Some(Self { end: number(end)?, running: running.collect::<Option<_>>()? })
    }

    /// Numbers wrap around: half of them are before any of them.
    fn sees(&self, xid: u32) -> bool {
        xid.wrapping_sub(self.end).cast_signed() < 0 && !self.running.contains(&xid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(timeline: u32) -> Identity {
        Identity { system: "1".into(), timeline }
    }

    fn left(told: &Told, snapshot: &str) -> Vec<u32> {
        let mut unseen = told.unseen();
        told.strike_out(&mut unseen, snapshot).unwrap();
        unseen
    }

    #[test]
    fn what_still_runs_for_a_snapshot_is_not_seen() {
        let told = Told::default();
        told.begin(&history(1));
        for xid in [7, 9, 12] {
            told.note(xid);
        }
        assert_eq!(left(&told, "7:12:9"), [9, 12], "9 runs, 12 is yet to come");
        assert_eq!(left(&told, "9:13:9"), [9]);
        assert!(left(&told, "13:13:").is_empty());
        assert!(told.unseen().is_empty());
        assert_eq!(told.strike_out(&mut Vec::new(), "nonsense"), None);
    }

    #[test]
    fn what_is_told_while_somebody_waits_is_not_waited_for() {
        let told = Told::default();
        told.note(7);
        let mut unseen = told.unseen();
        told.note(8);
        assert_eq!(told.strike_out(&mut unseen, "8:8:"), Some(()));
        assert_eq!((unseen, told.unseen()), (vec![], vec![8]));
    }

    #[test]
    fn numbers_wrap_around() {
        let told = Told::default();
        told.note(u32::MAX - 1);
        told.note(5);
        assert_eq!(left(&told, "4294967300:4294967300:"), [5], "it is yet to come");
        assert!(left(&told, "4294967302:4294967302:").is_empty());
    }

    #[test]
    fn another_history_has_other_transactions() {
        let told = Told::default();
        told.begin(&history(1));
        told.note(1_000);
        told.begin(&history(1));
        assert_eq!(told.unseen(), [1_000], "the same stream, opened again");
        told.begin(&history(2));
        assert!(told.unseen().is_empty());
    }

    #[test]
    fn g10_only_the_newest_are_kept() {
        let told = Told::default();
        (0..u32::try_from(limits::POSTGRES_TOLD_MAX).unwrap() * 2).for_each(|xid| told.note(xid));
        assert_eq!(told.unseen().len(), limits::POSTGRES_TOLD_MAX);
    }
}
