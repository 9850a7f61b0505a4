//! Many at once: they come, they go, they are more than there are descriptors, they sit still.

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Mutex;

use crate::support::{
    Connection, Member, SseClient, Subscriber, TestServer, WsClient, allow_many_sockets,
    allow_sockets, crowd,
};

/// Held by who opens thousands of sockets: all tests of a run share what one process may have.
static CROWDED: Mutex<()> = Mutex::const_new(());

const SSE_COUNT: &str = "changecast_subscribers{transport=\"sse\"}";
const WEBSOCKET_COUNT: &str = "changecast_subscribers{transport=\"websocket\"}";

fn request(server: &TestServer) -> String {
    format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", server.address())
}

/// Connects and asks for the stream, and waits for nothing.
async fn knock(server: &TestServer) -> Connection {
    let mut connection = Connection::open(server.address()).await;
    connection.send(request(server).as_bytes()).await;
    connection
}

async fn until_line(connection: &mut Connection, part: &str) {
    while !connection.line().await.contains(part) {}
}

#[tokio::test]
async fn g8_all_of_two_thousand_who_come_at_once_are_served_and_who_comes_as_they_go_is_too() {
    let _crowded = CROWDED.lock().await;
    let server = TestServer::start().await;
    let mut all = crowd(&server, 2_000).await;
    server.put("1", &json!({})).await;
    let firsts = join_all(all.iter_mut().map(Member::change)).await;
    assert!(firsts.iter().all(|entry| *entry == firsts[0]), "everybody gets the same");

    // Its request is on its way when all the others go.
    let mut newcomer = knock(&server).await;
    drop(all);
    until_line(&mut newcomer, "event: hello").await;
    let mut follower = WsClient::follow(&server, "").await;
    follower.hello().await;
    server.put("2", &json!({})).await;
    until_line(&mut newcomer, r#""documentKey":{"_id":"2"}"#).await;
    assert_eq!(follower.change().await.change.document()["_id"], "2");
    server.metric_becomes(SSE_COUNT, 1).await;
    server.metric_becomes(WEBSOCKET_COUNT, 1).await;
}

#[tokio::test]
async fn g8_all_of_ten_thousand_who_come_at_once_are_served_and_none_waits_until_they_have_gone() {
    const COUNT: usize = 10_000;
    const FIRST: &str = r#""documentKey":{"_id":"1"}"#;
    const SECOND: &str = r#""documentKey":{"_id":"2"}"#;
    let _crowded = CROWDED.lock().await;
    // Room for what the test itself has open, and others beside it in this process.
    allow_sockets(COUNT as u64 + 1_000);
    let server = TestServer::start().await;
    let mut all = join_all((0..COUNT).map(|_| knock(&server))).await;
    join_all(all.iter_mut().map(|one| until_line(one, "event: hello"))).await;
    server.put("1", &json!({})).await;
    join_all(all.iter_mut().map(|one| until_line(one, FIRST))).await;

    // One is on its way when all go, others come while the server has 10,000 ends to see to.
    let mut newcomers = vec![knock(&server).await];
    let gone = tokio::task::spawn_blocking(move || drop(all));
    newcomers.extend(join_all((0..100).map(|_| knock(&server))).await);
    join_all(newcomers.iter_mut().map(|one| until_line(one, "event: hello"))).await;
    gone.await.expect("they are dropped");
    server.put("2", &json!({})).await;
    join_all(newcomers.iter_mut().map(|one| until_line(one, SECOND))).await;
    server.metric_becomes(SSE_COUNT, newcomers.len() as u64).await;
}

#[tokio::test]
async fn g9_when_descriptors_run_out_those_who_wait_are_served_once_some_are_free() {
    allow_many_sockets();
    let mut server = TestServer::start_limited("ulimit -n 200").await;
    let mut first = join_all((0..100).map(|_| knock(&server))).await;
    join_all(first.iter_mut().map(|one| until_line(one, "event: hello"))).await;
    // More than there are descriptors left: the kernel has them wait.
    let mut waiting = join_all((0..100).map(|_| knock(&server))).await;
    server.process().stderr_with("accept failed").await;
    // Who is connected is served all the same.
    server.other_program().insert("1", &json!({}));
    join_all(first.iter_mut().map(|one| until_line(one, r#""documentKey":{"_id":"1"}"#))).await;

    drop(first);
    join_all(waiting.iter_mut().map(|one| until_line(one, "event: hello"))).await;
    server.other_program().insert("2", &json!({}));
    join_all(waiting.iter_mut().map(|one| until_line(one, r#""documentKey":{"_id":"2"}"#))).await;
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_as_far_as_it_may_be() {
    let mut server = TestServer::start_limited("ulimit -S -n 256 && ulimit -H -n 1500").await;
    let limits = server.process().proc("limits");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let words: Vec<_> = line.expect("there is such a limit").split_whitespace().collect();
    assert_eq!(words[..2], ["1500", "1500"], "the soft limit, and the hard one");
    server.process().stderr_with("limit of open files raised").await;
}

#[tokio::test]
async fn g10_five_thousand_who_sit_still_cost_less_than_4_kib_each() {
    const FIRST: usize = 500;
    const MORE: usize = 4_500;
    const AT_ONCE: usize = 100;
    let _crowded = CROWDED.lock().await;
    allow_many_sockets();
    let mut server = TestServer::start().await;
    // What the server holds however many there are is there after the first ones.
    let _first = sit_still(&server, FIRST, AT_ONCE).await;
    let before = server.process().anonymous_memory_kib();
    let _more = sit_still(&server, MORE, AT_ONCE).await;
    server.metric_becomes(SSE_COUNT, (FIRST + MORE) as u64).await;
    let grown = server.process().anonymous_memory_kib().saturating_sub(before) << 10;
    let each = grown / MORE as u64;
    assert!(each < 4 << 10, "{each} bytes for each");
    // And they are subscribers all the same.
    let mut follower = SseClient::follow(&server, "").await;
    follower.hello().await;
}

async fn sit_still(server: &TestServer, count: usize, at_once: usize) -> Vec<Connection> {
    let mut all = Vec::new();
    while all.len() < count {
        let mut some = join_all((0..at_once).map(|_| knock(server))).await;
        join_all(some.iter_mut().map(|one| until_line(one, "event: hello"))).await;
        all.extend(some);
    }
    all
}
