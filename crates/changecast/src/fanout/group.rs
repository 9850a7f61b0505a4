//! Which connections follow which view, and which of them are still to be walked to.

use std::collections::{HashMap, VecDeque};

/// The groups of a shard.
#[derive(Default)]
pub(super) struct Groups {
    by_view: HashMap<u64, Group>,
    /// Views with a walk to be begun or gone on with, in turn.
    due: VecDeque<u64>,
}

/// The followers of a view. Those before `walked` have been met by the current walk.
#[derive(Default)]
struct Group {
    members: Vec<u32>,
    walked: usize,
    /// Whether a walk is due, or under way.
    is_due: bool,
    /// Whether something new came during the walk: then another follows.
    is_stirred: bool,
}

/// A member whose seat has changed, and the new one.
pub(super) type Moved = (u32, u32);

impl Groups {
    /// Takes a member in, and returns its seat.
    pub(super) fn join(&mut self, view: u64, slot: u32) -> u32 {
        let members = &mut self.by_view.entry(view).or_default().members;
        members.push(slot);
        u32::try_from(members.len() - 1).unwrap_or(u32::MAX)
    }

    /// Lets a member go, without a walk missing anybody: returns who sits elsewhere now.
    pub(super) fn leave(&mut self, view: u64, seat: u32) -> [Option<Moved>; 2] {
        let Some(group) = self.by_view.get_mut(&view) else { return [None; 2] };
        let moved = group.remove(seat as usize);
        if group.members.is_empty() {
            self.by_view.remove(&view);
        }
        moved
    }

    /// Has the followers of a view walked to, if there are any here.
    pub(super) fn stir(&mut self, view: u64) {
        let Some(group) = self.by_view.get_mut(&view) else { return };
        if group.is_due {
            group.is_stirred = true;
        } else {
            group.is_due = true;
            self.due.push_back(view);
        }
    }

    /// Has everybody walked to.
    pub(super) fn stir_all(&mut self) {
        let views: Vec<_> = self.by_view.keys().copied().collect();
        views.into_iter().for_each(|view| self.stir(view));
    }

    /// Whether a walk is due.
    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// The view whose turn it is to be walked, for a slice.
    pub(super) fn begin_slice(&mut self) -> Option<u64> {
        self.due.pop_front()
    }

    /// Puts the next members that the walk meets into `slice`, at most so many. Some may have left by
    /// the time they are met.
    pub(super) fn take_slice(&mut self, view: u64, count: usize, slice: &mut Vec<u32>) {
        let Some(group) = self.by_view.get_mut(&view) else { return };
        slice.extend(group.members.iter().skip(group.walked).take(count));
        group.walked = group.members.len().min(group.walked + count);
    }

    /// Ends a slice: the walk goes on in its next turn, if it has not met all or something new came.
    pub(super) fn end_slice(&mut self, view: u64) {
        let Some(group) = self.by_view.get_mut(&view) else { return };
        if group.walked < group.members.len() {
            self.due.push_back(view);
            return;
        }
        group.walked = 0;
        group.is_due = std::mem::take(&mut group.is_stirred);
        if group.is_due {
            self.due.push_back(view);
        }
    }
}

impl Group {
    /// Fills the seat with one that has been met if it had been, too, so that the line between
    /// those and the others stays where it is.
    fn remove(&mut self, seat: usize) -> [Option<Moved>; 2] {
        let mut moved = [None; 2];
        let mut free = seat;
        if seat < self.walked {
            self.walked -= 1;
            moved[0] = self.fill(free, self.walked);
            free = self.walked;
        }
        moved[1] = self.fill(free, self.members.len() - 1);
        self.members.pop();
        moved
    }

    fn fill(&mut self, free: usize, from: usize) -> Option<Moved> {
        if free == from {
            return None;
        }
        self.members.swap(free, from);
        let slot = *self.members.get(free)?;
        Some((slot, u32::try_from(free).unwrap_or(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn g8_a_view_that_is_stirred_all_the_time_takes_turns_with_another() {
        let mut groups = Groups::default();
        (0..100).for_each(|slot| {
            groups.join(1, slot);
        });
        groups.join(2, 100);
        let mut turns = Vec::new();
        for _ in 0..50 {
            groups.stir(1);
            groups.stir(2);
            let view = groups.begin_slice().expect("both are due");
            groups.take_slice(view, 10, &mut Vec::new());
            groups.stir(view);
            groups.end_slice(view);
            turns.push(view);
        }
        assert_eq!(turns, [1, 2].repeat(25));
    }

    proptest! {
        /// Whoever comes and goes: each member that stays is met after a stir, and seats are true.
        #[test]
        fn no_member_is_missed(
            count in 1_u32..30,
            events in prop::collection::vec((0_u8..4, 0_u32..40), 0..200),
        ) {
            let mut groups = Groups::default();
            let mut seats = HashMap::new();
            let mut owed = HashSet::new();
            for slot in 0..count {
                seats.insert(slot, groups.join(7, slot));
            }
            groups.stir(7);
            owed.extend(0..count);
            let slice = |groups: &mut Groups, owed: &mut HashSet<u32>, length: u32| {
                let Some(view) = groups.begin_slice() else { return false };
                let mut slice = Vec::new();
                groups.take_slice(view, length as usize, &mut slice);
                slice.iter().for_each(|slot| {
                    owed.remove(slot);
                });
                groups.end_slice(view);
                true
            };
            for (kind, slot) in events {
                match kind {
                    0 if !seats.contains_key(&slot) => {
                        seats.insert(slot, groups.join(7, slot));
                    }
                    1 => if let Some(seat) = seats.remove(&slot) {
                        owed.remove(&slot);
                        for (slot, seat) in groups.leave(7, seat).into_iter().flatten() {
                            seats.insert(slot, seat);
                        }
                    },
                    2 => {
                        groups.stir(7);
                        owed.extend(seats.keys());
                    }
                    _ => {
                        slice(&mut groups, &mut owed, slot % 5);
                    }
                }
                if let Some(group) = groups.by_view.get(&7) {
                    for (slot, seat) in &seats {
                        prop_assert_eq!(group.members.get(*seat as usize), Some(slot));
                    }
                }
            }
            while slice(&mut groups, &mut owed, 3) {}
            prop_assert!(owed.is_empty(), "{owed:?}");
        }
    }
}
