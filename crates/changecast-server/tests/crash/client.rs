//! Clients that never give up: whatever breaks, they come back with the last id that they have.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message as Frame};

use super::history::{History, Told};
use super::ledger::{COLLECTIONS, Fact};
use super::support::http_client;

/// Sooner than a browser would, so that a round is short.
const COME_BACK_AFTER: Duration = Duration::from_millis(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// As browsers do: the same URL each time, with `Last-Event-ID`.
    Sse,
    /// Programs that put `since` into the URL.
    Ndjson,
    WebSocket,
}

/// Runs until dropped.
pub(crate) struct Client {
    history: Arc<Mutex<History>>,
    task: AbortHandle,
}

/// What a client asks for.
pub(crate) struct Wish {
    pub(crate) name: &'static str,
    pub(crate) transport: Transport,
    /// Such as `topic=test.*`; all topics where it is empty.
    pub(crate) query: String,
    pub(crate) follows: &'static [u8],
}

impl Client {
    pub(crate) fn start(address: SocketAddr, wish: Wish) -> Self {
        let history = Arc::new(Mutex::new(History::new(wish.name, wish.follows)));
        let link = Link { address, history: Arc::clone(&history), http: http_client() };
        let task = tokio::spawn(async move {
            loop {
                // However it ended: it comes back.
                let _ = link.follow(&wish).await;
                tokio::time::sleep(COME_BACK_AFTER).await;
            }
        });
        Self { history, task: task.abort_handle() }
    }

    /// Whether it has been let in at least once: from then on it misses nothing.
    pub(crate) fn is_in(&self) -> bool {
        lock(&self.history).last_id.is_some()
    }

    /// Whether it has been told of the last writes, as far as they concern it.
    pub(crate) fn has_all(&self, last: &[Fact]) -> bool {
        let history = lock(&self.history);
        let recent = || history.told.iter().rev().take(1_000);
        let is_told = |wanted: &Fact| {
            recent().any(|told| matches!(told, Told::Change { fact, .. } if fact == wanted))
        };
        last.iter().filter(|fact| history.follows.contains(&fact.collection)).all(is_told)
    }

    pub(crate) fn history(&self) -> History {
        lock(&self.history).clone()
    }

    /// How many changes it was told.
    pub(crate) fn change_count(&self) -> usize {
        lock(&self.history).change_count()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The topics of some collections of a source, as a query.
pub(crate) fn topics(source: &str, collections: &[u8]) -> String {
    let topic = |at: &u8| format!("topic={source}.{}", COLLECTIONS[usize::from(*at)]);
    collections.iter().map(topic).collect::<Vec<_>>().join("&")
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

struct Link {
    address: SocketAddr,
    history: Arc<Mutex<History>>,
    http: reqwest::Client,
}

impl Link {
    /// One connection, to its end.
    async fn follow(&self, wish: &Wish) -> Result<(), Broken> {
        let sent = lock(&self.history).last_id.clone();
        let mut query = wish.query.clone();
        if let (Some(id), Transport::Ndjson | Transport::WebSocket) = (&sent, wish.transport) {
            let others = query.split('&').filter(|pair| !pair.starts_with("since="));
            query = others.chain([&*format!("since={id}")]).collect::<Vec<_>>().join("&");
        }
        match wish.transport {
            Transport::Sse => self.follow_lines(&query, sent.as_deref(), Lines::Sse).await,
            Transport::Ndjson => self.follow_lines(&query, sent.as_deref(), Lines::Ndjson).await,
            Transport::WebSocket => self.follow_frames(&query, sent.as_deref()).await,
        }
    }

    async fn follow_lines(
        &self,
        query: &str,
        sent: Option<&str>,
        kind: Lines,
    ) -> Result<(), Broken> {
        let mut request = self.http.get(format!("http://{}/events?{query}", self.address));
        match (kind, sent) {
            (Lines::Ndjson, _) => request = request.header("Accept", "application/x-ndjson"),
            (Lines::Sse, Some(id)) => request = request.header("Last-Event-ID", id),
            (Lines::Sse, None) => {}
        }
        let response = request.send().await?;
        self.check_status(response.status().as_u16());
        if response.status() != 200 {
            return Ok(());
        }
        let mut body = response.bytes_stream();
        let mut unparsed = Vec::new();
        let mut block = Block::default();
        while let Some(bytes) = body.next().await {
            unparsed.extend_from_slice(&bytes?);
            // Half a line, and half a block, is worth nothing: it comes again.
            let whole = unparsed.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let lines: Vec<u8> = unparsed.drain(..whole).collect();
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                let line = std::str::from_utf8(line)?.trim_end_matches('\n');
                match kind {
                    Lines::Ndjson => self.note_json(line, sent)?,
                    Lines::Sse if line.is_empty() => {
                        self.note_block(std::mem::take(&mut block), sent)?
                    }
                    Lines::Sse => block.line(line),
                }
            }
        }
        Ok(())
    }

    async fn follow_frames(&self, query: &str, sent: Option<&str>) -> Result<(), Broken> {
        let request = format!("ws://{}/ws?{query}", self.address).into_client_request()?;
        let stream = TcpStream::connect(self.address).await?;
        let mut socket = match client_async(request, stream).await {
            Ok((socket, _)) => socket,
            Err(WebSocketError::Http(response)) => {
                self.check_status(response.status().as_u16());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        while let Some(frame) = socket.next().await {
            if let Frame::Text(text) = frame? {
                self.note_json(&text, sent)?;
            }
        }
        Ok(())
    }

    fn note_json(&self, text: &str, sent: Option<&str>) -> Result<(), Broken> {
        let message: Value = serde_json::from_str(text)?;
        let id = message["id"].as_str();
        match message["type"].as_str() {
            None => lock(&self.history).change(id.unwrap_or_default(), &message["change"]),
            Some(kind) => self.note_control(kind, id, &message, sent),
        }
        Ok(())
    }

    fn note_block(&self, block: Block, sent: Option<&str>) -> Result<(), Broken> {
        let id = block.id.as_deref();
        let Some(data) = block.data else {
            // Comments and `retry:` have no id.
            id.inspect(|_| self.note_control("bookmark", id, &Value::Null, sent));
            return Ok(());
        };
        let data = serde_json::from_str(&data)?;
        match block.event.as_deref() {
            None => lock(&self.history).change(id.unwrap_or_default(), &data),
            Some(kind) => self.note_control(kind, id, &data, sent),
        }
        Ok(())
    }

    fn note_control(&self, kind: &str, id: Option<&str>, data: &Value, sent: Option<&str>) {
        let mut history = lock(&self.history);
        match kind {
            "hello" => history.hello(data, id, sent),
            _ => history.control(kind, id, data),
        }
    }

    /// A server may say that it is about to end or has no room; but never that it is the client's
    /// fault.
    fn check_status(&self, status: u16) {
        if !matches!(status, 101 | 200 | 503) {
            lock(&self.history).nonsense(format!("was refused with {status}"));
        }
    }
}

#[derive(Clone, Copy)]
enum Lines {
    Sse,
    Ndjson,
}

/// A block of SSE in the making.
#[derive(Default)]
struct Block {
    id: Option<String>,
    event: Option<String>,
    data: Option<String>,
}

impl Block {
    fn line(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = Some(value.strip_prefix(' ').unwrap_or(value).to_owned());
        match field {
            "id" => self.id = value,
            "event" => self.event = value,
            "data" => self.data = value,
            _ => {}
        }
    }
}

fn lock(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}
