//! The two servers that handlers are tried under.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use changecast::board::Board;
use changecast::fanout::Shards;
use changecast::hub::Hub;
use changecast::log::{MemoryLog, Retention};
use changecast::telemetry::Telemetry;
use changecast::transport::{Connections, accept};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::support::soon;

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Under {
    /// A plain `axum::serve`: a task for each connection.
    Axum,
    /// Our own accept loop: shards.
    Changecast,
}

impl Under {
    pub(crate) const BOTH: [Self; 2] = [Self::Axum, Self::Changecast];
}

/// A server on a free port.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    own: Option<Own>,
}

struct Own {
    hub: Hub,
    shards: Shards,
    tasks: TaskTracker,
    closing: CancellationToken,
    stop: CancellationToken,
}

impl Server {
    pub(crate) async fn start(under: Under, router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let own = match under {
            Under::Axum => {
                tokio::spawn(async { axum::serve(listener, router).await });
                None
            }
            Under::Changecast => Some(Own::start(listener, router)),
        };
        Self { address, own }
    }

    /// Ends as changecast's server does: it drains, and waits for its connections.
    pub(crate) async fn end(mut self) {
        let own = self.own.take().expect("changecast's own");
        own.hub.drain();
        own.closing.cancel();
        own.tasks.close();
        soon("end of all connections", own.tasks.wait()).await;
        own.shards.stop();
        own.stop.cancel();
    }
}

impl Own {
    fn start(listener: TcpListener, router: Router) -> Self {
        let (telemetry, board) = (Arc::new(Telemetry::new()), Board::default());
        let (stop, closing) = (CancellationToken::new(), CancellationToken::new());
        let log = Arc::new(MemoryLog::new(Retention::default()));
        let hub = Hub::start(log, board.clone(), Arc::clone(&telemetry), stop.clone());
        let shards = Shards::start(&hub, &board, &telemetry).unwrap();
        let tasks = TaskTracker::new();
        let connections = Connections {
            router,
            shards: shards.clone(),
            telemetry,
            tasks: tasks.clone(),
            closing: closing.clone(),
        };
        tokio::spawn(accept(listener, connections));
        Self { hub, shards, tasks, closing, stop }
    }
}
