//! The access log: one line per request, once its headers are answered.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::accept::Peer;
use crate::telemetry::Telemetry;

pub(super) async fn access(
    State(telemetry): State<Arc<Telemetry>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    // The path only: a query may hold what is nobody else's business.
    let path = request.uri().path().to_owned();
    let ip = request.extensions().get::<Peer>().map(|peer| peer.address.ip());
    let response = next.run(request).await;
    telemetry.request_answered(&crate::telemetry::Answered {
        status: response.status().as_u16(),
        method: method.as_str(),
        path: &path,
        ip,
        took: started.elapsed(),
    });
    response
}
