//! What a watcher was given, without its types: a question that has an answer, or a stream of them.
//!
//! Nothing here waits for a tick or knows who listens. Invariant: neither an error nor a panic of
//! somebody else's code leaves this module as anything but a [`SourceError`].

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, Stream, StreamExt};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::Failure;
use crate::limits;
use crate::model::extend_json;
use crate::source::SourceError;

/// A value as JSON, or why there is none.
pub(super) type Answer = Result<String, SourceError>;

/// What is watched.
pub(super) enum Work {
    /// A function that is asked again and again.
    Poll { every: Duration, ask: Box<dyn Fn() -> BoxFuture<'static, Answer> + Send + Sync> },
    /// A stream that brings its values by itself.
    Stream(Box<dyn Fn() -> BoxStream<'static, Answer> + Send + Sync>),
}

/// Which of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Poll,
    Stream,
}

impl Work {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Poll { .. } => Kind::Poll,
            Self::Stream(_) => Kind::Stream,
        }
    }

    pub(super) fn poll<F, A, T>(every: Duration, function: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<T, Failure>> + Send + 'static,
        T: Serialize + 'static,
    {
        let function = Arc::new(function);
        let ask = move || {
            let function = Arc::clone(&function);
            // The call itself is within, since it may panic, too.
            let asked = async move { function().await.map_err(of_failure).and_then(encode) };
            AssertUnwindSafe(asked).catch_unwind().map(of_panic).boxed()
        };
        Self::Poll { every: every.max(limits::WATCHER_EVERY_MIN), ask: Box::new(ask) }
    }

    pub(super) fn blocking<F, T>(every: Duration, function: F) -> Self
    where
        F: Fn() -> Result<T, Failure> + Send + Sync + 'static,
        T: Serialize + 'static,
    {
        let function = Arc::new(function);
        let turns = Arc::new(Semaphore::new(1));
        let ask = move || {
            let (function, turns) = (Arc::clone(&function), Arc::clone(&turns));
            let asked = async move {
                let turn = turns.acquire_owned().await;
                let call = spawn_blocking(move || {
                    // Given back when the call returns, however long nobody has waited for it.
                    let _turn = turn;
                    function().map_err(of_failure).and_then(encode)
                });
                call.await.unwrap_or_else(|error| match error.try_into_panic() {
                    Ok(panic) => Err(panicked(&*panic)),
                    Err(_) => Err(SourceError::Unavailable("the runtime ends".into())),
                })
            };
            asked.boxed()
        };
        Self::Poll { every: every.max(limits::WATCHER_EVERY_MIN), ask: Box::new(ask) }
    }

    pub(super) fn stream<F, S, T>(open: F) -> Self
    where
        F: Fn() -> S + Send + Sync + 'static,
        S: Stream<Item = Result<T, Failure>> + Send + 'static,
        T: Serialize + 'static,
    {
        Self::Stream(Box::new(move || match std::panic::catch_unwind(AssertUnwindSafe(&open)) {
            Ok(values) => {
                let answers = values.map(|value| value.map_err(of_failure).and_then(encode));
                let answers = AssertUnwindSafe(answers).catch_unwind();
                answers.map(of_panic).boxed()
            }
            Err(panic) => stream::iter([Err(panicked(&*panic))]).boxed(),
        }))
    }
}

fn encode(value: impl Serialize) -> Answer {
    let operator = |problem: String| SourceError::Operator {
        problem: format!("the value is no JSON: {problem}"),
        remedy: "have the watcher's function return what serde_json can write".into(),
    };
    let json = serde_json::to_string(&value).map_err(|error| operator(error.to_string()))?;
    extend_json(&json).map_err(|error| operator(error.to_string()))
}

fn of_failure(failure: Failure) -> SourceError {
    match failure.downcast::<SourceError>() {
        Ok(error) => *error,
        Err(failure) => SourceError::Unavailable(failure.to_string()),
    }
}

fn of_panic(outcome: Result<Answer, Box<dyn Any + Send>>) -> Answer {
    outcome.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

fn panicked(panic: &(dyn Any + Send)) -> SourceError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    SourceError::Unavailable(format!("the watcher has panicked: {}", text.unwrap_or("no text")))
}
