//! One run of the real binary: its output as it comes, its signals, its end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

use super::soon;

/// A running process, ended when dropped.
pub(crate) struct Process {
    pid: Pid,
    stdout: watch::Receiver<String>,
    stderr: watch::Receiver<String>,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Starts the binary with nothing in its environment but `variables`.
    pub(crate) fn start(arguments: &[String], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_changecast"));
        command.args(arguments).env_clear().envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// The same with limits set by the shell, such as `ulimit -n 100`.
    pub(crate) fn start_limited(limits: &str, arguments: &[String]) -> Self {
        let mut command = Command::new("/bin/sh");
        let script = format!("{limits} && exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_changecast")]);
        command.args(arguments).env_clear();
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let pid = Pid::from_child(&child);
        let stdout = capture(child.stdout.take().expect("stdout is a pipe"));
        let stderr = capture(child.stderr.take().expect("stderr is a pipe"));
        let (ended, exit) = watch::channel(None);
        thread::spawn(move || ended.send_replace(Some(child.wait().expect("a child ends"))));
        Self { pid, stdout, stderr, exit }
    }

    pub(crate) fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if self.exit.borrow().is_none() {
            kill_process(self.pid, signal).expect("the process is there");
        }
    }

    /// Waits for the end, which must come by itself, and for the last of the output.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let ended = soon("the end of the process", self.exit.wait_for(Option::is_some)).await;
        let status = ended.expect("the thread that waits lives").expect("it is there");
        for output in [&mut self.stdout, &mut self.stderr] {
            // An error means that the pipe has been read to its end.
            let to_its_end = output.wait_for(|_| false);
            let _ = soon("the end of the output", to_its_end).await;
        }
        status
    }

    /// The most memory that it has held: mebibytes.
    pub(crate) fn memory_peak_mib(&self) -> u64 {
        self.memory_kib("VmHWM:") / 1024
    }

    /// The memory that it holds now and that is no file's: kibibytes.
    pub(crate) fn anonymous_memory_kib(&self) -> u64 {
        self.memory_kib("RssAnon:")
    }

    fn memory_kib(&self, field: &str) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kibibytes.and_then(|text| text.trim().parse().ok()).expect("a number")
    }

    /// What the kernel tells of it in a file of `/proc`.
    pub(crate) fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.id());
        std::fs::read_to_string(path).expect("it runs")
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.borrow().clone()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.borrow().clone()
    }

    /// Waits until standard output holds `text`.
    pub(crate) async fn stdout_with(&mut self, text: &str) -> String {
        with(&mut self.stdout, text).await
    }

    /// Waits until standard error holds `text`.
    pub(crate) async fn stderr_with(&mut self, text: &str) -> String {
        with(&mut self.stderr, text).await
    }
}

impl Drop for Process {
    #[allow(clippy::print_stderr, reason = "shown with the test that fails")]
    fn drop(&mut self) {
        if self.exit.borrow().is_none() {
            // It may have ended just now.
            let _ = kill_process(self.pid, Signal::KILL);
        }
        if thread::panicking() {
            eprintln!("── the server's stdout ──\n{}", self.stdout());
            eprintln!("── the server's stderr ──\n{}", self.stderr());
        }
    }
}

async fn with(output: &mut watch::Receiver<String>, text: &str) -> String {
    let found = soon(text, output.wait_for(|all| all.contains(text))).await.map(|all| all.clone());
    found.unwrap_or_else(|_| panic!("the output ended without {text:?}"))
}

/// Reads `pipe` in a thread, line by line, so that the process never waits for the test.
fn capture(pipe: impl Read + Send + 'static) -> watch::Receiver<String> {
    let (sender, receiver) = watch::channel(String::new());
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            sender.send_modify(|all| all.push_str(&String::from_utf8_lossy(&line)));
            line.clear();
        }
    });
    receiver
}

/// What a run that ended by itself left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary to its end.
pub(crate) async fn run(arguments: &[&str]) -> Outcome {
    run_with(arguments, &[]).await
}

/// The same with variables in its environment.
pub(crate) async fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let mut process = Process::start(&arguments, variables);
    let status = process.exit().await;
    Outcome { code: status.code(), stdout: process.stdout(), stderr: process.stderr() }
}
