//! What is stored, when, and in which order with the acknowledgement (G4, G7).

use std::sync::Arc;

use crate::limits;
use crate::model::SourceState;
use crate::source::scripted::{Event, REST, Step, Watch};
use tokio::time::Instant;

use super::support::{Running, WATCHED_FROM_NOW, acknowledged, stored, stored_midway, watched};

#[tokio::test(start_paused = true)]
async fn g7_a_position_is_stored_with_its_changes_and_acknowledged_afterwards() {
    let steps = vec![
        Step::Change(1, Some("p1")),
        REST,
        Step::Change(2, Some("p2")),
        Step::Change(3, Some("p3")),
        REST,
    ];
    let running = Running::start(vec![Watch::Open(Some("p0"), steps)]).await;
    let journal = running.journal.wait_until(&acknowledged("p3")).await;
    assert_eq!(
        journal,
        [
            WATCHED_FROM_NOW,
            stored(&[], "p0"),
            acknowledged("p0"),
            stored(&[1], "p1"),
            acknowledged("p1"),
            stored(&[2, 3], "p3"),
            acknowledged("p3"),
        ]
    );
    assert_eq!(running.stored_position().await.as_deref(), Some("p3"));
}

#[tokio::test(start_paused = true)]
async fn g7_the_first_position_is_stored_before_the_first_change() {
    let script = vec![Watch::Open(Some("p0"), Vec::new())];
    let running = Running::start(script).await;
    running.wait_for_status(|status| status.state == SourceState::Live).await;
    assert_eq!(running.stored_position().await.as_deref(), Some("p0"));
    assert!(running.status().positioned);
    assert_eq!(running.logged().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_stored_position_is_not_stored_again_just_because_a_stream_opens() {
    let running = Running::start_at(Some("p7"), vec![Watch::Open(Some("p7"), Vec::new())]).await;
    running.wait_for_status(|status| status.state == SourceState::Live).await;
    assert_eq!(running.journal.events(), [watched("p7")]);
}

#[tokio::test(start_paused = true)]
async fn g4_in_the_midst_of_a_transaction_the_position_stays() {
    let steps = vec![
        Step::Change(1, Some("p1")),
        REST,
        Step::Change(2, None),
        Step::Change(3, None),
        REST,
        Step::Change(4, Some("p4")),
        REST,
    ];
    let running = Running::start_at(Some("p0"), vec![Watch::Open(Some("p0"), steps)]).await;
    let journal = running.journal.wait_until(&acknowledged("p4")).await;
    assert_eq!(
        journal,
        [
            watched("p0"),
            stored(&[1], "p1"),
            acknowledged("p1"),
            stored_midway(&[2, 3]),
            stored(&[4], "p4"),
            acknowledged("p4"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn g10_a_batch_ends_at_its_cap_and_the_rest_follows_in_order() {
    let count = limits::BATCH_CHANGES_MAX as u32 * 2 + 5;
    let running = Running::start_at(Some("0"), vec![Watch::Replay(count)]).await;
    let last = acknowledged(&count.to_string());
    let journal = running.journal.wait_until(&last).await;
    let mut all = Vec::new();
    for event in journal {
        if let Event::Appended { changes, .. } = event {
            assert!(changes.len() <= limits::BATCH_CHANGES_MAX);
            all.extend(changes);
        }
    }
    assert_eq!(all, (1..=count).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_idle_position_is_stored_now_and_then_not_each_time() {
    let moves = ["i1", "i2", "i3", "i4"].into_iter().flat_map(|at| [Step::Position(at), REST]);
    let steps = moves
        .chain([Step::Quiet(limits::IDLE_POSITION_EVERY * 3), Step::Position("j"), REST])
        .collect();
    let running = Running::start_at(Some("p0"), vec![Watch::Open(Some("p0"), steps)]).await;
    let started = Instant::now();
    running.journal.wait_until(&acknowledged("i4")).await;
    assert_eq!(started.elapsed().as_secs(), limits::IDLE_POSITION_EVERY.as_secs());
    let journal = running.journal.wait_until(&acknowledged("j")).await;
    let expected =
        [watched("p0"), stored(&[], "i4"), acknowledged("i4"), stored(&[], "j"), acknowledged("j")];
    assert_eq!(journal, expected);
}

#[tokio::test(start_paused = true)]
async fn a_change_overtakes_the_idle_position_before_it() {
    let steps = vec![Step::Position("i1"), REST, Step::Change(1, Some("p1")), REST];
    let running = Running::start_at(Some("p0"), vec![Watch::Open(Some("p0"), steps)]).await;
    running.journal.wait_until(&acknowledged("p1")).await;
    tokio::time::sleep(limits::IDLE_POSITION_EVERY * 2).await;
    let expected = [watched("p0"), stored(&[1], "p1"), acknowledged("p1")];
    assert_eq!(running.journal.events(), expected, "and i1 does not come after it");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_runner_ends_and_closes_its_stream() {
    let script = vec![Watch::Open(Some("p0"), vec![Step::Change(1, Some("p1"))])];
    let running = Running::start(script).await;
    running.journal.wait_until(&acknowledged("p1")).await;
    running.stop.cancel();
    running.task.await.unwrap();
    running.journal.wait_until(&Event::Closed).await;
}

#[tokio::test(start_paused = true)]
async fn a_source_is_on_the_board_before_its_runner_runs() {
    let running = Running::start(Vec::new()).await;
    let status = running.status();
    assert_eq!((&*status.name, status.kind), ("shop", "scripted"));
    assert_eq!((status.state, status.positioned), (SourceState::Connecting, false));
    assert_eq!(running.board.waiting(&status.topics), [Arc::<str>::from("shop")]);
}
