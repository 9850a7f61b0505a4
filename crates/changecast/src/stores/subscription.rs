//! A subscription in Rust.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::{BoxStream, unfold};
use serde::de::DeserializeOwned;

use super::message::Payload;
use super::{Feed, StoreError};
use crate::hub::{self, Codec, Control, Output, Start};
use crate::model::{Change, EventId};

/// A subscription: a `Stream` of what it hears. Dropping it is all there is to deregistering.
///
/// It ends (`None`) with its store. An error is an item, and the stream goes on after it, save after
/// [`StoreError::Subscribe`]. Cancel-safe: dropping a pending `next()` loses nothing.
pub struct Subscription<T> {
    heard: BoxStream<'static, Result<Received<T>, StoreError>>,
}

/// What a [`Subscription`] hears.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received<T> {
    /// What was submitted.
    pub value: T,
    /// The event's name, if it has one.
    pub event: Option<String>,
    /// Where it stands in the log: `Start::After` it goes on with what comes next.
    pub id: EventId,
}

impl<T: DeserializeOwned + Send + 'static> Subscription<T> {
    pub(super) async fn open(feed: &Feed, start: Option<Start>) -> Result<Self, StoreError> {
        let subscription = feed.subscribe(start, Arc::new(Entries)).await?;
        let state = Following { subscription, waiting: VecDeque::new(), item: PhantomData };
        Ok(Self { heard: Box::pin(unfold(Some(state), Following::go_on)) })
    }
}

impl<T> Stream for Subscription<T> {
    type Item = Result<Received<T>, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.heard.as_mut().poll_next(context)
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

struct Following<T> {
    subscription: hub::Subscription,
    waiting: VecDeque<Bytes>,
    item: PhantomData<fn() -> T>,
}

type Heard<T> = Result<Received<T>, StoreError>;

impl<T: DeserializeOwned> Following<T> {
    async fn go_on(state: Option<Self>) -> Option<(Heard<T>, Option<Self>)> {
        let mut state = state?;
        loop {
            if let Some(frame) = state.waiting.pop_front() {
                if let Some(heard) = read(&frame) {
                    return Some((heard, Some(state)));
                }
                continue;
            }
            match state.subscription.next().await {
                Ok(Output::Messages(messages)) => state.waiting.extend(messages),
                Ok(Output::End(_)) => return None,
                Err(error) => return Some((Err(error.into()), None)),
            }
        }
    }
}

/// A change's event as it is, after its id; a gap's reason, after its own.
struct Entries;

/// What a gap's frame begins with: no id does.
const GAP: &str = "gap ";

impl Codec for Entries {
    fn name(&self) -> &'static str {
        "stream"
    }

    fn change(&self, id: EventId, change: &Change) -> Bytes {
        let mut frame = BytesMut::with_capacity(change.event.len() + 32);
        frame.put_slice(format!("{id}\n").as_bytes());
        frame.put_slice(&change.event);
        frame.freeze()
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        match control {
            Control::Gap(gap) => Some(Bytes::from(format!("{GAP}{}\n{}", gap.id, gap.reason))),
            _ => None,
        }
    }
}

/// Reads back what [`Entries`] has written; none if it is nothing of the kind.
fn read<T: DeserializeOwned>(frame: &[u8]) -> Option<Heard<T>> {
    let (head, rest) = std::str::from_utf8(frame).ok()?.split_once('\n')?;
    if let Some(id) = head.strip_prefix(GAP) {
        let id = id.parse().ok()?;
        return Some(Err(StoreError::Gap { id, reason: rest.to_owned() }));
    }
    let id = head.parse().ok()?;
    let payload = Payload::of_event(rest.as_bytes());
    let value = serde_json::from_str(&payload.json).map_err(StoreError::Foreign);
    let event = payload.event.map(Cow::into_owned);
    Some(value.map(|value| Received { value, event, id }))
}
