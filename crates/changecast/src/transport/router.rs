//! The routes, and what their handlers share.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::time::Instant;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use super::access::access;
use super::authorize::{Authorizer, Wanted};
use super::checked::Checked;
use super::documents::{self, DocumentsMode};
use super::format::Format;
use super::guard::{Policy, guard};
use super::ndjson::{self, Ndjson};
use super::origin_frame::OriginFrame;
use super::page::{self, PageConfig};
use super::problem::Problem;
use super::publish::publish;
use super::sse::{self, Sse};
use super::stream::{self, cut_of, ending_of};
use super::websocket::{Commands, Handshake, WebSocket};
use super::{health, request};
use crate::board::Board;
use crate::hub::{Codec, Hub, Publisher, Span};
use crate::log::Log;
use crate::source::Source;
use crate::telemetry::Telemetry;

/// What the handlers share.
pub(crate) struct App {
    /// Who serves subscribers.
    pub(crate) hub: Hub,
    /// Where everything is kept.
    pub(crate) log: Arc<dyn Log>,
    /// What the sources are doing.
    pub(crate) board: Board,
    /// The sources, in the board's order.
    pub(crate) sources: Vec<Served>,
    /// Appends what is published, if that is open.
    pub(crate) publisher: Option<Publisher>,
    /// The program's own say in who may do what.
    pub(crate) authorizer: Authorizer,
    /// What is counted.
    pub(crate) telemetry: Arc<Telemetry>,
    /// How the page behaves.
    pub(crate) page: PageConfig,
    /// Holds the tasks of upgraded connections.
    pub(crate) tasks: TaskTracker,
    /// Keeps the server at work for as long as it can be asked.
    pub(crate) _at_work: Arc<DropGuard>,
}

/// A source, and what may be done with its documents.
pub(crate) struct Served {
    /// The source.
    pub(crate) source: Arc<dyn Source>,
    /// What HTTP clients may do.
    pub(crate) documents: DocumentsMode,
    /// What its last check found.
    pub(crate) checked: Checked,
}

/// Every route, behind the guard and the access log; the program's own go first.
pub(crate) fn router(app: Arc<App>, own: Router, policy: Policy) -> Router {
    let telemetry = Arc::clone(&app.telemetry);
    let document = get(documents::get)
        .put(documents::write)
        .post(documents::write)
        .patch(documents::write)
        .delete(documents::write);
    let ours = Router::new()
        .route("/", get(root))
        .route("/favicon.ico", get(page::favicon))
        .route("/assets/{name}", get(page::asset))
        .route("/changecast.js", get(page::library))
        .route("/changecast.d.ts", get(page::library))
        .route("/change-stream.js", get(page::library))
        .route("/events", get(events))
        .route("/ws", get(websocket))
        .route("/socket", get(socket))
        .route("/documents/{source}/{collection}", get(documents::list))
        .route("/documents/{source}/{collection}/{id}", document)
        .route("/publish/{topic}", post(publish))
        .route("/sources", get(health::sources))
        .route("/topics", get(health::topics))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(async || Problem::not_found("there is no such page"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(app);
    own.fallback_service(ours)
        .layer(from_fn_with_state(Arc::new(policy), guard))
        .layer(from_fn_with_state(telemetry, access))
}

/// The page; or, for those who give no path, as in `new WebSocket('ws://localhost:8888')`, a WebSocket.
async fn root(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    if request.headers().contains_key(header::UPGRADE) {
        return websocket(State(app), request).await;
    }
    page::index(&app, request.headers())
}

async fn events(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let wants_lines = ndjson::is_wanted(request.headers());
    let wanted = match request::Request::read(request.uri(), request.headers()) {
        Ok(wanted) if wanted.wait.is_some() && !wants_lines => {
            let detail = "wait= goes with the header Accept: application/x-ndjson";
            return Problem::bad_request("wait", detail).into_response();
        }
        Ok(wanted) => wanted,
        Err(problem) => return problem.into_response(),
    };
    let topics = Wanted::Follow(wanted.selection.topics().clone());
    if let Err(problem) = app.authorizer.allow(&request, topics).await {
        return problem.into_response();
    }
    let blocks = wanted.blocks;
    let format = wanted.format.unwrap_or_default();
    let codec: Arc<dyn Codec> =
        if wants_lines { Arc::new(Ndjson(format)) } else { Arc::new(Sse { format, blocks }) };
    let span = match wanted.wait {
        Some(wait) => Span::Poll(Instant::now() + wait),
        None => stream::one_life(),
    };
    let content_type = if wants_lines { ndjson::CONTENT_TYPE } else { sse::CONTENT_TYPE };
    let is_head = request.method() == Method::HEAD;
    // A long poll is an answer like others: its connection is used again.
    let streaming = if is_head || matches!(span, Span::Poll(_)) {
        let (cut, ending) = (cut_of(&request), ending_of(&request));
        let subscription = app.hub.subscribe(wanted.by(codec, span), cut).await;
        subscription.map(|subscription| sse::stream(subscription, content_type, ending))
    } else {
        stream::body(&app.hub, request, wanted.by(codec, span), content_type).await
    };
    streaming.unwrap_or_else(|error| match wants_lines || is_head {
        true => stream::refuse(&error),
        false => sse::come_back(&error),
    })
}

async fn websocket(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let commands = Commands::Obey(app.authorizer.applicant(&request));
    let codec = |format| Arc::new(WebSocket(format)) as Arc<dyn Codec>;
    upgrade(&app, request, codec, commands).await
}

async fn socket(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    upgrade(&app, request, |_| Arc::new(OriginFrame), Commands::Ignore).await
}

async fn upgrade(
    app: &App,
    request: Request<Body>,
    codec: impl FnOnce(Format) -> Arc<dyn Codec>,
    commands: Commands,
) -> Response {
    let checked = Handshake::check(request.headers()).and_then(|handshake| {
        Ok((handshake, request::Request::read(request.uri(), request.headers())?))
    });
    let (handshake, wanted) = match checked {
        Ok((_, wanted)) if wanted.wait.is_some() => {
            return Problem::bad_request("wait", "wait= is for NDJSON").into_response();
        }
        Ok((_, wanted)) if wanted.format.is_some() && commands.are_ignored() => {
            let detail = "/socket has the original's format; /ws takes format=";
            return Problem::bad_request("format", detail).into_response();
        }
        Ok(checked) => checked,
        Err(problem) => return problem.into_response(),
    };
    let topics = Wanted::Follow(wanted.selection.topics().clone());
    if let Err(problem) = app.authorizer.allow(&request, topics).await {
        return problem.into_response();
    }
    let codec = codec(wanted.format.unwrap_or_default());
    // Pings tell whether the client lives, so the connection needs no end of its own.
    let wanted = wanted.by(codec, Span::Endless);
    let answer =
        stream::websocket(&app.hub, request, handshake, wanted, commands, &app.tasks).await;
    answer.unwrap_or_else(|error| stream::refuse(&error))
}
