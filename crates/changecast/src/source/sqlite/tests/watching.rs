//! Streams: complete, in order, resumable from every position, honest about what is lost.

use std::process::Command;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::super::stream::{self, Wake};
use super::*;
use crate::board::Board;
use crate::limits;
use crate::log::{Log as _, MemoryLog, Retention};
use crate::source::{Documents as _, Write, start};

pub(super) fn insert(connection: &Connection, range: std::ops::Range<u32>) {
    for id in range {
        connection.execute("INSERT INTO document VALUES ('c', ?, '{}')", [id.to_string()]).unwrap();
    }
}

pub(super) async fn next_id(stream: &mut ChangeStream) -> u32 {
    let event = event(&next_change(stream).await);
    event["documentKey"]["_id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_stream_starts_now_and_is_established_eagerly() {
    let fixture = Fixture::new();
    let connection = fixture.connection();
    insert(&connection, 0..3);
    let mut stream = fixture.watch().await;
    assert!(stream.resume_token().is_some());
    insert(&connection, 3..6);
    for id in 3..6 {
        assert_eq!(next_id(&mut stream).await, id);
    }
}

#[tokio::test]
async fn g2_what_is_written_before_the_source_is_first_watched_is_in_the_log() {
    let fixture = Fixture::new();
    insert(&fixture.connection(), 0..3);
    let store = SqliteStore::open(&fixture.path(), "test").unwrap();
    insert(&fixture.connection(), 3..6);
    let log = Arc::new(MemoryLog::new(Retention::default()));
    let stop = CancellationToken::new();
    let board = Board::default();
    let running = start(Arc::new(store), log.clone(), board, Arc::default(), stop.clone()).await;
    let running = tokio::spawn(running);
    let mut tail = log.tail();
    let three = tail.wait_for(|tail| tail.0 == 3);
    timeout(Duration::from_secs(20), three).await.expect("three changes").expect("a log");
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_stream_goes_on_after_every_position() {
    let fixture = Fixture::new();
    let mut stream = fixture.watch().await;
    let mut positions = vec![stream.resume_token().unwrap().clone()];
    insert(&fixture.connection(), 0..20);
    let mut events = Vec::new();
    for _ in 0..20 {
        let delivery = next(&mut stream).await.unwrap();
        events.push(delivery.change.unwrap());
        positions.push(delivery.position.unwrap());
    }
    drop(stream);
    insert(&fixture.connection(), 20..21);
    for (index, position) in positions.iter().enumerate() {
        let mut stream = fixture.watch_after(position).await.unwrap();
        assert_eq!(stream.resume_token(), Some(position));
        for event in &events[index..] {
            assert_eq!(&next_change(&mut stream).await, event);
        }
        assert_eq!(next_id(&mut stream).await, 20);
    }
}

#[tokio::test]
async fn a_position_survives_closing_the_store() {
    let fixture = Fixture::new();
    let position = fixture.watch().await.resume_token().unwrap().clone();
    insert(&fixture.connection(), 0..2);
    let Fixture { directory, store } = fixture;
    drop(store);
    let store = SqliteStore::open(&directory.path().join("store.db"), "test").unwrap();
    let fixture = Fixture { directory, store };
    let mut stream = fixture.watch_after(&position).await.unwrap();
    assert_eq!((next_id(&mut stream).await, next_id(&mut stream).await), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_are_seen_in_commit_order() {
    const WRITERS: usize = 4;
    const WRITES: usize = 500;
    let fixture = Fixture::new();
    let mut stream = fixture.watch().await;
    for writer in 0..WRITERS {
        let store = fixture.store.clone();
        tokio::spawn(async move {
            for n in 0..WRITES {
                let put = Write::Put(format!(r#"{{"n":{n}}}"#));
                store.write("c", &writer.to_string(), put).await.unwrap();
            }
        });
    }
    let mut expected = [0; WRITERS];
    for place in 1..=WRITERS * WRITES {
        let event = event(&next_change(&mut stream).await);
        let id = event["_id"]["_data"].as_str().unwrap();
        assert!(id.ends_with(&format!("-{place}")), "{id}");
        let writer: usize = event["documentKey"]["_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(event["fullDocument"]["n"], expected[writer]);
        expected[writer] += 1;
    }
    assert_eq!(expected, [WRITES; WRITERS]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_programs_and_the_store_write_one_order() {
    let fixture = Fixture::new();
    let mut stream = fixture.watch().await;
    let connections = [fixture.connection(), fixture.connection()];
    let threads = connections.map(|connection| {
        std::thread::spawn(move || {
            for _ in 0..200 {
                connection.execute_batch("BEGIN IMMEDIATE; REPLACE INTO document SELECT 'c', 'count', json_object('n', coalesce((SELECT json_extract(body, '$.n') FROM document WHERE id = 'count'), 0) + 1); COMMIT").unwrap();
            }
        })
    });
    for n in 0..200 {
        fixture.store.write("c", &format!("own{n}"), Write::Put("{}".into())).await.unwrap();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    let (mut count, mut own) = (0, 0);
    while count < 400 || own < 200 {
        let event = event(&next_change(&mut stream).await);
        if event["documentKey"]["_id"] == "count" {
            count += 1;
            assert_eq!(event["fullDocument"]["n"], count);
        } else {
            assert_eq!(event["documentKey"]["_id"], format!("own{own}"));
            own += 1;
        }
    }
}

#[tokio::test]
async fn a_rolled_back_transaction_is_never_seen() {
    let fixture = Fixture::new();
    let mut stream = fixture.watch().await;
    let connection = fixture.connection();
    connection.execute_batch("BEGIN").unwrap();
    insert(&connection, 0..5);
    connection.execute_batch("ROLLBACK").unwrap();
    insert(&connection, 5..6);
    assert_eq!(next_id(&mut stream).await, 5);
}

const CHILD: &str = "CHANGECAST_TEST_STORE";

/// The other half of the next test, in a process of its own; by itself it does nothing.
#[test]
fn the_other_process() {
    let Ok(path) = std::env::var(CHILD) else {
        return;
    };
    insert(&Connection::open(path).unwrap(), 0..10);
}

#[tokio::test]
async fn another_process_is_seen() {
    let fixture = Fixture::new();
    let mut stream = fixture.watch().await;
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["source::sqlite::tests::watching::the_other_process", "--exact"])
        .env(CHILD, fixture.path())
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    for id in 0..10 {
        assert_eq!(next_id(&mut stream).await, id);
    }
}

#[tokio::test]
async fn poison_does_not_stop_the_stream() {
    let fixture = Fixture::new();
    let mut stream = fixture.watch().await;
    let connection = fixture.connection();
    connection
        .execute_batch(
            "PRAGMA ignore_check_constraints = ON;
             INSERT INTO document VALUES ('c', '1', 'garbage');
             INSERT INTO document VALUES (CAST(x'ff' AS TEXT), x'fe00', CAST(x'7b2261223a22ff227d' AS TEXT));
             INSERT INTO changelog (time, op, collection, document_id, before, after)
                 VALUES ('noon', 5, 6.5, x'00', 7, x'ff')",
        )
        .unwrap();
    insert(&connection, 9..10);
    let first = event(&next_change(&mut stream).await);
    assert_eq!(first["unavailable"], serde_json::json!(["fullDocument"]));
    let second = event(&next_change(&mut stream).await);
    assert_eq!(second["ns"]["coll"], "\u{fffd}");
    assert_eq!(second["fullDocument"]["a"], "\u{fffd}");
    let third = next(&mut stream).await.unwrap();
    assert_eq!(event(third.change.as_ref().unwrap())["operationType"], "5");
    assert_eq!(next_id(&mut stream).await, 9);
    let mut again = fixture.watch_after(&third.position.unwrap()).await.unwrap();
    assert_eq!(next_id(&mut again).await, 9);
}

#[tokio::test]
async fn dropping_a_stream_ends_its_thread() {
    let fixture = Fixture::new();
    let wake = Arc::new(Wake::default());
    let open = || {
        stream::open(&fixture.path(), "test".into(), Arc::clone(&wake), &WatchOptions::new())
            .unwrap()
    };
    let (idle, blocked) = (open(), open());
    let connection = fixture.connection();
    connection.execute_batch("BEGIN").unwrap();
    insert(&connection, 0..u32::try_from(limits::DELIVERIES_MAX + 10).unwrap());
    connection.execute_batch("COMMIT").unwrap();
    drop((idle, blocked));
    let ended = async {
        while Arc::strong_count(&wake) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(5), ended).await.expect("both threads end");
}
