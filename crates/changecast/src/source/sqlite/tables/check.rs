//! What of a database of somebody else's works, and the command that mends what does not.

use std::fs;

use super::config::SqliteFileConfig;
use super::decode::{command, is_wanted};
use super::status::{Status, TableStatus, status};
use crate::limits;
use crate::source::Finding;

pub(super) fn findings(config: &SqliteFileConfig) -> Vec<Finding> {
    let status = match status(&config.path) {
        Ok(status) => status,
        Err(error) => return vec![Finding::failed("file", &error)],
    };
    let mut findings = vec![file(config)];
    let Some(status) = status else {
        let mend = command(config, "install", &config.tables);
        let detail = "nothing writes down its changes yet";
        findings.push(Finding::problem("triggers", detail, mend));
        return findings;
    };
    findings.extend(absent(config, &status));
    let wanted = status.tables.iter().filter(|table| is_wanted(config, &table.table));
    findings
        .extend(wanted.take(limits::CHECK_COLLECTIONS_MAX).map(|table| triggers(config, table)));
    findings.push(changelog(config, &status));
    findings.push(journal(config, &status));
    // There are no users in a file.
    findings.into_iter().map(Finding::with_public_mend).collect()
}

fn file(config: &SqliteFileConfig) -> Finding {
    let bytes = fs::metadata(&config.path).map_or(0, |file| file.len());
    Finding::ok("file", format!("{} can be opened, {bytes} bytes", config.path.display()))
}

/// Tables that are to be watched, and were never installed.
fn absent(config: &SqliteFileConfig, status: &Status) -> Vec<Finding> {
    let is_installed = |name: &String| status.tables.iter().any(|table| table.table == *name);
    let absent = config.tables.iter().filter(|name| !is_installed(name));
    absent
        .map(|name| {
            let mend = command(config, "install", std::slice::from_ref(name));
            let detail = format!("nothing writes down the changes of {name:?} yet");
            Finding::problem("triggers", detail, mend)
        })
        .collect()
}

fn triggers(config: &SqliteFileConfig, table: &TableStatus) -> Finding {
    let name = &table.table;
    let Some(problem) = &table.problem else {
        return Finding::ok("triggers", format!("{name:?} is as it was installed"));
    };
    let one = std::slice::from_ref(name);
    let mend = command(config, "install", one);
    if table.is_unseen {
        let detail = format!("changes of {name:?} go by unseen: {problem}");
        let away = command(config, "uninstall", one);
        let mend = format!("{mend}; if it is not wanted any more, {away}");
        return Finding::problem("triggers", detail, mend);
    }
    Finding::warning("schema", format!("{name:?} is not as it was installed: {problem}"), mend)
}

/// How much of what nobody has read is kept.
fn changelog(config: &SqliteFileConfig, status: &Status) -> Finding {
    let Status { row_count, rows_max, .. } = status;
    let detail = format!("{row_count} changes are kept, of at most {rows_max}");
    let read_ones = limits::CHANGELOG_KEPT_ROWS.unsigned_abs();
    // What has been read is kept for a while, too: that alone may fill a small one.
    if row_count < rows_max || *rows_max <= read_ones {
        return Finding::ok("changelog", detail);
    }
    let tables: Vec<String> = status.tables.iter().map(|table| table.table.clone()).collect();
    let mend = format!("{} --keep {}", command(config, "install", &tables), rows_max * 2);
    Finding::warning("changelog", format!("{detail}: what is not read in time is a gap"), mend)
}

/// Whether whoever writes has to wait for whoever reads.
fn journal(config: &SqliteFileConfig, status: &Status) -> Finding {
    let mode = &status.journal_mode;
    if mode == "wal" {
        return Finding::ok("journal", "readers and writers do not wait for each other");
    }
    let path = crate::source::check::shell_word(&config.path.to_string_lossy());
    Finding::warning(
        "journal",
        format!("journal_mode is {mode}: readers and writers wait for each other"),
        format!("sqlite3 {path} 'PRAGMA journal_mode = wal'"),
    )
}
