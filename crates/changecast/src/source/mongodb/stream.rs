//! Follows one change stream in a task of its own, and opens it again when the server ends it.
//!
//! The driver must not be interrupted while it waits for the server, so nothing here does; a reader
//! that goes away is noticed within [`AWAIT_TIME`]. Faults are not mended here: they end the stream,
//! and the runner opens a new one from the last position. The driver itself resumes once or more
//! after a fault that it knows to pass.

use std::sync::Arc;
use std::time::Duration;

use mongodb::Database;
use mongodb::action::Watch;
use mongodb::bson::{RawDocumentBuf, doc};
use mongodb::change_stream::ChangeStream;

use super::config::{FullDocument, FullDocumentBeforeChange};
use super::decode::Decoder;
use super::errors::Hosts;
use super::position::{self, Place, Positions, Start, Token};
use super::scope::Watched;
use crate::source::{Delivery, DeliverySender, SourceError};
use crate::telemetry::Telemetry;

/// How long the server waits for a change before it answers that there is none: each answer tells a
/// newer position, and lets the task see whether anybody still listens.
const AWAIT_TIME: Duration = Duration::from_secs(1);

/// How many answers without a newer position make the follower look at the server's clock: a member
/// of a replica set writes at least every ten seconds.
const STALLED_ANSWERS: u32 = 12;

pub(super) type Cursor = ChangeStream<RawDocumentBuf>;

/// Opens streams that differ only in where they start.
pub(super) struct Opener {
    pub(super) database: Database,
    pub(super) watched: Arc<Watched>,
    pub(super) full_document: Option<FullDocument>,
    pub(super) full_document_before_change: Option<FullDocumentBeforeChange>,
    pub(super) hosts: Arc<Hosts>,
}

impl Opener {
    pub(super) async fn open(&self, place: &Place) -> Result<Cursor, SourceError> {
        let opened = match self.watched.only() {
            Some(name) => {
                let collection = self.database.collection::<RawDocumentBuf>(name);
                let watch = self.configure(collection.watch(), place)?;
                watch.await.map(ChangeStream::with_type)
            }
            None => {
                let watch = self.configure(self.database.watch(), place)?;
                watch.await.map(ChangeStream::with_type)
            }
        };
        opened.map_err(|error| match (self.hosts.explain(&error), place) {
            // Nothing is lost where nothing was asked for, and to start from now again is no help.
            (SourceError::HistoryLost(reason), Place::Now) => SourceError::Unavailable(reason),
            (error, _) => error,
        })
    }

    fn configure<'a, T>(
        &self,
        watch: Watch<'a, T>,
        place: &Place,
    ) -> Result<Watch<'a, T>, SourceError> {
        let mut watch = watch.pipeline(self.watched.pipeline()).max_await_time(AWAIT_TIME);
        if let Some(images) = self.full_document {
            watch = watch.full_document(images.for_the_driver());
        }
        if let Some(images) = self.full_document_before_change {
            watch = watch.full_document_before_change(images.for_the_driver());
        }
        Ok(match place {
            Place::Now => watch,
            Place::After(token) => watch.start_after(token.for_driver()?),
            Place::At(time) => watch.start_at_operation_time(*time),
        })
    }
}

/// Carries one stream into its [`DeliverySender`].
pub(super) struct Follower {
    opener: Opener,
    cursor: Cursor,
    positions: Positions,
    /// Where the stream would have to be opened to go on, and what to leave out.
    start: Start,
    /// Whether the cursor has brought anything since it was opened.
    is_fruitful: bool,
    /// Answers since the position last moved.
    stalled: u32,
    decoder: Decoder,
    telemetry: Arc<Telemetry>,
}

impl Follower {
    pub(super) fn new(
        opener: Opener,
        cursor: Cursor,
        positions: Positions,
        start: Start,
        telemetry: &Arc<Telemetry>,
    ) -> Self {
        let decoder = Decoder::new(Arc::clone(&opener.watched));
        let telemetry = Arc::clone(telemetry);
        let (is_fruitful, stalled) = (false, 0);
        Self { opener, cursor, positions, start, is_fruitful, stalled, decoder, telemetry }
    }

    /// Ends when nobody listens any more, or after an error.
    pub(super) async fn run(mut self, sender: DeliverySender) {
        while !sender.is_closed() {
            let delivery = match self.next().await {
                Ok(None) => continue,
                Ok(Some(delivery)) => Ok(delivery),
                Err(error) => Err(error),
            };
            let is_over = delivery.is_err();
            if !sender.send(delivery).await || is_over {
                return;
            }
        }
    }

    /// Asks the server at most once.
    async fn next(&mut self) -> Result<Option<Delivery>, SourceError> {
        let event = self.cursor.next_if_any().await;
        match event.map_err(|error| self.opener.hosts.explain(&error))? {
            Some(event) => self.take_event(&event),
            None if self.cursor.is_alive() => {
                let delivery = self.take_idle_token();
                self.stalled = if delivery.is_some() { 0 } else { self.stalled + 1 };
                if self.stalled >= STALLED_ANSWERS {
                    self.stalled = 0;
                    self.check_clock().await?;
                }
                Ok(delivery)
            }
            None => self.reopen().await.map(|()| None),
        }
    }

    fn take_event(&mut self, event: &RawDocumentBuf) -> Result<Option<Delivery>, SourceError> {
        let Some(token) = Token::of_event(event) else {
            let problem = "the server sent a change without a resume token".to_owned();
            return Err(SourceError::Unavailable(problem));
        };
        self.is_fruitful = true;
        self.stalled = 0;
        if !self.start.is_new(&token) {
            return Ok(None);
        }
        let decoded = self.decoder.decode(event.as_bytes());
        let name = &self.opener.watched.name;
        if decoded.replacements > 0 {
            self.telemetry.text_replaced(name, decoded.replacements);
        }
        if let Some(error) = decoded.unreadable {
            tracing::error!(source = &**name, %error, "change delivered in part");
        }
        let position = Some(self.positions.after(&token));
        self.start.place = Place::After(token);
        Ok(Some(Delivery { change: Some(decoded.change), position }))
    }

    /// Nothing happened, but the server may have come further.
    fn take_idle_token(&mut self) -> Option<Delivery> {
        let token = self.cursor.resume_token().and_then(Token::from_driver)?;
        if !self.start.is_ahead(&token) {
            return None;
        }
        let position = self.positions.after(&token);
        self.start.place = Place::After(token);
        Some(Delivery { change: None, position: Some(position) })
    }

    /// The driver resumes by itself, also on a server that was restored from a backup meanwhile, and
    /// which would then be silent about all it does until it reaches the token's time.
    async fn check_clock(&mut self) -> Result<(), SourceError> {
        let hello = self.opener.database.run_command(doc! { "hello": 1 }).await;
        let hello = hello.map_err(|error| self.opener.hosts.explain(&error))?;
        position::check_clock(&hello, &self.start.place)
    }

    /// The server ends a stream when what it watches is dropped or renamed; what follows under the
    /// same name is told by a new one.
    async fn reopen(&mut self) -> Result<(), SourceError> {
        if !std::mem::take(&mut self.is_fruitful) {
            let problem = "the server ended the change stream without a change";
            return Err(SourceError::Unavailable(problem.into()));
        }
        self.cursor = self.opener.open(&self.start.place).await?;
        Ok(())
    }
}
