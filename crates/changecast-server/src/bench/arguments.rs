//! What `changecast bench` is told.

use std::time::Duration;

use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  changecast --publish                              the server, in another terminal
  changecast bench -n 1000 --rate 100
  changecast bench ws://127.0.0.1:8888 -n 10000 --rate 5 --duration 10s --pid \"$(pidof changecast)\"
  changecast bench -n 100 --max --json | jq .deliveries_per_second
  changecast bench -n 1000 --stalled 1000           what clients that never read do to the others
  changecast bench http://127.0.0.1:8080/stream --publish-path /post

A latency begins when a message is due, not when it could be sent: a server that holds the
publisher up does not look fast by it. It ends when the subscriber has read the message.
Other servers can be measured too, if they take a POST and pass its JSON on as it is.
Exit codes: 0 ok, 1 failure or messages missed, 2 usage, 3 configuration, 4 unreachable, 5 not allowed.";

/// Measure how fast a server delivers to many subscribers.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArguments {
    /// The server, or where to subscribe: SSE, or WebSocket with ws:// or a path that ends with /ws
    #[arg(default_value = "http://127.0.0.1:8888", env = "CHANGECAST_URL")]
    pub(super) url: String,

    /// Subscribers to open
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    pub(super) subscribers: usize,

    /// Further subscribers that never read; it begins once all buffers between are full
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) stalled: usize,

    /// How to subscribe, if the URL does not tell
    #[arg(long)]
    pub(super) transport: Option<Transport>,

    /// Topic to publish to and to follow; no source may write it
    #[arg(long, short, default_value = "bench.fanout")]
    pub(super) topic: String,

    /// Where to post messages on a server of another kind [default: /publish/TOPIC]
    #[arg(long, value_name = "PATH", value_parser = read_path)]
    pub(super) publish_path: Option<String>,

    /// Messages a second, whatever the server answers
    #[arg(long, value_name = "N", default_value_t = 100.0, value_parser = read_rate)]
    pub(super) rate: f64,

    /// As fast as the subscribers take them, instead of --rate
    #[arg(long, conflicts_with = "rate")]
    pub(super) max: bool,

    /// With --max: messages that may be on their way at once
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) window: u32,

    /// How long to publish, such as 10s or 1m
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = read_time)]
    pub(super) duration: Duration,

    /// How many messages to publish, instead of --duration
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    pub(super) messages: Option<u64>,

    /// Bytes of a message
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    pub(super) payload_bytes: usize,

    /// Connections that publish; more are opened only while all have an answer to wait for
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) publishers: u16,

    /// Connections that may be on their way in at once
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) connecting: u32,

    /// Read only so often, such as every 5ms: the server is not disturbed, but latency grows by it
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    pub(super) nap: Option<Duration>,

    /// The server's process, for its CPU and memory; repeatable
    #[arg(long, value_name = "PID")]
    pub(super) pid: Vec<u32>,

    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Transport {
    Sse,
    Websocket,
}

impl Transport {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::Websocket => "websocket",
        }
    }
}

fn read_rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok();
    rate.filter(|rate| (0.001..=10_000_000.0).contains(rate))
        .ok_or_else(|| "expected messages a second, such as 100 or 0.5".to_owned())
}

fn read_path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_path.then(|| text.to_owned()).ok_or_else(|| "expected a path such as /publish/x".to_owned())
}

fn read_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let nanos_each = match unit {
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        _ => 0,
    };
    let nanos = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(nanos_each));
    let nanos = nanos.filter(|nanos| *nanos > 0);
    nanos
        .map(Duration::from_nanos)
        .ok_or_else(|| "expected a time such as 5ms, 10s or 1m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_are_read_or_refused() {
        assert_eq!(read_time("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(read_time("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "5", "s", "0s", "5h", "-1s", "1.5s", "99999999999999m"] {
            assert!(read_time(wrong).is_err(), "{wrong}");
        }
        assert!(read_path("/a/b?c").is_ok());
        assert!(["", "a", "/a b", "/a\r\nX: y"].iter().all(|wrong| read_path(wrong).is_err()));
        assert_eq!(read_rate("0.5"), Ok(0.5));
        for wrong in ["", "0", "-1", "nan", "inf", "1e9"] {
            assert!(read_rate(wrong).is_err(), "{wrong}");
        }
    }
}
