//! Many changes by several writers, to several subscribers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mongodb::bson::doc;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{LONG_PATIENCE, TestDatabase};
use crate::support::{NdjsonClient, SseClient, Subscriber, WsClient};

const WRITERS: i64 = 4;
const INSERTS_EACH: i64 = 5_000;
const INSERTS_PER_CALL: i64 = 50;
const COUNT: usize = 20_000;

/// A change as one subscriber saw it: its own id, who wrote it, and its number there.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    change: String,
    writer: i64,
    number: i64,
}

impl Seen {
    fn new(change: &str, document: &Value) -> Self {
        let number = |field: &str| document[field].as_i64().expect("a number");
        Self { change: change.to_owned(), writer: number("writer"), number: number("number") }
    }
}

/// Follows from the first change to the last; its name in the end is that of `/socket`.
async fn follow(mut client: impl Subscriber) -> Vec<Seen> {
    let entries = client.changes(COUNT).await;
    let seen = entries.iter().map(|entry| {
        let change = URL_SAFE_NO_PAD.encode(entry.change.change_id());
        Seen::new(&change, entry.change.document())
    });
    seen.collect()
}

/// The same on the original's socket.
async fn follow_socket(mut client: WsClient) -> Vec<Seen> {
    let mut seen = Vec::new();
    while seen.len() < COUNT {
        let frame = client.next_json().await;
        let html_id = frame["html_id"].as_str().expect("an id");
        seen.push(Seen::new(html_id, &frame["fullDocument"]));
    }
    seen
}

fn start_writers(database: &TestDatabase) -> JoinSet<()> {
    let write = |writer: i64| {
        let items = database.items();
        async move {
            for first in (0..INSERTS_EACH).step_by(INSERTS_PER_CALL as usize) {
                let numbers = first..first + INSERTS_PER_CALL;
                let documents = numbers.map(|number| doc! { "writer": writer, "number": number });
                items.insert_many(documents).await.expect("inserts");
            }
        }
    };
    (0..WRITERS).map(write).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g3_four_writers_and_five_subscribers_agree_on_twenty_thousand_changes() {
    let database = TestDatabase::new().await;
    let server = database.watched_at(&["*"]).await;
    let topic = format!("topic={}", database.namespace("items"));
    let mut sse = SseClient::follow(&server, "").await;
    let mut by_topic = SseClient::follow(&server, &topic).await;
    let mut ndjson = NdjsonClient::follow(&server, "").await;
    let mut ws = WsClient::follow(&server, &topic).await;
    let socket = WsClient::connect(&server, "/socket", &[]).await;
    sse.hello().await;
    by_topic.hello().await;
    ndjson.hello().await;
    ws.hello().await;

    let writers = start_writers(&database);
    let following = async {
        tokio::join!(
            follow(sse),
            follow(by_topic),
            follow(ndjson),
            follow(ws),
            follow_socket(socket)
        )
    };
    let following = timeout(LONG_PATIENCE, following).await.expect("all changes in time");
    writers.join_all().await;

    let (first, others) = (following.0, [following.1, following.2, following.3, following.4]);
    check_complete(&first);
    for (index, other) in others.iter().enumerate() {
        // No `assert_eq`, which would print twenty thousand changes.
        assert!(*other == first, "subscriber {index} has seen another order");
    }
    database.database.drop().await.expect("it makes room");
}

/// Each writer's numbers are there once, in its order.
fn check_complete(seen: &[Seen]) {
    for writer in 0..WRITERS {
        let numbers = seen.iter().filter(|seen| seen.writer == writer).map(|seen| seen.number);
        assert!(numbers.eq(0..INSERTS_EACH), "writer {writer}: nothing lost, nothing twice");
    }
}
