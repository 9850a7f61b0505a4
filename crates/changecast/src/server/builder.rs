//! Puts a server together.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::http::request::Parts;

use super::Server;
use super::core::Core;
use crate::log::{Log, MemoryLog, Retention};
use crate::model::{InvalidTopic, Topic, TopicPattern, TopicSet};
use crate::source::Source;
use crate::telemetry::Telemetry;
use crate::transport::{
    App, Authorizer, Checked, DocumentsMode, PageConfig, Policy, Refusal, Served, Wanted, router,
};

/// What a [`Server`] is made of. Everything has a default: no source, a log in memory, nobody may
/// publish by HTTP, only pages of its own origin may write, and nobody is asked who may read.
#[derive(Default)]
#[must_use = "a server works once it is built"]
pub struct ServerBuilder {
    log: Option<Arc<dyn Log>>,
    sources: Vec<(Arc<dyn Source>, DocumentsMode)>,
    is_publishing_open: bool,
    reserved: Vec<TopicPattern>,
    routes: Router,
    authorizer: Authorizer,
    policy: Policy,
    page: PageConfig,
    telemetry: Arc<Telemetry>,
}

/// Why a server cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two sources have one name: their topics could not be told apart.
    #[error("two sources are named {0:?}: give one of them another name")]
    DuplicateName(Arc<str>),
    /// A source's name cannot be the first part of a topic.
    #[error("a source cannot be named {name:?}: {error}")]
    InvalidName {
        /// The name.
        name: Arc<str>,
        /// Why not.
        error: InvalidTopic,
    },
    /// A topic that the program reserves for itself is written by a source.
    #[error("the source {source_name:?} writes {pattern}, which the program reserves for itself")]
    Reserved {
        /// What was reserved.
        pattern: TopicPattern,
        /// The source.
        source_name: Arc<str>,
    },
}

impl ServerBuilder {
    /// Watches a source. Nobody reads or writes its documents by HTTP.
    pub fn source(self, source: Arc<dyn Source>) -> Self {
        self.source_with_documents(source, DocumentsMode::Off)
    }

    /// Watches a source, and lets HTTP clients at its documents so far.
    pub fn source_with_documents(
        mut self,
        source: Arc<dyn Source>,
        documents: DocumentsMode,
    ) -> Self {
        self.sources.push((source, documents));
        self
    }

    /// Where everything is kept. The default is a [`MemoryLog`] with the default [`Retention`]: after a
    /// restart of the process it is another, and clients that reconnect are told so by a `gap`. For
    /// what outlives it, take a `SqliteLog` (feature `sqlite`).
    pub fn log(mut self, log: Arc<dyn Log>) -> Self {
        self.log = Some(log);
        self
    }

    /// Lets HTTP clients publish, too, to topics that neither a source writes nor the program
    /// [reserves](Self::reserve): `POST /publish/{topic}`.
    pub fn publish_over_http(mut self) -> Self {
        self.is_publishing_open = true;
        self
    }

    /// Only the program itself publishes to these topics, by [`Server::publisher`].
    pub fn reserve(mut self, topics: TopicPattern) -> Self {
        self.reserved.push(topics);
        self
    }

    /// Routes of the program's own. They go before ours, so that `/` may be another page, and behind
    /// the same guard (host names, origins) and access log. A fallback of theirs is replaced by our
    /// routes. The [hook](Self::authorize) is not asked about them.
    pub fn routes(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Has the program say who may do what: `hook` gets the request without its body, and what is
    /// [wanted](Wanted), before anything is done. Without one, everybody may do everything that is
    /// open. Not asked: the page with its assets, `/healthz`, the program's own routes, and requests
    /// that are malformed.
    ///
    /// An error of the hook's own is its refusal. A panic is answered by 500, no answer within
    /// [`limits::AUTHORIZE_TIMEOUT`](crate::limits::AUTHORIZE_TIMEOUT) by 503. When the client goes away,
    /// the hook's future is dropped. A stream that was let in goes on for at most half an hour over
    /// HTTP, then comes back and is asked about again; a WebSocket goes on for as long as it lives.
    ///
    /// `EventSource` and `WebSocket` of browsers send no `Authorization` header: for pages, look at a
    /// cookie of the server's own origin. A set that is followed may hold patterns, `*` among them:
    /// [`TopicSet::is_within`] says whether all of it is allowed, where [`TopicSet::matches`] and
    /// [`TopicSet::overlaps`] let wider ones in.
    ///
    /// ```
    /// use changecast::server::{Refusal, Server, Wanted};
    ///
    /// let builder = Server::builder().authorize(|request, wanted| async move {
    ///     match (request.headers.get("authorization"), wanted) {
    ///         (_, Wanted::Status) => Ok(()),
    ///         (None, _) => Err(Refusal::unauthorized("send a token")),
    ///         (Some(token), Wanted::Follow(_)) if token == "Bearer reader" => Ok(()),
    ///         _ => Err(Refusal::forbidden("this token is not for that")),
    ///     }
    /// });
    /// # drop(builder);
    /// ```
    pub fn authorize<F, A>(mut self, hook: F) -> Self
    where
        F: Fn(Arc<Parts>, Wanted) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        self.authorizer = Authorizer::new(hook);
        self
    }

    /// Which host names the server answers to, and which origins' pages may write and open
    /// WebSockets. A [`WebSocketSubscriber`](crate::handlers::WebSocketSubscriber) has to
    /// [allow](crate::handlers::WebSocketSubscriber::allow_origin) an origin, too.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How the live page behaves.
    pub fn page(mut self, page: PageConfig) -> Self {
        self.page = page;
        self
    }

    /// What is counted, for `/metrics`: the one that sources were given, so that theirs is there, too.
    pub fn telemetry(mut self, telemetry: Arc<Telemetry>) -> Self {
        self.telemetry = telemetry;
        self
    }

    /// Starts the sources and the hub, in the tokio runtime that this is called in; nothing listens
    /// yet. Waits for no database, only for the log to say where each source stands.
    ///
    /// # Errors
    /// As [`BuildError`] says; then nothing has been started.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and I/O enabled.
    pub async fn build(self) -> Result<Server, BuildError> {
        self.check()?;
        if self.policy.origins.iter().any(|origin| origin == "*") {
            tracing::warn!(
                "pages of every origin may write and open WebSockets here: for development only"
            );
        }
        let log = self.log.unwrap_or_else(|| Arc::new(MemoryLog::new(Retention::default())));
        let sources = self.sources.iter().map(|(source, _)| Arc::clone(source)).collect();
        let core = Core::start(log, sources, self.telemetry).await;
        let reserved = TopicSet::none().with(self.reserved);
        let publisher = self.is_publishing_open.then(|| core.publisher().without(reserved));
        let served = self.sources.into_iter().map(|(source, documents)| Served {
            source,
            documents,
            checked: Checked::default(),
        });
        let app = App {
            hub: core.hub.clone(),
            log: Arc::clone(&core.log),
            board: core.board.clone(),
            sources: served.collect(),
            publisher,
            authorizer: self.authorizer,
            telemetry: Arc::clone(&core.telemetry),
            page: self.page,
            tasks: core.connections.clone(),
            _at_work: Arc::clone(&core.at_work),
        };
        let router = router(Arc::new(app), self.routes, self.policy);
        Ok(Server { core: Arc::new(core), router })
    }

    fn check(&self) -> Result<(), BuildError> {
        let mut names = HashSet::new();
        for (source, _) in &self.sources {
            let name = source.name();
            if let Err(error) = Topic::new(name, "any") {
                return Err(BuildError::InvalidName { name: Arc::clone(name), error });
            }
            if !names.insert(name) {
                return Err(BuildError::DuplicateName(Arc::clone(name)));
            }
            for pattern in &self.reserved {
                if source.topics().overlaps(&TopicSet::new([pattern.clone()])) {
                    let (pattern, source_name) = (pattern.clone(), Arc::clone(name));
                    return Err(BuildError::Reserved { pattern, source_name });
                }
            }
        }
        Ok(())
    }
}
