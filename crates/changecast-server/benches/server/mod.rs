//! The changecast that is measured.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A process, ended when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// On a free port, with these arguments beside; it listens when this returns.
    pub(crate) fn start(
        data: &Path,
        arguments: &[&str],
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
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
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
