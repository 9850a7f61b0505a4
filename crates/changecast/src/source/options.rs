//! How a stream is opened: the options of every source, by the names that MongoDB's drivers give
//! them. What a source cannot honour it refuses by name; nothing is ever ignored.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::SourceError;
use crate::model::Position;

/// How to open a [`ChangeStream`](super::ChangeStream). Documents are Extended JSON.
///
/// ```
/// use changecast::source::{FullDocument, WatchOptions};
/// use serde_json::json;
///
/// let options = WatchOptions::new()
///     .pipeline(json!([{ "$match": { "operationType": "insert" } }]))
///     .full_document(FullDocument::UpdateLookup)
///     .max_await_time(std::time::Duration::from_millis(100));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WatchOptions {
    /// Stages that the database applies to every change before it sends it.
    /// A list of them, as text.
    pub pipeline: Option<String>,
    /// How the document that an update has changed comes with it.
    pub full_document: Option<FullDocument>,
    /// How the document from before the change comes with it.
    pub full_document_before_change: Option<FullDocumentBeforeChange>,
    /// Go on right after this token, unless it is that of an `invalidate`.
    pub resume_after: Option<Position>,
    /// Go on right after this token, whatever it is of.
    pub start_after: Option<Position>,
    /// Start with what was committed at this time.
    pub start_at_operation_time: Option<OperationTime>,
    /// How long the database waits for a change before it answers that there is none.
    pub max_await_time: Option<Duration>,
    /// How many changes the database sends at once, at most.
    pub batch_size: Option<u32>,
    /// How the pipeline compares text.
    pub collation: Option<Value>,
    /// Stands in the database's logs and profiles beside what the stream asks.
    pub comment: Option<Value>,
    /// Whether changes of indexes and of collections' options come too.
    pub show_expanded_events: bool,
}

/// A time of MongoDB's clock, such as an event's `clusterTime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperationTime {
    /// Seconds since 1970.
    pub seconds: u32,
    /// Counts what happened in that second.
    pub increment: u32,
}

/// How the document that an update has changed comes with it, as `fullDocument`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FullDocument {
    /// Looked up when the change is read: it may be newer than the change, or gone.
    UpdateLookup,
    /// As it was right after the change, if the collection keeps images.
    WhenAvailable,
    /// As it was right after the change; where the collection keeps no images, the source fails.
    Required,
}

/// How the document from before the change comes with it, as `fullDocumentBeforeChange`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FullDocumentBeforeChange {
    /// If the collection keeps images.
    WhenAvailable,
    /// Always; where the collection keeps no images, the source fails.
    Required,
}

impl WatchOptions {
    /// From now on, everything, as the database sends it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the database choose and shape changes: a list of stages, of anything that becomes
    /// Extended JSON (`json!([…])`, or BSON documents, which keep the order of their fields).
    #[must_use]
    pub fn pipeline(mut self, stages: impl Serialize) -> Self {
        // What is no JSON is refused when it is read, in these words.
        let text = serde_json::to_string(&stages);
        self.pipeline = Some(text.unwrap_or_else(|error| error.to_string()));
        self
    }

    /// Asks for the document that an update has changed.
    #[must_use]
    pub fn full_document(mut self, images: FullDocument) -> Self {
        self.full_document = Some(images);
        self
    }

    /// Asks for the document from before the change.
    #[must_use]
    pub fn full_document_before_change(mut self, images: FullDocumentBeforeChange) -> Self {
        self.full_document_before_change = Some(images);
        self
    }

    /// Goes on right after `token`. MongoDB refuses that of an `invalidate`; see
    /// [`start_after`](Self::start_after).
    #[must_use]
    pub fn resume_after(mut self, token: Position) -> Self {
        self.resume_after = Some(token);
        self
    }

    /// Goes on right after `token`, be it that of an `invalidate` or any other.
    #[must_use]
    pub fn start_after(mut self, token: Position) -> Self {
        self.start_after = Some(token);
        self
    }

    /// Starts with what was committed at `time`, that included.
    #[must_use]
    pub fn start_at_operation_time(mut self, time: OperationTime) -> Self {
        self.start_at_operation_time = Some(time);
        self
    }

    /// Bounds how long the database waits before it answers that there is nothing.
    #[must_use]
    pub fn max_await_time(mut self, time: Duration) -> Self {
        self.max_await_time = Some(time);
        self
    }

    /// Bounds how many changes the database sends at once.
    #[must_use]
    pub fn batch_size(mut self, count: u32) -> Self {
        self.batch_size = Some(count);
        self
    }

    /// Says how the pipeline compares text, such as `{"locale": "fr"}`.
    #[must_use]
    pub fn collation(mut self, collation: Value) -> Self {
        self.collation = Some(collation);
        self
    }

    /// Marks what the stream asks in the database's logs and profiles.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<Value>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Asks for changes of indexes and of collections' options, too.
    #[must_use]
    pub fn show_expanded_events(mut self, wanted: bool) -> Self {
        self.show_expanded_events = wanted;
        self
    }

    /// The names of the options that are set, of those that not every source can honour.
    fn set(&self) -> impl Iterator<Item = &'static str> {
        [
            ("pipeline", self.pipeline.is_some()),
            ("start_at_operation_time", self.start_at_operation_time.is_some()),
            ("collation", self.collation.is_some()),
            ("comment", self.comment.is_some()),
            ("show_expanded_events", self.show_expanded_events),
        ]
        .into_iter()
        .filter_map(|(name, is_set)| is_set.then_some(name))
    }

    /// Refuses, by name, every option that a `source` without a query language cannot honour.
    pub(super) fn check_plain(&self, source: &str) -> Result<(), SourceError> {
        let names: Vec<&str> = self.set().collect();
        if names.is_empty() {
            return self.check_start();
        }
        let problem = format!("{source} cannot honour {}: leave it out", names.join(", "));
        Err(SourceError::Unsupported(problem))
    }

    /// Refuses, by name, more than one place to start.
    pub(super) fn check_start(&self) -> Result<(), SourceError> {
        let starts = [
            ("resume_after", self.resume_after.is_some()),
            ("start_after", self.start_after.is_some()),
            ("start_at_operation_time", self.start_at_operation_time.is_some()),
        ];
        let starts: Vec<&str> =
            starts.into_iter().filter_map(|(name, is_set)| is_set.then_some(name)).collect();
        if starts.len() < 2 {
            return Ok(());
        }
        let problem =
            format!("{} exclude each other: a stream has one start", starts.join(" and "));
        Err(SourceError::Unsupported(problem))
    }

    /// The token to go on after, if there is one.
    pub(super) fn token(&self) -> Option<&Position> {
        self.start_after.as_ref().or(self.resume_after.as_ref())
    }
}

impl FullDocument {
    const NAMES: [(&'static str, Option<Self>); 4] = [
        ("default", None),
        ("updateLookup", Some(Self::UpdateLookup)),
        ("whenAvailable", Some(Self::WhenAvailable)),
        ("required", Some(Self::Required)),
    ];

    /// Reads MongoDB's own word for it; `default` is none.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] for any other word.
    pub fn parse(text: &str) -> Result<Option<Self>, SourceError> {
        by_name("full_document", &Self::NAMES, text)
    }

    /// MongoDB's own word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

impl FullDocumentBeforeChange {
    const NAMES: [(&'static str, Option<Self>); 3] = [
        ("off", None),
        ("whenAvailable", Some(Self::WhenAvailable)),
        ("required", Some(Self::Required)),
    ];

    /// Reads MongoDB's own word for it; `off` is none.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] for any other word.
    pub fn parse(text: &str) -> Result<Option<Self>, SourceError> {
        by_name("full_document_before_change", &Self::NAMES, text)
    }

    /// MongoDB's own word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

fn by_name<T: Copy>(
    option: &str,
    names: &[(&str, Option<T>)],
    text: &str,
) -> Result<Option<T>, SourceError> {
    if let Some((_, value)) = names.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let problem = format!("{option}: {text:?} is not one of {}", known.join(", "));
    Err(SourceError::Unsupported(problem))
}

fn name_of<T: Copy + PartialEq>(names: &[(&'static str, Option<T>)], value: T) -> &'static str {
    names.iter().find(|(_, known)| *known == Some(value)).map_or("default", |(name, _)| name)
}

#[cfg(feature = "mongodb")]
impl From<mongodb::bson::Timestamp> for OperationTime {
    fn from(time: mongodb::bson::Timestamp) -> Self {
        Self { seconds: time.time, increment: time.increment }
    }
}

#[cfg(feature = "mongodb")]
impl From<OperationTime> for mongodb::bson::Timestamp {
    fn from(time: OperationTime) -> Self {
        Self { time: time.seconds, increment: time.increment }
    }
}
