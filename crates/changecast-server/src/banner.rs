//! What the command says on standard output once it serves.

use std::io::{self, Write};
use std::net::SocketAddr;

/// What there is to say.
pub(crate) struct Banner {
    pub(crate) address: SocketAddr,
    pub(crate) sources: Vec<String>,
    pub(crate) has_store: bool,
}

impl Banner {
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "changecast {}", env!("CARGO_PKG_VERSION"))?;
        let url = self.url();
        for source in &self.sources {
            writeln!(out, "  watching  {source}")?;
        }
        writeln!(out, "  page      {url}/")?;
        writeln!(out, "  stream    curl -N {url}/events")?;
        if self.has_store {
            let body = r#"{"hello":"world"}"#;
            writeln!(
                out,
                "  write     curl -X PUT {url}/documents/test/test/1 -H 'Content-Type: application/json' -d '{body}'"
            )?;
        }
        out.flush()
    }

    /// The URL to open: an address that means "every interface" is reached by this machine's own.
    fn url(&self) -> String {
        let port = self.address.port();
        match self.address {
            SocketAddr::V4(address) if address.ip().is_unspecified() => {
                format!("http://127.0.0.1:{port}")
            }
            SocketAddr::V6(address) if address.ip().is_unspecified() => {
                format!("http://[::1]:{port}")
            }
            address => format!("http://{address}"),
        }
    }
}
