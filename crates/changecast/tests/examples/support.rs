//! Runs an example as a process of its own, on a free port, and reads what it serves.
//!
//! An example takes its port from `PORT` (0 is any free one), and prints the URL that it serves at,
//! as `http://127.0.0.1:9000/`, in a line of its own or in words around it.

#![allow(dead_code, reason = "each example needs some of it")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

/// Waits, so that what never comes fails the test rather than hangs it.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let patience = tokio::time::timeout(Duration::from_secs(60), future).await;
    patience.unwrap_or_else(|_| panic!("no {what}"))
}

/// A running example. One that is dropped is killed.
pub(crate) struct Example {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Example {
    /// Starts it without arguments, and waits until it listens.
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, &[], &[]).await
    }

    /// The same with these arguments and this environment.
    pub(crate) async fn start_with(
        name: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new(path_of(name));
        command.args(arguments).env("PORT", "0").envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = soon("address on the example's standard output", async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it listens before it ends");
                if let Some(address) = address_in(&line) {
                    return address;
                }
            }
        });
        let address = address.await;
        Self { child, lines, address }
    }

    /// Starts one that says nothing, and listens where its source says.
    pub(crate) async fn start_at(name: &str, address: &str) -> Self {
        let mut command = Command::new(path_of(name));
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = async {
            loop {
                if let Ok(stream) = TcpStream::connect(address).await {
                    return stream.peer_addr().unwrap();
                }
                assert_eq!(child.try_wait().unwrap(), None, "{address} must be free for {name}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let address = soon("listener", listening).await;
        Self { child, lines, address }
    }

    /// The next line that it prints.
    pub(crate) async fn line(&mut self) -> String {
        soon("line", self.lines.next_line()).await.unwrap().expect("it has not ended")
    }

    /// Asks for `path`, and hands out what comes, as it comes.
    pub(crate) async fn open(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address)).await
    }

    /// Sends this request as it is.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        Answer::to(self.address, request).await
    }

    /// Interrupts it, as Ctrl-C does, and makes sure that it takes that well.
    pub(crate) async fn interrupt(mut self) {
        let pid = self.child.id().expect("it runs").to_string();
        let kill = Command::new("kill").args(["-INT", &pid]).status().await.unwrap();
        assert!(kill.success());
        let status = soon("end after Ctrl-C", self.child.wait()).await.unwrap();
        assert!(status.success(), "Ctrl-C ends it cleanly, not with {status}");
    }
}

/// Beside the test, whose own path is target/debug/deps/examples-<hash>.
fn path_of(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = target.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not built: cargo build --all-features --examples",
        path.display()
    );
    path
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    rest.split(['/', ' ']).next()?.parse().ok()
}

/// An answer: its head, and its body as it comes.
pub(crate) struct Answer {
    /// The status line and the headers, as they were sent.
    pub(crate) head: String,
    stream: BufReader<TcpStream>,
    is_chunked: bool,
    body: String,
}

impl Answer {
    /// The answer to this request, as it is.
    pub(crate) async fn to(address: SocketAddr, request: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        Self::read(BufReader::new(stream)).await
    }

    async fn read(mut stream: BufReader<TcpStream>) -> Self {
        let mut head = String::new();
        let reading = async {
            while !head.ends_with("\r\n\r\n") {
                assert!(stream.read_line(&mut head).await.unwrap() > 0, "it ends in: {head}");
            }
        };
        soon("head", reading).await;
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Self { head, stream, is_chunked, body: String::new() }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The data of the next server-sent event that has some; its lines are joined.
    pub(crate) async fn data(&mut self) -> String {
        loop {
            let lines: Vec<_> = self
                .block()
                .await
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(|data| data.strip_prefix(' ').unwrap_or(data).to_owned())
                .collect();
            if !lines.is_empty() {
                return lines.join("\n");
            }
        }
    }

    /// What comes up to the next empty line.
    pub(crate) async fn block(&mut self) -> String {
        let patience = async {
            loop {
                if let Some(end) = self.body.find("\n\n") {
                    return self.body.drain(..end + 2).collect();
                }
                assert!(self.take_more().await, "it ends in: {:?}", self.body);
            }
        };
        soon("block", patience).await
    }

    /// The whole body, of an answer that has a length or ends.
    pub(crate) async fn text(mut self) -> String {
        let length = self.header("content-length").map(|length| length.parse().unwrap());
        let patience = async {
            while length.is_none_or(|length: usize| self.body.len() < length) {
                if !self.take_more().await {
                    break;
                }
            }
        };
        soon("end of the body", patience).await;
        self.body
    }

    async fn take_more(&mut self) -> bool {
        if !self.is_chunked {
            let mut bytes = [0; 4096];
            let count = self.stream.read(&mut bytes).await.unwrap();
            self.body.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            return count > 0;
        }
        let mut size = String::new();
        self.stream.read_line(&mut size).await.unwrap();
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { return false };
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).await.unwrap();
        self.body.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
        size > 0
    }
}
