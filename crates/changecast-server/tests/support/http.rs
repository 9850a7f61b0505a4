//! HTTP/1.1 by hand, so that a test sees the bytes and may send what no library would.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::soon;

/// A connection to the server.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = soon("a connection", TcpStream::connect(address)).await;
        Self { stream: BufReader::new(stream.expect("the server listens")) }
    }

    /// Sends bytes; the server may have closed already, which shows when reading.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = soon("room in the socket", self.stream.write_all(bytes)).await;
    }

    /// Sends as many bytes as the socket has room for; how many.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> usize {
        self.stream.get_ref().try_write(bytes).unwrap_or(0)
    }

    pub(crate) async fn head(&mut self) -> Head {
        let status = self.line().await;
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let code = code.unwrap_or_else(|| panic!("no status line: {status:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Head { status: code, headers }
    }

    /// The next line without its end; an empty one at the end of the connection, too.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let reading = soon("a line", self.stream.read_line(&mut line)).await;
        reading.expect("text, and a connection that has not broken");
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// Exactly so many bytes.
    pub(crate) async fn exactly(&mut self, count: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        soon("bytes", self.stream.read_exact(&mut bytes)).await?;
        Ok(bytes)
    }

    /// As many bytes as there are, once there are some; none at the end.
    pub(crate) async fn some(&mut self, buffer: &mut [u8]) -> usize {
        self.stream.read(buffer).await.unwrap_or(0)
    }

    /// Says that nothing more is coming, and goes on listening.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("it is open");
    }

    /// Everything until the server closes, be it by a reset.
    pub(crate) async fn until_closed(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let _ = soon("the end of the connection", self.stream.read_to_end(&mut all)).await;
        all
    }
}

/// A body as it comes.
pub(crate) struct Body {
    connection: Connection,
    framing: Framing,
    /// Whether the server said that nothing follows, rather than just going away.
    pub(crate) ended_cleanly: bool,
}

enum Framing {
    Chunked,
    Length(usize),
}

impl Body {
    pub(crate) fn new(connection: Connection, head: &Head) -> Self {
        let framing = match head.header("transfer-encoding") {
            Some("chunked") => Framing::Chunked,
            _ => {
                let length = head.header("content-length").unwrap_or("0");
                Framing::Length(length.parse().expect("a number"))
            }
        };
        Self { connection, framing, ended_cleanly: false }
    }

    /// The next bytes; none at the end, whatever brought it.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        let count = match &mut self.framing {
            Framing::Length(count) => std::mem::take(count),
            Framing::Chunked => {
                // A connection that is gone yields an empty line, or an error.
                let mut size = String::new();
                soon("a chunk", self.connection.stream.read_line(&mut size)).await.ok()?;
                usize::from_str_radix(size.trim_end(), 16).ok()?
            }
        };
        if count == 0 {
            self.ended_cleanly = true;
            return None;
        }
        let bytes = self.connection.exactly(count).await.ok()?;
        if matches!(self.framing, Framing::Chunked) {
            self.connection.exactly(2).await.ok()?;
        }
        Some(bytes)
    }

    async fn text(mut self) -> String {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await {
            all.extend(bytes);
        }
        String::from_utf8(all).expect("text")
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: String,
}

/// Sends one request as it stands and reads the answer.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> Answer {
    let mut connection = Connection::open(address).await;
    connection.send(request.as_bytes()).await;
    let head = connection.head().await;
    let has_body = !request.starts_with("HEAD") && !matches!(head.status, 101 | 204 | 304);
    let body = if has_body { Body::new(connection, &head).text().await } else { String::new() };
    Answer { head, body }
}
