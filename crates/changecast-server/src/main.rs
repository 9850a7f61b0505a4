//! The `changecast` command: reads arguments and configuration, then hands over to the library.

mod age;
mod args;
mod banner;
mod bench;
mod check;
mod completions;
mod config;
mod descriptors;
mod logging;
mod run;
mod settings;
mod sources;
mod sqlite;
mod sub;
mod variables;

use std::io::Write;
use std::process::ExitCode;

use args::{ConfigVerb, ServeArguments, Verb};

/// Why the command ended early; each kind has an exit code of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something went wrong while it ran.
    #[error("{0}")]
    Run(String),
    /// A value on the command line, in the environment or in the file makes no sense.
    #[error("{0}")]
    Configuration(String),
    /// The server to follow does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// The server to follow does not let this client in.
    #[error("{0}")]
    NotAllowed(String),
    /// What was to be followed without a loss has lost something.
    #[error("history is lost: {0}")]
    HistoryLost(String),
    /// A check has found what does not work, and said so.
    #[error("{0}")]
    NeedsMending(String),
    /// Whoever reads the output has enough of it.
    #[error("the reader has gone")]
    ReaderGone,
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Run(_) | Self::NeedsMending(_) => ExitCode::from(1),
            // 2 is a command line that cannot be read: the argument parser ends with it by itself.
            Self::Configuration(_) => ExitCode::from(3),
            Self::Unreachable(_) => ExitCode::from(4),
            Self::NotAllowed(_) => ExitCode::from(5),
            Self::HistoryLost(_) => ExitCode::from(6),
            Self::ReaderGone => ExitCode::SUCCESS,
        }
    }
}

fn main() -> ExitCode {
    let (arguments, origins) = args::read();
    variables::warn_of_unknown();
    let outcome = match arguments.verb {
        None => serve(arguments.serve, false),
        Some(Verb::Serve(given)) => serve(given, false),
        Some(Verb::Demo(given)) => serve(given, true),
        Some(Verb::Sub(given)) => sub::run(given),
        Some(Verb::Bench(given)) => bench::run(&given),
        Some(Verb::Sqlite(given)) => sqlite::run(&given),
        Some(Verb::Check(given)) => check::run(given),
        Some(Verb::Config(ConfigVerb::Print(given))) => settings::print(given, &origins),
        Some(Verb::Completions { shell }) => completions::print(shell),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure @ Failure::ReaderGone) => failure.exit_code(),
        Err(failure) => {
            // Nobody is left to tell if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "changecast: {failure}");
            failure.exit_code()
        }
    }
}

/// Writes to standard output what was asked for.
fn say(text: &str) -> Result<(), Failure> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Run(format!("cannot write to stdout: {error}")),
    })
}

fn serve(given: ServeArguments, is_demo: bool) -> Result<(), Failure> {
    config::Config::load(given, is_demo).and_then(run::run)
}
