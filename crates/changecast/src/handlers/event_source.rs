//! A store over server-sent events.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;

use super::OfStore;
use super::wire::Events;
use crate::stores::{Feed, Store, StoreError};
use crate::transport::{EVENT_STREAM, Problem, body, come_back, head, one_life, read_start};

/// An axum handler that streams a store's messages to browsers' `EventSource`, or to `curl`.
///
/// A string is sent as it is, in as many `data:` lines as it has; anything else as JSON. Headers and a
/// first comment come at once, and an id with each message: a browser that reconnects goes on exactly
/// after what it had, or is told by an event `gap` that this is not possible. `?since=` takes the same
/// places as `/events`: an id, `earliest`, `last:5`, a time.
///
/// A stream with ids ends after 20 to 30 minutes, which a browser does not notice: it comes back by
/// itself. So a proxy cannot keep one open for somebody who is long gone.
///
/// A `HEAD` is answered with the headers, any other method but `GET` refused (405), wherever the
/// handler stands in a router; neither is a subscriber. While the store, or the server, is ending,
/// the answer is an empty stream that tells when to come back.
#[derive(Clone)]
pub struct EventSource {
    feed: Feed,
    history: Option<u32>,
    has_ids: bool,
}

impl EventSource {
    /// Serves `store`.
    #[must_use]
    pub fn new<S: Store>(store: &S) -> Self {
        Self { feed: store.feed().clone(), history: None, has_ids: true }
    }

    /// Has newcomers get the last `count` messages first, as far as the store keeps them; by default
    /// one of a [`DataStore`](crate::stores::DataStore), its value, and none of others.
    #[must_use]
    pub fn with_history(mut self, count: u32) -> Self {
        self.history = Some(count);
        self
    }

    /// Leaves out the ids, and so what resumes by them: nothing but `data:` and what a message says
    /// itself.
    #[must_use]
    pub fn without_ids(mut self) -> Self {
        self.has_ids = false;
        self
    }

    async fn answer(self, request: Request<Body>) -> Response {
        match *request.method() {
            Method::GET => {}
            Method::HEAD => return head(EVENT_STREAM),
            _ => return not_allowed(),
        }
        let start = match read_start(request.uri(), request.headers()) {
            Ok(start) => start,
            Err(problem) => return problem.into_response(),
        };
        let codec = Arc::new(Events { has_ids: self.has_ids });
        let mut wanted = match self.feed.wanted(start, self.history, codec).await {
            Ok(wanted) => wanted,
            Err(StoreError::Subscribe(error)) => return come_back(&error),
            Err(error) => return super::unavailable(error),
        };
        if self.has_ids {
            wanted.span = one_life();
        }
        let answer = body(self.feed.hub(), request, wanted, EVENT_STREAM).await;
        answer.unwrap_or_else(|error| come_back(&error))
    }
}

fn not_allowed() -> Response {
    Problem::method_not_allowed().with_header(header::ALLOW, "GET,HEAD").into_response()
}

impl<S: Send + Sync + 'static> Handler<OfStore, S> for EventSource {
    type Future = BoxFuture<'static, Response>;

    fn call(self, request: Request<Body>, _: S) -> Self::Future {
        Box::pin(self.answer(request))
    }
}
