//! What `changecast sub` is told.

use clap::{Args, ValueEnum};

use crate::age::Age;

const EXAMPLES: &str = "\
Examples:
  changecast sub                                    everything, from now on
  changecast sub --topic shop.orders --since earliest
  changecast sub --topic 'shop.*' --match '{\"fullDocument.status\": \"open\"}'
  changecast sub https://changes.example.org -n 1 --timeout 30s | jq .change
  changecast sub --since \"$LAST_ID\" --strict        end with code 6 if history is lost

Into a pipe it writes one JSON object a line: {\"id\", \"topic\", \"change\"} for a change,
{\"type\": \"gap\", …} where history is lost.
Exit codes: 0 ok, 1 failure or too few in time, 2 usage, 4 unreachable, 5 not allowed, 6 history lost.";

/// Follow a changecast server, and resume by itself whatever happens in between.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SubArguments {
    /// The server
    #[arg(default_value = "http://127.0.0.1:8888", env = "CHANGECAST_URL")]
    pub(super) url: String,

    /// What to follow: shop.orders, shop.* or *; repeatable [default: everything]
    #[arg(long, short, value_name = "TOPIC")]
    pub(super) topic: Vec<String>,

    /// From where: now, earliest, last:N, a time, or strictly after an event id
    #[arg(long, short, value_name = "WHERE", default_value = "now")]
    pub(super) since: String,

    /// Only changes that match: a MongoDB $match document over the change event
    #[arg(long = "match", short = 'm', value_name = "JSON")]
    pub(super) filter: Option<String>,

    /// With latest: of what is waiting, only the newest state of each document
    #[arg(long, value_name = "MODE", value_parser = ["queue", "latest"])]
    pub(super) mode: Option<String>,

    /// End after so many changes
    #[arg(long, short = 'n', value_name = "N")]
    pub(super) count: Option<u64>,

    /// End after this time, such as 90s, 30m or 12h
    #[arg(long, value_name = "TIME")]
    pub(super) timeout: Option<Age>,

    /// End with code 6 where history is lost, rather than go on
    #[arg(long)]
    pub(super) strict: bool,

    /// How changes are printed [default: pretty on a terminal, ndjson in a pipe]
    #[arg(long, short, value_name = "FORMAT")]
    pub(super) output: Option<OutputFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// A heading and the indented document.
    Pretty,
    /// One JSON object a line.
    Ndjson,
}
