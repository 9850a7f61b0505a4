//! Whether the server lives, whether it serves, and what it watches.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::authorize::Wanted;
use super::checked::Brief;
use super::documents::DocumentsMode;
use super::problem::Problem;
use super::router::{App, Served};
use crate::limits;
use crate::log::TopicState;
use crate::model::{SourceState, SourceStatus};

pub(super) async fn alive() -> Json<serde_json::Value> {
    Json(serde_json::json!({"status": "ok"}))
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    log: LogHealth,
    sources: Vec<SourceHealth>,
}

#[derive(Serialize)]
struct LogHealth {
    status: &'static str,
    error: Option<String>,
}

#[derive(Serialize)]
struct SourceHealth {
    #[serde(flatten)]
    status: SourceStatus,
    probe: Probe,
}

#[derive(Serialize)]
struct Probe {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    latency_ms: f64,
}

/// 503 while the log fails or a source never had a position; else 200, `degraded` where one is
/// down. Every database is asked at once, each within its time.
pub(super) async fn ready(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    app.authorizer.allow(&request, Wanted::Status).await?;
    let probes = join_all(app.sources.iter().map(probe)).await;
    let statuses = app.board.sources();
    let fault = app.log.fault();
    let is_positioned = statuses.iter().all(|status| status.positioned);
    let is_live = app.board.all_live() && probes.iter().all(|probe| probe.status == "ok");
    let (code, status) = match (fault.is_none() && is_positioned, is_live) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        (true, false) => (StatusCode::OK, "degraded"),
        (true, true) => (StatusCode::OK, "ok"),
    };
    let log = LogHealth { status: if fault.is_none() { "ok" } else { "failing" }, error: fault };
    let sources = statuses.into_iter().zip(probes);
    let sources = sources.map(|(status, probe)| SourceHealth { status, probe }).collect();
    Ok((code, Json(Readiness { status, log, sources })).into_response())
}

async fn probe(served: &Served) -> Probe {
    let started = Instant::now();
    let error = match timeout(limits::PROBE_TIMEOUT, served.source.probe()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer in time".to_owned()),
    };
    let status = if error.is_none() { "ok" } else { "failing" };
    Probe { status, error, latency_ms: started.elapsed().as_secs_f64() * 1000.0 }
}

#[derive(Serialize)]
pub(super) struct SourceListings {
    sources: Vec<SourceListing>,
}

#[derive(Serialize)]
struct SourceListing {
    #[serde(flatten)]
    status: SourceStatus,
    /// Where it would go on after a restart, in its own words.
    position: Option<Box<RawValue>>,
    documents: DocumentsMode,
    /// What could be better, of one that is live: `error` and `remedy` tell of the others.
    check: Option<Brief>,
}

pub(super) async fn sources(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<SourceListings>, Problem> {
    app.authorizer.allow(&request, Wanted::Status).await?;
    let listings =
        app.board.sources().into_iter().zip(&app.sources).map(async |(status, served)| {
            // A log that cannot be read is /readyz's to report.
            let position = app.log.position(&status.name).await.ok().flatten();
            let position =
                position.and_then(|position| serde_json::from_slice(position.as_bytes()).ok());
            let check = match status.state {
                SourceState::Live => served.checked.brief(&*served.source).await,
                SourceState::Connecting | SourceState::Failed => None,
            };
            SourceListing { status, position, documents: served.documents, check }
        });
    Ok(Json(SourceListings { sources: join_all(listings).await }))
}

pub(super) async fn topics(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<serde_json::Value>, Problem> {
    app.authorizer.allow(&request, Wanted::Status).await?;
    let mut topics: Vec<TopicState> = app.log.topics();
    topics.sort_by(|one, two| one.topic.cmp(&two.topic));
    Ok(Json(serde_json::json!({"topics": topics})))
}

pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    app.authorizer.allow(&request, Wanted::Status).await?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = app.telemetry.render(&*app.log, app.hub.held_bytes());
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
