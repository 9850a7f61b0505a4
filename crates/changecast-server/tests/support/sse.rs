//! Server-sent events, parsed as a browser does (WHATWG HTML, section 9.2.6).

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::Value;

use super::http::Head;
use super::{Body, Change, Connection, Control, Entry, Message, Subscriber, TestServer};

/// A block of lines up to an empty one, as it was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SseBlock {
    pub(crate) id: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) retry: Option<u64>,
    pub(crate) comments: Vec<String>,
}

impl SseBlock {
    /// The blocks of a whole stream.
    pub(crate) fn all(text: &str) -> Vec<Self> {
        text.split_terminator("\n\n").map(Self::parse).collect()
    }

    fn parse(text: &str) -> Self {
        let mut block = Self::default();
        for line in text.split('\n').map(|line| line.trim_end_matches('\r')) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.starts_with(':') => block.comments.push(value.to_owned()),
                "id" => block.id = Some(value.to_owned()),
                "event" => block.event = Some(value.to_owned()),
                "data" => match &mut block.data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => block.data = Some(value.to_owned()),
                },
                "retry" => block.retry = value.parse().ok(),
                _ => {}
            }
        }
        block
    }

    pub(crate) fn json(&self) -> Value {
        let data = self.data.as_deref().expect("the block has data");
        serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))
    }
}

/// An `EventSource` that shows everything it gets.
pub(crate) struct SseClient {
    path: String,
    address: SocketAddr,
    pub(crate) head: Head,
    body: Body,
    unparsed: Vec<u8>,
    blocks: VecDeque<SseBlock>,
    /// What it sends when it reconnects, as browsers keep it.
    pub(crate) last_event_id: String,
}

impl SseClient {
    pub(crate) async fn connect(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut connection = Connection::open(address).await;
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        connection.send(request.as_bytes()).await;
        let head = connection.head().await;
        let body = Body::new(connection, &head);
        let (path, last_event_id) = (path.to_owned(), String::new());
        let (unparsed, blocks) = (Vec::new(), VecDeque::new());
        Self { path, address, head, body, unparsed, blocks, last_event_id }
    }

    /// Drops the connection and opens another as a browser does: the same URL, and the last id.
    pub(crate) async fn reconnect(self) -> Self {
        let Self { path, address, last_event_id, .. } = self;
        let id = [("Last-Event-ID", last_event_id.as_str())];
        let headers = if last_event_id.is_empty() { &[][..] } else { &id };
        let mut client = Self::connect(address, &path, headers).await;
        client.last_event_id = last_event_id;
        client
    }

    /// The next block, whether or not a browser would make an event of it; none at the end, where
    /// half a block is worth nothing.
    pub(crate) async fn block(&mut self) -> Option<SseBlock> {
        loop {
            if let Some(block) = self.blocks.pop_front() {
                if let Some(id) = block.id.as_ref().filter(|id| !id.contains('\0')) {
                    self.last_event_id.clone_from(id);
                }
                return Some(block);
            }
            let bytes = self.body.next().await?;
            self.unparsed.extend(bytes);
            while let Some(end) = self.unparsed.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.unparsed.drain(..end + 2).collect();
                let block = std::str::from_utf8(&block).expect("UTF-8");
                self.blocks.push_back(SseBlock::parse(block));
            }
        }
    }

    /// Whether the body came to its proper end.
    pub(crate) fn ended_cleanly(&self) -> bool {
        self.body.ended_cleanly
    }
}

impl Subscriber for SseClient {
    async fn follow(server: &TestServer, query: &str) -> Self {
        let client = Self::connect(server.address(), &format!("/events?{query}"), &[]).await;
        assert_eq!(client.head.status, 200, "{query}");
        client
    }

    async fn come_back(self, server: &TestServer) -> Self {
        let client = Self { address: server.address(), ..self }.reconnect().await;
        assert_eq!(client.head.status, 200);
        client
    }

    async fn message(&mut self) -> Option<Message> {
        loop {
            let block = self.block().await?;
            let id = block.id.clone();
            return Some(match (&block.event, &block.data) {
                (None, Some(data)) => {
                    let id = id.expect("every change has an id");
                    Message::Change(Entry { id, change: Change::parse(data) })
                }
                (Some(kind), Some(_)) => {
                    Message::Control(Control { kind: kind.clone(), id, data: block.json() })
                }
                (_, None) if id.is_some() => {
                    Message::Control(Control { kind: "bookmark".into(), id, data: Value::Null })
                }
                (_, None) => continue,
            });
        }
    }
}
