//! The session machine against a simulated log, view and clock.

mod random;
mod simulation;
mod start;
mod steps;

use std::time::Duration;

use super::{Jitter, Surroundings};
use crate::model::{Epoch, EventId, Seq};
use tokio::time::Instant;

fn epoch() -> Epoch {
    Epoch::from_random(7)
}

fn foreign_epoch() -> Epoch {
    Epoch::from_random(8)
}

fn id(seq: u64) -> EventId {
    EventId { epoch: epoch(), seq: Seq(seq) }
}

fn jitter() -> Jitter {
    Jitter {
        retry: Duration::from_millis(1_500),
        retry_while_draining: Duration::from_millis(4_000),
    }
}

/// Nothing to do: the view's frames begin and end at `seq`.
fn quiet_at(seq: u64) -> Surroundings {
    Surroundings {
        now: Instant::now(),
        frames_after: Seq(seq),
        frames_upto: Seq(seq),
        frames_last: Seq(seq),
        board: 0,
        draining: false,
    }
}
