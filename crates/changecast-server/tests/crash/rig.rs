//! A changecast with its database, writers, clients and the network between them; and the faults.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::client::{Client, Transport, Wish};
use super::database::Database;
use super::history::History;
use super::ledger::{COLLECTIONS, Fact, Ledger};
use super::plan::{Fault, Place};
use super::server::{Lives, Server};
use super::setup::{clients, stores, wait, wait_for_source};
use super::store::file;
use super::support::{Flow, PATIENCE, Proxy, soon};
use super::writers::Writers;

/// The name of the database, and of the source, where it is a server.
pub(crate) const DATABASE: &str = "crash";

/// What the slow reader's link lets through in a tick.
const SLOW_BYTES: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    MongoDb,
    Postgres,
    Redis,
    SqliteFile,
    Embedded,
}

impl Source {
    /// The first part of its topics.
    fn name(self) -> &'static str {
        match self {
            Self::Embedded => "test",
            _ => DATABASE,
        }
    }

    /// Whether it is a server, and not a file.
    pub(crate) fn is_server(self) -> bool {
        !matches!(self, Self::Embedded | Self::SqliteFile)
    }

    /// Whether the database orders all collections as one; Redis orders each stream by itself.
    pub(crate) fn has_one_order(self) -> bool {
        self != Self::Redis
    }
}

pub(crate) struct Rig {
    server: Mutex<Server>,
    database: Option<Database>,
    to_server: Proxy,
    /// The slow reader has a link of its own.
    slow_to_server: Proxy,
    pub(crate) ledger: Ledger,
    pub(crate) writers: Writers,
    pub(crate) clients: Vec<Client>,
}

impl Rig {
    /// Everything runs, and every client is in, when this returns.
    pub(crate) async fn start(source: Source, seed: u64) -> Self {
        let database = Database::start(source).await;
        let arguments = database.as_ref().map(Database::arguments).unwrap_or_default();
        let mut server = Server::new(&arguments);
        server.start(None);
        let to_server = Proxy::to(server.address()).await;
        let slow_to_server = Proxy::to(server.address()).await;
        slow_to_server.set(Flow::Pass, Flow::Slow(SLOW_BYTES));
        let clients = clients(source.name(), to_server.address(), slow_to_server.address());
        wait("clients that are in", || clients.iter().all(Client::is_in)).await;
        wait_for_source(server.address()).await;
        let ledger = Ledger::default();
        let writers = Writers::start(stores(&server, database.as_ref(), seed).await, &ledger);
        let server = Mutex::new(server);
        Self { server, database, to_server, slow_to_server, ledger, writers, clients }
    }

    /// Another client, which wants to know everything from the beginning.
    pub(crate) fn add_newcomer(&mut self, name: &'static str, transport: Transport) {
        let query = "since=earliest".to_owned();
        let wish = Wish { name, transport, query, follows: &[0, 1, 2, 3] };
        self.clients.push(Client::start(self.to_server.address(), wish));
    }

    // ── Faults ─────────────────────────────────────────────────────────────────────────────────

    /// Applies them at once; when this returns all runs again, and may not have recovered yet.
    pub(crate) async fn suffer(&self, faults: &[Fault]) {
        join_all(faults.iter().map(|fault| self.apply(fault))).await;
    }

    async fn apply(&self, fault: &Fault) {
        match fault {
            Fault::Kill { away } => {
                let mut server = self.server.lock().await;
                server.kill();
                self.ledger.grown_by(*away).await;
                server.start(None);
            }
            Fault::KillTwice { millis } => {
                let mut server = self.server.lock().await;
                server.kill();
                server.start(None);
                sleep(Duration::from_millis(*millis)).await;
                server.kill();
                server.start(None);
            }
            Fault::Failpoint { name, hit } => {
                let mut server = self.server.lock().await;
                server.kill();
                let failpoint = format!("{name}:{hit}");
                server.start(Some(&failpoint));
                server.abort(&failpoint).await;
                server.start(None);
            }
            Fault::Terminate { away } => {
                let mut server = self.server.lock().await;
                server.terminate().await;
                self.ledger.grown_by(*away).await;
                server.start(None);
            }
            Fault::Pause { millis } => {
                let mut server = self.server.lock().await;
                server.pause();
                sleep(Duration::from_millis(*millis)).await;
                server.resume();
            }
            Fault::KillDatabase => self.database().kill_and_start().await,
            Fault::Cut(place) => {
                self.proxy(*place).cut();
                if *place == Place::Clients {
                    self.slow_to_server.cut();
                }
            }
            Fault::HalfOpen { place, from_client, from_server, millis, then_cut } => {
                let flow = |stopped: &bool| if *stopped { Flow::Stop } else { Flow::Pass };
                let proxy = self.proxy(*place);
                proxy.set(flow(from_client), flow(from_server));
                sleep(Duration::from_millis(*millis)).await;
                if *then_cut {
                    proxy.cut();
                }
                proxy.heal();
            }
        }
    }

    fn proxy(&self, place: Place) -> &Proxy {
        match place {
            Place::Clients => &self.to_server,
            Place::Database => self.database().proxy(),
        }
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("only planned for servers")
    }

    // ── Counting up ────────────────────────────────────────────────────────────────────────────

    /// Waits until every client has everything that has been written; the names of those that it
    /// waited for in vain. Nothing is written until [`Writers::go_on`].
    pub(crate) async fn catch_up(&self) -> Vec<String> {
        soon("writers that are done", self.writers.pause()).await;
        self.server.lock().await.check_alive();
        self.slow_to_server.heal();
        let last = self.last_facts();
        let is_behind = |client: &&Client| !client.has_all(&last);
        let catching_up = async {
            while self.clients.iter().any(|client| is_behind(&client)) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        // Who has not come by then is found by the checker, too.
        let _ = tokio::time::timeout(PATIENCE, catching_up).await;
        let behind = self.clients.iter().filter(is_behind);
        let behind = behind.map(|client| client.history().name).collect();
        self.slow_to_server.set(Flow::Pass, Flow::Slow(SLOW_BYTES));
        behind
    }

    /// The last write of each writer to each collection.
    fn last_facts(&self) -> Vec<Fact> {
        let mut last = Vec::new();
        for facts in self.ledger.writers() {
            for collection in 0..COLLECTIONS.len() {
                let of_it = |fact: &&Fact| usize::from(fact.collection) == collection;
                last.extend(facts.iter().rev().find(of_it));
            }
        }
        last
    }

    pub(crate) fn histories(&self) -> Vec<History> {
        self.clients.iter().map(Client::history).collect()
    }

    pub(crate) fn delivery_count(&self) -> usize {
        self.clients.iter().map(Client::change_count).sum()
    }

    /// What the database holds now.
    pub(crate) async fn read_back(&self) -> Vec<Fact> {
        match &self.database {
            Some(database) => database.read().await,
            None => file::read(&file::open(self.server.lock().await.data())),
        }
    }

    pub(crate) async fn lives(&self) -> Lives {
        self.server.lock().await.lives
    }

    pub(crate) fn database_kills(&self) -> usize {
        self.database.as_ref().map_or(0, Database::kills)
    }

    /// What changecast said last, and where its files stay.
    pub(crate) async fn evidence(&self) -> String {
        self.server.lock().await.evidence()
    }
}
