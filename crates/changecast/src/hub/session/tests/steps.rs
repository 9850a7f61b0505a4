//! Single steps, one behaviour each; `random.rs` mixes them.

use std::sync::Arc;
use std::time::Duration;

use super::{epoch, id, jitter, quiet_at};
use crate::hub::Control;
use crate::hub::session::{Cause, Place, Session, Span, Start, Step, Surroundings, Terms};
use crate::limits::BOOKMARK_EVERY;
use crate::model::Seq;

/// A session that has said hello and follows from `seq`.
fn following(seq: u64) -> (Session, Surroundings) {
    let around = quiet_at(seq);
    let place = Place { epoch: epoch(), tail: Seq(seq), trimmed: Seq::ZERO };
    let waiting = vec!["shop".into()];
    let mut session = Session::open(
        Terms {
            start: Start::Now,
            place,
            cursor_of_start: None,
            waiting,
            down: Vec::new(),
            jitter: jitter(),
            span: Span::Endless,
        },
        &around,
    );
    let Step::Say(Control::Hello(hello)) = session.step(&around) else { panic!("hello first") };
    assert_eq!(hello.waiting, [Arc::<str>::from("shop")]);
    assert_eq!(hello.retry, jitter().retry);
    (session, around)
}

#[test]
fn with_nothing_to_do_it_waits_for_the_bookmark() {
    let (mut session, around) = following(5);
    for _ in 0..3 {
        let Step::Wait(until) = session.step(&around) else { panic!("it waits") };
        assert_eq!(until, around.now + BOOKMARK_EVERY);
    }
}

#[test]
fn it_reads_the_log_only_where_the_frames_do_not_reach() {
    let (mut session, around) = following(5);
    let ahead = Surroundings { frames_upto: Seq(9), frames_last: Seq(8), ..around };
    assert!(matches!(session.step(&ahead), Step::Deliver(Seq(5))));
    let moved_on = Surroundings { frames_after: Seq(6), ..ahead };
    assert!(matches!(session.step(&moved_on), Step::Read(Seq(5))));
    session.delivered(Seq(6), true, around.now);
    assert!(matches!(session.step(&moved_on), Step::Deliver(Seq(6))));
    session.delivered(Seq(9), true, around.now);
    assert!(matches!(session.step(&moved_on), Step::Wait(_)));
    assert_eq!(session.position(), id(9));
}

#[test]
fn g6_what_does_not_concern_it_moves_the_cursor_without_a_word() {
    let (mut session, around) = following(5);
    let passed = Surroundings { frames_upto: Seq(9), ..around };
    assert!(matches!(session.step(&passed), Step::Wait(_)));
    assert_eq!(session.position(), id(9));
    // Frames that are not to be shown yet keep it where it is.
    let coming = Surroundings { frames_upto: Seq(12), frames_last: Seq(13), ..around };
    assert!(matches!(session.step(&coming), Step::Deliver(Seq(9))));
}

#[test]
fn g6_a_filtered_subscriber_gets_bookmarks_though_there_is_always_something_to_pass_over() {
    let (mut session, mut around) = following(5);
    let mut told = Vec::new();
    for round in 6..100 {
        around.now += BOOKMARK_EVERY / 10;
        (around.frames_upto, around.frames_last) = (Seq(round), Seq(round + 1));
        while let step = session.step(&around)
            && !matches!(step, Step::Wait(_))
        {
            match step {
                Step::Deliver(_) => session.delivered(around.frames_upto, false, around.now),
                Step::Say(Control::Bookmark(id)) => told.push(id.seq.0),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(told, [14, 24, 34, 44, 54, 64, 74, 84, 94], "one each tenth round, at the cursor");
}

#[test]
fn g2_a_gap_met_while_reading_is_told_once_and_its_id_resumes_after_it() {
    let (mut session, around) = following(5);
    let behind = Surroundings {
        frames_after: Seq(50),
        frames_upto: Seq(60),
        frames_last: Seq(60),
        ..around
    };
    assert!(matches!(session.step(&behind), Step::Read(Seq(5))));
    let Some(Control::Gap(gap)) = session.page(Some(Seq(40)), around.now) else { panic!("a gap") };
    assert_eq!((gap.from, gap.to), (Some(id(5).to_string()), Some(id(40).to_string())));
    assert_eq!(gap.id, id(40));
    assert_eq!(session.position(), id(40));
    // The page may have been cut short before what is lost.
    session.delivered(Seq(30), false, around.now);
    assert!(matches!(session.step(&behind), Step::Read(Seq(40))));
    assert!(session.page(Some(Seq(40)), around.now).is_none());
    assert!(session.page(None, around.now).is_none());
}

#[test]
fn the_board_is_told_of_once_for_each_change() {
    let (mut session, around) = following(5);
    let changed = Surroundings { board: 3, ..around };
    assert!(matches!(session.step(&changed), Step::SaySources(0)));
    assert!(matches!(session.step(&changed), Step::Wait(_)));
    let again = Surroundings { board: 4, ..around };
    assert!(matches!(session.step(&again), Step::SaySources(3)));
    assert!(matches!(session.step(&again), Step::Wait(_)));
}

#[test]
fn draining_says_bye_once_and_then_ends_for_ever() {
    let (mut session, around) = following(5);
    let draining = Surroundings {
        draining: true,
        frames_upto: Seq(9),
        frames_last: Seq(9),
        board: 1,
        ..around
    };
    let Step::Say(Control::Bye(retry)) = session.step(&draining) else { panic!("bye") };
    assert_eq!(retry, jitter().retry_while_draining);
    for later in [draining, Surroundings { draining: false, ..draining }] {
        let later = Surroundings { now: later.now + Duration::from_secs(60), ..later };
        assert!(matches!(session.step(&later), Step::End(Cause::Draining)));
    }
}

#[test]
fn even_while_draining_the_first_word_is_hello_and_a_gap_is_told() {
    let around = Surroundings { draining: true, ..quiet_at(20) };
    let place = Place { epoch: epoch(), tail: Seq(20), trimmed: Seq(10) };
    let start = Start::After(id(3));
    let mut session = Session::open(
        Terms {
            start,
            place,
            cursor_of_start: None,
            waiting: Vec::new(),
            down: Vec::new(),
            jitter: jitter(),
            span: Span::Endless,
        },
        &around,
    );
    assert!(matches!(session.step(&around), Step::Say(Control::Hello(_))));
    assert!(matches!(session.step(&around), Step::Say(Control::Gap(_))));
    assert!(matches!(session.step(&around), Step::Say(Control::Bye(_))));
    assert!(matches!(session.step(&around), Step::End(Cause::Draining)));
}

/// A session that lasts for `span`, past its hello.
fn lasting(span: impl FnOnce(tokio::time::Instant) -> Span) -> (Session, Surroundings) {
    let around = quiet_at(5);
    let place = Place { epoch: epoch(), tail: Seq(5), trimmed: Seq::ZERO };
    let terms = Terms {
        start: Start::Now,
        place,
        cursor_of_start: None,
        waiting: Vec::new(),
        down: Vec::new(),
        jitter: jitter(),
        span: span(around.now),
    };
    let mut session = Session::open(terms, &around);
    assert!(matches!(session.step(&around), Step::Say(Control::Hello(_))));
    (session, around)
}

#[test]
fn a_poll_ends_with_a_bookmark_once_something_was_delivered_and_nothing_more_is_there() {
    let (mut session, mut around) = lasting(|now| Span::Poll(now + Duration::from_secs(10)));
    assert!(
        matches!(session.step(&around), Step::Wait(end) if end == around.now + Duration::from_secs(10))
    );
    (around.frames_upto, around.frames_last) = (Seq(7), Seq(7));
    assert!(matches!(session.step(&around), Step::Deliver(Seq(5))));
    session.delivered(Seq(6), false, around.now);
    assert!(matches!(session.step(&around), Step::Deliver(Seq(6))), "nothing for it yet");
    session.delivered(Seq(7), true, around.now);
    assert!(matches!(session.step(&around), Step::Say(Control::Bookmark(id)) if id.seq == Seq(7)));
    assert!(matches!(session.step(&around), Step::End(Cause::Answered)));
}

#[test]
fn a_poll_for_nothing_ends_with_a_bookmark_when_its_time_is_over() {
    let (mut session, mut around) = lasting(|now| Span::Poll(now + Duration::from_secs(10)));
    around.now += Duration::from_secs(10);
    assert!(matches!(session.step(&around), Step::Say(Control::Bookmark(_))));
    assert!(matches!(session.step(&around), Step::End(Cause::Answered)));
}

#[test]
fn a_connection_that_has_lived_long_enough_is_asked_to_come_back() {
    let (mut session, mut around) = lasting(|now| Span::Until(now + Duration::from_secs(10)));
    assert!(
        matches!(session.step(&around), Step::Wait(end) if end == around.now + Duration::from_secs(10))
    );
    around.now += Duration::from_secs(10);
    assert!(
        matches!(session.step(&around), Step::Say(Control::Bye(retry)) if retry == jitter().retry)
    );
    assert!(matches!(session.step(&around), Step::End(Cause::Expired)));
}
