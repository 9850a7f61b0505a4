//! The metrics: names, help texts and labels, registered once.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

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

pub(super) struct Metrics {
    registry: Registry,
    pub(super) source_changes: Family<SourceLabel, Counter>,
    pub(super) source_up: Family<SourceLabel, Gauge>,
    pub(super) source_faults: Family<SourceLabel, Counter>,
    pub(super) source_gaps: Family<SourceLabel, Counter>,
    pub(super) source_replaced_text: Family<SourceLabel, Counter>,
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
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("changecast"),
            source_changes: Default::default(),
            source_up: Default::default(),
            source_faults: Default::default(),
            source_gaps: Default::default(),
            source_replaced_text: Default::default(),
            subscribers: Default::default(),
            delivered: Default::default(),
            subscriber_gaps: Default::default(),
            subscribers_cut: Default::default(),
            log_pages_read: Default::default(),
            held_bytes: Default::default(),
            connections: Default::default(),
            connections_refused: Default::default(),
            requests: Default::default(),
            log_entries: Default::default(),
            log_bytes: Default::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "source_changes",
            "Changes that a source appended to the log",
            metrics.source_changes.clone(),
        );
        registry.register(
            "source_up",
            "1 while a source follows its database, else 0",
            metrics.source_up.clone(),
        );
        registry.register(
            "source_faults",
            "Times that a source stopped following",
            metrics.source_faults.clone(),
        );
        registry.register(
            "source_gaps",
            "Times that a source lost history",
            metrics.source_gaps.clone(),
        );
        registry.register(
            "source_replaced_text",
            "Texts that were not UTF-8 and were mended with U+FFFD",
            metrics.source_replaced_text.clone(),
        );
        registry.register("subscribers", "Subscribers now", metrics.subscribers.clone());
        registry.register(
            "frames_delivered",
            "Changes handed to subscribers",
            metrics.delivered.clone(),
        );
        registry.register(
            "subscriber_gaps",
            "Gaps told to subscribers",
            metrics.subscriber_gaps.clone(),
        );
        registry.register(
            "subscribers_cut",
            "Subscribers cut off because all together held too much unread",
            metrics.subscribers_cut.clone(),
        );
        registry.register(
            "log_pages_read",
            "Pages of the log read for subscribers that were behind",
            metrics.log_pages_read.clone(),
        );
        registry.register(
            "held_bytes",
            "Bytes handed to subscribers that they have not read yet",
            metrics.held_bytes.clone(),
        );
        registry.register("connections", "Connections now", metrics.connections.clone());
        registry.register(
            "connections_refused",
            "Connections turned away because there were too many",
            metrics.connections_refused.clone(),
        );
        registry.register("requests", "Requests answered", metrics.requests.clone());
        registry.register("log_entries", "Entries in the log", metrics.log_entries.clone());
        registry.register(
            "log_bytes",
            "Weight of the entries in the log, in bytes",
            metrics.log_bytes.clone(),
        );
        metrics
    }
}

impl Metrics {
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
