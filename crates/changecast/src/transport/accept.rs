//! The accept loop over hyper's HTTP/1 server.
//!
//! Our own, because `axum::serve` sets no time limit on request headers (a half-sent one would stay
//! open for ever), caps nothing, and does not end streams when it shuts down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::stall::StallGuard;
use crate::limits;
use crate::telemetry::Telemetry;

/// The connection that a request came on, as its extension.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// Cancelled to end the connection at once, whatever it is doing.
    pub(super) cut: CancellationToken,
}

/// What all connections share.
#[derive(Clone)]
pub struct Connections {
    /// Answers requests.
    pub router: Router,
    /// Counts connections.
    pub telemetry: Arc<Telemetry>,
    /// Holds every connection's task, upgraded ones too, so that ending can wait for them.
    pub tasks: TaskTracker,
    /// Cancelled when no connection should begin another request.
    pub closing: CancellationToken,
}

/// Accepts connections until `connections.closing` is cancelled.
pub async fn accept(listener: TcpListener, connections: Connections) {
    let permits = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.closing.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: some will be free soon.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            connections.telemetry.connection_refused();
            continue;
        };
        let serving = serve(stream, peer, connections.clone(), permit);
        connections.tasks.spawn(serving);
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    connections: Connections,
    _permit: OwnedSemaphorePermit,
) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%error, %peer, "socket option refused");
    }
    connections.telemetry.connection_opened();
    let cut = CancellationToken::new();
    let extension = Peer { address: peer, cut: cut.clone() };
    let router = connections.router.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(extension.clone());
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_TIMEOUT)
        .max_buf_size(limits::HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(StallGuard::new(stream)), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let until_closed = async {
        tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = connections.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Some(Err(error)) = cut.run_until_cancelled(until_closed).await {
        // A client that went away, was too slow or did not speak HTTP: nobody's fault here.
        tracing::debug!(%error, %peer, "connection ended early");
    }
    connections.telemetry.connection_closed();
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    // Without it, small frames would wait for the peer's acknowledgement.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    // A peer that vanished without a word is noticed although nothing is sent, …
    let probes = TcpKeepalive::new()
        .with_time(limits::TCP_IDLE)
        .with_interval(limits::TCP_PROBE_EVERY)
        .with_retries(limits::TCP_PROBES);
    socket.set_tcp_keepalive(&probes)?;
    // … and one that stops reading pins no more than this of the kernel's memory.
    socket.set_send_buffer_size(limits::SOCKET_SEND_BYTES)
}
