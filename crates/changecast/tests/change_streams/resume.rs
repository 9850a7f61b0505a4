//! Which faults a stream survives by itself, and what is left to its user.
//!
//! The tests of the specification ("resume-allowlist", "resume-errorLabels", the prose tests) are
//! named in brackets.

use changecast::source::Remedy;
use changecast::source::mongodb::MongoSource;

use super::mongo_double::{At, Fault, MongoDouble, NAMESPACE, Start};
use super::*;

struct Stage {
    double: MongoDouble,
    source: MongoSource,
    stream: ChangeStream,
}

impl Stage {
    /// A stream that has brought 1 to 3.
    async fn set() -> Self {
        let double = MongoDouble::start().await;
        double.insert_numbers([0]);
        let [database, collection] = NAMESPACE;
        let source = Mongo::new(double.uri()).collection(database, collection).expect("a source");
        let mut stream = source.watch(WatchOptions::new()).await.expect("a stream");
        double.insert_numbers(1..=3);
        assert_eq!(ids(&mut stream, 3).await, [1, 2, 3]);
        Self { double, source, stream }
    }

    /// The stream has been opened again, where it was, and goes on.
    async fn check_resumed(&mut self, numbers: std::ops::RangeInclusive<i64>, opened_times: usize) {
        self.double.opened_times(opened_times).await;
        self.double.insert_numbers(numbers.clone());
        let expected: Vec<_> = numbers.map(|n| i32::try_from(n).expect("small")).collect();
        assert_eq!(ids(&mut self.stream, expected.len()).await, expected);
        let opened = self.double.opened();
        assert_eq!(opened.len(), opened_times, "{opened:?}");
        for again in &opened[1..] {
            assert!(matches!(again.start, Start::After(_)), "from the token: {again:?}");
        }
    }

    /// The stream ends with an error, and a new one goes on from its token.
    async fn check_ended(mut self, opened_times: usize) -> SourceError {
        let error = error(&mut self.stream).await;
        assert!(!self.stream.is_alive());
        assert!(soon("the end", self.stream.next()).await.is_none());
        assert_eq!(self.double.opened().len(), opened_times);
        if error.remedy() != Remedy::Gap {
            self.double.storm(None);
            self.double.insert_numbers(10..=11);
            let token = self.stream.resume_token().expect("a token").clone();
            let options = WatchOptions::new().start_after(token);
            let mut stream = self.source.watch(options).await.expect("a stream");
            assert_eq!(ids(&mut stream, 2).await, [10, 11]);
        }
        error
    }
}

const RESUMABLE: [(i32, &str); 17] = [
    (6, "HostUnreachable"),
    (7, "HostNotFound"),
    (63, "StaleShardVersion"),
    (89, "NetworkTimeout"),
    (91, "ShutdownInProgress"),
    (133, "FailedToSatisfyReadPreference"),
    (150, "StaleEpoch"),
    (189, "PrimarySteppedDown"),
    (234, "RetryChangeStream"),
    (262, "ExceededTimeLimit"),
    (9001, "SocketException"),
    (10107, "NotWritablePrimary"),
    (11600, "InterruptedAtShutdown"),
    (11602, "InterruptedDueToReplStateChange"),
    (13388, "StaleConfig"),
    (13435, "NotPrimaryNoSecondaryOk"),
    (13436, "NotPrimaryOrSecondary"),
];

/// [resume_on_error; change stream resumes after …, of resume-errorLabels and resume-allowlist]
#[tokio::test]
async fn s2_15_what_passes_is_resumed() {
    let mut stage = Stage::set().await;
    let mut opened = 1;
    for (round, (code, name)) in (1..).zip(RESUMABLE) {
        stage.double.fail_get_more(Fault::resumable(code, name));
        opened += 1;
        stage.check_resumed(round * 10..=round * 10 + 2, opened).await;
    }
    stage.double.fail_get_more(Fault::HangUp);
    stage.check_resumed(500..=502, opened + 1).await;
    // CursorNotFound needs no label.
    let fault = Fault::Refusal { code: 43, name: "CursorNotFound", label: None };
    stage.double.fail_get_more(fault);
    stage.check_resumed(600..=602, opened + 2).await;
}

/// [change stream resumes consecutively; consecutive resume]
#[tokio::test]
async fn s2_15_faults_one_after_the_other_are_resumed() {
    let mut stage = Stage::set().await;
    for _ in 0..3 {
        stage.double.fail_get_more(Fault::resumable(91, "ShutdownInProgress"));
    }
    stage.check_resumed(4..=6, 4).await;
}

/// The driver would do so without an end and without a pause.
#[tokio::test]
async fn g10_a_fault_that_does_not_pass_is_resumed_a_few_times_only() {
    let stage = Stage::set().await;
    stage.double.storm(Some(Fault::Refusal { code: 43, name: "CursorNotFound", label: None }));
    let max = usize::try_from(changecast::limits::RESUMES_MAX).expect("small");
    let error = stage.check_ended(1 + max).await;
    assert_eq!(error.remedy(), Remedy::Retry, "{error}");
}

/// [change stream does not resume after … without the label; errors.json]
#[tokio::test]
async fn s2_15_what_the_server_does_not_call_resumable_is_not_resumed() {
    for (code, name) in [(91, "ShutdownInProgress"), (2, "BadValue"), (8000, "AtlasError")] {
        let stage = Stage::set().await;
        stage.double.fail_get_more(Fault::Refusal { code, name, label: None });
        let error = stage.check_ended(1).await;
        assert_eq!(error.remedy(), Remedy::Retry, "{error}");
    }
}

/// [no_resume_attempt_if_aggregate_command_fails]
#[tokio::test]
async fn s2_15_an_opening_that_fails_is_the_users() {
    let stage = Stage::set().await;
    stage.double.fail_aggregate(Fault::resumable(189, "PrimarySteppedDown"));
    let token = stage.stream.resume_token().expect("a token").clone();
    let options = WatchOptions::new().start_after(token);
    stage.source.watch(options.clone()).await.expect_err("an error");
    assert_eq!(stage.double.opened().len(), 2);
    stage.double.insert_numbers([4]);
    let mut stream = stage.source.watch(options).await.expect("a stream");
    assert_eq!(ids(&mut stream, 1).await, [4]);

    // While resuming, too: one attempt for each fault.
    let stage = Stage::set().await;
    stage.double.fail_aggregate(Fault::resumable(189, "PrimarySteppedDown"));
    stage.double.fail_get_more(Fault::resumable(91, "ShutdownInProgress"));
    stage.check_ended(2).await;
}

/// [change stream errors with NonResumableChangeStreamError; errors.json]
#[tokio::test]
async fn s2_16_lost_history_is_told_apart() {
    for (code, name) in
        [(286, "ChangeStreamHistoryLost"), (280, "ChangeStreamFatalError"), (260, "Invalid")]
    {
        let stage = Stage::set().await;
        stage.double.lose(4..=6, At::Either, Fault::fatal(code, name));
        let opened = stage.double.opened().len();
        let error = stage.check_ended(opened).await;
        assert_eq!(error.remedy(), Remedy::Gap, "{error}");
    }
}

/// [resumetoken: the last good one after an error; the seed's own sample] Changes that came before
/// the error are read before it.
#[tokio::test]
async fn s2_11_after_an_error_the_token_is_the_last_good_one() {
    let mut stage = Stage::set().await;
    stage.double.insert_numbers(4..=5);
    stage.double.fail_get_more(Fault::Refusal { code: 2, name: "BadValue", label: None });
    assert_eq!(ids(&mut stage.stream, 2).await, [4, 5]);
    stage.check_ended(1).await;
}

/// [initial_empty_batch, startAtOperationTime not needed: the server tells where it stands]
#[tokio::test]
async fn s2_12_a_fault_before_the_first_change_loses_nothing() {
    let double = MongoDouble::start().await;
    let [database, collection] = NAMESPACE;
    let source = Mongo::new(double.uri()).collection(database, collection).expect("a source");
    let mut stream = source.watch(WatchOptions::new()).await.expect("a stream");
    double.fail_get_more(Fault::resumable(91, "ShutdownInProgress"));
    double.opened_times(2).await;
    double.insert_numbers(1..=2);
    assert_eq!(ids(&mut stream, 2).await, [1, 2]);
    assert!(matches!(double.opened()[1].start, Start::After(_)), "{:?}", double.opened());
}

/// [Test unknown operationType MUST NOT err; new fields in a change stream document; ns of another
/// shape]
#[tokio::test]
async fn s2_21_what_later_servers_say_is_passed_on() {
    let mut stage = Stage::set().await;
    stage.double.insert_event(4, doc! { "operationType": "reticulate", "splines": [1, 2] });
    stage.double.insert_event(5, doc! { "ns": { "db": "double", "coll": "items", "view": 1 } });
    stage.double.insert_event(6, doc! { "ns": { "tenant": "t" } });
    stage.double.insert_event(7, doc! { "ns": "double.items" });
    let first = event(&mut stage.stream).await;
    assert_eq!((&first["operationType"], &first["splines"][1]), (&"reticulate".into(), &2.into()));
    assert_eq!(event(&mut stage.stream).await["ns"]["view"], 1);
    assert_eq!(ids(&mut stage.stream, 2).await, [6, 7]);
}

/// [resume_on_error, kill_cursors] Somebody kills the cursor, on a real server: while it is being
/// asked, that is an error, and otherwise the stream resumes. Nothing is lost or told twice.
#[tokio::test]
async fn s2_15_a_killed_cursor_costs_nothing() {
    let bed = Bed::new().await;
    let options = || WatchOptions::new().max_await_time(Duration::from_millis(20));
    let mut stream = bed.watch(options()).await;
    let mut seen = Vec::new();
    for round in 0..20 {
        kill_cursors(&bed).await;
        bed.insert(round..round + 1).await;
        while seen.last() != Some(&round) {
            match soon("a change", stream.next()).await.expect("a word before the end") {
                Ok(change) => seen.push(id(&change)),
                Err(error) => {
                    assert_eq!(error.remedy(), Remedy::Retry, "{error}");
                    let token = stream.resume_token().expect("a token").clone();
                    stream = bed.watch(options().start_after(token)).await;
                }
            }
        }
    }
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
}

async fn kill_cursors(bed: &Bed) {
    let stages = [
        doc! { "$currentOp": { "allUsers": true, "idleCursors": true } },
        doc! { "$match": {
            "ns": format!("{}.orders", bed.name()),
            "cursor.cursorId": { "$exists": true },
        } },
    ];
    let killing = async {
        loop {
            let admin = bed.database.client().database("admin");
            let mut found = admin.aggregate(stages.clone()).await.expect("an answer");
            // Between two answers it may not be listed.
            if found.advance().await.expect("an answer") {
                let operation = found.deserialize_current().expect("a document");
                let cursor = operation.get_document("cursor").expect("a cursor");
                let id = cursor.get_i64("cursorId").expect("an id");
                let kill = doc! { "killCursors": "orders", "cursors": [id] };
                bed.database.run_command(kill).await.expect("an answer");
                return;
            }
        }
    };
    soon("a cursor to kill", killing).await;
}
