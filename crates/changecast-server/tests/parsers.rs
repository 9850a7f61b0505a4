//! Our server-sent events through somebody else's parser, cut in two at every place. Those of other
//! languages, and Chromium's own, are in `tests/browser`.

use std::convert::Infallible;

use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use futures_util::stream::iter;
use serde_json::{Value, json};

use crate::support::{Body, Connection, SseBlock, TestServer};

/// Ends lines, ends texts, ends lines in some languages, takes four bytes.
const NASTY: &str =
    "a\rb\nc\r\n\r\nevent: evil\ndata: pwn\n\n\0 😀 \u{85} \u{2028} \u{2029} \u{FEFF}é";

/// The body of a stream as it comes.
struct Recorder {
    body: Body,
    bytes: Vec<u8>,
}

impl Recorder {
    async fn open(server: &TestServer, query: &str) -> Self {
        let mut connection = Connection::open(server.address()).await;
        let host = server.address();
        // An id of another log: there has to be a gap.
        let request = format!(
            "GET /events?topic=test.test{query} HTTP/1.1\r\nHost: {host}\r\n\
             Last-Event-ID: aaaaaaaa-7\r\n\r\n"
        );
        connection.send(request.as_bytes()).await;
        let head = connection.head().await;
        Self { body: Body::new(connection, &head), bytes: Vec::new() }
    }

    async fn until(&mut self, is_there: impl Fn(&SseBlock) -> bool) {
        while !self.text().ends_with("\n\n") || !SseBlock::all(self.text()).iter().any(&is_there) {
            self.bytes.extend(self.body.next().await.expect("the stream goes on"));
        }
    }

    async fn whole(mut self) -> String {
        while let Some(bytes) = self.body.next().await {
            self.bytes.extend(bytes);
        }
        self.text().to_owned()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("whole characters in every chunk")
    }
}

/// What a server tells, from the hello to the farewell: with bookmarks as blocks, and as events.
async fn recordings() -> [String; 2] {
    let mut server = TestServer::start().await;
    let mut quiet = Recorder::open(&server, "").await;
    let mut loud = Recorder::open(&server, "&bookmarks=event").await;
    server.put("1", &json!({"text": NASTY})).await;
    server.put("2", &json!({})).await;
    server.delete("2").await;
    // Not theirs: only a bookmark tells that it has been passed.
    server.put_in("other", "3", &json!({})).await;
    loud.until(|block| block.event.as_deref() == Some("bookmark")).await;
    quiet.until(|block| block.data.is_none() && block.id.is_some()).await;
    server.terminate().await;
    [quiet.whole().await, loud.whole().await]
}

/// What an `EventSource` hands to its page: type, data, last id.
type Told = (String, String, String);

fn told(text: &str) -> Vec<Told> {
    let mut last_id = String::new();
    let mut told = Vec::new();
    for block in SseBlock::all(text) {
        last_id = block.id.unwrap_or(last_id);
        let kind = block.event.unwrap_or_else(|| "message".to_owned());
        told.extend(block.data.map(|data| (kind, data, last_id.clone())));
    }
    told
}

/// The same by the crate `eventsource-stream`, and the last id that it knows then.
async fn parsed(pieces: impl IntoIterator<Item = &[u8]>) -> (Vec<Told>, String) {
    let pieces = pieces.into_iter().map(Ok::<_, Infallible>);
    let mut events = iter(pieces).eventsource();
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.expect("it can be parsed");
        told.push((event.event, event.data, event.id));
    }
    (told, events.last_event_id().to_owned())
}

#[tokio::test]
async fn s1_13_a_stream_cut_anywhere_means_the_same_to_another_parser() {
    let [quiet, loud] = recordings().await;
    let kinds = |text: &str| told(text).into_iter().map(|(kind, _, _)| kind).collect::<Vec<_>>();
    let changes = ["hello", "gap", "message", "message", "message"];
    assert_eq!(kinds(&quiet), changes);
    assert_eq!(kinds(&loud), [&changes[..], &["bookmark"]].concat());
    let insert: Value = serde_json::from_str(&told(&quiet)[2].1).expect("JSON");
    assert_eq!(insert["fullDocument"]["text"], NASTY);

    for text in [&quiet, &loud] {
        let expected = told(text);
        // An id that comes without data is only handed on with the next event that has some.
        let last_id = expected.last().expect("there are some").2.clone();
        let expected = (expected, last_id);
        let bytes = text.as_bytes();
        assert_eq!(parsed(bytes.chunks(1)).await, expected, "byte by byte");
        for cut in 0..=bytes.len() {
            assert_eq!(parsed([&bytes[..cut], &bytes[cut..]]).await, expected, "cut at {cut}");
        }
    }
    // The next event that has data has the id of the bookmark.
    let more = format!("{quiet}data: more\n\n");
    let bookmark = SseBlock::all(&quiet).into_iter().filter_map(|block| block.id).next_back();
    assert_eq!(Some(parsed([more.as_bytes()]).await.1), bookmark);
    assert_ne!(Some(parsed([quiet.as_bytes()]).await.1), bookmark);
    // Some languages take these for ends of lines; what the standard takes for one is escaped.
    assert!(quiet.contains('\u{2028}') && quiet.contains('\u{85}'));
    assert!(!quiet.contains('\r') && !quiet.contains('\0'));
    assert!([&quiet, &loud].iter().all(|text| text.contains("\n\nretry: ")), "the farewell");
}
