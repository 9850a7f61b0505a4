//! Asks again and again, and tells what has changed.
//!
//! | invariant | what it buys | test |
//! |---|---|---|
//! | a value is told when it differs from the last one that was told | no noise; A, B and A again are two changes | `s3_08_the_weather_is_told_when_it_changes` |
//! | the counter never goes back | every change has an id of its own | `s3_08_the_weather_is_told_when_it_changes` |
//! | a server that asks for time gets it | changecast is a guest | `a_server_that_wants_time_gets_it` |

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::client::{Answer, Client, capped};
use super::config::HttpConfig;
use super::document::{Document, quote};
use super::fault::Fault;
use super::position::{Place, Validators};
use crate::limits;
use crate::model::{Change, Op, Timestamp, Topic};
use crate::source::{Delivery, DeliverySender, SourceError};

/// What all streams of one source share.
pub(super) struct Shared {
    pub(super) config: HttpConfig,
    pub(super) topic: Topic,
    pub(super) client: Client,
    /// When the server wants to be asked again at the earliest. A tokio mutex: it is held while
    /// somebody asks, so that two streams do not ask at once.
    pub(super) not_before: Mutex<Option<Instant>>,
}

impl Shared {
    /// Asks once, as soon as the server wants to be asked.
    pub(super) async fn ask(&self, known: &Validators) -> Result<Answer, Fault> {
        let mut not_before = self.not_before.lock().await;
        if let Some(time) = *not_before {
            sleep_until(time).await;
        }
        let outcome = self.client.ask(known).await;
        let wait = outcome.as_ref().err().and_then(Fault::retry_after).map(capped);
        *not_before = wait.map(|wait| Instant::now() + wait);
        outcome
    }
}

/// Follows one value.
pub(super) struct Follower {
    shared: Arc<Shared>,
    place: Place,
    /// What the first question brought.
    first: Option<Delivery>,
    due: Instant,
}

impl Follower {
    /// Asks for the first time.
    pub(super) async fn open(shared: Arc<Shared>, place: Place) -> Result<Self, SourceError> {
        let due = Instant::now();
        let mut follower = Self { shared, place, first: None, due };
        follower.first = follower.ask().await?;
        Ok(follower)
    }

    /// Ends when nobody listens any more, or after an error.
    pub(super) async fn run(mut self, sender: DeliverySender) {
        sender.run(self.follow(&sender)).await;
    }

    async fn follow(&mut self, sender: &DeliverySender) -> Result<(), SourceError> {
        let mut delivery = self.first.take();
        loop {
            if let Some(delivery) = delivery.take() {
                sender.send(Ok(delivery)).await;
            }
            self.due += self.shared.config.every;
            // After a long answer or a long sleep it is late: not several times at once then.
            self.due = self.due.max(Instant::now());
            while Instant::now() < self.due {
                if let Some(question) = sender.question() {
                    sender.answer_nothing(question).await;
                }
                sleep_until(self.due.min(Instant::now() + limits::HTTP_ANSWER_EVERY)).await;
            }
            delivery = self.ask().await?;
        }
    }

    /// What has changed since the last question.
    async fn ask(&mut self) -> Result<Option<Delivery>, SourceError> {
        let answer = self.shared.ask(&self.place.validators).await.map_err(Fault::into_error)?;
        let Answer::Body { bytes, validators, is_html } = answer else {
            return Ok(None);
        };
        let config = &self.shared.config;
        let document = Document::read(&bytes, &config.pointer).map_err(|why| {
            let address = config.address();
            let fault =
                if is_html { Fault::Html(address) } else { Fault::Document { address, why } };
            fault.into_error()
        })?;
        // Kept in memory only while the value stays: the next position has it.
        self.place.validators = validators;
        if self.place.hash.as_deref() == Some(&document.hash) {
            return Ok(None);
        }
        let op = if self.place.hash.is_none() { Op::Insert } else { Op::Replace };
        self.place.count += 1;
        let change = self.change(op, &document);
        self.place.hash = Some(document.hash);
        Ok(Some(Delivery { change: Some(change), position: Some(self.place.to_position()) }))
    }

    fn change(&self, op: Op, document: &Document) -> Change {
        let config = &self.shared.config;
        let key = if config.pointer.is_empty() { "/" } else { &config.pointer };
        let key = format!(r#"{{"_id":{}}}"#, quote(key));
        let event = format!(
            r#"{{"_id":{{"_data":"{count}-{hash}"}},"operationType":"{op}","wallTime":{{"$date":"{time}"}},"fullDocument":{json},"ns":{{"db":{db},"coll":{coll}}},"documentKey":{key}}}"#,
            count = self.place.count,
            hash = document.hash,
            op = op.name(),
            time = Timestamp::from(SystemTime::now()),
            json = document.json,
            db = quote(&config.name),
            coll = quote(&config.topic),
        );
        Change { topic: self.shared.topic.clone(), op, key: key.into(), event: event.into() }
    }
}
