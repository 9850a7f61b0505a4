//! One monotonic clock for the publisher and the readers.

use std::time::{Duration, Instant};

/// Counts nanoseconds from the run's beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(super) fn now(self) -> u64 {
        nanos(self.origin.elapsed())
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
