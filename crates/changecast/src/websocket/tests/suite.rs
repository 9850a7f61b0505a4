//! The Autobahn test suite itself, in its "fuzzing client": `scripts/autobahn` installs and runs it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};

use super::autobahn::MESSAGE_BYTES_MAX;
use super::echo::{Progress, grant, serve};

/// Where the suite's command is.
const COMMAND: &str = "CHANGECAST_WSTEST";

/// Which cases to run, if not all: `6.*,7.1.1`.
const CASES: &str = "CHANGECAST_AUTOBAHN_CASES";

#[test]
#[ignore = "scripts/autobahn installs the suite and runs this"]
fn the_autobahn_suite_passes() {
    let command = std::env::var_os(COMMAND).expect("scripts/autobahn says where the suite is");
    let cases = std::env::var(CASES).unwrap_or("*".to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("it listens");
    let specification = folder.path().join("specification.json");
    let text = json!({
        "outdir": folder.path(),
        "servers": [{"agent": "changecast", "url": format!("ws://{address}")}],
        "cases": cases.split(',').collect::<Vec<_>>(),
        "exclude-cases": ["12.*", "13.*"],
        "exclude-agent-cases": {},
    });
    std::fs::write(&specification, text.to_string()).expect("it can be written");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| echo(&listener, &is_over));
        let status = Command::new(PathBuf::from(command))
            .args(["--mode", "fuzzingclient", "--spec"])
            .arg(&specification)
            .status();
        is_over.store(true, Ordering::SeqCst);
        // Ends the wait for the next client.
        std::net::TcpStream::connect(address).expect("it listens");
        assert!(status.expect("the suite runs").success());
    });
    judge(folder.path());
}

fn echo(listener: &TcpListener, is_over: &AtomicBool) {
    std::thread::scope(|scope| {
        loop {
            let (socket, _) = listener.accept().expect("a client");
            if is_over.load(Ordering::SeqCst) {
                return;
            }
            scope.spawn(move || {
                socket.set_nodelay(true).expect("a socket");
                // It asks for the number of its cases by a connection of its own, too.
                if grant(&socket).is_ok() {
                    serve(&socket, MESSAGE_BYTES_MAX, &Progress::default());
                }
            });
        }
    });
}

/// Reads the suite's verdicts: every case has to be OK, or one that has no right answer.
fn judge(folder: &Path) {
    let index = std::fs::read(folder.join("index.json")).expect("the suite's verdicts");
    let index: Value = serde_json::from_slice(&index).expect("JSON");
    let verdicts = index["changecast"].as_object().expect("verdicts");
    let mut sections = Map::new();
    let mut failures = Vec::new();
    for (case, verdict) in verdicts {
        let (behavior, close) = (&verdict["behavior"], &verdict["behaviorClose"]);
        let section =
            sections.entry(case.split('.').next().unwrap_or_default()).or_insert(json!({}));
        let count = &mut section[behavior.as_str().expect("text")];
        *count = json!(count.as_u64().unwrap_or(0) + 1);
        let is_fine = |verdict: &Value| *verdict == "OK" || *verdict == "INFORMATIONAL";
        if !is_fine(behavior) || !is_fine(close) {
            failures.push(format!("{case}: {behavior}, close {close}"));
        }
    }
    println!("{} cases", verdicts.len());
    for (section, counts) in &sections {
        println!("section {section}: {counts}");
    }
    assert!(!verdicts.is_empty(), "no case was run");
    assert!(failures.is_empty(), "{failures:#?}");
}
