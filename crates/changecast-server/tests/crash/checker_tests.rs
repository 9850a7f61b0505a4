//! The checker finds what is wrong: hand-made histories, each with one fault.

use super::checker::Violation::{self, *};
use super::checker::check;
use super::history::{History, Told};
use super::ledger::Fact;

fn fact(collection: u8, key: u32, version: u32) -> Fact {
    Fact { collection, key, version }
}

/// What two writers committed.
fn committed() -> Vec<Vec<Fact>> {
    vec![
        vec![fact(0, 0, 1), fact(1, 0, 1), fact(0, 0, 2), fact(0, 0, Fact::DELETED)],
        vec![fact(0, 1, 1), fact(2, 1, 1)],
    ]
}

fn told(seq: u64, fact: Fact) -> Told {
    Told::Change { seq, change: seq, fact }
}

/// Everything, as it should be.
fn good() -> Vec<Told> {
    let [one, two] = committed().try_into().expect("two writers");
    let order = [one[0], two[0], one[1], one[2], two[1], one[3]];
    (1..).zip(order).map(|(seq, fact)| told(seq, fact)).collect()
}

fn history(follows: &[u8], told: Vec<Told>) -> History {
    let mut history = History::new("client", follows);
    history.told = told;
    history
}

/// What the checker has to say to one client that follows everything.
#[track_caller]
fn expect(told: Vec<Told>, expected: &[Violation]) {
    let verdict = check(&committed(), &[history(&[0, 1, 2], told)]);
    let found: Vec<_> = verdict.findings.iter().map(|finding| finding.violation).collect();
    assert_eq!(found, expected, "{:?}", verdict.findings);
}

#[test]
fn a_good_history_passes() {
    expect(good(), &[]);
    let verdict = check(&committed(), &[history(&[0, 1, 2], good())]);
    assert_eq!(verdict.deliveries, 6);
}

#[test]
fn only_what_a_client_follows_is_expected() {
    let only_first = good().into_iter().filter(|told| match told {
        Told::Change { fact, .. } => fact.collection == 0,
        _ => true,
    });
    let verdict = check(&committed(), &[history(&[0], only_first.collect())]);
    assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
}

#[test]
fn a_lost_change_is_found_wherever_it_was() {
    for at in 0..6 {
        let mut told = good();
        told.remove(at);
        expect(told, &[Lost]);
    }
    expect(Vec::new(), &[Lost; 6]);
}

#[test]
fn a_gap_in_its_place_says_the_loss_and_is_itself_reported() {
    let gap = || Told::Gap { reason: "trimmed".into() };
    let mut in_the_middle = good();
    in_the_middle[2] = gap();
    expect(in_the_middle, &[Gap, Missing]);
    let mut at_the_end = good();
    at_the_end[5] = gap();
    expect(at_the_end, &[Gap, Missing]);
    let mut elsewhere = good();
    elsewhere.remove(0);
    elsewhere.push(gap());
    expect(elsewhere, &[Gap, Lost]);
    let mut for_no_reason = good();
    for_no_reason.insert(3, gap());
    expect(for_no_reason, &[Gap]);
}

#[test]
fn a_duplicate_is_found_under_the_same_id_and_under_another() {
    let mut again = good();
    again.insert(3, again[2].clone());
    expect(again, &[Duplicate]);
    let mut renamed = good();
    renamed.push(told(7, fact(0, 0, 2)));
    expect(renamed, &[Duplicate, OtherIdentity]);
}

#[test]
fn disorder_of_ids_and_of_commits_is_found() {
    let mut swapped = good();
    swapped.swap(2, 3);
    expect(swapped, &[Disorder, Disorder]);
    let mut against_commits = good();
    against_commits[2] = told(3, fact(0, 0, 2));
    against_commits[3] = told(4, fact(1, 0, 1));
    expect(against_commits, &[Disorder]);
    let mut bookmark = good();
    bookmark.insert(4, Told::Bookmark { seq: 2 });
    expect(bookmark, &[Disorder]);
}

#[test]
fn a_change_that_was_never_committed_is_found() {
    let mut told_too_much = good();
    told_too_much.push(told(7, fact(0, 9, 1)));
    expect(told_too_much, &[NeverCommitted]);
}

#[test]
fn clients_that_saw_another_id_or_another_change_id_are_found() {
    for other in [told(7, fact(0, 0, Fact::DELETED)), {
        Told::Change { seq: 6, change: 99, fact: fact(0, 0, Fact::DELETED) }
    }] {
        let mut differing = good();
        differing[5] = other;
        let follows = [0, 1, 2];
        let verdict =
            check(&committed(), &[history(&follows, good()), history(&follows, differing)]);
        assert_eq!((verdict.findings.len(), verdict.count(OtherIdentity)), (1, 1));
    }
}

#[test]
fn what_a_client_noticed_by_itself_is_reported() {
    let problem = String::new;
    let mut noticed = good();
    noticed.push(Told::NotResumed { problem: problem() });
    noticed.push(Told::Nonsense { problem: problem() });
    expect(noticed, &[NotResumed, Nonsense]);
}

#[test]
fn a_client_notices_a_resumption_that_is_not_exact() {
    let mut client = History::new("client", &[0]);
    let hello = |position: &str, resumed: bool| serde_json::json!({ "position": position, "resumed": resumed });
    client.hello(&hello("aaaaaaaa-5", false), Some("aaaaaaaa-5"), None);
    client.hello(&hello("aaaaaaaa-5", true), Some("aaaaaaaa-5"), Some("aaaaaaaa-5"));
    let is_bad = |told: &&Told| matches!(told, Told::NotResumed { .. } | Told::Nonsense { .. });
    assert_eq!(client.told.iter().filter(is_bad).count(), 0);
    client.hello(&hello("aaaaaaaa-6", true), Some("aaaaaaaa-6"), Some("aaaaaaaa-5"));
    client.hello(&hello("aaaaaaaa-6", false), Some("aaaaaaaa-6"), Some("aaaaaaaa-6"));
    client.hello(&hello("bbbbbbbb-6", true), Some("bbbbbbbb-6"), Some("bbbbbbbb-6"));
    assert_eq!(client.told.iter().filter(is_bad).count(), 3);
}
