//! What a campaign begins with: the database, who writes to it, and who follows.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::client::{Client, Transport, Wish, topics};
use super::ledger::COLLECTIONS;
use super::rig::DATABASE;
use super::script::Script;
use super::server::Server;
use super::store::{Store, durable, open_file};
use super::support::{Mongod, Proxy, http_client, soon};

/// A MongoDB of its own. Writers speak to it directly, changecast through a proxy.
pub(crate) struct MongodBehindProxy {
    mongod: Mutex<Mongod>,
    pub(crate) proxy: Proxy,
    pub(crate) database: mongodb::Database,
    kills: AtomicUsize,
}

impl MongodBehindProxy {
    pub(crate) async fn start() -> Self {
        let mongod = Mongod::start().await;
        let proxy = Proxy::to(mongod.address().parse().expect("an address")).await;
        let options = mongodb::options::DatabaseOptions::builder().write_concern(durable()).build();
        let database = mongod.client().await.database_with_options(DATABASE, options);
        for name in COLLECTIONS {
            database.create_collection(name).await.expect("the database takes writes");
        }
        Self { mongod: Mutex::new(mongod), proxy, database, kills: AtomicUsize::new(0) }
    }

    /// As a power cut does; it takes writes again when this returns.
    pub(crate) async fn kill_and_start(&self) {
        let mut mongod = self.mongod.lock().await;
        mongod.kill();
        self.kills.fetch_add(1, Ordering::Relaxed);
        mongod.start_again().await;
    }

    pub(crate) fn kills(&self) -> usize {
        self.kills.load(Ordering::Relaxed)
    }
}

/// Two writers that share collections but no document. The embedded store has a third one, over
/// HTTP; the others write its file.
pub(crate) fn stores(
    server: &Server,
    mongod: Option<&MongodBehindProxy>,
    seed: u64,
) -> Vec<(Script, Store)> {
    let script = |number: u32, collections, quiet| {
        Script::new(seed ^ u64::from(number), collections, quiet, number << 28)
    };
    let database = || match mongod {
        Some(mongod) => Store::MongoDb(mongod.database.clone()),
        None => Store::File(open_file(server.data())),
    };
    let mut stores =
        vec![(script(1, &[0, 1, 2], Some(3)), database()), (script(2, &[0, 1], None), database())];
    if mongod.is_none() {
        let url = format!("http://{}/documents/test", server.address());
        let client = http_client();
        stores.push((script(3, &[1, 2], None), Store::Http(client, url)));
    }
    stores
}

/// Those that are there from the beginning.
pub(crate) fn clients(source: &str, server: SocketAddr, slow: SocketAddr) -> Vec<Client> {
    use Transport::{Ndjson, Sse, WebSocket};
    const ALL: &[u8] = &[0, 1, 2, 3];
    let wish = |name, transport, query: &str, follows| Wish {
        name,
        transport,
        query: query.to_owned(),
        follows,
    };
    let wishes = [
        wish("browser", Sse, "", ALL),
        wish("browser, a pattern", Sse, &format!("topic={source}.*"), ALL),
        wish("browser, a quiet topic", Sse, &topics(source, &[3]), &[3]),
        wish("lines", Ndjson, "", ALL),
        wish("lines, one topic", Ndjson, &topics(source, &[0]), &[0]),
        wish("/ws, two topics", WebSocket, &topics(source, &[1, 2]), &[1, 2]),
    ];
    let mut clients: Vec<_> = wishes.into_iter().map(|wish| Client::start(server, wish)).collect();
    clients.push(Client::start(slow, wish("slow reader", Sse, "", ALL)));
    clients
}

/// Waits until changes are watched: those before are nobody's.
pub(crate) async fn wait_for_source(server: SocketAddr) {
    let client = http_client();
    let watching = async {
        loop {
            let answer = client.get(format!("http://{server}/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("a source that is watched", watching).await;
}

pub(crate) async fn wait(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(what, waiting).await;
}
