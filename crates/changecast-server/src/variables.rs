//! Variables that look like ours and are not: most likely misspelt, and so without effect.

use std::collections::BTreeSet;
use std::io::Write;

use clap::{Command, CommandFactory};

use crate::args::Arguments;
use crate::config::nearest;

const PREFIX: &str = "CHANGECAST_";

/// What is read elsewhere: by tests, and by the failpoints of builds for tests.
const OTHERS: [&str; 2] = ["CHANGECAST_TEST_", "CHANGECAST_FAILPOINT"];

/// Tells each unknown variable on standard error, with the name that was probably meant. A warning
/// only: the variable may belong to a newer version, or to the environment of another one.
pub(crate) fn warn_of_unknown() {
    let mut known = BTreeSet::new();
    collect(&Arguments::command(), &mut known);
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| is_unknown(name, &known)) {
        let near = nearest(&name, known.iter().map(String::as_str));
        let hint = near.map(|near| format!(": did you mean {near}?")).unwrap_or_default();
        // Nobody is left to tell if even this cannot be written.
        let _ = writeln!(std::io::stderr(), "changecast: {name} is not known and ignored{hint}");
    }
}

fn is_unknown(name: &str, known: &BTreeSet<String>) -> bool {
    let is_others = OTHERS.iter().any(|other| name.starts_with(other));
    name.starts_with(PREFIX) && !known.contains(name) && !is_others
}

fn collect(command: &Command, known: &mut BTreeSet<String>) {
    let variables = command.get_arguments().filter_map(clap::Arg::get_env);
    known.extend(variables.map(|name| name.to_string_lossy().into_owned()));
    for inner in command.get_subcommands() {
        collect(inner, known);
    }
}
