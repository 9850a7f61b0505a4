//! Answers a request with a stream: by a shard, which takes the socket out of HTTP, or by a task.
//!
//! The one place that knows of the two ways, for our own routes and for handlers in somebody else's.
//! Shards come with our own accept loop; in a plain `axum::serve`, a subscription is served by a task.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::Peer;
use super::problem::Problem;
use super::sse;
use super::takeover::{Grant, Serve, grant};
use super::websocket::{Commands, Conversation, Handshake};
use crate::fanout::{Chunked, Framed, WireKind};
use crate::hub::{Hub, HubError, Span, Subscribe};
use crate::limits;

/// As long as a stream over HTTP may go on: proxies keep those whose clients are gone, and only an end
/// that comes anyway frees them.
pub(crate) fn one_life() -> Span {
    Span::Until(Instant::now() + Duration::from_secs(fastrand::u64(limits::LIFE_SECONDS)))
}

/// Answers with a body that goes on: the frames of `wanted`, as `content_type`.
///
/// # Errors
/// When the hub grants no subscription.
pub(crate) async fn body(
    hub: &Hub,
    request: Request<Body>,
    mut wanted: Subscribe,
    content_type: &'static str,
) -> Result<Response, HubError> {
    if !is_for_a_shard(hub, &request) {
        let ending = ending_of(&request);
        let subscription = hub.subscribe(wanted, cut_of(&request)).await?;
        return Ok(sse::stream(subscription, content_type, ending));
    }
    let mut wire = WireKind::Plain;
    if request.version() >= Version::HTTP_11 {
        wanted.codec = Arc::new(Chunked(wanted.codec));
        wire = WireKind::Chunked;
    }
    let follower = hub.follow(wanted).await?;
    Ok(grant(Grant::Shard { follower, wire }, sse::head(content_type)))
}

/// Answers a checked handshake with a WebSocket: the frames of `wanted`. What only a task can do is
/// done by that of the connection, or in a server that is not ours by one of `tasks`.
///
/// # Errors
/// When the hub grants no subscription.
pub(crate) async fn websocket(
    hub: &Hub,
    mut request: Request<Body>,
    handshake: Handshake,
    mut wanted: Subscribe,
    commands: Commands,
    tasks: &TaskTracker,
) -> Result<Response, HubError> {
    if let Some(obey) = commands.by_shard()
        && is_for_a_shard(hub, &request)
    {
        wanted.codec = Arc::new(Framed(wanted.codec));
        let follower = hub.follow(wanted).await?;
        return Ok(grant(
            Grant::Shard { follower, wire: WireKind::WebSocket(obey) },
            handshake.head(),
        ));
    }
    let (cut, ending) = (cut_of(&request), ending_of(&request));
    let subscription = hub.subscribe(wanted, cut.clone()).await?;
    let conversation = Conversation { subscription, commands, cut, ending };
    if request.extensions().get::<Peer>().is_some() {
        let serve: Serve = Box::new(|departed| Box::pin(conversation.after(departed)));
        return Ok(grant(Grant::Task(serve), handshake.head()));
    }
    tasks.spawn(conversation.upgraded(hyper::upgrade::on(&mut request)));
    Ok(handshake.head())
}

/// The answer where there can be no subscription now.
pub(crate) fn refuse(error: &HubError) -> Response {
    tracing::warn!(%error, "subscription refused");
    let mut response = Problem::unavailable("no subscription now; try again").into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Whether the request's socket can be taken out of HTTP, and there is a shard for it.
fn is_for_a_shard(hub: &Hub, request: &Request<Body>) -> bool {
    let peer = request.extensions().get::<Peer>();
    peer.is_some_and(|peer| peer.shards.can_serve(hub))
}

/// What ends the request's connection.
pub(super) fn cut_of(request: &Request<Body>) -> CancellationToken {
    request.extensions().get::<Peer>().map(|peer| peer.cut.clone()).unwrap_or_default()
}

/// Tells that the request's server is about to end, which the hub of a store need not know.
pub(super) fn ending_of(request: &Request<Body>) -> CancellationToken {
    request.extensions().get::<Peer>().map(|peer| peer.shards.ending()).unwrap_or_default()
}
