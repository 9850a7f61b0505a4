//! The metrics: names, help texts and labels, registered once.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SourceLabel {
    source: String,
}

impl SourceLabel {
    pub(super) fn new(source: &str) -> Self {
        Self { source: source.to_owned() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TransportLabel {
    pub(super) transport: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StatusLabel {
    class: &'static str,
}

impl StatusLabel {
    pub(super) fn new(status: u16) -> Self {
        let class = match status {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        Self { class }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabel {
    pub(super) outcome: &'static str,
}

pub(super) struct Metrics {
    registry: Registry,
    pub(super) source_changes: Family<SourceLabel, Counter>,
    pub(super) source_up: Family<SourceLabel, Gauge>,
    pub(super) source_faults: Family<SourceLabel, Counter>,
    pub(super) source_gaps: Family<SourceLabel, Counter>,
    pub(super) source_replaced_text: Family<SourceLabel, Counter>,
    pub(super) published: Family<OutcomeLabel, Counter>,
    pub(super) subscribers: Family<TransportLabel, Gauge>,
    pub(super) delivered: Family<TransportLabel, Counter>,
    pub(super) subscriber_gaps: Family<TransportLabel, Counter>,
    pub(super) subscribers_cut: Counter,
    pub(super) log_pages_read: Counter,
    pub(super) held_bytes: Gauge,
    pub(super) connections: Gauge,
    pub(super) connections_refused: Counter,
    pub(super) requests: Family<StatusLabel, Counter>,
    pub(super) log_entries: Gauge,
    pub(super) log_bytes: Gauge,
    pub(super) log_damaged: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("changecast");
        Self {
            source_changes: add(
                &mut registry,
                "source_changes",
                "Changes that a source appended to the log",
            ),
            source_up: add(
                &mut registry,
                "source_up",
                "1 while a source follows its database, else 0",
            ),
            source_faults: add(
                &mut registry,
                "source_faults",
                "Times that a source stopped following",
            ),
            source_gaps: add(&mut registry, "source_gaps", "Times that a source lost history"),
            source_replaced_text: add(
                &mut registry,
                "source_replaced_text",
                "Texts that were not UTF-8 and were mended with U+FFFD",
            ),
            published: add(&mut registry, "published", "Messages that publishers sent"),
            subscribers: add(&mut registry, "subscribers", "Subscribers now"),
            delivered: add(&mut registry, "frames_delivered", "Changes handed to subscribers"),
            subscriber_gaps: add(&mut registry, "subscriber_gaps", "Gaps told to subscribers"),
            subscribers_cut: add(
                &mut registry,
                "subscribers_cut",
                "Subscribers cut off because all together held too much unread",
            ),
            log_pages_read: add(
                &mut registry,
                "log_pages_read",
                "Pages of the log read for subscribers that were behind",
            ),
            held_bytes: add(
                &mut registry,
                "held_bytes",
                "Bytes handed to subscribers that they have not read yet",
            ),
            connections: add(&mut registry, "connections", "Connections now"),
            connections_refused: add(
                &mut registry,
                "connections_refused",
                "Connections turned away because there were too many",
            ),
            requests: add(&mut registry, "requests", "Requests answered"),
            log_entries: add(&mut registry, "log_entries", "Entries in the log"),
            log_bytes: add(
                &mut registry,
                "log_bytes",
                "Weight of the entries in the log, in bytes",
            ),
            log_damaged: add(
                &mut registry,
                "log_damaged_entries",
                "Entries of the log that were found damaged, and told as lost",
            ),
            registry,
        }
    }
}

/// A metric that counts from zero, known to the registry.
fn add<M: Metric + Clone + Default>(
    registry: &mut Registry,
    name: &'static str,
    help: &'static str,
) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

impl Metrics {
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
