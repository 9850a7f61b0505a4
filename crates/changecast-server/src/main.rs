//! The `changecast` command: reads arguments and configuration, then hands over to the library.

mod age;
mod args;
mod banner;
mod config;
mod logging;
mod run;
mod sources;

use std::io::Write;
use std::process::ExitCode;

/// Why the command ended early; each kind has an exit code of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something went wrong while it ran.
    #[error("{0}")]
    Run(String),
    /// A value on the command line, in the environment or in the file makes no sense.
    #[error("{0}")]
    Configuration(String),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Run(_) => ExitCode::from(1),
            // 2 is a command line that cannot be read: the argument parser ends with it by itself.
            Self::Configuration(_) => ExitCode::from(3),
        }
    }
}

fn main() -> ExitCode {
    let outcome = config::Config::load(args::read()).and_then(run::run);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "changecast: {failure}");
            failure.exit_code()
        }
    }
}
