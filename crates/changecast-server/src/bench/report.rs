//! What was measured, as a table and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::arguments::BenchArguments;
use super::fleet::Fleet;
use super::histogram::Histogram;
use super::publisher::Published;
use super::target::Target;
use crate::{Failure, say};

/// Everything there is to tell.
pub(super) struct Report<'a> {
    pub(super) arguments: &'a BenchArguments,
    pub(super) target: &'a Target,
    pub(super) fleet: &'a Fleet,
    pub(super) published: Published,
    pub(super) connecting: Duration,
    /// Of those that never read, how many were known to be stuck when it began, and at its end.
    pub(super) stuck: [usize; 2],
    /// What this process used meanwhile: nanoseconds.
    pub(super) client_cpu: Option<u64>,
    pub(super) server: Option<Server>,
}

/// What the server used.
pub(super) struct Server {
    pub(super) cpu_nanos: u64,
    /// Before the subscribers came, with them, and at the end.
    pub(super) memory_kb: [u64; 3],
}

/// The JSON object. Its names are for scripts: they stay.
#[derive(Serialize)]
struct Figures<'a> {
    url: &'a str,
    transport: &'static str,
    subscribers: usize,
    stalled: usize,
    /// How many of them were stuck when it began, and at its end; zeros if nobody can tell.
    stuck: [usize; 2],
    payload_bytes: usize,
    /// What was asked for; none for as fast as possible.
    rate: Option<f64>,
    connects_per_second: f64,
    messages: u64,
    refused: u64,
    seconds: f64,
    deliveries: u64,
    deliveries_per_second: f64,
    bytes_per_delivery: f64,
    latency_us: Latency,
    /// From when a message was due to the answer that the server has it.
    publish_us: Latency,
    missed: u64,
    duplicated: u64,
    out_of_order: u64,
    faulty_subscribers: usize,
    ended_streams: usize,
    client_cpu_share: Option<f64>,
    server: Option<ServerFigures>,
}

#[derive(Serialize)]
struct Latency {
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

#[derive(Serialize)]
struct ServerFigures {
    cpu_seconds: f64,
    cpu_us_per_delivery: Option<f64>,
    cpu_us_per_message: Option<f64>,
    memory_kb_per_connection: Option<f64>,
    /// Before the subscribers came, with them, and at the end.
    memory_kb: [u64; 3],
}

impl Latency {
    fn of(nanos: &Histogram) -> Self {
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| micros(nanos.quantile(share)));
        Self { p50, p99, p999, max: micros(nanos.max()) }
    }
}

impl Report<'_> {
    pub(super) fn print(&self) -> Result<(), Failure> {
        let figures = self.figures();
        if self.arguments.json {
            let json = serde_json::to_string(&figures);
            say(&(json.map_err(|error| Failure::Run(error.to_string()))? + "\n"))?;
        } else {
            say(&table(&figures))?;
        }
        self.judge(&figures)
    }

    fn figures(&self) -> Figures<'_> {
        let Self { arguments, target, fleet, published, .. } = self;
        let tally = fleet.tally();
        let nanos = tally.last.max(published.started).saturating_sub(published.started);
        let seconds = nanos as f64 / 1e9;
        let connects = arguments.subscribers as f64;
        Figures {
            url: target.url.as_str(),
            transport: target.transport.name(),
            subscribers: arguments.subscribers,
            stalled: arguments.stalled,
            stuck: self.stuck,
            payload_bytes: arguments.payload_bytes,
            rate: (!arguments.max).then_some(arguments.rate),
            connects_per_second: share(connects, self.connecting.as_secs_f64()).unwrap_or(0.0),
            messages: published.count,
            refused: published.refused,
            seconds,
            deliveries: tally.deliveries,
            deliveries_per_second: share(tally.deliveries as f64, seconds).unwrap_or(0.0),
            bytes_per_delivery: share(tally.bytes as f64, tally.deliveries as f64).unwrap_or(0.0),
            latency_us: Latency::of(&tally.latency),
            publish_us: Latency::of(&published.latency),
            missed: fleet.missed(published.count),
            duplicated: tally.duplicates,
            out_of_order: tally.out_of_order,
            faulty_subscribers: fleet.faulty(published.count),
            ended_streams: tally.ended,
            client_cpu_share: self.client_cpu.and_then(|cpu| share(cpu as f64, nanos as f64)),
            server: self.server.as_ref().map(|server| self.server_figures(server)),
        }
    }

    fn server_figures(&self, server: &Server) -> ServerFigures {
        let micros = server.cpu_nanos as f64 / 1e3;
        let [before, with, _] = server.memory_kb;
        ServerFigures {
            cpu_seconds: micros / 1e6,
            cpu_us_per_delivery: share(micros, self.fleet.tally().deliveries as f64),
            cpu_us_per_message: share(micros, self.published.count as f64),
            memory_kb_per_connection: share(
                with as f64 - before as f64,
                self.arguments.subscribers as f64,
            ),
            memory_kb: server.memory_kb,
        }
    }

    /// Whether the figures mean what they say.
    fn judge(&self, figures: &Figures<'_>) -> Result<(), Failure> {
        if let Some(refusal) = &self.published.refusal {
            let failure = refusal.of_publishing(self.target);
            return Err(Failure::Run(format!("{} were refused: {failure}", figures.refused)));
        }
        if figures.server.as_ref().is_some_and(|server| server.cpu_seconds == 0.0) {
            let problem = "the process of --pid used no CPU meanwhile: it is not the server's";
            return Err(Failure::Configuration(problem.to_owned()));
        }
        let Figures { missed, duplicated, out_of_order, faulty_subscribers, .. } = figures;
        if *faulty_subscribers == 0 {
            return Ok(());
        }
        let why = self.fleet.tally().error.as_deref().map(|why| format!("; {why}"));
        Err(Failure::Run(format!(
            "{faulty_subscribers} subscribers did not get each message once and in order: {missed} \
             missed, {duplicated} duplicated, {out_of_order} out of order{}",
            why.unwrap_or_default()
        )))
    }
}

fn share(part: f64, of: f64) -> Option<f64> {
    (of > 0.0).then(|| part / of)
}

fn table(figures: &Figures<'_>) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<22}{value}");
    };
    let Figures { subscribers, stalled, messages, seconds, payload_bytes, .. } = figures;
    let others = match figures.stuck {
        _ if *stalled == 0 => String::new(),
        [before, after] => {
            format!(", {stalled} stalled ({before} of them stuck before, {after} at the end)")
        }
    };
    row("server", format!("{} ({})", figures.url, figures.transport));
    row("subscribers", format!("{subscribers}{others}"));
    row("connects/s", format!("{:.0}", figures.connects_per_second));
    row("messages", format!("{messages} of {payload_bytes} bytes in {seconds:.2} s"));
    row("deliveries", figures.deliveries.to_string());
    row("deliveries/s", format!("{:.0}", figures.deliveries_per_second));
    row("bytes/delivery", format!("{:.1}", figures.bytes_per_delivery));
    row("latency", latency(&figures.latency_us));
    row("publish to answer", latency(&figures.publish_us));
    row("missed", figures.missed.to_string());
    row("duplicated", figures.duplicated.to_string());
    row("out of order", figures.out_of_order.to_string());
    if figures.ended_streams > 0 {
        row("ended streams", figures.ended_streams.to_string());
    }
    if let Some(server) = &figures.server {
        let figure =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        row("server µs/delivery", figure(server.cpu_us_per_delivery));
        row("server µs/message", figure(server.cpu_us_per_message));
        row("server KB/connection", figure(server.memory_kb_per_connection));
    }
    if let Some(share) = figures.client_cpu_share {
        row("client CPU", format!("{:.0} %", share * 100.0));
    }
    text
}

fn latency(latency: &Latency) -> String {
    let Latency { p50, p99, p999, max } = latency;
    let [p50, p99, p999, max] = [p50, p99, p999, max].map(|micros| micros / 1e3);
    format!("p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms, max {max:.2} ms")
}
