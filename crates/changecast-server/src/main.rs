//! The `changecast` command: reads arguments and configuration, then hands over to the library.

mod age;
mod args;
mod banner;
mod config;
mod logging;
mod run;
mod sources;
mod sqlite;
mod sub;

use std::io::Write;
use std::process::ExitCode;

use args::{ServeArguments, Verb};

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
    /// Whoever reads the output has enough of it.
    #[error("the reader has gone")]
    ReaderGone,
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Run(_) => ExitCode::from(1),
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
    let arguments = args::read();
    let outcome = match arguments.verb {
        None => serve(arguments.serve, false),
        Some(Verb::Serve(given)) => serve(given, false),
        Some(Verb::Demo(given)) => serve(given, true),
        Some(Verb::Sub(given)) => sub::run(given),
        Some(Verb::Sqlite(given)) => sqlite::run(&given),
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

fn serve(given: ServeArguments, is_demo: bool) -> Result<(), Failure> {
    config::Config::load(given, is_demo).and_then(run::run)
}
