//! Holds what every client was told against what the database committed.
//!
//! | | what counts as a violation |
//! |---|---|
//! | G1 | ids that do not grow; changes in another order than that of their commits |
//! | G2 | a change that never came, with no gap in its place; any gap: no fault here loses history; a change that was never committed |
//! | G3 | a change twice; a change under another id, or with another `_id`, than another client saw |
//! | G5 | a connection that did not resume exactly where the client had left off |

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::history::{History, Told};
use super::ledger::Fact;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// G1
    Disorder,
    /// G2: nothing was said.
    Lost,
    /// G2: a gap stands in its place.
    Missing,
    /// G2
    Gap,
    /// G2
    NeverCommitted,
    /// G3
    Duplicate,
    /// G3
    OtherIdentity,
    /// G5
    NotResumed,
    /// What no guarantee even speaks of.
    Nonsense,
}

impl Violation {
    pub(crate) const ALL: [Self; 9] = [
        Self::Disorder,
        Self::Lost,
        Self::Missing,
        Self::Gap,
        Self::NeverCommitted,
        Self::Duplicate,
        Self::OtherIdentity,
        Self::NotResumed,
        Self::Nonsense,
    ];
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Disorder => "G1  out of order",
            Self::Lost => "G2  lost without a gap",
            Self::Missing => "G2  lost, said by a gap",
            Self::Gap => "G2  gaps without a reason",
            Self::NeverCommitted => "G2  never committed",
            Self::Duplicate => "G3  duplicated",
            Self::OtherIdentity => "G3  changed its id",
            Self::NotResumed => "G5  not resumed exactly",
            Self::Nonsense => "--  unreadable or refused",
        })
    }
}

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) violation: Violation,
    pub(crate) client: String,
    pub(crate) what: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) findings: Vec<Finding>,
    /// Changes told to clients, each of which was looked at.
    pub(crate) deliveries: usize,
}

impl Verdict {
    pub(crate) fn count(&self, violation: Violation) -> usize {
        self.findings.iter().filter(|finding| finding.violation == violation).count()
    }
}

/// Checks histories that have come to their end: nothing more is under way.
pub(crate) fn check(committed: &[Vec<Fact>], histories: &[History]) -> Verdict {
    let mut identities = HashMap::new();
    let mut verdict = Verdict::default();
    for history in histories {
        let mut check = Check::new(history, committed, &mut verdict);
        check.follow(&mut identities);
        check.end();
    }
    verdict
}

/// What all clients must agree on: which change has which place and which `_id`.
type Identities = HashMap<Fact, (u64, u64)>;

/// One client's.
struct Check<'a> {
    history: &'a History,
    verdict: &'a mut Verdict,
    /// For each writer what concerns the client.
    expected: Vec<Vec<Fact>>,
    /// The writer of each fact, and its place in the writer's order.
    places: HashMap<Fact, (usize, usize)>,
    /// For each writer how far the client has got.
    reached: Vec<usize>,
    /// What was passed over, until it comes after all; and whether a gap stood there.
    passed_over: HashMap<Fact, bool>,
    /// For each writer whether a gap came after the last change.
    gap_since: Vec<bool>,
    seen: HashSet<Fact>,
    last_seq: u64,
}

impl<'a> Check<'a> {
    fn new(history: &'a History, committed: &[Vec<Fact>], verdict: &'a mut Verdict) -> Self {
        let concerns = |fact: &&Fact| history.follows.contains(&fact.collection);
        let expected: Vec<Vec<Fact>> = committed
            .iter()
            .map(|facts| facts.iter().filter(concerns).copied().collect())
            .collect();
        let mut places = HashMap::new();
        for (writer, facts) in expected.iter().enumerate() {
            places.extend(facts.iter().enumerate().map(|(at, fact)| (*fact, (writer, at))));
        }
        let reached = vec![0; expected.len()];
        let gap_since = vec![false; expected.len()];
        let (passed_over, seen) = (HashMap::new(), HashSet::new());
        Self {
            history,
            verdict,
            expected,
            places,
            reached,
            passed_over,
            gap_since,
            seen,
            last_seq: 0,
        }
    }

    fn follow(&mut self, identities: &mut Identities) {
        for told in &self.history.told {
            match told {
                Told::Change { seq, change, fact } => {
                    self.verdict.deliveries += 1;
                    self.check_seq(*seq, *fact);
                    self.check_place(*fact);
                    let known = *identities.entry(*fact).or_insert((*seq, *change));
                    if known != (*seq, *change) {
                        self.found(Violation::OtherIdentity, format!("{fact:?} at {seq}"));
                    }
                }
                Told::Gap { reason } => {
                    self.gap_since.fill(true);
                    self.found(Violation::Gap, reason.clone());
                }
                // An id that is covered may be told again, but never an older one.
                Told::Bookmark { seq } if *seq < self.last_seq => {
                    let what = format!("a bookmark at {seq} after {}", self.last_seq);
                    self.found(Violation::Disorder, what);
                }
                Told::Bookmark { seq } => self.last_seq = *seq,
                Told::NotResumed { problem } => {
                    self.found(Violation::NotResumed, problem.clone());
                }
                Told::Nonsense { problem } => self.found(Violation::Nonsense, problem.clone()),
            }
        }
    }

    fn check_seq(&mut self, seq: u64, fact: Fact) {
        if seq <= self.last_seq && !self.seen.contains(&fact) {
            self.found(Violation::Disorder, format!("{fact:?}: id {seq} after {}", self.last_seq));
        }
        self.last_seq = self.last_seq.max(seq);
    }

    fn check_place(&mut self, fact: Fact) {
        let Some(&(writer, at)) = self.places.get(&fact) else {
            return self.found(Violation::NeverCommitted, format!("{fact:?}"));
        };
        if !self.seen.insert(fact) {
            return self.found(Violation::Duplicate, format!("{fact:?}"));
        }
        if self.passed_over.remove(&fact).is_some() {
            return self.found(Violation::Disorder, format!("{fact:?} came late"));
        }
        let is_said = std::mem::take(&mut self.gap_since[writer]);
        let missing = self.expected[writer][self.reached[writer]..at].iter();
        self.passed_over.extend(missing.map(|fact| (*fact, is_said)));
        self.reached[writer] = at + 1;
    }

    /// What has not come by now is lost.
    fn end(&mut self) {
        for (writer, expected) in self.expected.iter().enumerate() {
            let missing = expected[self.reached[writer]..].iter();
            self.passed_over.extend(missing.map(|fact| (*fact, self.gap_since[writer])));
        }
        let mut lost: Vec<_> = std::mem::take(&mut self.passed_over).into_iter().collect();
        lost.sort_unstable();
        for (fact, is_said) in lost {
            let violation = if is_said { Violation::Missing } else { Violation::Lost };
            self.found(violation, format!("{fact:?}"));
        }
    }

    fn found(&mut self, violation: Violation, what: String) {
        let client = self.history.name.clone();
        self.verdict.findings.push(Finding { violation, client, what });
    }
}
