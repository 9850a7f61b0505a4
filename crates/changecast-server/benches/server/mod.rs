//! The changecast that is measured, and how what was measured is told.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What a change has and nothing else in the stream has.
const MARK: &[u8] = b"\ndata: {\"_id\"";

/// A process, ended when dropped.
pub(crate) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// On a free port, with these arguments beside; it listens when this returns.
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_changecast"))
            .args(["--port=0", "--logging=error", "--data"])
            .arg(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        // To its end: who closes the pipe before ends the process.
        let mut banner = String::new();
        let mut lines = BufReader::new(stdout);
        while !banner.contains("curl -N") && lines.read_line(&mut banner)? > 0 {}
        let page =
            banner.split_once("http://127.0.0.1:").and_then(|(_, rest)| rest.split_once('/'));
        let (port, _) = page.ok_or("changecast did not say where it listens")?;
        Ok(Self { child, port: port.parse()? })
    }

    /// The same, once its sources have positions: no later change is missed.
    pub(crate) fn start_positioned(data: &Path, arguments: &[&str]) -> Result<Self> {
        let server = Self::start(data, arguments)?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while !server.is_positioned()? {
            if Instant::now() > deadline {
                return Err("the source was not reached".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn is_positioned(&self) -> Result<bool> {
        let mut stream = self.subscribe("")?;
        let (mut hello, mut buffer) = (Vec::new(), [0; 4096]);
        let has = |hello: &[u8], wanted: &[u8]| hello.windows(wanted.len()).any(|w| w == wanted);
        // Its last member, up to the end.
        while !(has(&hello, b"\"waiting\":[") && has(&hello, b"]}")) {
            let size = stream.read(&mut buffer)?;
            if size == 0 {
                return Err("the stream ended before its hello".into());
            }
            hello.extend_from_slice(buffer.get(..size).unwrap_or_default());
        }
        Ok(has(&hello, b"\"waiting\":[]"))
    }

    /// A subscriber that has not read anything yet.
    pub(crate) fn subscribe(&self, query: &str) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let request = format!("GET /events{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        Ok(stream)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many changes of a backlog are carried a second: from the start of the process to the last of
/// so many changes at one subscriber, each durable before.
pub(crate) fn drain(data: &Path, arguments: &[&str], count: u64) -> Result<f64> {
    let began = Instant::now();
    let server = Server::start(data, arguments)?;
    let mut stream = server.subscribe("?since=earliest")?;
    let (mut buffer, mut carry, mut seen) = (vec![0; 256 << 10], Vec::new(), 0);
    while seen < count {
        let size = stream.read(&mut buffer)?;
        if size == 0 {
            return Err(format!("the stream ended after {seen} changes").into());
        }
        carry.extend_from_slice(buffer.get(..size).unwrap_or_default());
        seen += carry.windows(MARK.len()).filter(|window| *window == MARK).count() as u64;
        // What may be the beginning of another mark.
        carry.drain(..carry.len().saturating_sub(MARK.len() - 1));
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// Tells what is measured next.
pub(crate) fn head(what: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "\n{what}")?)
}

/// Tells how many changes a second there were.
pub(crate) fn tell(what: &str, per_second: f64) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "  {what:<34}{per_second:>12.0}/s")?)
}

/// Tells what was reached, and of what was to be reached, if that is said.
pub(crate) fn tell_ratio(what: &str, reached: f64, goal: Option<f64>) -> Result<()> {
    let goal = goal.map(|goal| {
        let verdict = if reached >= goal { "met" } else { "MISSED" };
        format!("    goal {goal}: {verdict}")
    });
    Ok(writeln!(std::io::stdout(), "  {what:<34}{reached:>12.2}{}", goal.unwrap_or_default())?)
}
