//! Follows one change stream in a task of its own, and opens it again when it breaks.
//!
//! A fault that passes is mended here, as the specification of change streams says: one attempt
//! for each, from the last token. Everything else, and a fault that does not pass, ends the stream,
//! and the runner opens a new one from the last position.

use std::sync::Arc;

use mongodb::Client;
use mongodb::bson::{Document, RawDocument, RawDocumentBuf};
use mongodb::raw_batch_cursor::RawBatchCursor;

use super::cursor::{Batch, Cursor};
use super::decode::Decoder;
use super::deployment::Deployment;
use super::errors::{self, Hosts};
use super::position::{Place, Positions, Start, Token};
use super::request::{Request, whole_pipeline};
use super::scope::Watched;
use crate::limits;
use crate::model::Position;
use crate::source::backoff::Backoff;
use crate::source::{Delivery, DeliverySender, SourceError};
use crate::telemetry::Telemetry;

/// Opens streams that differ only in where they start.
pub(super) struct Opener {
    pub(super) client: Client,
    pub(super) request: Request,
    pub(super) watched: Arc<Watched>,
    pub(super) hosts: Arc<Hosts>,
}

/// A stream that is open.
struct Opened {
    cursor: Cursor,
    first: Option<Batch>,
    deployment: Deployment,
    wire_version: i32,
}

impl Opener {
    /// Opens a stream at `start`, if the deployment that says `hello` is the one it is from.
    async fn open(&self, start: &Start, hello: Document) -> Result<Opened, SourceError> {
        let explain = |error| self.hosts.explain(&error);
        let wire_version = hello.get_i32("maxWireVersion").unwrap_or(0);
        let deployment = Deployment::identify(&self.client, hello).await.map_err(explain)?;
        deployment.check(start)?;
        let opened = match self.aggregate(self.stage(start)?).await {
            Ok(batches) => Cursor::open(batches).await,
            Err(error) => Err(error),
        };
        let (cursor, first) = opened.map_err(|error| self.explain_opening(&error, &start.place))?;
        Ok(Opened { cursor, first, deployment, wire_version })
    }

    fn explain_opening(&self, error: &mongodb::error::Error, place: &Place) -> SourceError {
        let is_now = *place == Place::Now;
        match self.hosts.explain(error) {
            SourceError::HistoryLost(words) | SourceError::Unavailable(words)
                if self.request.is_particular() && errors::is_about_options(error, is_now) =>
            {
                errors::refused_options(&words)
            }
            // Nothing is lost where nothing was asked for, and to start from now again is no help.
            SourceError::HistoryLost(reason) if is_now => SourceError::Unavailable(reason),
            error => error,
        }
    }

    async fn aggregate(&self, stage: Document) -> mongodb::error::Result<RawBatchCursor> {
        let pipeline = whole_pipeline(stage, self.watched.pipeline(), &self.request);
        let database = self.client.database(self.watched.database());
        let collection;
        let aggregate = match self.watched.only() {
            Some(name) => {
                collection = database.collection::<RawDocumentBuf>(name);
                collection.aggregate(pipeline)
            }
            None => database.aggregate(pipeline),
        };
        self.request.configure(aggregate).batch().await
    }

    fn stage(&self, start: &Start) -> Result<Document, SourceError> {
        let mut stage = self.request.stage();
        if self.watched.is_cluster() {
            stage.insert("allChangesForCluster", true);
        }
        match &start.place {
            Place::Now => {}
            Place::After(token) if start.is_resume_after => {
                stage.insert("resumeAfter", token.for_server()?);
            }
            Place::After(token) => {
                stage.insert("startAfter", token.for_server()?);
            }
            Place::At(time) => {
                stage.insert("startAtOperationTime", *time);
            }
        }
        Ok(stage)
    }
}

/// Carries one stream into its [`DeliverySender`].
pub(super) struct Follower {
    opener: Opener,
    opened: Opened,
    positions: Positions,
    /// Where the stream would have to be opened to go on, and what to leave out.
    start: Start,
    /// Whether the cursor has brought anything since it was opened.
    is_fruitful: bool,
    /// How often it has been opened again since it last brought an answer.
    resumes: u32,
    backoff: Backoff,
    decoder: Decoder,
}

impl Follower {
    /// Opens the stream; tells the position at which it stands, unless that is where it was told
    /// to start.
    pub(super) async fn open(
        opener: Opener,
        mut positions: Positions,
        mut start: Start,
        hello: Document,
    ) -> Result<(Self, Option<Position>), SourceError> {
        let opened = opener.open(&start, hello).await?;
        start.is_resume_after = false;
        start.deployment = opened.deployment.id.clone().or(start.deployment);
        positions.belong_to(start.deployment.clone());
        let initial = initial_place(&mut start, &opened);
        let initial = initial.and_then(|()| positions.at(&start.place));
        let decoder = Decoder::new(Arc::clone(&opener.watched));
        let (is_fruitful, resumes, backoff) = (false, 0, Backoff::default());
        let follower =
            Self { opener, opened, positions, start, is_fruitful, resumes, backoff, decoder };
        Ok((follower, initial))
    }

    /// Ends when nobody listens any more, or after an error.
    pub(super) async fn run(mut self, sender: DeliverySender, telemetry: Arc<Telemetry>) {
        sender.run(self.follow(&sender, &telemetry)).await;
    }

    async fn follow(
        &mut self,
        sender: &DeliverySender,
        telemetry: &Telemetry,
    ) -> Result<(), SourceError> {
        loop {
            if let Some(first) = self.opened.first.take() {
                self.deliver(&first, sender, telemetry).await?;
            }
            let question = sender.question();
            match self.opened.cursor.next().await {
                Some(Ok(batch)) => {
                    self.resumes = 0;
                    self.deliver(&batch, sender, telemetry).await?;
                    if let Some(question) = question {
                        sender.answer_nothing(question).await;
                    }
                }
                Some(Err(error)) => self.resume(&error).await?,
                None => self.reopen().await?,
            }
        }
    }

    async fn deliver(
        &mut self,
        batch: &Batch,
        sender: &DeliverySender,
        telemetry: &Telemetry,
    ) -> Result<(), SourceError> {
        let hosts = Arc::clone(&self.opener.hosts);
        let events = batch.events().map_err(|error| hosts.explain(&error))?;
        for event in events {
            let event = event.map_err(|error| hosts.explain(&error))?;
            if let Some(delivery) = self.take_event(event, telemetry)? {
                sender.send(Ok(delivery)).await;
            }
        }
        if let Some(delivery) = self.take_token(batch) {
            sender.send(Ok(delivery)).await;
        }
        Ok(())
    }

    fn take_event(
        &mut self,
        event: &RawDocument,
        telemetry: &Telemetry,
    ) -> Result<Option<Delivery>, SourceError> {
        let Some(token) = Token::of_event(event) else {
            let problem = "the server sent a change without a resume token".to_owned();
            return Err(SourceError::Unavailable(problem));
        };
        self.is_fruitful = true;
        if !self.start.is_new(&token) {
            return Ok(None);
        }
        let decoded = self.decoder.decode(event.as_bytes());
        let name = &self.opener.watched.name;
        if decoded.replacements > 0 {
            telemetry.text_replaced(name, decoded.replacements);
        }
        if let Some(error) = decoded.unreadable {
            tracing::error!(source = &**name, %error, "change delivered in part");
        }
        let position = Some(self.positions.after(&token));
        self.start.place = Place::After(token);
        Ok(Some(Delivery { change: Some(decoded.change), position }))
    }

    /// Nothing more happened, but the server has come further.
    fn take_token(&mut self, batch: &Batch) -> Option<Delivery> {
        let token = batch.token().filter(|token| self.start.is_ahead(token))?;
        let position = self.positions.after(&token);
        self.start.place = Place::After(token);
        Some(Delivery { change: None, position: Some(position) })
    }

    /// Opens the stream again after an error, if it is one that passes.
    async fn resume(&mut self, error: &mongodb::error::Error) -> Result<(), SourceError> {
        let cause = self.opener.hosts.explain(error);
        let is_resumable = errors::is_resumable(error, self.opened.wire_version);
        if !is_resumable || self.resumes >= limits::RESUMES_MAX {
            return Err(cause);
        }
        if self.resumes == 0 {
            self.backoff.reset();
        } else {
            tokio::time::sleep(self.backoff.next()).await;
        }
        self.resumes += 1;
        tracing::debug!(source = &*self.opener.watched.name, %cause, "change stream resumed");
        self.open_again().await
    }

    /// The server ends a stream when what it watches is dropped or renamed; what follows under the
    /// same name is told by a new one.
    async fn reopen(&mut self) -> Result<(), SourceError> {
        if !std::mem::take(&mut self.is_fruitful) {
            let problem = "the server ended the change stream without a change";
            return Err(SourceError::Unavailable(problem.into()));
        }
        self.open_again().await
    }

    async fn open_again(&mut self) -> Result<(), SourceError> {
        let hello = super::say_hello(&self.opener.client).await;
        let hello = hello.map_err(|error| self.opener.hosts.explain(&error))?;
        self.opened = self.opener.open(&self.start, hello).await?;
        Ok(())
    }
}

/// Fixes the place where the stream stands now that it is open. The server tells it, unless changes
/// came with its first answer: then it is still where the stream was told to start.
fn initial_place(start: &mut Start, opened: &Opened) -> Option<()> {
    let first = opened.first.as_ref();
    let is_empty = first.and_then(|first| first.events().ok()?.next()).is_none();
    let told = first.and_then(Batch::token).filter(|token| is_empty && start.is_ahead(token));
    if let Some(token) = told {
        start.place = Place::After(token);
    } else if let (Place::Now, Some(time)) = (&start.place, opened.deployment.time_after()) {
        start.place = Place::At(time);
    }
    start.floor.is_none().then_some(())
}
