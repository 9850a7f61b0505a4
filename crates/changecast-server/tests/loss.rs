//! Whatever the database can no longer tell is said, once, in its place, to everybody (G2); what it
//! still can is told, and no gap is made of it.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    At, Fault, MongoDouble, NAMESPACE, NdjsonClient, OtherProgram, SseClient, Start, Subscriber,
    TestServer, WsClient, numbers, shared_mongo, until,
};

const HISTORY_LOST: Fault = Fault::fatal(286, "ChangeStreamHistoryLost");
const FATAL: Fault = Fault::fatal(280, "ChangeStreamFatalError");
const INVALID_TOKEN: Fault = Fault::fatal(260, "InvalidResumeToken");
const TOO_LARGE: Fault = Fault::fatal(10334, "BSONObjectTooLarge");

/// One client of each transport, all of which have seen 1 to 3, and one that went away after 2.
struct Audience {
    sse: SseClient,
    ndjson: NdjsonClient,
    ws: WsClient,
    away_since: String,
}

impl Audience {
    /// `write` makes the database change.
    async fn of(server: &TestServer, write: impl AsyncFnOnce()) -> Self {
        let mut sse = SseClient::follow(server, "").await;
        let mut ndjson = NdjsonClient::follow(server, "").await;
        let mut ws = WsClient::follow(server, "").await;
        sse.hello().await;
        ndjson.hello().await;
        ws.hello().await;
        write().await;
        let seen = sse.changes(3).await;
        assert_eq!(numbers(&seen), [1, 2, 3]);
        assert_eq!(ndjson.changes(3).await, seen);
        assert_eq!(ws.changes(3).await, seen);
        Self { sse, ndjson, ws, away_since: seen[1].id.clone() }
    }

    async fn come_back(self, server: &TestServer) -> Self {
        let mut all = Self {
            sse: self.sse.come_back(server).await,
            ndjson: self.ndjson.come_back(server).await,
            ws: self.ws.come_back(server).await,
            ..self
        };
        assert_eq!(all.sse.hello().await["resumed"], true);
        assert_eq!(all.ndjson.hello().await["resumed"], true);
        assert_eq!(all.ws.hello().await["resumed"], true);
        all
    }

    /// Each is told of one gap next, and all of the same.
    async fn gap(&mut self, source: &str) -> Value {
        let gaps = [self.sse.gap().await, self.ndjson.gap().await, self.ws.gap().await];
        for gap in &gaps {
            assert_eq!(gap["scope"], "source", "{gap}");
            assert_eq!(gap["source"], source, "{gap}");
            assert_eq!(gap["action"], "refetch", "{gap}");
            assert_eq!(gap["reason"], gaps[0]["reason"]);
        }
        gaps[0].clone()
    }

    /// Each is told of these changes next, and of nothing else.
    async fn numbers(&mut self, expected: &[i64]) {
        assert_eq!(numbers(&self.sse.changes(expected.len()).await), expected);
        assert_eq!(numbers(&self.ndjson.changes(expected.len()).await), expected);
        assert_eq!(numbers(&self.ws.changes(expected.len()).await), expected);
    }

    /// Who was away hears of the gap in its place, and of what came before and after it.
    async fn check_away(&self, server: &TestServer, before: &[i64], gap: &Value, after: &[i64]) {
        let id = [("Last-Event-ID", &*self.away_since)];
        let mut client = SseClient::connect(server.address(), "/events", &id).await;
        assert_eq!(client.hello().await["resumed"], true);
        assert_eq!(numbers(&client.changes(before.len()).await), before);
        assert_eq!(client.gap().await["reason"], gap["reason"]);
        assert_eq!(numbers(&client.changes(after.len()).await), after);
    }
}

/// What the server says of its only source's gaps.
async fn check_count(server: &TestServer, source: &str, expected: u64) {
    until("a source that is live", async || {
        let listing = server.get_json("/sources").await;
        assert_eq!(listing["sources"][0]["gap_count"], expected, "{listing}");
        listing["sources"][0]["state"] == "live"
    })
    .await;
    let name = format!("changecast_source_gaps_total{{source=\"{source}\"}}");
    if expected > 0 {
        server.metric_becomes(&name, expected).await;
    } else {
        assert_eq!(server.metric(&name).await.unwrap_or(0), 0, "{name}");
    }
}

// ── MongoDB, of which the double tells what no real one can be made to ─────────────────────────

/// A changecast on a double, with its audience.
struct Stage {
    double: MongoDouble,
    server: TestServer,
    audience: Audience,
}

impl Stage {
    async fn set() -> Self {
        let double = MongoDouble::start().await;
        double.insert_numbers([0]);
        let namespace = NAMESPACE.join(".");
        let uri = double.uri();
        let server = TestServer::start_with(&["--mongo", &uri, "--ns", &namespace]).await;
        let audience = Audience::of(&server, async || double.insert_numbers(1..=3)).await;
        Self { double, server, audience }
    }

    /// One gap for everybody, from now on live again; `tries` is how often the place that is lost
    /// may have been asked for.
    async fn check_one_gap(mut self, opened_before: usize, tries: usize) -> (Self, Value) {
        let gap = self.audience.gap(NAMESPACE[0]).await;
        let reason = gap["reason"].as_str().expect("words");
        assert!(reason.starts_with("history lost: "), "{reason}");
        let opened = self.double.opened();
        let (last, before) = opened[opened_before..].split_last().expect("it was opened again");
        assert_eq!(last.start, Start::Now, "{opened:?}");
        assert!(before.len() <= tries, "no endless retry of the same place: {opened:?}");

        self.double.insert_numbers(10..=12);
        self.audience.numbers(&[10, 11, 12]).await;
        self.audience.check_away(&self.server, &[3], &gap, &[10, 11, 12]).await;
        check_count(&self.server, NAMESPACE[0], 1).await;
        assert_eq!(self.double.opened().len(), opened.len(), "and the stream has held since");
        (self, gap)
    }
}

async fn check_loss(fault: Fault, at: At, words: &str) {
    let stage = Stage::set().await;
    let before = stage.double.opened().len();
    stage.double.lose(4..=6, at, fault);
    let (mut stage, gap) = stage.check_one_gap(before, 1).await;
    assert!(gap["reason"].as_str().is_some_and(|reason| reason.contains(words)), "{gap}");

    // It is in the log: a restart neither forgets nor repeats it.
    stage.server.kill().await;
    stage.server.start_again().await;
    stage.audience.check_away(&stage.server, &[3], &gap, &[10, 11, 12]).await;
    let mut audience = stage.audience.come_back(&stage.server).await;
    stage.double.insert_numbers(13..=14);
    audience.numbers(&[13, 14]).await;
}

#[tokio::test]
async fn g2_g3_history_lost_while_reading_is_one_gap_for_all() {
    check_loss(HISTORY_LOST, At::Reading, "ChangeStreamHistoryLost").await;
}

#[tokio::test]
async fn g2_g3_history_lost_while_reopening_is_one_gap_for_all() {
    check_loss(HISTORY_LOST, At::Opening, "ChangeStreamHistoryLost").await;
}

#[tokio::test]
async fn g2_g3_history_lost_at_every_attempt_is_one_gap_for_all() {
    check_loss(HISTORY_LOST, At::Either, "ChangeStreamHistoryLost").await;
}

#[tokio::test]
async fn g2_g3_a_fatal_error_of_the_stream_is_one_gap_for_all() {
    check_loss(FATAL, At::Reading, "ChangeStreamFatalError").await;
    check_loss(FATAL, At::Either, "ChangeStreamFatalError").await;
}

#[tokio::test]
async fn g2_g3_a_token_that_is_invalid_is_one_gap_for_all() {
    check_loss(INVALID_TOKEN, At::Reading, "InvalidResumeToken").await;
    check_loss(INVALID_TOKEN, At::Opening, "InvalidResumeToken").await;
}

#[tokio::test]
async fn g2_g3_a_change_too_large_to_be_sent_is_one_gap_for_all() {
    check_loss(TOO_LARGE, At::Reading, "larger than the 16 MB").await;
    check_loss(TOO_LARGE, At::Either, "larger than the 16 MB").await;
}

#[tokio::test]
async fn g2_g5_history_lost_while_changecast_was_down_is_one_gap() {
    for at in [At::Opening, At::Reading] {
        let mut stage = Stage::set().await;
        stage.server.kill().await;
        let before = stage.double.opened().len();
        stage.double.lose(4..=6, at, HISTORY_LOST);
        stage.server.start_again().await;
        stage.audience = stage.audience.come_back(&stage.server).await;
        stage.check_one_gap(before, 1).await;
    }
}

#[tokio::test]
async fn g2_s2_01_a_clusters_lost_history_is_a_gap_for_whatever_is_followed_of_it() {
    let double = MongoDouble::start().await;
    let server = TestServer::start_with(&["--mongo", &double.uri(), "--ns", "*"]).await;
    let topic = format!("topic={}", NAMESPACE.join("."));
    let mut client = SseClient::follow(&server, &topic).await;
    client.hello().await;
    double.insert_numbers(1..=3);
    assert_eq!(numbers(&client.changes(3).await), [1, 2, 3]);
    double.lose(4..=6, At::Reading, HISTORY_LOST);
    let gap = client.gap().await;
    assert_eq!((&gap["source"], &gap["scope"]), (&"mongodb".into(), &"source".into()), "{gap}");
    double.insert_numbers(7..=8);
    assert_eq!(numbers(&client.changes(2).await), [7, 8]);
}

#[tokio::test]
async fn g2_a_token_of_the_servers_future_is_one_gap() {
    let mut stage = Stage::set().await;
    stage.server.kill().await;
    let before = stage.double.opened().len();
    stage.double.restore(Duration::from_secs(3600));
    stage.double.insert_numbers(4..=6);
    stage.server.start_again().await;
    stage.audience = stage.audience.come_back(&stage.server).await;
    let (_, gap) = stage.check_one_gap(before, 0).await;
    assert!(gap["reason"].as_str().is_some_and(|reason| reason.contains("backup")), "{gap}");
}

#[tokio::test]
async fn g2_a_database_restored_under_an_open_stream_is_one_gap() {
    let stage = Stage::set().await;
    let before = stage.double.opened().len();
    stage.double.restore(Duration::from_secs(3600));
    let (_, gap) = stage.check_one_gap(before, 2).await;
    assert!(gap["reason"].as_str().is_some_and(|reason| reason.contains("backup")), "{gap}");
}

/// Interrupts the stream, with changes right before and after: none is lost, and no gap is told.
async fn check_resumed(interrupt: impl Fn(&MongoDouble)) {
    let mut stage = Stage::set().await;
    let mut expected = Vec::new();
    for round in 1..=3 {
        let before = stage.double.opened().len();
        let (first, last) = (round * 10, round * 10 + 4);
        stage.double.insert_numbers(first..=first + 1);
        let token = stage.double.last_token();
        interrupt(&stage.double);
        stage.double.insert_numbers(first + 2..=last);
        stage.double.opened_times(before + 1).await;
        stage.audience.numbers(&(first..=last).collect::<Vec<_>>()).await;
        expected.extend(first..=last);
        let opened = stage.double.opened();
        let resumed = &opened[before..];
        assert!(resumed.len() <= 4, "{resumed:?}");
        let goes_on = |start: &Start| matches!(start, Start::After(place) if place.len() >= 18);
        assert!(resumed.iter().all(|opened| goes_on(&opened.start)), "{token}: {resumed:?}");
    }
    check_count(&stage.server, NAMESPACE[0], 0).await;
    let mut late = NdjsonClient::follow(&stage.server, "since=earliest").await;
    late.hello().await;
    let all: Vec<_> = (1..=3).chain(expected).collect();
    assert_eq!(numbers(&late.changes(all.len()).await), all);
}

#[tokio::test]
async fn g2_g3_a_cursor_that_is_not_found_costs_nothing() {
    let fault = Fault::Refusal { code: 43, name: "CursorNotFound", label: None };
    check_resumed(|double| double.fail_get_more(fault)).await;
}

#[tokio::test]
async fn g2_g3_a_server_that_shuts_down_costs_nothing() {
    let fault = Fault::resumable(91, "ShutdownInProgress");
    check_resumed(|double| double.fail_get_more(fault)).await;
}

#[tokio::test]
async fn g2_g3_a_connection_that_breaks_costs_nothing() {
    check_resumed(|double| double.fail_get_more(Fault::HangUp)).await;
    check_resumed(MongoDouble::break_connections).await;
}

#[tokio::test]
async fn g2_g3_a_fault_while_resuming_costs_nothing() {
    check_resumed(|double| {
        double.fail_aggregate(Fault::resumable(189, "PrimarySteppedDown"));
        double.fail_get_more(Fault::resumable(91, "ShutdownInProgress"));
    })
    .await;
}

#[tokio::test]
async fn g2_g9_history_lost_again_and_again_is_told_ever_less_often() {
    const GAPS: usize = 5;
    let mut stage = Stage::set().await;
    let before = stage.double.opened().len();
    stage.double.storm(Some(HISTORY_LOST));
    for _ in 0..GAPS {
        stage.audience.gap(NAMESPACE[0]).await;
    }
    stage.double.storm(None);
    let opened = stage.double.opened();
    let storm: Vec<_> = opened[before..].iter().take(GAPS).map(|opened| opened.when).collect();
    let shortest = Duration::from_millis(125);
    for (number, pair) in (1..).zip(storm.windows(2)) {
        let waited = pair[1] - pair[0];
        assert!(waited >= shortest * (1 << number), "{number}: {waited:?}");
    }
    assert!(opened[before..].iter().all(|opened| opened.start == Start::Now), "{opened:?}");

    // A last one may be under way; after it the stream is as it was.
    let count = opened.len() - before;
    assert!(count <= GAPS + 1, "{opened:?}");
}

// ── What is watched changes ────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn g2_g4_watching_other_collections_after_a_restart_is_no_gap() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    let name = format!("e2e_loss_{}_{now:x}", std::process::id());
    let client = Client::with_uri_str(shared_mongo()).await.expect("a client");
    let database = client.database(&name);
    let insert = async |collection: &str, n: i64| {
        let items = database.collection::<Document>(collection);
        items.insert_one(doc! { "_id": n, "n": n }).await.expect("an insert");
    };
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("changecast.toml");
    let watch = |collections: &[&str]| {
        let names = collections.iter().map(|collection| format!("{name}.{collection}"));
        let names: Vec<_> = names.collect();
        std::fs::write(&path, format!("mongo = {:?}\nns = {names:?}\n", shared_mongo()))
    };
    watch(&["one"]).expect("a file");
    let config = format!("--config={}", path.display());
    let mut server = TestServer::start_with(&[&config]).await;
    let mut audience = Audience::of(&server, async || {
        for n in 1..=3 {
            insert("two", 100 + n).await;
            insert("one", n).await;
        }
    })
    .await;

    let mut told = vec![1, 2, 3];
    for (round, collections) in
        (1..).zip([&["one", "two"][..], &["one", "three"], &["*"], &["one"]])
    {
        server.kill().await;
        watch(collections).expect("a file");
        let mut expected = Vec::new();
        for (place, collection) in (0..).zip(["three", "two", "one"]) {
            let n = round * 10 + place;
            insert(collection, n).await;
            if collections.contains(&collection) || collections.contains(&"*") {
                expected.push(n);
            }
        }
        server.start_again().await;
        audience = audience.come_back(&server).await;
        audience.numbers(&expected).await;
        told.extend(expected);
        check_count(&server, &name, 0).await;
    }
    insert("one", 99).await;
    told.push(99);
    audience.numbers(&[99]).await;
    let mut late = NdjsonClient::follow(&server, "since=earliest").await;
    late.hello().await;
    assert_eq!(numbers(&late.changes(told.len()).await), told, "nothing lost, nothing twice");
    database.drop().await.expect("the database can be dropped");
}

// ── The embedded store ─────────────────────────────────────────────────────────────────────────

/// Ends it, and leaves its store in one file that can be copied: what a process that ends has not
/// moved out of the write-ahead log yet, who opens the file next does.
async fn end(server: &mut TestServer) {
    assert!(server.terminate().await.success());
    let store = Connection::open(server.data().join("store.db")).expect("the store opens");
    let checkpoint = store.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    checkpoint.expect("a checkpoint");
    store.close().expect("the store closes");
    assert!(!server.data().join("store.db-wal").exists(), "closed by its last user");
}

/// `damage` meets the store while changecast is down; what it writes is lost to everybody.
async fn check_store_loss(words: &str, damage: impl AsyncFnOnce(&Path)) {
    let mut server = TestServer::start().await;
    let audience = Audience::of(&server, async || server.insert_numbers(1..=3).await).await;
    end(&mut server).await;
    let copy = TempDir::new().expect("a directory");
    std::fs::copy(server.data().join("store.db"), copy.path().join("store.db")).expect("a copy");
    server.start_again().await;
    let mut audience = audience.come_back(&server).await;
    server.insert_numbers([4]).await;
    audience.numbers(&[4]).await;
    end(&mut server).await;

    std::fs::rename(server.data().join("store.db"), copy.path().join("newest.db")).expect("a move");
    damage(copy.path()).await;
    std::fs::copy(copy.path().join("store.db"), server.data().join("store.db")).expect("a copy");
    server.start_again().await;
    let mut audience = audience.come_back(&server).await;
    let gap = audience.gap("test").await;
    assert!(gap["reason"].as_str().is_some_and(|reason| reason.contains(words)), "{gap}");
    server.insert_numbers(10..=12).await;
    audience.numbers(&[10, 11, 12]).await;
    audience.check_away(&server, &[3, 4], &gap, &[10, 11, 12]).await;
    check_count(&server, "test", 1).await;

    // Told once: the next life goes on from there.
    server.kill().await;
    OtherProgram::open(server.data()).insert_numbers(13..=14);
    server.start_again().await;
    let mut audience = audience.come_back(&server).await;
    audience.numbers(&[13, 14]).await;
    check_count(&server, "test", 0).await;
}

#[tokio::test]
async fn g2_g3_a_store_pruned_beyond_the_position_is_one_gap() {
    for pruned in ["DELETE FROM changelog WHERE id <= 5", "DELETE FROM changelog"] {
        check_store_loss("no longer has", async |copy| {
            std::fs::rename(copy.join("newest.db"), copy.join("store.db")).expect("a move");
            OtherProgram::open(copy).insert_numbers(5..=7);
            let store = Connection::open(copy.join("store.db")).expect("the store opens");
            store.execute_batch(pruned).expect(pruned);
        })
        .await;
    }
}

#[tokio::test]
async fn g2_g3_a_store_replaced_by_another_is_one_gap() {
    check_store_loss("another database", async |copy| {
        let mut other = TestServer::start().await;
        other.insert_numbers(1..=9).await;
        end(&mut other).await;
        std::fs::copy(other.data().join("store.db"), copy.join("store.db")).expect("a copy");
    })
    .await;
}

#[tokio::test]
async fn g2_g3_a_store_restored_from_an_older_copy_is_one_gap() {
    check_store_loss("older than the position", async |_| {}).await;
    // Written on since, it has as many rows again, or more.
    for last in [5, 7] {
        check_store_loss("took another course", async |copy| {
            OtherProgram::open(copy).insert_numbers(5..=last);
        })
        .await;
    }
}
