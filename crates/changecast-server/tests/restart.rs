//! Coming back to a server that has ended in between, by a signal or by a crash, with writes while
//! it was away: nothing lost, nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::{
    Entry, NdjsonClient, OtherProgram, SseClient, Subscriber, TestServer, WsClient, numbers,
};

#[derive(Clone, Copy, Debug)]
enum End {
    Terminate,
    Kill,
}

impl End {
    async fn of(self, server: &mut TestServer) {
        match self {
            Self::Terminate => assert!(server.terminate().await.success()),
            Self::Kill => server.kill().await,
        }
    }
}

/// Two clients, one of which has seen changes before the server ends, and one only its hello.
async fn nothing_lost_nothing_twice<S: Subscriber>(end: End) {
    let mut server = TestServer::start_restartable().await;
    let mut early = S::follow(&server, "").await;
    early.hello().await;
    server.insert_numbers(1..=3).await;
    let mut seen = early.changes(2).await;
    server.logged(3).await;
    let mut late = S::follow(&server, "").await;
    late.hello().await;
    server.other_program().insert_numbers(4..=5);

    end.of(&mut server).await;
    OtherProgram::open(server.data()).insert_numbers(6..=8);
    server.start_again().await;
    server.insert_numbers(9..=10).await;

    let mut early = early.come_back(&server).await;
    assert_eq!(early.hello().await["resumed"], true, "{end:?}");
    seen.extend(early.changes(8).await);
    assert_eq!(numbers(&seen), (1..=10).collect::<Vec<_>>(), "{end:?}");

    let mut late = late.come_back(&server).await;
    assert_eq!(late.hello().await["resumed"], true, "{end:?}");
    assert_eq!(late.changes(7).await, &seen[3..], "{end:?}: the same ids and contents");

    // And both are live again.
    server.insert_numbers([11]).await;
    assert_eq!(numbers(&early.changes(1).await), [11]);
    assert_eq!(numbers(&late.changes(1).await), [11]);
}

#[tokio::test]
async fn g5_sse_survives_a_restart() {
    nothing_lost_nothing_twice::<SseClient>(End::Terminate).await;
}

#[tokio::test]
async fn g5_ndjson_survives_a_restart() {
    nothing_lost_nothing_twice::<NdjsonClient>(End::Terminate).await;
}

#[tokio::test]
async fn g5_websocket_survives_a_restart() {
    nothing_lost_nothing_twice::<WsClient>(End::Terminate).await;
}

#[tokio::test]
async fn g5_sse_survives_a_crash() {
    nothing_lost_nothing_twice::<SseClient>(End::Kill).await;
}

#[tokio::test]
async fn g5_ndjson_survives_a_crash() {
    nothing_lost_nothing_twice::<NdjsonClient>(End::Kill).await;
}

#[tokio::test]
async fn g5_websocket_survives_a_crash() {
    nothing_lost_nothing_twice::<WsClient>(End::Kill).await;
}

#[tokio::test]
async fn a_browser_reads_the_stream_of_a_server_that_ends_and_comes_back_by_itself() {
    let mut server = TestServer::start_restartable().await;
    let mut client = SseClient::follow(&server, "since=last:5").await;
    client.hello().await;
    server.insert_numbers(1..=3).await;
    let mut seen = client.changes(3).await;
    server.process().signal(rustix::process::Signal::TERM);
    // It reads what comes until the stream ends: the word when to come back.
    let farewell = client.block().await.expect("a last block");
    assert!(farewell.retry.is_some(), "{farewell:?}");
    assert_eq!(client.block().await, None);
    assert!(client.ended_cleanly());
    assert!(server.process().exit().await.success());

    OtherProgram::open(server.data()).insert_numbers(4..=6);
    server.start_again().await;
    // The URL still says last:5, but the header wins.
    let mut client = client.reconnect().await;
    client.hello().await;
    seen.extend(client.changes(3).await);
    assert_eq!(numbers(&seen), [1, 2, 3, 4, 5, 6]);
}

/// A program that never stops writing, each number in a transaction of its own.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<i64>,
}

impl Writer {
    fn start(program: OtherProgram) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut number = 0;
            while !is_stopped.load(Ordering::Relaxed) {
                number += 1;
                program.insert_numbers([number]);
            }
            number
        });
        Self { stop, thread }
    }

    /// The last number that it wrote.
    fn finish(self) -> i64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every write went well")
    }
}

#[tokio::test]
async fn g7_crashes_in_the_middle_of_a_burst_lose_and_repeat_nothing() {
    let mut server = TestServer::start_restartable().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    let mut seen: Vec<Entry> = Vec::new();
    let writer = Writer::start(server.other_program());
    for _ in 0..4 {
        seen.extend(client.changes(40).await);
        server.kill().await;
        server.start_again().await;
        client = client.reconnect().await;
        assert_eq!(client.hello().await["resumed"], true);
    }
    let last = writer.finish();
    seen.extend(client.changes_until(|entry| entry.change.document()["n"] == last).await);
    assert_eq!(numbers(&seen), (1..=last).collect::<Vec<_>>());

    // What the log tells now is what was told then: ids, change ids and contents (G3).
    let mut replay = NdjsonClient::follow(&server, "since=earliest").await;
    replay.hello().await;
    assert_eq!(replay.changes(seen.len()).await, seen);
}

#[tokio::test]
async fn a_log_that_is_lost_is_a_gap_to_who_knew_it() {
    let mut server = TestServer::start_restartable().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    server.insert_numbers(1..=3).await;
    client.changes(3).await;
    assert!(server.terminate().await.success());
    for name in ["log.db", "log.db-wal", "log.db-shm"] {
        // A clean end leaves the first one only.
        let _ = std::fs::remove_file(server.data().join(name));
    }
    server.start_again().await;
    let mut client = client.reconnect().await;
    assert_eq!(client.hello().await["resumed"], false);
    let gap = client.gap().await;
    assert_eq!(gap["action"], "refetch", "{gap}");
    server.insert_numbers([4]).await;
    assert_eq!(numbers(&client.changes(1).await), [4]);
}

#[tokio::test]
async fn a_server_that_ends_leaves_all_of_the_store_in_its_file() {
    let mut server = TestServer::start().await;
    server.insert_numbers(1..=20).await;
    // While somebody has the file open, SQLite does not do it by itself.
    let other = server.other_program();
    other.insert_numbers([21]);
    server.logged(21).await;
    assert!(server.terminate().await.success());
    let aside = server.data().join("store.db-wal");
    let waiting = std::fs::metadata(aside).map_or(0, |wal| wal.len());
    assert_eq!(waiting, 0, "bytes beside the file: a copy of it alone would lack them");
}
