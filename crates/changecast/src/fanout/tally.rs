//! Frames delivered and not counted yet. Walks meet followers of one view after the other, so that
//! nothing is looked up for each.

use crate::telemetry::Telemetry;

#[derive(Default)]
pub(super) struct Tally {
    runs: Vec<Delivered>,
}

/// Frames that followers of a view were handed, one after the other.
struct Delivered {
    view: u64,
    format: &'static str,
    count: u64,
}

impl Tally {
    /// Adds frames of a view, whose `format` is asked for only if another had its turn before.
    pub(super) fn add(&mut self, view: u64, count: u64, format: impl FnOnce() -> &'static str) {
        match self.runs.last_mut().filter(|last| last.view == view) {
            Some(last) => last.count += count,
            None => self.runs.push(Delivered { view, format: format(), count }),
        }
    }

    /// Counts what was delivered, once for all of it.
    pub(super) fn count(&mut self, telemetry: &Telemetry) {
        for Delivered { format, count, .. } in self.runs.drain(..) {
            telemetry.frames_delivered(format, count);
        }
    }
}
