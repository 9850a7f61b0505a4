//! How long to wait before the next attempt.

use std::time::Duration;

use crate::limits;

/// Exponential with full jitter, as in "Exponential Backoff And Jitter" (AWS Architecture Blog,
/// 2015), but never less than half the step: a fleet spreads out, and nobody hammers.
#[derive(Default)]
pub(super) struct Backoff {
    attempt: u32,
}

impl Backoff {
    pub(super) fn reset(&mut self) {
        self.attempt = 0;
    }

    pub(super) fn next(&mut self) -> Duration {
        let step =
            limits::BACKOFF_MIN.saturating_mul(1 << self.attempt.min(16)).min(limits::BACKOFF_MAX);
        self.attempt = self.attempt.saturating_add(1);
        step.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}
