//! Doing what a finding says, as somebody does who pastes it into a shell.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::mongod::of_services;

/// Runs the first command of `finding` that starts so, as the user who may do all.
#[track_caller]
pub(crate) fn mend(finding: &Value, start: &str) {
    let mend = finding["mend"].as_str().unwrap_or_else(|| panic!("no command: {finding}"));
    let from = mend.find(start).unwrap_or_else(|| panic!("no {start}: {mend}"));
    let command = mend[from..].split("; ").next().expect("a part");
    let beside = |program: &str| Path::new(program).parent().expect("a folder").to_owned();
    let folders = [
        of_services("CHANGECAST_TEST_POSTGRES_BIN").into(),
        beside(&of_services("CHANGECAST_TEST_REDIS_SERVER")),
        beside(env!("CARGO_BIN_EXE_changecast")),
    ];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.into_iter().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).expect("a path");
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("PATH", path).env("PGUSER", "postgres");
    let output = shell.output().expect("a shell");
    assert!(output.status.success(), "{command}: {output:?}");
}
