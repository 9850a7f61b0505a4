//! Wires everything: sources into the log, the log into the hub, the hub onto the network.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::board::Board;
use crate::fanout::Shards;
use crate::hub::{Hub, Publisher};
use crate::limits;
use crate::log::Log;
use crate::source::{self, Source};
use crate::telemetry::Telemetry;
use crate::transport::{
    App, Checked, Connections, DocumentsMode, PageConfig, Policy, Served, accept, router,
};

/// What a server is made of.
pub struct ServerConfig {
    /// Where everything is kept.
    pub log: Arc<dyn Log>,
    /// What is watched, and what may be done with its documents.
    pub sources: Vec<(Arc<dyn Source>, DocumentsMode)>,
    /// Whether HTTP clients may publish messages to topics that no source writes.
    pub publish: bool,
    /// Who may ask for what.
    pub policy: Policy,
    /// How the page behaves.
    pub page: PageConfig,
    /// What is counted: the one that the sources were given, too.
    pub telemetry: Arc<Telemetry>,
}

/// A changecast server.
pub struct Server {
    config: ServerConfig,
}

impl Server {
    /// A server that has not started yet.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self { config }
    }

    /// Publishes into this server's log from inside the program, whatever HTTP clients may do.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        let owners = self.config.sources.iter();
        let owners = owners.map(|(source, _)| (Arc::clone(source.name()), source.topics()));
        Publisher::new(Arc::clone(&self.config.log), owners, Arc::clone(&self.config.telemetry))
    }

    /// Serves on `listener` until `shutdown` completes, then drains: no new connection, every
    /// stream ended with the word when to come back, the log closed. Takes at most about
    /// [`limits::DRAIN_TIMEOUT`] for it.
    ///
    /// It serves at once: sources are reached, and reached again, in the background.
    ///
    /// # Errors
    /// When the system gives no descriptors or threads to serve with.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let publisher = self.config.publish.then(|| self.publisher());
        let ServerConfig { log, sources, policy, page, telemetry, .. } = self.config;
        let (board, stop, closing) =
            (Board::default(), CancellationToken::new(), CancellationToken::new());
        let hub = Hub::start(Arc::clone(&log), board.clone(), Arc::clone(&telemetry), stop.clone());
        let shards = Shards::start(&hub, &board, &telemetry)?;
        let runners = TaskTracker::new();
        for (source, _) in &sources {
            let (source, log) = (Arc::clone(source), Arc::clone(&log));
            let (board, telemetry) = (board.clone(), Arc::clone(&telemetry));
            runners.spawn(source::start(source, log, board, telemetry, stop.clone()).await);
        }
        let connection_tasks = TaskTracker::new();
        let closed_last: Vec<_> = sources.iter().map(|(source, _)| Arc::clone(source)).collect();
        let app = App {
            hub: hub.clone(),
            log: Arc::clone(&log),
            board,
            sources: sources
                .into_iter()
                .map(|(source, documents)| Served {
                    source,
                    documents,
                    checked: Checked::default(),
                })
                .collect(),
            publisher,
            telemetry: Arc::clone(&telemetry),
            page,
            tasks: connection_tasks.clone(),
        };
        let connections = Connections {
            router: router(Arc::new(app), policy),
            shards: shards.clone(),
            telemetry,
            tasks: connection_tasks.clone(),
            closing: closing.clone(),
        };
        let accepting = tokio::spawn(accept(listener, connections));

        shutdown.await;
        tracing::info!("draining");
        hub.drain();
        closing.cancel();
        connection_tasks.close();
        if timeout(limits::DRAIN_TIMEOUT, connection_tasks.wait()).await.is_err() {
            tracing::warn!(count = connection_tasks.len(), "connections cut off");
        }
        accepting.abort();
        shards.stop();
        stop.cancel();
        runners.close();
        runners.wait().await;
        for source in closed_last {
            source.close().await;
        }
        log.close().await;
        tracing::info!("ended");
        Ok(())
    }
}
