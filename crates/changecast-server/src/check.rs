//! `changecast check`: looks at every source that the configuration names, says what it finds and
//! what mends it. It changes nothing, and may run beside a server.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use changecast::limits;
use changecast::source::sqlite::SqliteStore;
use changecast::source::{Finding, Level, Source, SourceError};
use fd_lock::RwLock;
use serde::Serialize;
use tokio::time::timeout;

use crate::Failure;
use crate::args::CheckArguments;
use crate::config::{Config, Data};
use crate::sources::SourceConfig;

/// Everything that was found.
#[derive(Serialize)]
struct Report {
    /// The worst of it.
    level: Level,
    data: Vec<Finding>,
    sources: Vec<SourceReport>,
}

#[derive(Serialize)]
struct SourceReport {
    name: String,
    kind: &'static str,
    findings: Vec<Finding>,
}

/// Exits with 1 where something needs mending.
pub(crate) fn run(given: CheckArguments) -> Result<(), Failure> {
    let config = Config::load(given.serve, false)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Run(format!("cannot start: {error}")))?;
    let report = runtime.block_on(report(config));
    crate::say(&if given.json { report.json() } else { report.text() })?;
    match report.findings().filter(|finding| finding.level == Level::Problem).count() {
        0 => Ok(()),
        1 => Err(Failure::NeedsMending("a problem needs mending".to_owned())),
        count => Err(Failure::NeedsMending(format!("{count} problems need mending"))),
    }
}

async fn report(config: Config) -> Report {
    let directory = match config.data {
        Data::Directory(directory) => directory,
        Data::Temporary => PathBuf::from("."),
    };
    let checks: Vec<_> = config
        .sources
        .into_iter()
        .map(|source| {
            let (name, kind) = (source.name().to_owned(), source.kind());
            let findings = tokio::spawn(check(source, directory.clone()));
            async move {
                let ended = |error: tokio::task::JoinError| {
                    let error = SourceError::Unavailable(error.to_string());
                    vec![Finding::failed("check", &error)]
                };
                SourceReport { name, kind, findings: findings.await.unwrap_or_else(ended) }
            }
        })
        .collect();
    let mut sources = Vec::new();
    for check in checks {
        sources.push(check.await);
    }
    let mut report = Report { level: Level::Ok, data: vec![data(&directory)], sources };
    report.level = report.findings().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    report
}

async fn check(source: SourceConfig, data: PathBuf) -> Vec<Finding> {
    let opened = match source {
        SourceConfig::Embedded => {
            let file = data.join("store.db");
            if !file.exists() {
                let detail = format!("{} is made at the first start", file.display());
                return vec![Finding::ok("file", detail)];
            }
            match SqliteStore::open(&file, source.name()) {
                Ok(store) => Arc::new(store) as Arc<dyn Source>,
                Err(error) => return vec![Finding::failed("file", &error)],
            }
        }
        source => match source.build(&data, &Arc::default()) {
            Ok(source) => source,
            Err(failure) => {
                let mend = "correct the source in the configuration";
                return vec![Finding::problem("configuration", failure.to_string(), mend)];
            }
        },
    };
    let late = || {
        let seconds = limits::CHECK_TIMEOUT.as_secs();
        let error = SourceError::Unavailable(format!("no answer within {seconds} seconds"));
        vec![Finding::failed("reachable", &error)]
    };
    timeout(limits::CHECK_TIMEOUT, opened.check()).await.unwrap_or_else(|_| late())
}

/// Whether the log can be kept where it shall be.
fn data(directory: &Path) -> Finding {
    let shown = directory.display();
    match fs::metadata(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Finding::ok("data", format!("{shown} is made at the first start"));
        }
        Ok(found) if found.is_dir() => {}
        _ => {
            let mend = "choose another --data directory";
            return Finding::problem("data", format!("{shown} is no directory"), mend);
        }
    }
    if is_locked(&directory.join("lock")) {
        return Finding::ok("data", format!("{shown} is in use by a running changecast"));
    }
    match tempfile::tempfile_in(directory) {
        Ok(_) => Finding::ok("data", format!("{shown} can be written")),
        Err(error) => Finding::problem(
            "data",
            format!("{shown} cannot be written: {error}"),
            format!("chown -R \"$(id -u)\" '{shown}'"),
        ),
    }
}

fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::options().write(true).open(path) else { return false };
    RwLock::new(file).try_write().is_err()
}

impl Report {
    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.data.iter().chain(self.sources.iter().flat_map(|source| &source.findings))
    }

    fn json(&self) -> String {
        // Structs of texts and lists always serialize.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    fn text(&self) -> String {
        let mut text = String::from("server\n");
        lines(&mut text, &self.data);
        for SourceReport { name, kind, findings } in &self.sources {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "source {name} ({kind})");
            lines(&mut text, findings);
        }
        text
    }
}

fn lines(text: &mut String, findings: &[Finding]) {
    for Finding { level, about, detail, mend, .. } in findings {
        let _ = writeln!(text, "  {level:8} {about:12} {detail}");
        if let Some(mend) = mend {
            let _ = writeln!(text, "           {:12} {mend}", "to mend it:");
        }
    }
}
