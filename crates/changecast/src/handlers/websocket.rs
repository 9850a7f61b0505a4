//! A store over WebSocket.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use tokio_util::task::TaskTracker;

use super::OfStore;
use super::subscriber::{Host, Subscriber, Welcome};
use super::wire::Texts;
use crate::stores::{Feed, Store};
use crate::transport::{Commands, Handshake, Problem, is_foreign, read_start, refuse, websocket};

/// An axum handler that sends a store's messages over WebSocket, each as `{"data": …}`.
///
/// Pings are answered, and sent; a close is answered; a client that is gone is noticed at once. What
/// it sends is ignored, unless a [`Subscriber`] attends to it, and is at most
/// [`limits::WEBSOCKET_MESSAGE_BYTES_MAX`](crate::limits) bytes (close code 1009). Pages of other
/// origins are refused (403) unless they are allowed. `?since=` takes the same places as `/events`,
/// for clients that resume.
///
/// A message's event name and id come as `event` and `id` beside `data`. What is missing is told by a
/// message of its own, `{"type":"gap", …}`.
#[derive(Clone)]
pub struct WebSocketSubscriber {
    feed: Feed,
    history: Option<u32>,
    has_ids: bool,
    origins: Vec<String>,
    welcome: Option<Arc<dyn Welcome>>,
    tasks: TaskTracker,
}

impl WebSocketSubscriber {
    /// Serves `store`.
    #[must_use]
    pub fn new<S: Store>(store: &S) -> Self {
        Self {
            feed: store.feed().clone(),
            history: None,
            has_ids: false,
            origins: Vec::new(),
            welcome: None,
            tasks: TaskTracker::new(),
        }
    }

    /// Has `subscriber` attend to the clients. Each then has a task of its own, under changecast's
    /// server, too.
    #[must_use]
    pub fn with_subscriber(mut self, subscriber: impl Subscriber) -> Self {
        self.welcome = Some(Arc::new(Host(Arc::new(subscriber))));
        self
    }

    /// As [`EventSource::with_history`](super::EventSource::with_history).
    #[must_use]
    pub fn with_history(mut self, count: u32) -> Self {
        self.history = Some(count);
        self
    }

    /// Sends an `id` with each message, to resume from by `?since=`, and besides messages of the
    /// `type`s `hello` and `bookmark`, as `/ws` does.
    #[must_use]
    pub fn with_ids(mut self) -> Self {
        self.has_ids = true;
        self
    }

    /// Lets pages of this origin in, such as `https://example.org`, besides those of the server's own.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Lets pages of any origin in, for development: any page in the developer's browser can then
    /// read the store, and says so in the log of the program.
    #[must_use]
    pub fn allow_any_origin(self) -> Self {
        tracing::warn!("a WebSocket lets pages of any origin in: not for production");
        self.allow_origin("*")
    }

    fn check(&self, method: &Method, headers: &HeaderMap) -> Result<Handshake, Problem> {
        if *method != Method::GET {
            return Err(Problem::method_not_allowed().with_header(header::ALLOW, "GET"));
        }
        let handshake = Handshake::check(headers)?;
        if is_foreign(headers, &self.origins) {
            return Err(Problem::forbidden("origin", "Cross origin websockets not allowed"));
        }
        Ok(handshake)
    }

    async fn answer(self, request: Request<Body>) -> Response {
        let checked = self
            .check(request.method(), request.headers())
            .and_then(|handshake| Ok((handshake, read_start(request.uri(), request.headers())?)));
        let (handshake, start) = match checked {
            Ok(checked) => checked,
            Err(problem) => return problem.into_response(),
        };
        let codec = Arc::new(Texts { has_ids: self.has_ids });
        let wanted = match self.feed.wanted(start, self.history, codec).await {
            Ok(wanted) => wanted,
            Err(error) => return super::unavailable(error),
        };
        let (parts, body) = request.into_parts();
        let commands = match &self.welcome {
            None => Commands::Ignore,
            Some(welcome) => match welcome.welcome(&parts).await {
                Ok(attendant) => Commands::Attend(attendant),
                Err(refusal) => return refusal,
            },
        };
        let request = Request::from_parts(parts, body);
        let hub = self.feed.hub();
        let answer = websocket(hub, request, handshake, wanted, commands, &self.tasks).await;
        answer.unwrap_or_else(|error| refuse(&error))
    }
}

impl<S: Send + Sync + 'static> Handler<OfStore, S> for WebSocketSubscriber {
    type Future = BoxFuture<'static, Response>;

    fn call(self, request: Request<Body>, _: S) -> Self::Future {
        Box::pin(self.answer(request))
    }
}
