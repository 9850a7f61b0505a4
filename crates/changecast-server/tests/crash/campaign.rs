//! A campaign from its first round to its verdict.

use std::time::Instant;

use super::checker::{Finding, Verdict, Violation, check};
use super::client::Transport;
use super::ledger::{COLLECTIONS, Fact};
use super::plan::{Round, plan};
use super::rig::{Rig, Source};
use super::writers::live_documents;

/// Rounds after which all clients catch up and are checked.
const CHECK_EVERY: usize = 10;

/// Findings that are told one by one.
const TOLD_MAX: usize = 20;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) rounds: usize,
}

impl Options {
    /// What `scripts/crash-test` asks for, else a short run that is always the same.
    pub(crate) fn from_env(rounds: usize) -> Self {
        Self {
            seed: number("CHANGECAST_CRASH_SEED").unwrap_or(1),
            rounds: number("CHANGECAST_CRASH_ROUNDS")
                .map_or(rounds, |rounds| usize::try_from(rounds).expect("not so many rounds")),
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

#[allow(clippy::print_stdout, reason = "shown as it comes by the script, else with a failure")]
fn say(line: &str) {
    println!("{line}");
}

/// Runs it; panics on any violation.
pub(crate) async fn run(source: Source, options: Options) {
    let Options { seed, rounds } = options;
    say(&format!("{source:?}: seed {seed}, {rounds} rounds"));
    let began = Instant::now();
    let mut campaign = Campaign { source, rig: Rig::start(source, seed).await, began, checks: 0 };
    for (number, round) in (1..).zip(plan(seed, rounds, CHECK_EVERY, source)) {
        campaign.round(number, &round).await;
        if number == rounds.div_ceil(2) {
            campaign.rig.add_newcomer("newcomer halfway", Transport::Ndjson);
        }
        if number == rounds {
            campaign.rig.add_newcomer("newcomer at the end", Transport::Sse);
        }
        if round.is_checked {
            let verdict = campaign.check().await;
            if number == rounds {
                return campaign.sum_up(source, &verdict).await;
            }
            campaign.rig.writers.go_on().await;
        }
    }
}

struct Campaign {
    source: Source,
    rig: Rig,
    began: Instant,
    checks: usize,
}

impl Campaign {
    async fn round(&self, number: usize, round: &Round) {
        self.rig.ledger.grown_by(round.after_writes).await;
        self.rig.suffer(&round.faults).await;
        let faults: Vec<_> = round.faults.iter().map(ToString::to_string).collect();
        let lives = self.rig.lives().await;
        say(&format!(
            "{:>7.1} s  round {number:>3}  {:<60}  {} kills, {} starts, {} committed, {} delivered",
            self.began.elapsed().as_secs_f64(),
            faults.join(" + "),
            lives.killed + lives.aborted + self.rig.database_kills(),
            lives.started,
            self.rig.ledger.count(),
            self.rig.delivery_count(),
        ));
    }

    /// Lets all clients catch up, and holds what they were told against what was committed.
    async fn check(&mut self) -> Verdict {
        let behind = self.rig.catch_up().await;
        let committed = self.rig.ledger.writers();
        let documents = self.rig.read_back().await;
        assert_eq!(documents, live_documents(&committed), "the ledger is not what was committed");
        let orders = if self.source.has_one_order() { committed } else { apart(&committed) };
        let verdict = check(&orders, &self.rig.histories());
        self.checks += 1;
        say(&format!(
            "{:>7.1} s  checked    {} deliveries of {} changes: {} violations",
            self.began.elapsed().as_secs_f64(),
            verdict.deliveries,
            self.rig.ledger.count(),
            verdict.findings.len(),
        ));
        if !verdict.findings.is_empty() || !behind.is_empty() {
            say(&self.rig.evidence().await);
            say(&table(&verdict));
            verdict.findings.iter().take(TOLD_MAX).for_each(|finding| say(&tell(finding)));
            panic!("{} violations; never caught up: {behind:?}", verdict.findings.len());
        }
        verdict
    }

    async fn sum_up(&self, source: Source, verdict: &Verdict) {
        let lives = self.rig.lives().await;
        let kills = lives.killed + lives.aborted + self.rig.database_kills();
        let connections: usize =
            self.rig.histories().iter().map(|history| history.connections).sum();
        say(&table(verdict));
        say(&format!(
            "{source:?}: {kills} kills ({} by signal, {} at failpoints, {} of the database), {} ends in order, \
             {} starts; {} clients, {connections} connections; {} changes committed, {} deliveries checked; \
             {} lost, {} duplicated, {} out of order, {} unflagged gaps; {:.0} s",
            lives.killed,
            lives.aborted,
            self.rig.database_kills(),
            lives.terminated,
            lives.started,
            self.rig.clients.len(),
            self.rig.ledger.count(),
            verdict.deliveries,
            verdict.count(Violation::Lost) + verdict.count(Violation::Missing),
            verdict.count(Violation::Duplicate),
            verdict.count(Violation::Disorder),
            verdict.count(Violation::Lost),
            self.began.elapsed().as_secs_f64(),
        ));
    }
}

/// What each writer wrote into each collection: the order between collections is nobody's.
fn apart(committed: &[Vec<Fact>]) -> Vec<Vec<Fact>> {
    let collections = 0..COLLECTIONS.len();
    let of = |facts: &[Fact], collection| -> Vec<Fact> {
        facts.iter().filter(|fact| usize::from(fact.collection) == collection).copied().collect()
    };
    committed
        .iter()
        .flat_map(|facts| collections.clone().map(move |collection| of(facts, collection)))
        .collect()
}

fn table(verdict: &Verdict) -> String {
    let row = |violation| format!("  {violation:<28}{:>6}\n", verdict.count(violation));
    Violation::ALL.into_iter().map(row).collect()
}

fn tell(finding: &Finding) -> String {
    format!("{}; {}: {}", finding.violation, finding.client, finding.what)
}
