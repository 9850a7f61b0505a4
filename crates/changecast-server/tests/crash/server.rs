//! The changecast under fire: always on the same port and data, each life with its own environment.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::support::{free_port, soon};

const FAILPOINT: &str = "CHANGECAST_FAILPOINT";

/// How many lives it had, and how they ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lives {
    pub(crate) started: usize,
    pub(crate) killed: usize,
    /// By itself, at a failpoint.
    pub(crate) aborted: usize,
    pub(crate) terminated: usize,
}

pub(crate) struct Server {
    child: Option<Child>,
    arguments: Vec<String>,
    address: SocketAddr,
    data: TempDir,
    pub(crate) lives: Lives,
}

impl Server {
    /// Not started yet; `source` are the arguments that name what to watch.
    pub(crate) fn new(source: &[String]) -> Self {
        let data = tempfile::Builder::new().prefix("changecast-crash-").tempdir();
        let data = data.expect("a temporary directory");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let directory = data.path().to_str().expect("a path in UTF-8").to_owned();
        // Its own copy: who builds meanwhile does not change what is being tested.
        let binary = std::fs::read(env!("CARGO_BIN_EXE_changecast")).expect("the binary was built");
        let failpoint = FAILPOINT.as_bytes();
        let has_failpoints = binary.windows(failpoint.len()).any(|bytes| bytes == failpoint);
        assert!(has_failpoints, "build it with --all-features: this one has no failpoints");
        std::fs::copy(env!("CARGO_BIN_EXE_changecast"), data.path().join("changecast"))
            .expect("the binary can be copied");
        let mut arguments = vec!["--data".into(), directory];
        arguments.extend(["--port".into(), address.port().to_string()]);
        arguments.extend(source.iter().cloned());
        Self { child: None, arguments, address, data, lives: Lives::default() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// Starts it; it need not listen yet when this returns.
    pub(crate) fn start(&mut self, failpoint: Option<&str>) {
        assert!(self.child.is_none(), "one at a time");
        let output =
            || File::options().create(true).append(true).open(self.output()).expect("a file");
        let mut command = Command::new(self.data.path().join("changecast"));
        command.args(&self.arguments).env_clear();
        command.envs(failpoint.map(|failpoint| (FAILPOINT, failpoint)));
        command.stdin(Stdio::null()).stdout(output()).stderr(output());
        self.child = Some(command.spawn().expect("the binary starts"));
        self.lives.started += 1;
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.check_alive();
        let mut child = self.child.take().expect("it was alive just now");
        child.kill().expect("the process is there");
        child.wait().expect("a killed process ends");
        self.lives.killed += 1;
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn terminate(&mut self) {
        self.signal(Signal::TERM);
        let status = self.ended("the end in order").await;
        // Asked before it handles signals, it just ends.
        let is_orderly = status.success() || status.signal() == Some(Signal::TERM.as_raw());
        assert!(is_orderly, "{status}\n{}", self.last_words());
        self.lives.terminated += 1;
    }

    /// Waits until the failpoint that it was started with has ended it.
    pub(crate) async fn abort(&mut self, failpoint: &str) {
        let status = self.ended(failpoint).await;
        let is_abort = status.signal() == Some(Signal::ABORT.as_raw());
        assert!(is_abort, "{status}\n{}", self.last_words());
        self.lives.aborted += 1;
    }

    /// Stops it in its tracks: its connections stay open, and nothing answers.
    pub(crate) fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Fails if it has ended by itself.
    pub(crate) fn check_alive(&mut self) {
        let child = self.child.as_mut().expect("it was started");
        if let Some(status) = child.try_wait().expect("a child can be asked") {
            panic!("changecast ended by itself: {status}\n{}", self.last_words());
        }
    }

    /// Where its files stay, and the end of what it wrote.
    pub(crate) fn evidence(&mut self) -> String {
        self.data.disable_cleanup(true);
        format!("its files stay in {}\n{}", self.data().display(), self.last_words())
    }

    /// The end of what it wrote to its standard streams.
    fn last_words(&self) -> String {
        let all = std::fs::read(self.output()).unwrap_or_default();
        let all = String::from_utf8_lossy(&all);
        let lines: Vec<_> = all.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn output(&self) -> PathBuf {
        self.data.path().join("output")
    }

    async fn ended(&mut self, what: &str) -> ExitStatus {
        let child = self.child.as_mut().expect("it was started");
        let ending = async {
            loop {
                if let Some(status) = child.try_wait().expect("a child can be asked") {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let status = soon(what, ending).await;
        self.child = None;
        status
    }

    fn signal(&mut self, signal: Signal) {
        self.check_alive();
        let child = self.child.as_ref().expect("it was alive just now");
        kill_process(Pid::from_child(child), signal).expect("the process is there");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
