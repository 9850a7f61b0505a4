//! What the server says about itself: each noteworthy moment is one method that logs and counts.
//!
//! Any layer may call it; it calls nobody. No topic, id, value or address becomes a label.

mod metrics;

use std::net::IpAddr;
use std::time::Duration;

use crate::model::SourceState;
use metrics::{Metrics, OutcomeLabel, SourceLabel, TransportLabel};

/// A request and its answer.
pub(crate) struct Answered<'a> {
    pub(crate) status: u16,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) took: Duration,
}

/// Logs through `tracing`, counts for `/metrics`.
#[derive(Default)]
pub struct Telemetry {
    metrics: Metrics,
}

impl Telemetry {
    /// Counts from zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A source appended changes.
    pub(crate) fn changes_appended(&self, source: &str, count: u64) {
        self.metrics.source_changes.get_or_create(&SourceLabel::new(source)).inc_by(count);
    }

    /// A source follows its database.
    pub(crate) fn source_live(&self, source: &str) {
        tracing::info!(source, "source live");
        self.metrics.source_up.get_or_create(&SourceLabel::new(source)).set(1);
    }

    /// A source does not.
    pub(crate) fn source_down(
        &self,
        source: &str,
        state: SourceState,
        error: &str,
        remedy: Option<&str>,
    ) {
        match (state, remedy) {
            (SourceState::Failed, remedy) => {
                tracing::error!(source, error, remedy, "source failed");
            }
            (_, remedy) => tracing::warn!(source, error, remedy, "source down, will try again"),
        }
        let label = SourceLabel::new(source);
        self.metrics.source_up.get_or_create(&label).set(0);
        self.metrics.source_faults.get_or_create(&label).inc();
    }

    /// A source lost history and said so in the log.
    pub(crate) fn source_gap(&self, source: &str, error: &crate::source::SourceError) {
        tracing::error!(source, %error, "source gap");
        self.metrics.source_gaps.get_or_create(&SourceLabel::new(source)).inc();
    }

    /// A source met text that is not UTF-8 and replaced it.
    pub(crate) fn text_replaced(&self, source: &str, count: u64) {
        tracing::warn!(source, count, "invalid utf-8 replaced");
        self.metrics.source_replaced_text.get_or_create(&SourceLabel::new(source)).inc_by(count);
    }

    /// A message was published; `is_repeated` where it had been before.
    pub(crate) fn published(&self, is_repeated: bool) {
        let outcome = if is_repeated { "repeated" } else { "appended" };
        self.metrics.published.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// A subscriber was let in.
    pub(crate) fn subscriber_opened(&self, transport: &'static str) {
        self.metrics.subscribers.get_or_create(&TransportLabel { transport }).inc();
    }

    /// A subscriber went away, after this long and so many changes.
    pub(crate) fn subscriber_closed(&self, transport: &'static str, age: Duration, changes: u64) {
        tracing::info!(transport, seconds = age.as_secs_f64(), changes, "subscriber left");
        self.metrics.subscribers.get_or_create(&TransportLabel { transport }).dec();
    }

    /// Frames were handed to a subscriber.
    pub(crate) fn frames_delivered(&self, transport: &'static str, count: u64) {
        self.metrics.delivered.get_or_create(&TransportLabel { transport }).inc_by(count);
    }

    /// A subscriber was told of a gap.
    pub(crate) fn subscriber_gap(&self, transport: &'static str) {
        self.metrics.subscriber_gaps.get_or_create(&TransportLabel { transport }).inc();
    }

    /// A subscriber was cut off, since all of them hold more than they may.
    pub(crate) fn subscriber_cut(&self) {
        tracing::warn!("subscriber cut off, too much is held unread");
        self.metrics.subscribers_cut.inc();
    }

    /// A page of the log was read for subscribers that are behind.
    pub(crate) fn log_page_read(&self) {
        self.metrics.log_pages_read.inc();
    }

    /// A connection was accepted.
    pub(crate) fn connection_opened(&self) {
        self.metrics.connections.inc();
    }

    /// A connection ended.
    pub(crate) fn connection_closed(&self) {
        self.metrics.connections.dec();
    }

    /// A connection was turned away because there are too many.
    pub(crate) fn connection_refused(&self) {
        tracing::warn!("connection refused, too many");
        self.metrics.connections_refused.inc();
    }

    /// A request has been answered: the access log.
    pub(crate) fn request_answered(&self, answered: &Answered<'_>) {
        let Answered { status, method, path, ip, took } = *answered;
        let ip = ip.map(tracing::field::display);
        let ms = took.as_micros() as f64 / 1000.0;
        match status {
            500.. => tracing::error!(status, method, path, ip, ms, "request"),
            400.. => tracing::warn!(status, method, path, ip, ms, "request"),
            _ => tracing::info!(status, method, path, ip, ms, "request"),
        }
        self.metrics.requests.get_or_create(&metrics::StatusLabel::new(status)).inc();
    }

    /// Everything counted, as OpenMetrics text.
    pub(crate) fn render(&self, log: &dyn crate::log::Log, held_bytes: usize) -> String {
        let size = log.size();
        self.metrics.held_bytes.set(i64::try_from(held_bytes).unwrap_or(i64::MAX));
        self.metrics.log_entries.set(i64::try_from(size.entry_count).unwrap_or(i64::MAX));
        self.metrics.log_bytes.set(i64::try_from(size.bytes).unwrap_or(i64::MAX));
        self.metrics.log_damaged.set(i64::try_from(log.damaged_count()).unwrap_or(i64::MAX));
        self.metrics.render()
    }
}
