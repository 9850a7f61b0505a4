//! `changecast sqlite`: prepares a SQLite database of somebody else's for being watched.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use changecast::source::SourceError;
use changecast::source::sqlite::tables;
use clap::{Args, Subcommand};

use crate::Failure;

const EXAMPLES: &str = "\
Examples:
  changecast sqlite install app.db --table orders --table items
  changecast --source 'sqlite://app.db?table=orders&table=items'
  changecast sqlite status app.db
  changecast sqlite uninstall app.db                takes out everything, without a trace

Exit codes: 0 ok, 1 failure (status: something is wrong), 2 usage, 3 not as the database is.";

/// Let a SQLite database write down its changes, so that it can be watched.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SqliteArguments {
    #[command(subcommand)]
    verb: SqliteVerb,
}

#[derive(Debug, Subcommand)]
enum SqliteVerb {
    /// Put triggers on tables, and a changelog beside them
    Install {
        /// The database
        file: PathBuf,
        /// A table to watch; repeatable
        #[arg(long, short, value_name = "TABLE", required = true)]
        table: Vec<String>,
        /// How many changes are kept when nobody reads them [default: 100000]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        keep: Option<u64>,
    },
    /// Take out what install put there: everything, unless tables are named
    Uninstall {
        /// The database
        file: PathBuf,
        /// A table to watch no longer; repeatable
        #[arg(long, short, value_name = "TABLE")]
        table: Vec<String>,
    },
    /// Say what is installed, and what is wrong with it
    Status {
        /// The database
        file: PathBuf,
    },
}

/// Does what is asked for.
pub(crate) fn run(arguments: &SqliteArguments) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match &arguments.verb {
        SqliteVerb::Install { file, table, keep } => install(&mut out, file, table, *keep),
        SqliteVerb::Uninstall { file, table } => uninstall(&mut out, file, table),
        SqliteVerb::Status { file } => status(&mut out, file),
    }
}

fn install(
    out: &mut impl Write,
    file: &Path,
    tables: &[String],
    keep: Option<u64>,
) -> Result<(), Failure> {
    for installed in tables::install(file, tables, keep).map_err(|error| failed(&error))? {
        let table = &installed.table;
        let done = if installed.was_there { "was installed already" } else { "installed" };
        say(out, &format!("{table}: {done}"))?;
        for index in &installed.unseen_indexes {
            say(
                out,
                &format!(
                    "{table}: a row that REPLACE removes because of the index {index:?} goes unseen"
                ),
            )?;
        }
    }
    advise_wal(out, file)
}

fn uninstall(out: &mut impl Write, file: &Path, tables: &[String]) -> Result<(), Failure> {
    let removed = tables::uninstall(file, tables).map_err(|error| failed(&error))?;
    for table in &removed {
        say(out, &format!("{table}: taken out"))?;
    }
    let is_missing = |table: &&String| !removed.iter().any(|one| one.eq_ignore_ascii_case(table));
    if let Some(table) = tables.iter().find(is_missing) {
        return Err(Failure::Configuration(format!("{table} was not installed")));
    }
    if removed.is_empty() {
        say(out, "nothing was installed")?;
    }
    Ok(())
}

fn status(out: &mut impl Write, file: &Path) -> Result<(), Failure> {
    let Some(status) = tables::status(file).map_err(|error| failed(&error))? else {
        return say(out, "nothing is installed");
    };
    for table in &status.tables {
        let state = table.problem.as_deref().unwrap_or("ok");
        say(out, &format!("{}: {state}", table.table))?;
    }
    let (count, max) = (status.row_count, status.rows_max);
    say(out, &format!("changelog: {count} changes, {max} kept when nobody reads them"))?;
    advise_wal(out, file)?;
    let wrong = status.tables.iter().find(|table| table.problem.is_some());
    match wrong {
        None => Ok(()),
        Some(table) => Err(Failure::Run(format!(
            "install {} anew: changecast sqlite install {} --table {}",
            table.table,
            file.display(),
            table.table
        ))),
    }
}

fn advise_wal(out: &mut impl Write, file: &Path) -> Result<(), Failure> {
    let status = tables::status(file).map_err(|error| failed(&error))?;
    if status.is_some_and(|status| status.journal_mode != "wal") {
        say(out, "advice: PRAGMA journal_mode = wal, or readers and writers wait for each other")?;
    }
    Ok(())
}

fn say(out: &mut impl Write, line: &str) -> Result<(), Failure> {
    writeln!(out, "{line}").map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Run(format!("cannot write to stdout: {error}")),
    })
}

fn failed(error: &SourceError) -> Failure {
    let advice = error.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
    match error {
        SourceError::Operator { .. } | SourceError::Unsupported(_) => {
            Failure::Configuration(format!("{error}{advice}"))
        }
        _ => Failure::Run(format!("{error}{advice}")),
    }
}
