//! What a change looks like on each transport, and what comes around it.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    Change, Connection, Entry, NdjsonClient, RawFrame, RawWebSocket, SseClient, Subscriber,
    TestServer, WsClient, exchange,
};

/// One client on each transport, all of which get the same.
struct Everywhere {
    sse: SseClient,
    ndjson: NdjsonClient,
    ws: WsClient,
    socket: WsClient,
}

impl Everywhere {
    /// Connected, and past the hello.
    async fn follow(server: &TestServer) -> Self {
        let mut all = Self {
            sse: SseClient::follow(server, "").await,
            ndjson: NdjsonClient::follow(server, "").await,
            ws: WsClient::follow(server, "").await,
            socket: WsClient::connect(server, "/socket", &[]).await,
        };
        all.sse.hello().await;
        all.ndjson.hello().await;
        all.ws.hello().await;
        all
    }

    /// The next changes, after making sure that every transport tells the same.
    async fn changes(&mut self, count: usize) -> Vec<Change> {
        let by_sse = self.sse.changes(count).await;
        assert_eq!(self.ndjson.changes(count).await, by_sse, "NDJSON against SSE");
        assert_eq!(self.ws.changes(count).await, by_sse, "/ws against SSE");
        for entry in &by_sse {
            let mut frame = self.socket.next_json().await;
            for added in ["html", "html_id"] {
                frame.as_object_mut().expect("an object").remove(added).expect(added);
            }
            frame["_id"] = entry.change.0["_id"].clone();
            assert_eq!(frame, entry.change.0, "/socket against SSE");
        }
        by_sse.into_iter().map(|Entry { change, .. }| change).collect()
    }
}

/// The fields that a test can foretell.
fn foretold(change: &Change) -> Value {
    let mut event = change.0.clone();
    let fields = event.as_object_mut().expect("an object");
    fields.remove("_id").expect("every change has an _id");
    let time = fields.remove("wallTime").expect("every change has its time");
    assert!(time["$date"].as_str().is_some_and(|text| text.ends_with('Z')), "{time}");
    event
}

fn four_changes() -> [Value; 4] {
    let common = |operation: &str| {
        json!({
            "operationType": operation,
            "ns": {"db": "test", "coll": "test"},
            "documentKey": {"_id": "1"},
        })
    };
    let with = |operation, more: Value| {
        let mut event = common(operation);
        event.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
        event
    };
    let first =
        json!({"_id": "1", "x": 1, "text": "é ☃ 😀", "nested": {"a": [1, 2.5, null, true]}});
    let second = json!({"_id": "1", "x": 2, "nested": {"a": [1, 2.5, null, true]}});
    let third = json!({"_id": "1", "other": "document"});
    [
        with("insert", json!({"fullDocument": first})),
        with(
            "update",
            json!({
                "fullDocument": second,
                "fullDocumentBeforeChange": first,
                "updateDescription": {
                    "updatedFields": {"x": 2}, "removedFields": ["text"], "truncatedArrays": [],
                },
            }),
        ),
        with("replace", json!({"fullDocument": third, "fullDocumentBeforeChange": second})),
        with("delete", json!({"fullDocumentBeforeChange": third})),
    ]
}

#[tokio::test]
async fn every_operation_arrives_in_order_with_its_contents_on_every_transport() {
    let server = TestServer::start().await;
    let mut everywhere = Everywhere::follow(&server).await;

    let document = json!({"x": 1, "text": "é ☃ 😀", "nested": {"a": [1, 2.5, null, true]}});
    assert_eq!(server.put("1", &document).await, StatusCode::CREATED);
    assert_eq!(server.patch("1", &json!({"x": 2, "text": null})).await, StatusCode::NO_CONTENT);
    assert_eq!(server.put("1", &json!({"other": "document"})).await, StatusCode::NO_CONTENT);
    assert_eq!(server.delete("1").await, StatusCode::NO_CONTENT);

    let changes = everywhere.changes(4).await;
    for (change, expected) in changes.iter().zip(four_changes()) {
        assert_eq!(foretold(change), expected);
    }
    let mut ids: Vec<_> = changes.iter().map(Change::change_id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 4, "every change has an id of its own");
}

#[tokio::test]
async fn changes_by_another_program_arrive_like_our_own() {
    let server = TestServer::start().await;
    let mut everywhere = Everywhere::follow(&server).await;

    let program = server.other_program();
    let nested = json!({"a": [1, 2.5, null, true]});
    program.insert("1", &json!({"x": 1, "text": "é ☃ 😀", "nested": nested}));
    program.update("1", &json!({"x": 2, "nested": nested}));
    program.replace("1", &json!({"other": "document"}));
    program.delete("1");

    for (change, expected) in everywhere.changes(4).await.iter().zip(four_changes()) {
        assert_eq!(foretold(change), expected);
    }
}

#[tokio::test]
async fn another_programs_transaction_arrives_whole_and_between_ours() {
    let server = TestServer::start().await;
    let mut everywhere = Everywhere::follow(&server).await;

    server.insert_numbers([1]).await;
    server.other_program().insert_numbers_at_once(2..500);
    server.insert_numbers([500]).await;

    let changes = everywhere.changes(500).await;
    let numbers: Vec<_> = changes.iter().map(|change| change.document()["n"].clone()).collect();
    assert_eq!(numbers, (1..=500).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn g1_everybody_sees_the_same_order_whoever_writes_at_the_same_time() {
    let server = TestServer::start().await;
    let mut everywhere = Everywhere::follow(&server).await;
    let program = server.other_program();
    let other = std::thread::spawn(move || {
        for round in 1..=20 {
            program.replace("shared", &json!({"by": "other", "round": round}));
            program.replace("other", &json!({"by": "other", "round": round}));
        }
    });
    let write = async |name: &'static str| {
        for round in 1..=20 {
            server.put("shared", &json!({"by": name, "round": round})).await;
            server.put(name, &json!({"by": name, "round": round})).await;
        }
    };
    tokio::join!(write("a"), write("b"), write("c"));
    other.join().expect("every write went well");

    let changes = everywhere.changes(4 * 20 * 2).await;
    for key in ["a", "b", "c", "other", "shared"] {
        let of_key: Vec<_> =
            changes.iter().filter(|change| change.0["documentKey"]["_id"] == key).collect();
        for (before, after) in of_key.iter().zip(of_key.iter().skip(1)) {
            // Each change starts from what the one before it left.
            assert_eq!(after.0["fullDocumentBeforeChange"], *before.document(), "{key}");
        }
    }
    for by in ["a", "b", "c", "other"] {
        let rounds: Vec<_> = changes
            .iter()
            .filter(|change| change.0["documentKey"]["_id"] == by)
            .map(|change| change.document()["round"].as_i64())
            .collect();
        assert_eq!(rounds, (1..=20).map(Some).collect::<Vec<_>>(), "{by}");
    }
}

#[tokio::test]
async fn s1_11_the_head_of_a_stream_keeps_caches_and_proxies_out() {
    let server = TestServer::start().await;
    let sse = SseClient::follow(&server, "").await;
    let ndjson = NdjsonClient::follow(&server, "").await;
    assert_eq!(sse.head.header("content-type"), Some("text/event-stream"));
    assert_eq!(ndjson.head.header("content-type"), Some("application/x-ndjson"));
    for head in [&sse.head, &ndjson.head] {
        assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
        assert_eq!(head.header("x-accel-buffering"), Some("no"));
        assert_eq!(head.header("content-length"), None);
    }
}

#[tokio::test]
async fn s1_12_the_first_bytes_come_before_any_change() {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "").await;
    // Nothing has changed, and nothing will until this has been read.
    let block = client.block().await.expect("the stream goes on");
    assert!(!block.comments.is_empty(), "{block:?}");
    assert!(block.retry.is_some_and(|millis| millis > 0), "{block:?}");
    assert_eq!(block.event.as_deref(), Some("hello"));
    let hello = block.json();
    assert_eq!(block.id.as_deref(), hello["position"].as_str());
    assert_eq!(hello["tail"], hello["position"]);
    assert_eq!(hello["resumed"], false);
    assert_eq!(hello["waiting"], json!([]));
    let epoch = hello["epoch"].as_str().expect("an epoch");
    assert_eq!(epoch.len(), 8);
    assert!(block.id.expect("an id").starts_with(epoch));
}

#[tokio::test]
async fn a_proxy_that_speaks_http_1_0_gets_the_stream_unframed() {
    let server = TestServer::start().await;
    let mut connection = Connection::open(server.address()).await;
    let request = format!("GET /events HTTP/1.0\r\nHost: {}\r\n\r\n", server.address());
    connection.send(request.as_bytes()).await;
    let head = connection.head().await;
    assert_eq!((head.status, head.header("transfer-encoding")), (200, None));
    assert!(connection.line().await.starts_with(':'), "the comment, not the size of a chunk");
    server.put("1", &json!({"x": 1})).await;
    let mut line = String::new();
    while !line.contains("\"operationType\"") {
        line = connection.line().await;
    }
    assert!(line.starts_with("data: {"), "{line}");
}

#[tokio::test]
async fn s1_13_a_change_is_an_unnamed_event_of_one_line_with_an_id() {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "").await;
    let hello = client.hello().await;
    // Line ends in a value must not end the line on the wire.
    server.put("1", &json!({"text": "a\nb\r\n\r\nevent: evil\ndata: pwn\u{2028}"})).await;
    let block = client.block().await.expect("the stream goes on");
    assert_eq!((block.event, block.retry, block.comments.len()), (None, None, 0));
    assert_eq!(block.id, Some(format!("{}-1", hello["epoch"].as_str().expect("text"))));
    let change = Change::parse(&block.data.expect("an event has data"));
    assert_eq!(change.document()["text"], "a\nb\r\n\r\nevent: evil\ndata: pwn\u{2028}");
}

#[tokio::test]
async fn the_hello_tells_how_far_the_log_goes() {
    let server = TestServer::start().await;
    let mut witness = NdjsonClient::follow(&server, "").await;
    witness.hello().await;
    for key in ["1", "2", "3"] {
        server.put(key, &json!({})).await;
        witness.change().await;
    }
    let lines = NdjsonClient::follow(&server, "since=last:2").await.hello().await;
    let events = SseClient::follow(&server, "since=last:2").await.hello().await;
    for hello in [lines, events] {
        let epoch = hello["epoch"].as_str().expect("text");
        assert_eq!(hello["position"], format!("{epoch}-1"));
        assert_eq!(hello["tail"], format!("{epoch}-3"));
    }
}

#[tokio::test]
async fn in_an_envelope_every_event_is_unnamed_and_holds_the_line() {
    let server = TestServer::start().await;
    let mut witness = NdjsonClient::follow(&server, "").await;
    witness.hello().await;
    server.put("1", &json!({"x": 1})).await;
    witness.change().await;
    for format in ["change", "data", "cloudevents", "debezium"] {
        // An id of another log: there has to be a gap.
        let query = format!("format={format}&since=aaaaaaaa-7");
        let mut events = SseClient::follow(&server, &format!("{query}&envelope=true")).await;
        let mut lines = NdjsonClient::follow(&server, &query).await;
        let mut types = Vec::new();
        while types.last() != Some(&None) {
            let block = events.block().await.expect("the stream goes on");
            let line: Value = block.json();
            assert_eq!(block.event, None, "{line}");
            assert_eq!(block.id.as_deref(), line["id"].as_str());
            assert_eq!(lines.line().await.as_ref(), Some(&line), "{format}");
            types.push(line["type"].as_str().map(str::to_owned));
        }
        assert_eq!(types[..2], [Some("hello".to_owned()), Some("gap".to_owned())]);
    }
}

#[tokio::test]
async fn every_line_is_told_apart_by_its_type() {
    let server = TestServer::start().await;
    let mut client = NdjsonClient::follow(&server, "").await;
    let hello = client.hello().await;
    assert_eq!(hello["id"], hello["position"]);
    assert_eq!(hello["resumed"], false);
    server.put("1", &json!({})).await;
    let entry = client.change().await;
    assert!(entry.id.ends_with("-1"), "{entry:?}");
}

#[tokio::test]
async fn s1_17_head_of_events_answers_and_leaves_no_subscriber() {
    let mut server = TestServer::start().await;
    for _ in 0..20 {
        let request = format!("HEAD /events HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
        let answer = exchange(server.address(), &request).await;
        assert_eq!(answer.head.status, 200);
        assert_eq!(answer.head.header("content-type"), Some("text/event-stream"));
    }
    server.metric_becomes("changecast_subscribers{transport=\"sse\"}", 0).await;
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn s1_21_a_failed_handshake_leaves_no_subscriber() {
    let server = TestServer::start().await;
    for _ in 0..20 {
        assert_eq!(server.get("/ws").await.status(), StatusCode::BAD_REQUEST);
    }
    let _alive = WsClient::follow(&server, "").await;
    server.metric_becomes("changecast_subscribers{transport=\"websocket\"}", 1).await;
}

#[tokio::test]
async fn s0_21_a_client_that_dies_disturbs_nobody() {
    let server = TestServer::start().await;
    let mut everywhere = Everywhere::follow(&server).await;
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(RawWebSocket::connect(&server, "/ws", "").await);
    }
    server.insert_numbers(1..=5).await;
    for other in &mut others {
        assert_eq!(other.frame().await.first, RawFrame::TEXT);
    }
    drop(others);
    server.insert_numbers(6..=10).await;
    assert_eq!(everywhere.changes(10).await.len(), 10);
}
