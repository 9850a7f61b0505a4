//! `changecast completions`: a script for the shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::Failure;
use crate::args::Arguments;

pub(crate) fn print(shell: Shell) -> Result<(), Failure> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "changecast", &mut script);
    crate::say(&String::from_utf8_lossy(&script))
}
