//! The stream of changes that every source hands out.
//!
//! The driver runs in a task or thread of its own and fills a bounded queue, so that a dropped
//! `next` loses nothing and no driver's own notion of cancellation leaks out. Closing or dropping
//! the stream ends the driver.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use super::SourceError;
use super::delivery::{Delivery, DeliverySender, Questions, Queued};
use crate::model::{Change, Position};

/// Changes in their database's commit order.
///
/// Made by a source's `watch`, which returns once the stream's place in the database's history is
/// fixed: every later change comes. Usable by itself, without a log or a server.
///
/// - Cancel-safe: whatever is dropped while it waits, every change comes exactly once.
/// - After an error the stream is over; what [`resume_token`](Self::resume_token) says then is
///   where a new one goes on.
/// - A [`close`](Self::close), also from elsewhere, ends it with `None`, never with an error.
///
/// # Going on after an error
///
#[cfg_attr(feature = "sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
/// use changecast::source::sqlite::SqliteStore;
/// use changecast::source::{Documents, SourceError, WatchOptions, Write};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("store.db");
/// let store = SqliteStore::open(&path, "shop")?;
/// let mut resume_token = None;
/// # let (mut written, mut seen) = (0, 0);
/// loop {
///     let mut options = WatchOptions::new();
///     options.start_after = resume_token.take();
///     let mut stream = store.watch(options).await?;
/// #   while written < 3 {
/// #       written += 1;
/// #       store.write("orders", &written.to_string(), Write::Put("{}".into())).await?;
/// #   }
///     while let Some(change) = stream.next().await {
///         match change {
///             Ok(change) => println!("{}", String::from_utf8_lossy(&change.event)),
///             Err(SourceError::HistoryLost(reason)) => return Err(reason.into()),
///             Err(error) => eprintln!("once more, from the last token: {error}"),
///         }
/// #       // As if the connection had broken here.
/// #       seen += 1;
/// #       break;
///     }
///     resume_token = stream.resume_token().cloned();
/// #   if seen == 3 {
/// #       break;
/// #   }
/// }
/// # Ok(())
/// # }
/// ```
///
#[cfg_attr(
    feature = "mongodb",
    doc = r#"
# The same for MongoDB

```no_run
use changecast::source::mongodb::Mongo;
use changecast::source::WatchOptions;
use serde_json::json;

# async fn watch() -> Result<(), Box<dyn std::error::Error>> {
let orders = Mongo::new("mongodb://localhost").collection("shop", "orders")?;
let pipeline = json!([{ "$match": { "operationType": "insert" } }]);
let mut options = WatchOptions::new().pipeline(&pipeline);
loop {
    let mut stream = orders.watch(options).await?;
    while let Some(Ok(change)) = stream.next().await {
        println!("{}", String::from_utf8_lossy(&change.event));
    }
    // The source has resumed by itself what could be resumed: this takes longer.
    options = WatchOptions::new().pipeline(&pipeline);
    options.start_after = stream.resume_token().cloned();
}
# }
```
"#
)]
/// # Other sources
///
/// All have the same `watch`. What they are told by URL is in the repository's `docs/SOURCES.md`; of
/// what they count, `Arc::default()` keeps to itself.
///
#[cfg_attr(
    all(feature = "http", feature = "postgres", feature = "redis", feature = "sqlite"),
    doc = r#"
```no_run
use std::sync::Arc;
use changecast::source::http::{HttpConfig, HttpSource};
use changecast::source::postgres::{PostgresConfig, PostgresSource};
use changecast::source::redis::{RedisConfig, RedisSource};
use changecast::source::sqlite::{SqliteFile, SqliteFileConfig};
use changecast::source::{ChangeStream, SourceError, WatchOptions};

# async fn watch(options: WatchOptions) -> Result<Vec<ChangeStream>, SourceError> {
let postgres = PostgresConfig::from_url("postgres://ada@localhost/shop?table=orders")?;
let postgres = PostgresSource::new(postgres, Arc::default());
let redis = RedisConfig::from_url("redis://localhost/0?name=shop&stream=orders")?;
let redis = RedisSource::new(redis, Arc::default())?;
let weather = HttpConfig::from_url("https://api.example.org/weather?every=30s&pointer=/current")?;
let weather = HttpSource::new(weather)?;
let file = SqliteFile::new(SqliteFileConfig::from_url("sqlite://app.db?table=orders")?)?;
Ok(vec![
    postgres.watch(options.clone()).await?,
    redis.watch(options.clone()).await?,
    weather.watch(options.clone()).await?,
    file.watch(options).await?,
])
# }
```
"#
)]
pub struct ChangeStream {
    deliveries: mpsc::Receiver<Queued>,
    /// The position at which the stream was established, then that of the last delivery.
    position: Option<Position>,
    closed: CancellationToken,
    /// Wakes whoever waits for a delivery when the stream is closed from elsewhere.
    until_closed: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whether the driver has said its last.
    is_over: bool,
    /// What the reader has asked.
    questions: Arc<Questions>,
    _ends_the_driver: DropGuard,
}

/// Closes a [`ChangeStream`] from elsewhere. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct CloseHandle(CancellationToken);

impl ChangeStream {
    /// A stream established at `position`, and the end that its driver fills.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new(position: Option<Position>) -> (DeliverySender, Self) {
        let closed = CancellationToken::new();
        let questions = Arc::new(Questions::default());
        let (sender, deliveries) = DeliverySender::new(closed.clone(), Arc::clone(&questions));
        let stream = Self {
            deliveries,
            position,
            until_closed: Box::pin(closed.clone().cancelled_owned()),
            _ends_the_driver: closed.clone().drop_guard(),
            closed,
            is_over: false,
            questions,
        };
        (sender, stream)
    }

    /// The next change; `None` once the stream is closed or over.
    ///
    /// # Errors
    /// What ended the stream.
    pub async fn next(&mut self) -> Option<Result<Change, SourceError>> {
        std::future::poll_fn(|context| self.poll_change(context)).await
    }

    /// The next change if there is one now: one that has come already, or else whatever the
    /// database says when it is asked once more. It may keep the answer back for its
    /// [`max_await_time`](super::WatchOptions::max_await_time), as it may that to the question before,
    /// which has to come first. `None` if there is nothing, or the stream is closed or over; the
    /// [resume token](Self::resume_token) may have moved all the same.
    ///
    /// # Errors
    /// What ended the stream.
    pub async fn try_next(&mut self) -> Result<Option<Change>, SourceError> {
        while let Some(delivery) = self.next_ready_delivery() {
            if let Some(change) = delivery?.change {
                return Ok(Some(change));
            }
        }
        let question = self.questions.ask();
        loop {
            match std::future::poll_fn(|context| self.poll_queued(context)).await {
                None => return Ok(None),
                Some(Queued::Nothing(answered)) if answered >= question => return Ok(None),
                Some(Queued::Nothing(_)) => {}
                Some(Queued::Delivery { delivery, .. }) => {
                    if let Some(change) = self.note(delivery)?.change {
                        return Ok(Some(change));
                    }
                }
            }
        }
    }

    /// The next delivery, with its position, as what drives sources wants them; `None` once the
    /// stream is closed or over.
    ///
    /// # Errors
    /// What ended the stream.
    pub async fn next_delivery(&mut self) -> Option<Result<Delivery, SourceError>> {
        std::future::poll_fn(|context| self.poll_delivery(context)).await
    }

    /// The next delivery if it is there already.
    pub fn next_ready_delivery(&mut self) -> Option<Result<Delivery, SourceError>> {
        while !self.closed.is_cancelled() {
            if let Queued::Delivery { delivery, .. } = self.deliveries.try_recv().ok()? {
                return Some(self.note(delivery));
            }
        }
        None
    }

    /// Where a new stream would go on after what this one has brought: after the last change, or
    /// further if the database has come further without one. Known from the start, unless the
    /// database does not tell; it outlives errors and closing.
    #[must_use]
    pub fn resume_token(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// Whether more may come: until the stream has been closed, or has brought its last.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.is_over && !self.closed.is_cancelled()
    }

    /// Ends the stream: what has not been read yet is not read any more. Twice is as good as once.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Closes the stream from elsewhere, also while somebody waits for its next change.
    #[must_use]
    pub fn close_handle(&self) -> CloseHandle {
        CloseHandle(self.closed.clone())
    }

    fn poll_change(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Change, SourceError>>> {
        loop {
            match ready!(self.poll_delivery(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(Delivery { change: Some(change), .. })) => {
                    return Poll::Ready(Some(Ok(change)));
                }
                Some(Ok(_)) => {}
            }
        }
    }

    fn poll_delivery(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Delivery, SourceError>>> {
        loop {
            match ready!(self.poll_queued(context)) {
                None => return Poll::Ready(None),
                Some(Queued::Nothing(_)) => {}
                Some(Queued::Delivery { delivery, .. }) => {
                    return Poll::Ready(Some(self.note(delivery)));
                }
            }
        }
    }

    fn poll_queued(&mut self, context: &mut Context<'_>) -> Poll<Option<Queued>> {
        // First: a stream that is closed is over, whatever still waits.
        if self.closed.is_cancelled() || self.until_closed.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        let queued = ready!(self.deliveries.poll_recv(context));
        self.is_over |= queued.is_none();
        Poll::Ready(queued)
    }

    fn note(&mut self, delivery: Result<Delivery, SourceError>) -> Result<Delivery, SourceError> {
        match &delivery {
            Ok(Delivery { position: Some(position), .. }) => {
                self.position = Some(position.clone());
            }
            Ok(_) => {}
            Err(_) => self.is_over = true,
        }
        delivery
    }
}

impl Stream for ChangeStream {
    type Item = Result<Change, SourceError>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Change, SourceError>>> {
        self.get_mut().poll_change(context)
    }
}

impl fmt::Debug for ChangeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeStream")
            .field("resume_token", &self.position)
            .field("is_alive", &self.is_alive())
            .finish_non_exhaustive()
    }
}

impl CloseHandle {
    /// Ends the stream: whoever waits for its next change gets `None`. Twice is as good as once.
    pub fn close(&self) {
        self.0.cancel();
    }
}
