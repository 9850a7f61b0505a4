//! The two servers that handlers are tried under.

use std::net::SocketAddr;

use axum::Router;
use changecast::server::{Handle, Policy, Server as Changecast};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

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
    own: Option<(Handle, JoinHandle<std::io::Result<()>>)>,
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
            Under::Changecast => {
                // The handlers under test have their own word on origins.
                let policy = Policy { hosts: vec![], origins: vec!["*".into()] };
                let server = Changecast::builder().policy(policy).routes(router);
                let server = server.build().await.unwrap();
                let handle = server.handle();
                let serving = server.serve(listener, std::future::pending());
                Some((handle, tokio::spawn(serving)))
            }
        };
        Self { address, own }
    }

    /// Ends as changecast's server does: it drains, and waits for its connections.
    pub(crate) async fn end(self) {
        let Some((handle, serving)) = self.own else { return };
        handle.drain();
        soon("end of the server", serving).await.unwrap().unwrap();
    }
}
