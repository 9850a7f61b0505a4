//! The fuzz targets of what a client may send: parameters, ids, commands, frames.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::IntoResponse;
use futures_util::{StreamExt as _, future};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use super::command;
use super::format::Format;
use super::ndjson::Ndjson;
use super::origin_frame::{Fields, OriginFrame};
use super::problem::Problem;
use super::request::Request;
use super::sse::{Blocks, Sse};
use super::websocket::{Commands, Connection, WebSocket};
use crate::fanout::Reply;
use crate::fuzzing::stage::{Listener, Stage, at_once, listen, topics};
use crate::hub::{Codec, Mode, Output, Selection, Span, Start};
use crate::limits;
use crate::model::{Change, Epoch, EventId, Seq};

/// A query, a line feed, and a `Last-Event-ID`: 400 with words, or a stream of what was asked for.
pub fn request(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let query = parts.next().unwrap_or_default();
    // What is no URI or no header has been refused before it comes to us.
    let Ok(uri) = Uri::try_from([b"/events?", query].concat()) else { return };
    let mut headers = HeaderMap::new();
    if let Some(id) = parts.next() {
        let Ok(id) = HeaderValue::from_bytes(id) else { return };
        headers.insert("last-event-id", id);
    }
    match Request::read(&uri, &headers) {
        Ok(wanted) => follow(wanted),
        Err(problem) => check_problem(problem),
    }
}

fn follow(wanted: Request) {
    let Request { selection, start, mode, format, wait, blocks: _ } = wanted;
    let format = format.unwrap_or_default();
    assert!(selection.len() <= limits::TOPIC_COUNT_MAX && !selection.is_empty());
    assert!(wait.is_none_or(|wait| wait <= limits::POLL_MAX));
    assert!(!matches!(start, Start::Last(count) if count > limits::LAST_MAX));
    Stage::run(async move |visitors| {
        let (subscription, listener) = visitors
            .subscribe(selection, start, Arc::new(WebSocket(format)), mode, at_once())
            .await;
        listen(subscription, listener).await;
    });
}

fn check_problem(problem: Problem) {
    let json = serde_json::to_value(&problem).expect("a problem is JSON");
    let text = |name: &str| json.get(name).and_then(|text| text.as_str()).unwrap_or_default();
    assert!(text("type").starts_with("urn:changecast:problem:"), "{json}");
    assert!(!text("detail").is_empty() && !text("title").is_empty(), "{json}");
    assert!(json.to_string().len() < limits::HEADER_BYTES_MAX, "it repeats too much");
    assert_eq!(problem.into_response().status(), 400);
}

/// Commands, one a line: each answer is true, and what is followed then is what is delivered.
pub fn websocket_command(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    Stage::run(async |visitors| {
        let (selection, codec) = (everything_of("a.b"), Arc::new(WebSocket(Format::default())));
        let (mut subscription, mut listener) =
            visitors.subscribe(selection, Start::Earliest, codec, Mode::Queue, at_once()).await;
        if let Ok(Output::Messages(hello)) = subscription.next().await {
            hello.iter().for_each(|message| listener.hear(message));
        }
        for command in text.split('\n') {
            let before = subscription.selection().clone();
            let reply = command::obey(command, subscription.follower(), None);
            let Reply::Now(answer) = reply else { panic!("nobody has to be asked") };
            listener.hear(answer.as_bytes());
            assert_eq!(listener.followed(), subscription.selection(), "the answer is true");
            let is_error = answer.starts_with(r#"{"type":"error""#);
            assert!(!is_error || before == *subscription.selection(), "an error changes nothing");
        }
        listen(subscription, listener).await;
    });
}

fn everything_of(pattern: &str) -> Selection {
    Selection::new(topics(&[pattern]), None)
}

/// What a client sends after the upgrade. The first byte chooses the route, whether a gap comes
/// first, and into what pieces the rest is cut.
pub fn websocket_frames(bytes: &[u8]) {
    let Some((choice, sent)) = bytes.split_first() else { return };
    let start = if choice & 2 == 0 { Start::Earliest } else { Start::Unreadable };
    let piece = usize::from(choice >> 2);
    let (codec, mut commands): (Arc<dyn Codec>, _) = match choice & 1 {
        0 => (Arc::new(WebSocket(Format::default())), Commands::Obey(None)),
        _ => (Arc::new(OriginFrame), Commands::Ignore),
    };
    let obeys = !commands.are_ignored();
    Stage::run(async |visitors| {
        let (subscription, listener) = visitors
            .subscribe(everything_of("a.b"), start, codec, Mode::Queue, Span::Endless)
            .await;
        let (near, far) = tokio::io::duplex(256);
        let serving = async {
            let connection = Connection::new(near, &mut commands, CancellationToken::new());
            connection.run(subscription, bytes::Bytes::new()).await;
        };
        // The client first: what it sends is there when the connection begins.
        let (received, ()) = future::join(converse(far, sent, piece), serving).await;
        check_received(&received, obeys.then_some(listener)).await;
    });
}

/// Sends everything, in pieces of this many bytes if any, and reads up to the end.
async fn converse(socket: DuplexStream, sent: &[u8], piece: usize) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(socket);
    let sending = async {
        for piece in sent.chunks(if piece == 0 { usize::MAX } else { piece }) {
            if writer.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        // The other end may be gone already, and that is as well.
        let _ = writer.shutdown().await;
    };
    let mut received = Vec::new();
    let (_, read) = future::join(sending, reader.read_to_end(&mut received)).await;
    read.expect("a pipe in memory can be read");
    received
}

/// The server's side is well-formed whatever the client's was: frames, at most one close, no more.
async fn check_received(received: &[u8], mut listener: Option<Listener>) {
    let io = tokio::io::join(received, tokio::io::sink());
    let mut client = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    let mut closed = false;
    while let Some(message) = client.next().await {
        match message {
            Ok(Message::Text(text)) => check_text(&text, &mut listener),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(Message::Close(frame)) => {
                let code = frame.map(|frame| frame.code);
                assert!(code.is_none_or(|code| code.is_allowed()), "{code:?}");
                closed = true;
            }
            Ok(other) => panic!("the server sends no {other:?}"),
            Err(Error::ConnectionClosed) => break,
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) if !closed => break,
            Err(error) => panic!("{error}"),
        }
    }
}

fn check_text(text: &str, listener: &mut Option<Listener>) {
    match listener {
        Some(listener) => listener.hear(text.as_bytes()),
        None => {
            let _: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(text).expect("an object");
        }
    }
}

/// A change is one frame on every transport, whatever is in it.
pub(crate) fn check_frames(change: &Change) {
    let id = EventId { epoch: Epoch::from_random(0), seq: Seq(1) };
    let encode = |codec: &dyn Codec| {
        String::from_utf8(codec.change(id, change).into()).expect("a frame is UTF-8")
    };
    let block = encode(&Sse { format: Format::default(), blocks: Blocks::default() });
    let event = std::str::from_utf8(&change.event).expect("an event is UTF-8");
    assert_eq!(block, format!("id: {id}\ndata: {event}\n\n"));
    let line = encode(&Ndjson(Format::default()));
    assert_eq!(line.strip_suffix('\n'), Some(encode(&WebSocket(Format::default())).as_str()));
    assert_eq!(line.lines().count(), 1, "{line:?}");
    assert_eq!(members(&line), ["id", "topic", "change"]);
    let mut expected = members(event);
    expected.retain(|name| name != "_id");
    expected.extend(["html".to_owned(), "html_id".to_owned()]);
    assert_eq!(members(&encode(&OriginFrame)), expected, "every field of {event}");
}

/// The names in a JSON object. What they name may be nested deeper than most parsers follow.
fn members(object: &str) -> Vec<String> {
    let fields: Fields<'_> = serde_json::from_str(object).unwrap_or_else(|error| {
        panic!("{error}: {object}");
    });
    fields.0.into_iter().map(|(name, _)| name).collect()
}
