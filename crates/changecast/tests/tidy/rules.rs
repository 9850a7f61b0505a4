//! The layers, and what else a file must keep to.

use std::fmt;

use super::imports::{code_lines, has_word, targets};

/// The layers, lowest first. A module imports from lower levels and from itself only; within the
/// lowest level, from each other too.
const LEVELS: &[&[&str]] = &[
    &["model", "filter", "limits", "websocket"],
    &["log", "board"],
    &["source", "hub"],
    &["fanout", "stores"],
    &["transport"],
    &["handlers"],
    &["server"],
];

/// Beside the levels: anybody above the lowest may call it. It knows what it counts, no more.
const TELEMETRY: &str = "telemetry";

/// The one thing that telemetry knows of a higher level: what went wrong with a source.
const TELEMETRY_MAY_NAME: &str = "SourceError";

/// Beside the levels, too: a call that is nothing unless a test wants the process to die there.
const FAILPOINT: &str = "failpoint";

/// Helpers for tests, beside the levels: may import everything, and only tests import them.
const TESTING: &str = "testing";

/// Fuzz targets, beside the levels: they may look at everything, and nothing else names them.
const FUZZING: &str = "fuzzing";

/// The folders of `source` that hold a driver: it knows its database and the traits of `source`,
/// and only the server and its own tests know it.
const DRIVERS: &[&str] = &["mongodb", "postgres", "redis", "sqlite", "http", "watcher"];

/// The store that brings its own driver: it knows that one.
const DRIVEN_STORE: (&[&str], &str) = (&["stores", "redis"], "redis");

/// What a driver must not know: neither the log nor who follows it.
const NOT_FOR_DRIVERS: &[&str] = &["log", "board", "hub"];

/// What nothing in the lowest level may touch: it does no I/O and knows no runtime.
const IO: &[&str] = &["tokio", "std::fs", "std::net", "std::io", "std::thread", "std::process"];

/// What must not be left behind, also in tests.
const LEFTOVERS: &[&str] = &["dbg!(", "todo!(", "unimplemented!("];

/// One source file, by its path under `src`.
pub(crate) struct File<'a> {
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
}

/// A rule that a file breaks, and where.
#[derive(Debug)]
pub(crate) struct Offence {
    file: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

impl File<'_> {
    /// Its module path: `source/sqlite/mod.rs` is `source`, `sqlite`.
    fn module(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = self.path.trim_end_matches(".rs").split('/').collect();
        if parts.last() == Some(&"mod") || parts == ["lib"] {
            parts.pop();
        }
        parts
    }

    /// Test code may look at everything: the layers are about what ships.
    fn is_test(&self) -> bool {
        let of_tests = ["tests", "conformance", "scripted", FUZZING];
        self.module().iter().any(|part| of_tests.contains(part))
    }

    pub(crate) fn check(&self) -> Vec<Offence> {
        let mut offences = Vec::new();
        self.check_beginning(&mut offences);
        self.check_leftovers(&mut offences);
        if !self.is_test() {
            self.check_io(&mut offences);
            self.check_imports(&mut offences);
        }
        offences
    }

    fn check_beginning(&self, offences: &mut Vec<Offence>) {
        let first = self.text.lines().find(|line| !line.trim().is_empty());
        if !first.is_some_and(|line| line.starts_with("//!")) {
            let what = "it does not begin with a `//!` that says what it is for".to_owned();
            offences.push(self.offence(1, what));
        }
    }

    fn check_leftovers(&self, offences: &mut Vec<Offence>) {
        for (line, code) in code_lines(self.text, true) {
            for leftover in LEFTOVERS.iter().filter(|leftover| has_word(code, leftover)) {
                offences.push(self.offence(line, format!("`{leftover}…)` is left over")));
            }
        }
    }

    fn check_io(&self, offences: &mut Vec<Offence>) {
        let is_lowest = self.module().first().is_some_and(|root| LEVELS[0].contains(root));
        for (line, code) in code_lines(self.text, false) {
            for io in IO.iter().filter(|io| is_lowest && has_word(code, io)) {
                offences.push(self.offence(line, format!("the lowest level knows `{io}`")));
            }
        }
    }

    fn check_imports(&self, offences: &mut Vec<Offence>) {
        let module = self.module();
        for (line, target) in targets(self.text, &module) {
            let names: Vec<&str> = target.iter().map(String::as_str).collect();
            if let Err(why) = check_import(&module, &names) {
                offences.push(self.offence(line, format!("imports {}: {why}", names.join("::"))));
            }
        }
    }

    fn offence(&self, line: usize, what: String) -> Offence {
        Offence { file: self.path.to_owned(), line, what }
    }
}

/// Whether code in `module` may name `target`, both from the crate's root.
fn check_import(module: &[&str], target: &[&str]) -> Result<(), &'static str> {
    let (Some(from), Some(to)) = (module.first(), target.first()) else {
        return Ok(());
    };
    if target.contains(&FUZZING) {
        return Err("it is for fuzzing only");
    }
    let (own_driver, named_driver) = (driver_of(module), driver_of(target));
    let is_driven = module == DRIVEN_STORE.0 && named_driver == Some(DRIVEN_STORE.1);
    if named_driver.is_some() && own_driver != named_driver && *from != "server" && !is_driven {
        return Err("a driver is known to itself and to the server only");
    }
    if own_driver.is_some() && NOT_FOR_DRIVERS.contains(to) {
        return Err("a driver knows its database, neither the log nor who follows it");
    }
    if from == to || *from == TESTING {
        return Ok(());
    }
    if *to == FAILPOINT && level(from).is_some_and(|level| level > 0) {
        return Ok(());
    }
    if *to == TESTING {
        return Err("it is for tests only");
    }
    if *from == TELEMETRY {
        let is_allowed =
            level(to).is_some_and(|level| level <= 1) || target.contains(&TELEMETRY_MAY_NAME);
        return is_allowed.then_some(()).ok_or("telemetry is called by all and calls nobody");
    }
    let from_level = level(from).ok_or("its own module has no level: add it to `LEVELS`")?;
    if *to == TELEMETRY {
        return (from_level > 0).then_some(()).ok_or("the lowest level tells nobody");
    }
    let to_level = level(to).ok_or("that module has no level: add it to `LEVELS`")?;
    if to_level > from_level {
        return Err("that is a higher level");
    }
    if to_level == from_level && from_level > 0 {
        return Err("that is another module of the same level: they meet below or above");
    }
    Ok(())
}

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&module))
}

fn driver_of<'a>(path: &[&'a str]) -> Option<&'a str> {
    match path {
        ["source", driver, ..] => DRIVERS.contains(driver).then_some(*driver),
        _ => None,
    }
}
