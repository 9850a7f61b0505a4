//! The command line: the original page's flags, and ours.
//!
//! Every flag is optional here; defaults are [`Config`](crate::config::Config)'s, so that the file
//! and the environment come between.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{
    ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};
use clap_complete::Shell;
use serde::Deserialize;

use crate::age::Age;
use crate::bench::BenchArguments;
use crate::sqlite::SqliteArguments;
use crate::sub::SubArguments;

const EXAMPLES: &str = "\
Examples:
  changecast demo                                   a page on http://127.0.0.1:8888/, nothing to install
  changecast --mongo mongodb://localhost --ns shop.orders
  changecast --ns 'shop.*'                          every collection of the database shop
  changecast --ns '*'                               every collection of every database
  changecast --source 'mongodb://db1,db2/shop?replicaSet=rs0&collection=orders'
  changecast --source 'postgres://ada@localhost/shop?table=orders'
  changecast --source 'redis://localhost/0?name=shop&stream=orders'
  changecast --source 'sqlite://app.db?table=orders'  after: changecast sqlite install app.db --table orders
  changecast check --ns shop.orders                 what works, and what mends the rest
  changecast sub --topic shop.orders                follow a running one from a terminal
  curl -N http://127.0.0.1:8888/events              the same without changecast

Flags win over CHANGECAST_* variables (CHANGECAST_PORT=80), those over the --config file.
A connection takes a file descriptor: changecast raises its soft limit to the hard one (ulimit -H -n).
Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration; `changecast sub --help` has those of sub.";

/// Watches databases and pushes every change, live, over SSE and WebSocket: ordered, resumable,
/// nothing missed.
#[derive(Debug, Parser)]
#[command(name = "changecast", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Watch and serve: what changecast does without a verb.
    Serve(ServeArguments),
    /// The same with the embedded store in a temporary directory: to try it out.
    Demo(ServeArguments),
    /// Follow a changecast server from a terminal or a script.
    Sub(SubArguments),
    /// Measure how fast a server delivers to many subscribers.
    Bench(BenchArguments),
    /// Let a SQLite database write down its changes, so that it can be watched.
    Sqlite(SqliteArguments),
    /// Look at every source, and say what mends what does not work.
    Check(CheckArguments),
    /// What the flags, the environment and the file add up to.
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Write a script that completes changecast's command line in a shell.
    Completions {
        /// The shell, such as bash, zsh or fish
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Print one JSON object instead of lines for people
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print every setting as a file that --config reads, and where each comes from.
    Print(ServeArguments),
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServeArguments {
    /// Port to listen on; 0 takes a free one [default: 8888]
    #[arg(long, env = "CHANGECAST_PORT")]
    pub(crate) port: Option<u16>,

    /// Address to listen on; 0.0.0.0 or :: for every interface [default: 127.0.0.1]
    #[arg(long, env = "CHANGECAST_ADDRESS", value_name = "IP")]
    pub(crate) address: Option<IpAddr>,

    /// MongoDB to watch [default with --ns: mongodb://localhost]
    #[arg(long, env = "CHANGECAST_MONGO", value_name = "URI", hide_env_values = true)]
    pub(crate) mongo: Option<String>,

    /// What to watch there: db.collection, db.*, or * for all; repeatable [default with --mongo:
    /// test.test]
    #[arg(long, env = "CHANGECAST_NS", value_name = "DB.COLLECTION", value_delimiter = ',')]
    pub(crate) ns: Vec<String>,

    /// A database to watch, as a URL with its options; repeatable. For MongoDB: name, collection,
    /// pipeline, full_document, full_document_before_change; the rest goes to the driver. For
    /// PostgreSQL: name, table, slot, publication, host, sslmode, sslrootcert. For Redis: name,
    /// stream, channel, keyspace, sslrootcert, sslcert, sslkey. For a SQLite file: name, table. For a
    /// JSON address: name, topic, every, pointer, allow_private, sslrootcert
    #[arg(long, env = "CHANGECAST_SOURCE", value_name = "URL", hide_env_values = true)]
    pub(crate) source: Vec<String>,

    /// Directory of the log and the embedded store [default: ./changecast-data]
    #[arg(long, env = "CHANGECAST_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Bytes the log keeps; the oldest changes go first [default: 1073741824]
    #[arg(long, env = "CHANGECAST_RETENTION_BYTES", value_name = "BYTES")]
    pub(crate) retention_bytes: Option<NonZeroU64>,

    /// Changes the log keeps [default: 10000000]
    #[arg(long, env = "CHANGECAST_RETENTION_ENTRIES", value_name = "N")]
    pub(crate) retention_entries: Option<NonZeroU64>,

    /// How long the log keeps a change, such as 7d, 12h, 30m or 90s [default: 7d]
    #[arg(long, env = "CHANGECAST_RETENTION_AGE", value_name = "AGE")]
    pub(crate) retention_age: Option<Age>,

    /// Whether each write waits for the disk: normal is faster, and a power failure, not a mere
    /// crash, makes clients load everything anew [default: full]
    #[arg(long, env = "CHANGECAST_DURABILITY", value_name = "MODE")]
    pub(crate) durability: Option<Durability>,

    /// TOML file with any of these, and [[source]] tables
    #[arg(long, env = "CHANGECAST_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// How many past changes the page begins with [default: 5]
    #[arg(long, env = "CHANGECAST_CACHE_SIZE", value_name = "N")]
    pub(crate) cache_size: Option<u32>,

    /// Whether /documents opens external databases [default: off; the embedded store's are open]
    #[arg(long, env = "CHANGECAST_DOCUMENTS", value_name = "MODE")]
    pub(crate) documents: Option<Documents>,

    /// Whether POST /publish/{topic} takes messages, to topics that no source writes [default: false]
    #[arg(long, env = "CHANGECAST_PUBLISH", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = read_bool)]
    pub(crate) publish: Option<bool>,

    /// Web origin whose pages may read and write here, such as https://example.org; repeatable
    #[arg(long, env = "CHANGECAST_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub(crate) allow_origin: Vec<String>,

    /// Host name this server answers to besides localhost and IP addresses; repeatable
    #[arg(long, env = "CHANGECAST_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    pub(crate) allow_host: Vec<String>,

    /// Log more, and serve the page's files from the source tree so that an edit shows on reload
    #[arg(long, env = "CHANGECAST_DEBUG", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = read_bool)]
    pub(crate) debug: Option<bool>,

    #[command(flatten)]
    pub(crate) logging: LoggingArguments,
}

#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LoggingArguments {
    /// What to log [default: info]
    #[arg(long, env = "CHANGECAST_LOGGING", value_name = "LEVEL")]
    pub(crate) logging: Option<Level>,

    /// How a line looks [default: text]
    #[arg(long, env = "CHANGECAST_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,

    /// Log to standard error too when there is a log file
    #[arg(long, env = "CHANGECAST_LOG_TO_STDERR", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = read_bool)]
    pub(crate) log_to_stderr: Option<bool>,

    /// File to log to; rotated ones get a suffix
    #[arg(long, env = "CHANGECAST_LOG_FILE_PREFIX", value_name = "PATH")]
    pub(crate) log_file_prefix: Option<PathBuf>,

    /// Bytes in a log file before it is rotated [default: 100000000]
    #[arg(long, env = "CHANGECAST_LOG_FILE_MAX_SIZE", value_name = "BYTES")]
    pub(crate) log_file_max_size: Option<usize>,

    /// Rotated log files to keep [default: 10]
    #[arg(long, env = "CHANGECAST_LOG_FILE_NUM_BACKUPS", value_name = "N")]
    pub(crate) log_file_num_backups: Option<usize>,

    /// When to rotate the log file [default: size]
    #[arg(long, env = "CHANGECAST_LOG_ROTATE_MODE", value_name = "MODE")]
    pub(crate) log_rotate_mode: Option<RotateMode>,

    /// How often to rotate it with --log-rotate-mode=time [default: midnight]
    #[arg(long, env = "CHANGECAST_LOG_ROTATE_WHEN", value_name = "WHEN")]
    pub(crate) log_rotate_when: Option<RotateWhen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Documents {
    Off,
    Read,
    Write,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    Full,
    Normal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Debug,
    Info,
    Warning,
    Error,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RotateMode {
    Size,
    Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RotateWhen {
    Hourly,
    Midnight,
    Weekly,
}

/// Reads the process's arguments; ends the process with 2 where they cannot be read.
pub(crate) fn read() -> (Arguments, Origins) {
    let mut command = Arguments::command();
    let matches = command.try_get_matches_from_mut(std::env::args_os().map(spell_as_we_do));
    let matches = matches.unwrap_or_else(|error| error.exit());
    let origins = Origins::of(&matches);
    let arguments = Arguments::from_arg_matches(&matches);
    (arguments.unwrap_or_else(|error| error.format(&mut command).exit()), origins)
}

/// Which settings the command line gives, and which the environment.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    given: BTreeMap<String, &'static str>,
}

impl Origins {
    fn of(matches: &ArgMatches) -> Self {
        let mut innermost = matches;
        while let Some((_, inner)) = innermost.subcommand() {
            innermost = inner;
        }
        let origin = |name: &str| match innermost.try_contains_id(name).ok()? {
            false => None,
            true => match innermost.value_source(name)? {
                ValueSource::CommandLine => Some("flag"),
                ValueSource::EnvVariable => Some("environment"),
                _ => None,
            },
        };
        let settings = ServeArguments::augment_args(Command::new("settings"));
        let names = settings.get_arguments().map(|argument| argument.get_id().as_str());
        let given = names.filter_map(|name| Some((name.to_owned(), origin(name)?)));
        Self { given: given.collect() }
    }

    /// Who gives the setting, if not the file or nobody.
    pub(crate) fn of_setting(&self, name: &str) -> Option<&'static str> {
        self.given.get(name).copied()
    }
}

/// The original took `--cache_size`, `-cache-size` and `--cache-size` alike.
fn spell_as_we_do(argument: OsString) -> OsString {
    let Some(text) = argument.to_str() else {
        return argument;
    };
    let Some(option) = text.strip_prefix('-') else {
        return argument;
    };
    let option = option.strip_prefix('-').unwrap_or(option);
    let (name, value) = option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v)));
    let is_long = name.len() > 1 && name.starts_with(|first: char| first.is_ascii_lowercase());
    if !is_long {
        return argument;
    }
    let name = name.replace('_', "-");
    value.map_or_else(|| format!("--{name}"), |value| format!("--{name}={value}")).into()
}

fn read_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "on" => Ok(true),
        "false" | "f" | "0" | "no" | "off" => Ok(false),
        _ => Err("expected true or false".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[track_caller]
    fn parse(arguments: &[&str]) -> ServeArguments {
        let all = std::iter::once("changecast").chain(arguments.iter().copied());
        let all = all.map(|argument| spell_as_we_do(argument.into()));
        Arguments::try_parse_from(all).expect("they can be read").serve
    }

    #[test]
    fn s0_05_every_spelling_of_the_original_is_read() {
        for spelling in [
            &["--cache-size=7"][..],
            &["--cache-size", "7"],
            &["--cache_size=7"],
            &["-cache_size=7"],
            &["-cache-size", "7"],
        ] {
            assert_eq!(parse(spelling).cache_size, Some(7), "{spelling:?}");
        }
        assert_eq!(parse(&["--debug"]).debug, Some(true));
        assert_eq!(parse(&["--debug=f"]).debug, Some(false));
        assert_eq!(parse(&["--debug", "--port=1"]).port, Some(1));
        assert_eq!(parse(&["--ns=a.b", "--ns", "a.c_d"]).ns, ["a.b", "a.c_d"]);
    }
}
