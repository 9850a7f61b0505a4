//! Values that break others: broken text, impossible dates, markup, sixteen megabytes.

use mongodb::bson::{DateTime, Document, RawDocumentBuf, doc, serialize_to_vec};
use serde_json::{Value, json};

use super::{TestDatabase, numbered};
use crate::support::{
    NdjsonClient, RawFrame, RawWebSocket, SseClient, Subscriber, TestServer, WsClient, soon,
};

/// `document` with each `mark` in its bytes replaced by `bytes` of the same length.
fn with_bytes(document: &Document, mark: &[u8], bytes: &[u8]) -> RawDocumentBuf {
    let mut raw = serialize_to_vec(document).expect("BSON");
    let at = raw.windows(mark.len()).position(|window| window == mark).expect("the mark");
    raw[at..at + mark.len()].copy_from_slice(bytes);
    RawDocumentBuf::from_bytes(raw).expect("a document, as far as a look at its frame tells")
}

#[tokio::test]
async fn poison_values_are_carried_counted_and_followed_by_the_next_change() {
    let database = TestDatabase::new().await;
    let server = database.watched().await;
    let mut sse = SseClient::follow(&server, "").await;
    let mut ws = WsClient::follow(&server, "").await;
    let mut socket = WsClient::connect(&server, "/socket", &[]).await;
    sse.hello().await;
    ws.hello().await;

    let late = DateTime::from_millis(1_000_000_000_000_000);
    let document = doc! { "_id": 1, "text": "a@@b", "late": late, "early": DateTime::MIN };
    let poison = with_bytes(&document, b"@@", &[0xFF, 0xFE]);
    database.raw_items().insert_one(poison).await.expect("mongod takes it");
    database.insert_numbers(2..3).await;

    let expected = json!({
        "_id": 1,
        "text": "a\u{FFFD}\u{FFFD}b",
        "late": {"$date": {"$numberLong": "1000000000000000"}},
        "early": {"$date": {"$numberLong": i64::MIN.to_string()}},
    });
    assert_eq!(sse.change().await.change.document(), &expected);
    assert_eq!(ws.change().await.change.document(), &expected);
    assert_eq!(socket.next_json().await["fullDocument"], expected);
    assert_eq!(sse.change().await.change.document()["n"], 2);
    assert_eq!(ws.change().await.change.document()["n"], 2);
    assert_eq!(socket.next_json().await["fullDocument"]["n"], 2);
    let sample = |name| format!("changecast_source_{name}_total{{source=\"{}\"}}", database.name());
    server.metric_becomes(&sample("replaced_text"), 2).await;
    server.metric_becomes(&sample("changes"), 2).await;
}

const MARKUP: [&str; 6] = [
    "<script>alert(1)</script>",
    "</script></pre></div><img src=x onerror=alert(1)>",
    "\"><svg/onload=alert(1)>",
    "' onclick='alert(1)",
    "\n\nevent: evil\nid: 1\ndata: {}\r\n\r\nretry: 1\r",
    "\u{2028}\u{2029}\u{85}&lt;b&gt;",
];

#[tokio::test]
async fn s0_20_s1_14_markup_and_line_breaks_come_out_as_json_text_only() {
    let database = TestDatabase::new().await;
    let server = database.watched_at(&["*"]).await;
    let mut sse = SseClient::follow(&server, "").await;
    let mut ndjson = NdjsonClient::follow(&server, "").await;
    let mut socket = RawWebSocket::connect(&server, "/socket", "").await;
    assert_eq!(sse.head.header("content-type"), Some("text/event-stream"));
    assert_eq!(sse.head.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(ndjson.head.header("content-type"), Some("application/x-ndjson"));
    sse.hello().await;
    ndjson.hello().await;

    for markup in MARKUP {
        let mut document = doc! { "_id": markup, "list": [markup] };
        document.insert(markup.replace(['\0', '$', '.'], "_"), markup);
        database.collection("<b id=x>").insert_one(&document).await.expect("an insert");

        let block = soon("a block", sse.block()).await.expect("the stream goes on");
        assert_eq!((&block.event, block.retry), (&None, None), "{block:?}");
        let data = block.data.as_deref().expect("data");
        assert!(!data.contains('\n'), "one line: {data}");
        let expected: Value = serde_json::to_value(&document).expect("JSON");
        assert_eq!(block.json()["fullDocument"], expected);
        assert_eq!(ndjson.change().await.change.document(), &expected);
        check_html(&socket.frame().await, &expected);
    }
}

/// Between its own tags, the original's frame holds no markup.
fn check_html(frame: &RawFrame, document: &Value) {
    assert_eq!(frame.first, RawFrame::TEXT);
    let frame: Value = serde_json::from_slice(&frame.payload).expect("JSON");
    assert_eq!(&frame["fullDocument"], document);
    let html = frame["html"].as_str().expect("text");
    let inside = html.split_once("<pre>").and_then(|(_, rest)| rest.strip_suffix("</pre></div>"));
    let inside = inside.unwrap_or_else(|| panic!("the original's element: {html}"));
    assert!(!inside.contains(['<', '>', '"', '\'']), "{inside}");
}

/// The length of the text of the next change that a raw WebSocket gets, and its number.
async fn text_length_and_number(socket: &mut RawWebSocket) -> (usize, Value) {
    loop {
        let frame = socket.frame().await;
        if frame.first != RawFrame::TEXT {
            continue;
        }
        let message: Value = serde_json::from_slice(&frame.payload).expect("JSON");
        let event = if message["change"].is_null() { &message } else { &message["change"] };
        if event["fullDocument"].is_null() {
            continue;
        }
        let document = &event["fullDocument"];
        return (document["text"].as_str().map_or(0, str::len), document["n"].clone());
    }
}

fn largest_document() -> Document {
    doc! { "_id": 1, "n": 1, "text": "x".repeat((16 << 20) - 200) }
}

async fn check_largest<S: Subscriber>(server: &TestServer, query: &str) {
    let mut client = S::follow(server, query).await;
    client.hello().await;
    check_next_two(&mut client).await;
}

async fn check_next_two<S: Subscriber>(client: &mut S) {
    let document = client.change().await.change.document().clone();
    assert_eq!(
        (document["text"].as_str().map(str::len), &document["n"]),
        (Some((16 << 20) - 200), &json!(1))
    );
    assert_eq!(client.change().await.change.document()["n"], 2);
}

#[tokio::test]
async fn s0_34_a_document_of_16_mb_reaches_every_transport_and_holds_nobody_up() {
    let database = TestDatabase::new().await;
    let server = database.watched_at(&["items", "small"]).await;
    let topic = format!("topic={}", database.namespace("items"));
    let mut sse = SseClient::follow(&server, &topic).await;
    let mut ndjson = NdjsonClient::follow(&server, &topic).await;
    let mut others =
        SseClient::follow(&server, &format!("topic={}", database.namespace("small"))).await;
    // These frames are larger than what the WebSocket library takes by default.
    let mut ws = RawWebSocket::connect(&server, &format!("/ws?{topic}"), "").await;
    let mut socket = RawWebSocket::connect(&server, &format!("/socket?{topic}"), "").await;
    // This one never reads a byte.
    let _stalled = RawWebSocket::connect(&server, &format!("/ws?{topic}"), "").await;
    sse.hello().await;
    ndjson.hello().await;
    others.hello().await;

    database.items().insert_one(largest_document()).await.expect("an insert");
    database.collection("small").insert_one(numbered(1)).await.expect("an insert");
    database.insert_numbers(2..3).await;

    assert_eq!(others.change().await.change.document()["n"], 1);
    check_next_two(&mut sse).await;
    check_next_two(&mut ndjson).await;
    for socket in [&mut ws, &mut socket] {
        assert_eq!(text_length_and_number(socket).await, ((16 << 20) - 200, json!(1)));
        assert_eq!(text_length_and_number(socket).await, (0, json!(2)));
    }
    check_largest::<SseClient>(&server, &format!("{topic}&since=earliest")).await;
    database.database.drop().await.expect("it makes room");
}
