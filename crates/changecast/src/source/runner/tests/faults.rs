//! What goes wrong, what is said of it, and how it goes on (G2, G7, G9).

use crate::limits;
use crate::model::SourceState;
use crate::source::SourceError;
use crate::source::scripted::{Event, Moved, REST, Step, Watch};
use tokio::time::Instant;

use super::support::{
    Running, WATCHED_FROM_NOW, acknowledged, history_lost, stored, stored_gap, stored_midway,
    unavailable, watched, wrong_password,
};

const LOST: &str = "history lost: the oplog has moved on";

fn at(position: &str) -> Moved {
    Moved::To(position.to_owned())
}

#[tokio::test(start_paused = true)]
async fn g7_after_an_error_it_goes_on_from_the_stored_position() {
    for end in [|| Step::Fail(unavailable()), || Step::End] {
        let steps = vec![Step::Change(1, Some("p1")), Step::Change(2, Some("p2")), end()];
        let script = vec![Watch::Open(Some("p0"), steps)];
        let running = Running::start_at(Some("p0"), script).await;
        let journal = running.journal.wait_for_watches(2).await;
        let expected = [watched("p0"), stored(&[1, 2], "p2"), acknowledged("p2"), watched("p2")];
        assert_eq!(journal, expected, "what came before the error is stored first");
    }
}

#[tokio::test(start_paused = true)]
async fn g4_an_error_in_the_midst_of_a_transaction_brings_all_of_it_again() {
    let steps =
        vec![Step::Change(1, Some("p1")), REST, Step::Change(2, None), Step::Fail(unavailable())];
    let running = Running::start_at(Some("p0"), vec![Watch::Open(Some("p0"), steps)]).await;
    let journal = running.journal.wait_for_watches(2).await;
    assert_eq!(journal[3..], [stored_midway(&[2]), watched("p1")]);
}

#[tokio::test(start_paused = true)]
async fn g9_it_tries_for_ever_with_growing_waits_that_have_a_cap() {
    let script = (0..30).map(|_| Watch::Refuse(unavailable())).collect();
    let running = Running::start_at(Some("p0"), script).await;
    let mut last = Instant::now();
    for attempt in 1..=31 {
        running.journal.wait_for_watches(attempt).await;
        let waited = last.elapsed();
        assert!(waited <= limits::BACKOFF_MAX + limits::BACKOFF_MIN, "{attempt}: {waited:?}");
        assert!(attempt == 1 || waited >= limits::BACKOFF_MIN / 2, "{attempt}: {waited:?}");
        last = Instant::now();
    }
    running.wait_for_status(|status| status.state == SourceState::Live).await;
    assert_eq!(running.status().error, None);
}

#[tokio::test(start_paused = true)]
async fn the_board_says_what_is_wrong_until_it_is_well() {
    let script = vec![Watch::Refuse(unavailable())];
    let running = Running::start_at(Some("p0"), script).await;
    running.wait_for_status(|status| status.error.is_some()).await;
    let status = running.status();
    assert_eq!(status.state, SourceState::Connecting);
    assert_eq!(status.error.as_deref(), Some("connection refused"));
    assert!(status.remedy.is_some_and(|remedy| remedy.contains("tried again")));
    assert!(status.positioned, "it has a position from an earlier life");
    running.wait_for_status(|status| status.state == SourceState::Live).await;
    assert_eq!(running.status().error, None);
}

#[tokio::test(start_paused = true)]
async fn g9_what_an_operator_must_mend_is_said_with_its_remedy_and_looked_at_again() {
    let script = vec![
        Watch::Refuse(wrong_password()),
        Watch::Refuse(SourceError::Unsupported("no such option".into())),
    ];
    let running = Running::start_at(Some("p0"), script).await;
    let started = Instant::now();
    running.wait_for_status(|status| status.state == SourceState::Failed).await;
    let status = running.status();
    assert_eq!(status.error.as_deref(), Some("wrong password"));
    assert_eq!(status.remedy.as_deref(), Some("set the right one"));
    running.wait_for_status(|status| status.error.as_deref() == Some("no such option")).await;
    assert_eq!(running.status().state, SourceState::Failed);
    assert_eq!(running.status().remedy, None);

    running.wait_for_status(|status| status.state == SourceState::Live).await;
    assert!(started.elapsed() >= limits::OPERATOR_RETRY * 2);
    let status = running.status();
    assert_eq!((status.error, status.remedy), (None, None), "mended");
}

#[tokio::test(start_paused = true)]
async fn g2_lost_history_becomes_one_gap_once_the_stream_from_now_is_open() {
    let script = vec![
        Watch::Refuse(history_lost()),
        Watch::Open(Some("p9"), vec![Step::Change(10, Some("p10")), Step::Fail(unavailable())]),
    ];
    let running = Running::start_at(Some("p0"), script).await;
    let journal = running.journal.wait_for_watches(3).await;
    assert_eq!(
        journal,
        [
            watched("p0"),
            // Open first: whoever loads the state anew on being told misses nothing after it.
            WATCHED_FROM_NOW,
            stored_gap(LOST, at("p9")),
            acknowledged("p9"),
            stored(&[10], "p10"),
            acknowledged("p10"),
            // The next fault is an ordinary one again.
            watched("p10"),
        ]
    );
    assert_eq!(running.logged().await, [None, Some(10)]);
    assert_eq!(running.status().gap_count, 1);
}

#[tokio::test(start_paused = true)]
async fn g2_history_lost_in_the_midst_of_a_stream_comes_after_what_was_delivered() {
    let steps = vec![Step::Change(1, Some("p1")), Step::Fail(history_lost())];
    let script = vec![Watch::Open(Some("p0"), steps), Watch::Open(None, Vec::new())];
    let running = Running::start_at(Some("p0"), script).await;
    let gap = stored_gap(LOST, Moved::Cleared);
    let journal = running.journal.wait_until(&gap).await;
    let before = [watched("p0"), stored(&[1], "p1"), acknowledged("p1"), WATCHED_FROM_NOW];
    assert_eq!(journal, [before.as_slice(), &[gap]].concat());
    assert_eq!(running.stored_position().await, None, "where it goes on is not known yet");
    assert_eq!(running.logged().await, [Some(1), None]);
}

#[tokio::test(start_paused = true)]
async fn g2_g10_however_long_it_takes_to_come_back_there_is_one_gap() {
    let script = vec![
        Watch::Refuse(history_lost()),
        Watch::Refuse(unavailable()),
        Watch::Refuse(history_lost()),
        Watch::Refuse(wrong_password()),
        Watch::Refuse(history_lost()),
        Watch::Open(Some("p9"), Vec::new()),
    ];
    let running = Running::start_at(Some("p0"), script).await;
    running.wait_for_status(|status| status.state == SourceState::Live).await;
    let journal = running.journal.events();
    assert_eq!(journal[0], watched("p0"));
    assert!(journal[1..6].iter().all(|event| *event == WATCHED_FROM_NOW), "{journal:?}");
    assert_eq!(journal[6..], [stored_gap(LOST, at("p9")), acknowledged("p9")]);
    assert_eq!(running.logged().await, [None]);
}

#[tokio::test(start_paused = true)]
async fn g2_a_gap_that_could_not_be_stored_is_stored_later() {
    let script = vec![
        Watch::Refuse(history_lost()),
        Watch::Open(Some("p8"), Vec::new()),
        Watch::Open(Some("p9"), Vec::new()),
    ];
    let running = Running::start_at(Some("p0"), script).await;
    running.fail_appends(1);
    running.journal.wait_until(&acknowledged("p9")).await;
    assert_eq!(running.logged().await, [None]);
    assert_eq!(running.stored_position().await.as_deref(), Some("p9"));
    let journal = running.journal.events();
    assert!(journal.contains(&Event::AppendFailed));
    assert!(!journal.contains(&acknowledged("p8")), "{journal:?}");
}

#[tokio::test(start_paused = true)]
async fn g7_g9_a_log_that_fails_pauses_the_source_and_nothing_is_lost_or_acknowledged_early() {
    const COUNT: u32 = 40;
    let script = (0..9).map(|_| Watch::Replay(COUNT)).collect();
    let running = Running::start_at(Some("0"), script).await;
    running.fail_appends(8);
    running.wait_for_status(|status| status.error.is_some()).await;
    assert_eq!(running.status().state, SourceState::Connecting);
    assert!(running.status().error.unwrap().contains("disk full"));
    assert_eq!(running.logged().await, []);

    let journal = running.journal.wait_until(&acknowledged(&COUNT.to_string())).await;
    let expected: Vec<_> = (1..=COUNT).map(Some).collect();
    assert_eq!(running.logged().await, expected);
    let last_failure = journal.iter().rposition(|event| *event == Event::AppendFailed).unwrap();
    let is_acknowledgement = |event: &Event| matches!(event, Event::Acknowledged(_));
    let first_acknowledgement = journal.iter().position(is_acknowledgement).unwrap();
    assert!(last_failure < first_acknowledgement);
    running.wait_for_status(|status| status.state == SourceState::Live).await;
}

#[tokio::test(start_paused = true)]
async fn g9_a_change_that_the_log_would_refuse_becomes_a_gap_and_holds_up_nothing() {
    let steps = vec![
        Step::Change(1, Some("p1")),
        Step::Large(limits::ENTRY_BYTES_MAX + 1, "p2"),
        Step::Change(3, Some("p3")),
    ];
    let running = Running::start_at(Some("p0"), vec![Watch::Open(Some("p0"), steps)]).await;
    running.journal.wait_until(&acknowledged("p3")).await;
    assert_eq!(running.logged().await, [Some(1), None, Some(3)]);
    assert_eq!(running.status().gap_count, 1);
}
