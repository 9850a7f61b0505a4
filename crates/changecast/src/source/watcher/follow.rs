//! Follows a watcher's values, tick by tick or as they come, while they are wanted.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::value::Place;
use super::work::{Answer, Kind, Work};
use crate::source::{Delivery, DeliverySender, SourceError};

/// One stream of a watcher's values.
pub(super) struct Follower {
    shared: Arc<Shared>,
    place: Place,
    begun: Option<Begun>,
}

/// What was begun before the stream was handed out.
enum Begun {
    Polled(Option<Delivery>),
    Opened(BoxStream<'static, Answer>),
}

impl Follower {
    /// Asks for the first time, unless it has to be seen first whether anybody wants to know.
    pub(super) async fn open(shared: Arc<Shared>, place: Place) -> Result<Self, SourceError> {
        let mut follower = Self { shared, place, begun: None };
        if follower.shared.demand.is_none() {
            follower.begun = Some(follower.begin().await?);
        }
        Ok(follower)
    }

    /// Ends when nobody reads the stream any more, or after an error.
    pub(super) async fn run(mut self, sender: DeliverySender) {
        let following = async {
            tokio::select! {
                outcome = self.follow(&sender) => outcome,
                never = answer_questions(&sender) => match never {},
            }
        };
        sender.run(following).await;
    }

    async fn follow(&mut self, sender: &DeliverySender) -> Result<(), SourceError> {
        let Some(demand) = self.shared.demand.clone() else {
            return self.work(sender).await;
        };
        loop {
            demand.wanted().await;
            let linger = self.shared.linger;
            tokio::select! {
                outcome = self.work(sender) => return outcome,
                () = demand.lapsed(linger) => {}
            }
            // Told now, when nobody is there to be disturbed: only who comes back has missed something.
            if self.shared.work.kind() == Kind::Stream {
                let why = "nobody followed, so nobody listened to the stream";
                return Err(SourceError::HistoryLost(why.into()));
            }
        }
    }

    /// Tells all values, until something goes wrong. May be dropped, and begun again.
    async fn work(&mut self, sender: &DeliverySender) -> Result<(), SourceError> {
        let begun = match self.begun.take() {
            Some(begun) => begun,
            None => self.begin().await?,
        };
        match begun {
            Begun::Polled(first) => self.keep_asking(first, sender).await,
            Begun::Opened(values) => self.keep_listening(values, sender).await,
        }
    }

    async fn begin(&mut self) -> Result<Begun, SourceError> {
        Ok(match &*self.shared.work {
            Work::Poll { .. } => Begun::Polled(self.ask().await?),
            Work::Stream(open) => Begun::Opened(open()),
        })
    }

    async fn keep_asking(
        &mut self,
        first: Option<Delivery>,
        sender: &DeliverySender,
    ) -> Result<(), SourceError> {
        let Work::Poll { every, .. } = &*self.shared.work else { return Ok(()) };
        let every = *every;
        let (mut delivery, mut due) = (first, Instant::now());
        loop {
            if let Some(delivery) = delivery.take() {
                self.tell(delivery, sender).await;
            }
            // After a long answer it is late: not several times at once then.
            due = (due + every).max(Instant::now());
            sleep_until(due).await;
            delivery = self.ask().await?;
        }
    }

    async fn keep_listening(
        &mut self,
        mut values: BoxStream<'static, Answer>,
        sender: &DeliverySender,
    ) -> Result<(), SourceError> {
        while let Some(value) = values.next().await {
            if let Some(delivery) = self.note(&value?) {
                self.tell(delivery, sender).await;
            }
        }
        Err(SourceError::Unavailable("the watcher's stream has ended".into()))
    }

    async fn tell(&mut self, delivery: Delivery, sender: &DeliverySender) {
        sender.send(Ok(delivery)).await;
        self.place.told();
    }

    async fn ask(&mut self) -> Result<Option<Delivery>, SourceError> {
        let Work::Poll { ask, .. } = &*self.shared.work else { return Ok(None) };
        let limit = self.shared.timeout;
        let answer = timeout(limit, ask()).await.map_err(|_| {
            SourceError::Unavailable(format!("the watcher has no answer within {limit:?}"))
        })?;
        Ok(self.note(&answer?))
    }

    fn note(&mut self, json: &str) -> Option<Delivery> {
        let Shared { topic, work, is_distinct, .. } = &*self.shared;
        self.place.next(topic, json, work.kind(), *is_distinct)
    }
}

/// A reader that asks whether there is something now does not wait for the next tick.
async fn answer_questions(sender: &DeliverySender) -> Infallible {
    loop {
        if let Some(question) = sender.question() {
            sender.answer_nothing(question).await;
        }
        sender.asked().await;
    }
}
