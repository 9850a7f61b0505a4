//! The whole of it: sources into the log, the log into the hub, the hub onto the network; by itself, or
//! within somebody else's server.
//!
//! | what for | take |
//! |---|---|
//! | a server of its own, with routes of yours beside ours | [`Server::builder`], then [`Server::serve`] |
//! | our routes in a server of yours | [`Server::router`], and [`Server::handle`] to end it |
//! | messages of your program's own | [`Server::publisher`] |
//! | your say in who may do what | [`ServerBuilder::authorize`] |
//! | changes without any server | a source's `watch`, see [`ChangeStream`](crate::source::ChangeStream) |

mod builder;
mod core;

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::core::Core;
use crate::board::Board;
use crate::fanout::Shards;
use crate::hub::{Hub, Publisher};
use crate::transport::{Connections, accept};

pub use self::builder::{BuildError, ServerBuilder};
pub use crate::transport::{DocumentsMode, PageConfig, Policy, Refusal, Wanted};

/// A changecast server: its sources are watched and its hub is at work from the time that it is built,
/// and end when it is [ended](Handle::stop), or when it, its handles and its routers are all dropped.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use axum::{Router, routing::get};
/// use changecast::server::Server;
/// use changecast::source::watcher::Watcher;
/// use tokio::net::TcpListener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let score = Watcher::poll("score", Duration::from_secs(1), || async { Ok([2, 1]) })?;
/// let server = Server::builder()
///     .source(Arc::new(score.distinct()))
///     .routes(Router::new().route("/hello", get(async || "hello")))
///     .build()
///     .await?;
/// // EventSource('/events?topic=score.current'), WebSocket('/ws'), curl /hello, …
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let ctrl_c = async {};
/// server.serve(listener, ctrl_c).await?;
/// # Ok(())
/// # }
/// ```
pub struct Server {
    core: Arc<Core>,
    router: Router,
}

impl Server {
    /// A server to be put together.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Who serves the subscribers: for stores and handlers, and to ask how many follow a topic.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.core.hub
    }

    /// What every source is doing now.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.core.board
    }

    /// Publishes into this server's log from inside the program, whatever HTTP clients may do.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        self.core.publisher()
    }

    /// Every route, to be mounted in a server of somebody else's: guard, access log and the routes
    /// that were [added](ServerBuilder::routes) are within it. There, every stream is a task of that
    /// server's, with its limits; under [`serve`](Self::serve), a few threads write them all.
    ///
    /// The page expects to be at `/`; everything else works below any path.
    ///
    /// ```no_run
    /// # async fn run(server: changecast::server::Server) -> Result<(), Box<dyn std::error::Error>> {
    /// let handle = server.handle();
    /// let app = axum::Router::new().nest("/live", server.router());
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
    /// # async fn ctrl_c() {}
    /// let ended = async move {
    ///     ctrl_c().await;
    ///     server.handle().drain();
    /// };
    /// axum::serve(listener, app).with_graceful_shutdown(ended).await?;
    /// handle.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Ends the server from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { core: Arc::clone(&self.core) }
    }

    /// Serves on `listener` until `shutdown` completes or the server is [drained](Handle::drain), then
    /// ends it: no new connection, every stream ended with the word when to come back, the log closed.
    /// Takes at most about [`limits::DRAIN_TIMEOUT`](crate::limits::DRAIN_TIMEOUT) for it.
    ///
    /// It serves at once: sources are reached, and reached again, in the background. A future that is
    /// dropped accepts no more, and ends nothing in order.
    ///
    /// # Errors
    /// When the system gives no descriptors or threads to serve with.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let Self { core, router } = self;
        let shards = Shards::start(&core.hub, &core.board, &core.telemetry)?;
        let closing = CancellationToken::new();
        let connections = Connections {
            router,
            shards: shards.clone(),
            telemetry: Arc::clone(&core.telemetry),
            tasks: core.connections.clone(),
            closing: closing.clone(),
        };
        let accepting = AbortOnDropHandle::new(tokio::spawn(accept(listener, connections)));
        tokio::select! {
            () = shutdown => {}
            () = core.hub.draining() => {}
        }
        tracing::info!("draining");
        core.hub.drain();
        closing.cancel();
        core.until_disconnected().await;
        drop(accepting);
        shards.stop();
        core.end().await;
        tracing::info!("ended");
        Ok(())
    }
}

/// Ends a [`Server`] from elsewhere. Cloning is cheap.
#[derive(Clone)]
pub struct Handle {
    core: Arc<Core>,
}

impl Handle {
    /// Ends every stream, with the word when to come back, and grants no other; a server that
    /// [serves](Server::serve) then ends by itself. Twice is as good as once.
    pub fn drain(&self) {
        self.core.hub.drain();
    }

    /// Drains, waits for upgraded connections (at most
    /// [`limits::DRAIN_TIMEOUT`](crate::limits::DRAIN_TIMEOUT)), and ends sources and log in order. To
    /// be called when a server of somebody else's that has the [router](Server::router) has ended.
    /// Twice is as good as once. One that is dropped while it waits may be called again.
    pub async fn stop(&self) {
        self.drain();
        self.core.until_disconnected().await;
        self.core.end().await;
    }
}
