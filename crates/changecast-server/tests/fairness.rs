//! Nobody waits for somebody else: neither for a busy topic, nor for a subscriber that does not read.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{join, join_all};
use serde_json::json;

use crate::retention::read_with_gaps;
use crate::support::{
    Connection, SseClient, Subscriber, TestServer, WsClient, allow_many_sockets, numbers, soon,
};

const HOT_COUNT: usize = 100;
const BURST: i64 = 20_000;

/// A subscriber of the hot topic, past the hello.
async fn hot(server: &TestServer) -> Connection {
    let mut connection = Connection::open(server.address()).await;
    let host = server.address();
    let request = format!("GET /events?topic=test.hot HTTP/1.1\r\nHost: {host}\r\n\r\n");
    connection.send(request.as_bytes()).await;
    while !connection.line().await.contains("event: hello") {}
    connection
}

/// Reads up to the burst's last change, and looks at little of it: there is much.
async fn read_burst(connection: &mut Connection) {
    let last = format!(r#""fullDocument":{{"_id":"{BURST}","#);
    let (mut buffer, mut tail) = (vec![0; 64 << 10], Vec::new());
    loop {
        let count = soon("the burst", connection.some(&mut buffer)).await;
        assert!(count > 0, "the stream goes on");
        tail.extend_from_slice(&buffer[..count]);
        tail.drain(..tail.len().saturating_sub(1_000));
        if tail.ends_with(b"\r\n") && tail.windows(last.len()).any(|part| part == last.as_bytes()) {
            return;
        }
    }
}

/// One transaction: half of the burst, a change of the quiet topic, the other half.
fn write_burst(server: &TestServer) {
    let program = server.other_program();
    let insert = |collection: &str, n: i64| {
        let statement = format!("INSERT INTO document VALUES ('{collection}', ?1, ?2)");
        program.execute(&statement, &n.to_string(), &json!({"n": n}));
    };
    program.at_once(|| {
        (1..=BURST / 2).for_each(|n| insert("hot", n));
        insert("quiet", 1);
        (BURST / 2 + 1..=BURST).for_each(|n| insert("hot", n));
    });
}

#[tokio::test]
async fn g8_a_burst_on_one_topic_does_not_hold_up_another() {
    allow_many_sockets();
    let server = TestServer::start().await;
    let mut crowd = join_all((0..HOT_COUNT).map(|_| hot(&server))).await;
    let mut witness = SseClient::follow(&server, "topic=test.hot").await;
    witness.hello().await;
    let mut quiet = WsClient::follow(&server, "topic=test.quiet").await;
    quiet.hello().await;
    write_burst(&server);

    let through = AtomicUsize::new(0);
    let crowd = join_all(crowd.iter_mut().map(async |connection| {
        read_burst(connection).await;
        through.fetch_add(1, Ordering::Relaxed);
    }));
    let quiet = async {
        assert_eq!(quiet.change().await.change.topic(), "test.quiet");
        through.load(Ordering::Relaxed)
    };
    let (through_before, _) = join(quiet, crowd).await;
    assert_eq!(through_before, 0, "somebody had all of the burst before it came");
    let count = usize::try_from(BURST).expect("positive");
    assert_eq!(numbers(&witness.changes(count).await), (1..=BURST).collect::<Vec<_>>());
}

/// More than a view keeps, and far more than sockets take.
const LARGE_COUNT: i64 = 2_500;

fn write_large(server: &TestServer) {
    let program = server.other_program();
    let text = "x".repeat(4_000);
    for first in (1..=LARGE_COUNT).step_by(100) {
        program.at_once(|| {
            for n in first..first + 100 {
                program.insert(&n.to_string(), &json!({"n": n, "text": text}));
            }
        });
    }
}

#[tokio::test]
async fn g8_who_does_not_read_costs_the_others_nothing_and_gets_everything_once_it_does() {
    let server = TestServer::start().await;
    let mut unread = (SseClient::follow(&server, "").await, WsClient::follow(&server, "").await);
    let mut reading = (SseClient::follow(&server, "").await, WsClient::follow(&server, "").await);
    reading.0.hello().await;
    reading.1.hello().await;
    write_large(&server);
    let expected: Vec<_> = (1..=LARGE_COUNT).collect();
    // The others first, then those that have been waited for by nobody.
    assert_eq!(all_of(&mut reading.0).await, expected, "SSE");
    assert_eq!(all_of(&mut reading.1).await, expected, "WebSocket");
    unread.0.hello().await;
    unread.1.hello().await;
    assert_eq!(all_of(&mut unread.0).await, expected, "SSE that had not read");
    assert_eq!(all_of(&mut unread.1).await, expected, "WebSocket that had not read");
}

async fn all_of(client: &mut impl Subscriber) -> Vec<i64> {
    numbers(&client.changes(usize::try_from(LARGE_COUNT).expect("positive")).await)
}

#[tokio::test]
async fn g2_who_reads_again_too_late_is_told_what_it_has_missed_and_gets_the_rest() {
    let server = TestServer::start_with(&["--retention-entries", "300"]).await;
    let mut sse = SseClient::follow(&server, "").await;
    let mut ws = WsClient::follow(&server, "").await;
    write_large(&server);
    server.metric_becomes("changecast_source_changes_total{source=\"test\"}", 2_500).await;
    sse.hello().await;
    ws.hello().await;
    assert!(read_with_gaps(&mut sse, LARGE_COUNT).await > 0, "SSE");
    assert!(read_with_gaps(&mut ws, LARGE_COUNT).await > 0, "WebSocket");
}
