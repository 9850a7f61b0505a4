//! The accept loop over hyper's HTTP/1 server.
//!
//! Our own, because `axum::serve` sets no time limit on request headers (a half-sent one would stay
//! open for ever), caps nothing, and does not end streams when it shuts down.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
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
use super::takeover::{Departed, FlushWatch, Grant, Granted, Handover};
use crate::fanout::{Lease, Newcomer, Shards};
use crate::limits;
use crate::telemetry::Telemetry;

/// The connection that a request came on, as its extension.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// Who takes the socket if it turns out to be a stream's.
    pub(super) shards: Shards,
    /// Cancelled to end the connection at once, whatever it is doing.
    pub(super) cut: CancellationToken,
}

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Connections {
    /// Answers requests.
    pub(crate) router: Router,
    /// Take over the sockets of streams.
    pub(crate) shards: Shards,
    /// Counts connections.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Knows of every connection, so that ending can wait for them.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when no connection should begin another request.
    pub(crate) closing: CancellationToken,
}

/// Accepts connections until `connections.closing` is cancelled.
pub(crate) async fn accept(listener: TcpListener, connections: Connections) {
    let permits = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.closing.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: some will be free soon. Until then, once is enough.
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "accept failed");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        is_failing = false;
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
    permit: OwnedSemaphorePermit,
) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%error, %peer, "socket option refused");
    }
    let Connections { router, shards, telemetry, tasks, closing } = connections;
    let lease = Lease::new(telemetry, permit, tasks.token());
    let cut = CancellationToken::new();
    let extension = Peer { address: peer, shards: shards.clone(), cut: cut.clone() };
    let handover = Handover::default();
    let service = service_fn({
        let handover = handover.clone();
        move |request: Request<Incoming>| {
            let mut request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(extension.clone());
            answer(router.clone(), request, handover.clone())
        }
    });
    let io = FlushWatch::new(StallGuard::new(stream), handover.clone());
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_TIMEOUT)
        .max_buf_size(limits::HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(io), service);
    let until_ended = async {
        tokio::select! {
            outcome = until_ended(&mut connection, &handover) => outcome,
            () = closing.cancelled() => {
                Pin::new(&mut connection).graceful_shutdown();
                until_ended(&mut connection, &handover).await
            }
        }
    };
    match cut.run_until_cancelled(until_ended).await {
        None | Some(Ok(None)) => {}
        Some(Ok(Some(granted))) => {
            let parts = connection.into_parts();
            let Granted { grant, head } = granted;
            let (socket, unread) = (parts.io.into_inner().into_inner(), parts.read_buf);
            match grant {
                Grant::Shard { follower, wire } => {
                    hand_over(socket.into_inner(), &shards, |socket| Newcomer {
                        socket,
                        head,
                        follower,
                        wire,
                        unread,
                        lease,
                    });
                }
                Grant::Task(serve) => serve(Departed { socket, head, unread }).await,
            }
        }
        // A client that went away, was too slow or did not speak HTTP: nobody's fault here.
        Some(Err(error)) => tracing::debug!(%error, %peer, "connection ended early"),
    }
}

/// Answers a request, or never does, where it is granted a stream: then the socket leaves.
async fn answer(
    mut router: Router,
    request: Request,
    handover: Handover,
) -> Result<Response, Infallible> {
    let response = router.call(request).await?;
    match Granted::take(&response) {
        None => Ok(response),
        Some(granted) => {
            handover.give(granted);
            std::future::pending().await
        }
    }
}

/// Serves until the connection is closed, or goes on as the stream that was granted: once all before
/// it is written.
async fn until_ended<C>(connection: &mut C, handover: &Handover) -> hyper::Result<Option<Granted>>
where
    C: Future<Output = hyper::Result<()>> + Unpin,
{
    poll_fn(|context| {
        // Each round flushes, at its end.
        handover.look_again();
        match Pin::new(&mut *connection).poll(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome.map(|()| None)),
            Poll::Pending if handover.is_due() => Poll::Ready(Ok(handover.take())),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn hand_over(
    stream: TcpStream,
    shards: &Shards,
    newcomer: impl FnOnce(std::net::TcpStream) -> Newcomer,
) {
    match stream.into_std() {
        Ok(socket) => shards.adopt(newcomer(socket)),
        Err(error) => tracing::warn!(%error, "a socket cannot be taken over"),
    }
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
