//! What works from the time that a server is built, and how it ends.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::board::Board;
use crate::hub::{Hub, Publisher};
use crate::limits;
use crate::log::Log;
use crate::source::{self, Source};
use crate::telemetry::Telemetry;

pub(super) struct Core {
    pub(super) hub: Hub,
    pub(super) log: Arc<dyn Log>,
    pub(super) board: Board,
    pub(super) telemetry: Arc<Telemetry>,
    sources: Vec<Arc<dyn Source>>,
    runners: TaskTracker,
    /// Knows of every connection that is a task of ours.
    pub(super) connections: TaskTracker,
    stop: CancellationToken,
    /// Ends hub and runners with the last who holds it.
    pub(super) at_work: Arc<DropGuard>,
    /// Whether the end is behind us. Async, because it is held until it is.
    has_ended: Mutex<bool>,
}

impl Core {
    /// Starts the hub, and every source.
    pub(super) async fn start(
        log: Arc<dyn Log>,
        sources: Vec<Arc<dyn Source>>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let (board, stop) = (Board::default(), CancellationToken::new());
        let hub = Hub::start(Arc::clone(&log), board.clone(), Arc::clone(&telemetry), stop.clone());
        let core = Self {
            hub,
            log,
            board,
            telemetry,
            sources,
            runners: TaskTracker::new(),
            connections: TaskTracker::new(),
            at_work: Arc::new(stop.clone().drop_guard()),
            stop,
            has_ended: Mutex::new(false),
        };
        for source in &core.sources {
            core.run(source).await;
        }
        core
    }

    async fn run(&self, source: &Arc<dyn Source>) {
        if let Some(demand) = source.demand() {
            demand.connect(self.hub.audience(demand.topic()));
        }
        let (source, log) = (Arc::clone(source), Arc::clone(&self.log));
        let (board, telemetry) = (self.board.clone(), Arc::clone(&self.telemetry));
        let runner = source::start(source, log, board, telemetry, self.stop.clone()).await;
        self.runners.spawn(runner);
    }

    pub(super) fn publisher(&self) -> Publisher {
        let owners = self.sources.iter().map(|source| (Arc::clone(source.name()), source.topics()));
        Publisher::new(Arc::clone(&self.log), owners, Arc::clone(&self.telemetry))
    }

    /// Waits until the connections have ended that are tasks of ours, as far as they do so in time.
    pub(super) async fn until_disconnected(&self) {
        self.connections.close();
        if timeout(limits::DRAIN_TIMEOUT, self.connections.wait()).await.is_err() {
            tracing::warn!(count = self.connections.len(), "connections cut off");
        }
    }

    /// Ends the sources, then the log.
    pub(super) async fn end(&self) {
        let mut has_ended = self.has_ended.lock().await;
        if *has_ended {
            return;
        }
        self.stop.cancel();
        self.runners.close();
        self.runners.wait().await;
        for source in &self.sources {
            source.close().await;
        }
        self.log.close().await;
        *has_ended = true;
    }
}
