//! The embedding program's own say in who may do what.
//!
//! It is asked once a request is understood, and before anything is done or told. Invariant: only an
//! answer that says so lets anybody in; a hook that panics or does not answer has refused.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Request, StatusCode, header};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::problem::Problem;
use crate::limits;
use crate::model::{Topic, TopicSet};

/// What somebody wants, as the hook of [`ServerBuilder::authorize`] sees it.
///
/// [`ServerBuilder::authorize`]: crate::server::ServerBuilder::authorize
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// To follow every topic of this set, by SSE, NDJSON or WebSocket; asked again, with the new ones
    /// only, when a WebSocket's client subscribes to more.
    Follow(TopicSet),
    /// To read documents.
    ReadDocuments {
        /// Of this source.
        source: String,
        /// In this collection.
        collection: String,
        /// One; none for a list of all.
        id: Option<String>,
    },
    /// To write or delete a document.
    WriteDocument {
        /// Of this source.
        source: String,
        /// In this collection.
        collection: String,
        /// The document.
        id: String,
    },
    /// To publish to this topic.
    Publish(Topic),
    /// To see what the server watches and how it does: `/topics`, `/sources`, `/readyz`, `/metrics`;
    /// which of them, the request's path says.
    Status,
}

/// Why the hook lets somebody not do what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    words: String,
}

impl Refusal {
    /// 401: it has to say who it is. The words are sent to it. The answer asks for a `Bearer` token, as
    /// every such answer has to ask for something (RFC 9110, section 11.6.1).
    #[must_use]
    pub fn unauthorized(words: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, words: words.into() }
    }

    /// 403: it may not, whoever it is. The words are sent to it.
    #[must_use]
    pub fn forbidden(words: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, words: words.into() }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = Self::new(refusal.status, "authorization", refusal.words);
        match refusal.status {
            StatusCode::UNAUTHORIZED => problem.with_header(header::WWW_AUTHENTICATE, "Bearer"),
            _ => problem,
        }
    }
}

type Hook = dyn Fn(Arc<Parts>, Wanted) -> BoxFuture<'static, Result<(), Refusal>> + Send + Sync;

/// Asks the hook, if the program has one.
#[derive(Clone, Default)]
pub(crate) struct Authorizer {
    hook: Option<Arc<Hook>>,
}

impl Authorizer {
    pub(crate) fn new<F, A>(hook: F) -> Self
    where
        F: Fn(Arc<Parts>, Wanted) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        let hook = Arc::new(hook);
        let hook = move |parts, wanted| {
            let hook = Arc::clone(&hook);
            // The call itself is within, since it may panic, too.
            async move { hook(parts, wanted).await }.boxed()
        };
        Self { hook: Some(Arc::new(hook)) }
    }

    /// Whoever sends this request, to be asked about what it wants; nobody where there is no hook.
    pub(super) fn applicant(&self, request: &Request<Body>) -> Option<Applicant> {
        let hook = Arc::clone(self.hook.as_ref()?);
        let mut parts = Request::new(()).into_parts().0;
        parts.method = request.method().clone();
        parts.uri = request.uri().clone();
        parts.version = request.version();
        parts.headers = request.headers().clone();
        parts.extensions = request.extensions().clone();
        Some(Applicant { hook, parts: Arc::new(parts) })
    }

    /// Whether whoever sends this request may have what it wants.
    pub(super) fn allow(
        &self,
        request: &Request<Body>,
        wanted: Wanted,
    ) -> impl Future<Output = Result<(), Problem>> + Send + use<> {
        let asked = self.applicant(request).map(|applicant| applicant.ask(wanted));
        async move {
            match asked {
                Some(asked) => asked.await,
                None => Ok(()),
            }
        }
    }
}

/// Somebody whose request the hook has seen, and who may want more later.
#[derive(Clone)]
pub(crate) struct Applicant {
    hook: Arc<Hook>,
    parts: Arc<Parts>,
}

impl Applicant {
    /// Asks the hook.
    pub(super) fn ask(
        &self,
        wanted: Wanted,
    ) -> impl Future<Output = Result<(), Problem>> + Send + use<> {
        let (hook, parts) = (Arc::clone(&self.hook), Arc::clone(&self.parts));
        let asked = AssertUnwindSafe(async move { hook(parts, wanted).await }).catch_unwind();
        async move {
            match timeout(limits::AUTHORIZE_TIMEOUT, asked).await {
                Ok(Ok(answer)) => Ok(answer?),
                Ok(Err(_panic)) => {
                    tracing::error!("the authorization hook has panicked");
                    let detail = "it cannot be said now who may do this";
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    Err(Problem::new(status, "authorization", detail))
                }
                Err(_) => {
                    tracing::error!("the authorization hook does not answer");
                    Err(Problem::unavailable("it cannot be said now who may do this; try again"))
                }
            }
        }
    }
}
