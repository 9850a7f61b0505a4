//! One JSON object a line.

use std::collections::VecDeque;

use serde_json::Value;

use super::http::Head;
use super::{Body, Connection, Message, Subscriber, TestServer};

/// A program that reads lines.
pub(crate) struct NdjsonClient {
    pub(crate) head: Head,
    body: Body,
    unparsed: Vec<u8>,
    lines: VecDeque<Value>,
    selection: String,
    last_id: Option<String>,
}

impl NdjsonClient {
    /// Whether the body came to its proper end.
    pub(crate) fn ended_cleanly(&self) -> bool {
        self.body.ended_cleanly
    }

    /// The next line, whatever it is.
    pub(crate) async fn line(&mut self) -> Option<Value> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            let bytes = self.body.next().await?;
            self.unparsed.extend(bytes);
            while let Some(end) = self.unparsed.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unparsed.drain(..=end).collect();
                self.lines.push_back(serde_json::from_slice(&line).expect("every line is JSON"));
            }
        }
    }
}

impl Subscriber for NdjsonClient {
    async fn follow(server: &TestServer, query: &str) -> Self {
        let address = server.address();
        let mut connection = Connection::open(address).await;
        let request = format!(
            "GET /events?{query} HTTP/1.1\r\nHost: {address}\r\nAccept: application/x-ndjson\r\n\r\n"
        );
        connection.send(request.as_bytes()).await;
        let head = connection.head().await;
        assert_eq!(head.status, 200, "{query}");
        let body = Body::new(connection, &head);
        let selection = selection_of(query);
        Self { head, body, unparsed: Vec::new(), lines: VecDeque::new(), selection, last_id: None }
    }

    async fn come_back(self, server: &TestServer) -> Self {
        Self::follow(server, &query_since(&self.selection, self.last_id.as_deref())).await
    }

    async fn message(&mut self) -> Option<Message> {
        let message = Message::from_json(self.line().await?);
        self.last_id = message.id().map(ToOwned::to_owned).or(self.last_id.take());
        Some(message)
    }
}

/// A query without its `since`, which a program that resumes replaces: what it selects.
pub(super) fn selection_of(query: &str) -> String {
    let selects = |pair: &&str| pair.starts_with("topic=") || pair.starts_with("match=");
    query.split('&').filter(selects).collect::<Vec<_>>().join("&")
}

pub(super) fn query_since(selection: &str, id: Option<&str>) -> String {
    id.map_or_else(|| selection.to_owned(), |id| format!("{selection}&since={id}"))
}
