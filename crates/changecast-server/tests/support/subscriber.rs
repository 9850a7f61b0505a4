//! What every way of following changes has in common.

use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::{Change, Entry, TestServer, soon};

/// The query parameter that lets pass what `filter` matches.
pub(crate) fn matching(filter: &Value) -> String {
    let encoded: String = byte_serialize(filter.to_string().as_bytes()).collect();
    format!("match={encoded}")
}

/// What a subscriber is told.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Change(Entry),
    Control(Control),
}

/// Anything but a change.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    /// `hello`, `gap`, `source`, `bookmark`, `error`.
    pub(crate) kind: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// A client of one transport.
pub(crate) trait Subscriber: Sized {
    /// Connects with a query such as `topic=test.*&since=now`.
    async fn follow(server: &TestServer, query: &str) -> Self;

    /// Goes away and comes back, as clients of this transport do after a broken connection.
    async fn come_back(self, server: &TestServer) -> Self;

    /// The next message; none at the end of the stream.
    async fn message(&mut self) -> Option<Message>;

    /// The next message that is no news of sources and no bookmark: those come when they come.
    async fn next(&mut self) -> Message {
        let coming = async {
            loop {
                let message = self.message().await.expect("the stream goes on");
                match message {
                    Message::Control(control)
                        if matches!(&*control.kind, "source" | "bookmark") => {}
                    message => return message,
                }
            }
        };
        soon("a message", coming).await
    }

    /// The next control message of this kind, whatever comes before it.
    async fn control(&mut self, kind: &str) -> Control {
        let coming = async {
            loop {
                let message = self.message().await.expect("the stream goes on");
                if let Message::Control(control) = message
                    && control.kind == kind
                {
                    return control;
                }
            }
        };
        soon(kind, coming).await
    }

    /// The first message, which has to be the hello.
    async fn hello(&mut self) -> Value {
        match soon("hello", self.message()).await {
            Some(Message::Control(hello)) if hello.kind == "hello" => hello.data,
            other => panic!("no hello but {other:?}"),
        }
    }

    /// The next message, which has to be a gap.
    async fn gap(&mut self) -> Value {
        match self.next().await {
            Message::Control(gap) if gap.kind == "gap" => gap.data,
            other => panic!("no gap but {other:?}"),
        }
    }

    /// The next message, which has to be a change.
    async fn change(&mut self) -> Entry {
        match self.next().await {
            Message::Change(entry) => entry,
            other => panic!("no change but {other:?}"),
        }
    }

    /// The next messages, all of which have to be changes.
    async fn changes(&mut self, count: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        while entries.len() < count {
            entries.push(self.change().await);
        }
        entries
    }

    /// The changes up to the one that `is_last`.
    async fn changes_until(&mut self, is_last: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let mut entries = Vec::new();
        loop {
            entries.push(self.change().await);
            if entries.last().is_some_and(&is_last) {
                return entries;
            }
        }
    }
}

impl Message {
    /// Reads a line of NDJSON or a frame of `/ws`.
    pub(crate) fn from_json(mut message: Value) -> Self {
        let id = message["id"].as_str().map(ToOwned::to_owned);
        if let Some(kind) = message["type"].as_str() {
            return Self::Control(Control { kind: kind.to_owned(), id, data: message });
        }
        let change = Change(message["change"].take());
        assert_eq!(message["topic"], change.topic(), "a frame names its topic");
        Self::Change(Entry { id: id.expect("every change has an id"), change })
    }

    /// What is covered by it.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Change(entry) => Some(&entry.id),
            Self::Control(control) => control.id.as_deref(),
        }
    }
}
