//! What one subscriber has got of one publishing connection, whose messages are in order.

/// Messages before the newest that are remembered one by one.
const WINDOW: u64 = 64;

/// The messages that have come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ledger {
    /// One more than the newest number.
    next: u64,
    /// Of the numbers before, the newest in the lowest bit: whether it has come.
    recent: u64,
}

/// What there is to say of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// After all that have come; some before it may be missing.
    InOrder,
    /// After one that was published later.
    OutOfOrder,
    Duplicate,
}

impl Ledger {
    pub(super) fn note(&mut self, number: u64) -> Arrival {
        if let Some(ahead) = number.checked_sub(self.next) {
            self.recent = if ahead + 1 < WINDOW { self.recent << (ahead + 1) } else { 0 };
            self.recent |= 1;
            self.next = number + 1;
            return Arrival::InOrder;
        }
        let behind = self.next - 1 - number;
        // What is older has come, or would have to be remembered for ever: one that is later still
        // counts as a duplicate, and as missed.
        let bit = if behind < WINDOW { 1 << behind } else { 0 };
        if bit == 0 || self.recent & bit != 0 {
            return Arrival::Duplicate;
        }
        self.recent |= bit;
        Arrival::OutOfOrder
    }
}

#[cfg(test)]
mod tests {
    use super::Arrival::{Duplicate, InOrder, OutOfOrder};
    use super::*;

    #[track_caller]
    fn told(numbers: &[u64], expected: &[Arrival]) {
        let mut ledger = Ledger::default();
        let told: Vec<_> = numbers.iter().map(|number| ledger.note(*number)).collect();
        assert_eq!(told, expected, "{numbers:?}");
    }

    #[test]
    fn order_duplicates_and_late_ones_are_told_apart() {
        told(&[0, 1, 2], &[InOrder; 3]);
        told(
            &[0, 5, 3, 3, 5, 0, 6],
            &[InOrder, InOrder, OutOfOrder, Duplicate, Duplicate, Duplicate, InOrder],
        );
        told(&[63, 0, 0, 64, 1], &[InOrder, OutOfOrder, Duplicate, InOrder, OutOfOrder]);
        told(&[1_000, 1_064, 1_000, 1_001], &[InOrder, InOrder, Duplicate, OutOfOrder]);
    }

    #[test]
    fn all_of_a_shuffled_window_is_counted_once() {
        let mut numbers: Vec<u64> = (0..WINDOW).collect();
        fastrand::shuffle(&mut numbers);
        let mut ledger = Ledger::default();
        assert!(numbers.iter().all(|number| ledger.note(*number) != Duplicate));
        assert!(numbers.iter().all(|number| ledger.note(*number) == Duplicate));
    }
}
