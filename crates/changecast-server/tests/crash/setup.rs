//! What a campaign begins with: who writes to the database, and who follows.

use std::net::SocketAddr;
use std::time::Duration;

use super::client::{Client, Transport, Wish, topics};
use super::database::Database;
use super::script::Script;
use super::server::Server;
use super::store::{Store, file};
use super::support::{http_client, soon};

/// Two writers that share collections but no document. The embedded store has a third one, over
/// HTTP; the others write its file.
pub(crate) async fn stores(
    server: &Server,
    database: Option<&Database>,
    seed: u64,
) -> Vec<(Script, Store)> {
    let script = |number: u32, collections, quiet| {
        Script::new(seed ^ u64::from(number), collections, quiet, number << 28)
    };
    let store = async || match database {
        Some(database) => database.store().await,
        None => Store::File(file::open(server.data())),
    };
    let mut stores = vec![
        (script(1, &[0, 1, 2], Some(3)), store().await),
        (script(2, &[0, 1], None), store().await),
    ];
    if database.is_none() {
        let url = format!("http://{}/documents/test", server.address());
        stores.push((script(3, &[1, 2], None), Store::Http(http_client(), url)));
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
