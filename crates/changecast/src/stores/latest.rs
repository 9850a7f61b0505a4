//! The newest value of a store that has one, as it stands in the log.
//!
//! A subscriber gets it from the log like everything else. But a log forgets, and what it forgets of
//! a value must be no loss: where it has forgotten all of it, the value is appended anew, and where a
//! subscriber would hear of a gap, it gets the value instead.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Mutex as AsyncMutex;

use super::StoreError;
use super::message::Outgoing;
use crate::hub::{self, Codec, Control, GapScope, Hub, Publisher};
use crate::model::{Change, EventId, Op, Seq, Topic, TopicPattern, TopicSet};

/// The document that all values of a store are the states of.
const DOCUMENT_ID: &str = "value";

pub(super) struct Latest {
    /// Held while one is written, so that values are here in the log's order.
    writing: AsyncMutex<()>,
    /// A std mutex: held for short, never across an await.
    values: Mutex<Values>,
}

struct Values {
    value: Arc<Outgoing>,
    /// Where it stands in the log; before everything while it does not.
    seq: Seq,
    /// The one being written, which may be in the log already.
    coming: Option<Arc<Outgoing>>,
}

impl Latest {
    /// A value that the log does not have yet.
    pub(super) fn new(value: Outgoing) -> Self {
        let values = Values { value: Arc::new(value), seq: Seq::ZERO, coming: None };
        Self { writing: AsyncMutex::default(), values: Mutex::new(values) }
    }

    /// Has `value` stand for the one that the log has at this place.
    pub(super) fn take_over(&self, value: Outgoing, seq: Seq) {
        let mut values = self.values();
        values.value = Arc::new(value);
        values.seq = seq;
    }

    /// Replaces the value, also where this is dropped half-way: then with the next one.
    pub(super) async fn replace(
        &self,
        value: &Outgoing,
        publisher: &Publisher,
        topic: &Topic,
    ) -> Result<(), StoreError> {
        let _order = self.writing.lock().await;
        self.write(Arc::new(value.clone()), publisher, topic).await
    }

    /// Appends the value anew if the log has nothing of the topic any more.
    pub(super) async fn keep_in_log(
        &self,
        hub: &Hub,
        publisher: &Publisher,
        topic: &Topic,
    ) -> Result<(), StoreError> {
        let log = hub.log();
        let topics = TopicSet::new([TopicPattern::Exact(topic.clone())]);
        if log.trimmed(&topics) < self.values().seq {
            return Ok(());
        }
        let _order = self.writing.lock().await;
        let tail = *log.tail().borrow();
        let place = log.place_of_last(1, &topics).await.map_err(hub::HubError::from)?;
        // Others may have written there, and what they wrote is newer.
        if place < tail {
            return Ok(());
        }
        let value = Arc::clone(&self.values().value);
        self.write(value, publisher, topic).await
    }

    async fn write(
        &self,
        value: Arc<Outgoing>,
        publisher: &Publisher,
        topic: &Topic,
    ) -> Result<(), StoreError> {
        self.values().coming = Some(Arc::clone(&value));
        let message = hub::Message { topic: topic.clone(), json: value.json.clone(), key: None };
        let told = publisher.publish_told(message, &value.telling(Some(DOCUMENT_ID))).await;
        let mut values = self.values();
        values.coming = None;
        values.seq = told?.id.seq;
        values.value = value;
        Ok(())
    }

    /// The newest value: at least as new as anything that the log has forgotten.
    fn newest(&self) -> Arc<Outgoing> {
        let values = self.values();
        Arc::clone(values.coming.as_ref().unwrap_or(&values.value))
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A format that shows the value where others tell of a gap.
pub(super) struct Showing {
    codec: Arc<dyn Codec>,
    latest: Arc<Latest>,
    topic: Topic,
}

impl Showing {
    pub(super) fn new(codec: Arc<dyn Codec>, latest: Arc<Latest>, topic: Topic) -> Self {
        Self { codec, latest, topic }
    }
}

impl Codec for Showing {
    fn name(&self) -> &'static str {
        self.codec.name()
    }

    fn framing(&self) -> &'static str {
        self.codec.framing()
    }

    fn change(&self, id: EventId, change: &Change) -> Bytes {
        self.codec.change(id, change)
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        match control {
            // A source's gap is an entry, whose frame is shared with others.
            Control::Gap(gap) if gap.scope == GapScope::Log => {
                let newest = self.latest.newest();
                Some(self.codec.change(gap.id, &change(&self.topic, &newest)))
            }
            control => self.codec.control(control),
        }
    }
}

/// As much of a change as says the value.
fn change(topic: &Topic, value: &Outgoing) -> Change {
    let told = value.told.as_deref().unwrap_or("null");
    let event = format!(r#"{{"fullDocument":{},"message":{told}}}"#, value.json);
    Change { topic: topic.clone(), op: Op::Insert, key: Bytes::new(), event: event.into() }
}
