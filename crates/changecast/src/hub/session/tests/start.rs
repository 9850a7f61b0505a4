//! Where a session starts, by what the client asked for and what the log still has.

use super::{epoch, foreign_epoch, id, jitter, quiet_at};
use crate::hub::session::{Place, Session, Span, Start, Step, Terms};
use crate::hub::{Control, Gap, Hello};
use crate::model::{EventId, Seq};

/// The log holds 11 to 20; what the session's topics lost ends at 10.
const TAIL: u64 = 20;
const TRIMMED: u64 = 10;

fn open(start: &Start, trimmed: u64, cursor_of_last: Option<u64>) -> (Hello, Option<Gap>, Session) {
    let place = Place { epoch: epoch(), tail: Seq(TAIL), trimmed: Seq(trimmed) };
    let around = quiet_at(TAIL);
    let last = cursor_of_last.map(Seq);
    let mut session = Session::open(
        Terms {
            start: start.clone(),
            place,
            cursor_of_start: last,
            waiting: Vec::new(),
            down: Vec::new(),
            jitter: jitter(),
            span: Span::Endless,
        },
        &around,
    );
    let Step::Say(Control::Hello(hello)) = session.step(&around) else {
        panic!("the first word is a hello")
    };
    let mut opened = session;
    let gap = match opened.step(&around) {
        Step::Say(Control::Gap(gap)) => Some(gap),
        _ => None,
    };
    (hello, gap, opened)
}

#[track_caller]
fn check_whole(start: &Start, cursor_of_last: Option<u64>, cursor: u64, resumed: bool) {
    let (hello, gap, session) = open(start, TRIMMED, cursor_of_last);
    assert_eq!(gap, None, "{start:?}");
    assert_eq!(hello.position, id(cursor), "{start:?}");
    assert_eq!(hello.tail, id(TAIL), "{start:?}");
    assert_eq!(session.position(), id(cursor), "{start:?}");
    assert_eq!((hello.epoch, hello.resumed), (epoch(), resumed), "{start:?}");
}

#[track_caller]
fn check_gap(start: &Start, hello_position: EventId, cursor: u64, reason: &str) -> Gap {
    let (hello, gap, session) = open(start, TRIMMED, None);
    let gap = gap.expect("a gap");
    assert!(!hello.resumed, "{start:?}");
    assert_eq!(hello.position, hello_position, "{start:?}");
    assert_eq!((gap.id, session.position()), (id(cursor), id(cursor)), "{start:?}");
    assert!(gap.reason.contains(reason), "{}", gap.reason);
    gap
}

#[test]
fn now_starts_at_the_tail() {
    check_whole(&Start::Now, None, TAIL, false);
}

#[test]
fn earliest_starts_at_the_oldest_that_is_kept() {
    check_whole(&Start::Earliest, None, TRIMMED, false);
    let (hello, gap, _) = open(&Start::Earliest, 0, None);
    assert_eq!((hello.position, gap), (id(0), None));
}

#[test]
fn last_starts_where_the_log_says_but_never_before_what_is_kept() {
    check_whole(&Start::Last(3), Some(17), 17, false);
    check_whole(&Start::Last(0), Some(TAIL), TAIL, false);
    check_whole(&Start::Last(99), Some(2), TRIMMED, false);
}

#[test]
fn g5_an_id_of_this_log_resumes_exactly() {
    for seq in [TRIMMED, TRIMMED + 1, 15, TAIL - 1, TAIL] {
        check_whole(&Start::After(id(seq)), None, seq, true);
    }
}

#[test]
fn g2_an_id_before_the_oldest_kept_gets_a_gap_that_says_from_where_to_where() {
    for seq in [0, 1, TRIMMED - 1] {
        let gap = check_gap(&Start::After(id(seq)), id(seq), TRIMMED, "no longer keeps");
        assert_eq!(gap.from, Some(id(seq).to_string()));
        assert_eq!(gap.to, Some(id(TRIMMED).to_string()));
    }
}

#[test]
fn an_id_older_than_anything_lost_of_its_own_topics_is_exact() {
    // Other topics were trimmed; these were not.
    let (hello, gap, _) = open(&Start::After(id(3)), 2, None);
    assert_eq!((hello.resumed, hello.position, gap), (true, id(3), None));
}

#[test]
fn g2_an_id_of_another_log_gets_a_gap_and_all_of_this_one() {
    let foreign = EventId { epoch: foreign_epoch(), seq: Seq(15) };
    let gap = check_gap(&Start::After(foreign), foreign, TRIMMED, "another log");
    assert_eq!((gap.from, gap.to), (Some(foreign.to_string()), None));
}

#[test]
fn g2_an_id_from_the_future_gets_a_gap_and_starts_from_now() {
    for seq in [TAIL + 1, u64::MAX] {
        check_gap(&Start::After(id(seq)), id(0), TAIL, "future");
    }
}

#[test]
fn g2_an_unreadable_id_gets_a_gap_and_starts_from_now() {
    check_gap(&Start::Unreadable, id(0), TAIL, "not one of this server's");
}

#[test]
fn g2_until_the_gap_is_told_the_hello_promises_no_more_than_the_client_had() {
    // The connection breaks between hello and gap; the client comes back with the hello's id.
    let foreign = EventId { epoch: foreign_epoch(), seq: Seq(15) };
    for start in [Start::After(id(3)), Start::After(foreign)] {
        let (hello, _, _) = open(&start, TRIMMED, None);
        let (_, again, _) = open(&Start::After(hello.position), TRIMMED, None);
        assert!(again.is_some(), "{start:?}");
    }
    for start in [Start::After(id(99)), Start::Unreadable] {
        let (hello, _, _) = open(&start, TRIMMED, None);
        let (_, again, session) = open(&Start::After(hello.position), 0, None);
        let skipped = session.position() != id(0) && again.is_none();
        assert!(!skipped, "{start:?}: nothing is jumped over in silence");
    }
}
