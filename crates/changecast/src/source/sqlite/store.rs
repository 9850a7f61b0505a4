//! The store as everybody else sees it: a [`Source`] with [`Documents`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::documents::{Checked, check_collection, check_names, present};
use super::list;
use super::position::Place;
use super::schema;
use super::stream::{self, Wake};
use super::writer::{self, Command, Request};
use crate::limits;
use crate::model::{Position, Topic, TopicPattern, TopicSet};
use crate::source::{
    ChangeStream, Documents, DocumentsError, Finding, ListPage, Listed, Source, SourceError,
    WatchOptions, Write, Written,
};

/// The embedded document store: collections of JSON documents in one SQLite file.
///
/// Any program may write the file too; it is watched all the same. Cloning is cheap: all clones
/// are one store.
///
/// A write that leaves a document as it was succeeds and brings no change event, as in MongoDB.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    name: Arc<str>,
    path: PathBuf,
    topics: TopicSet,
    identity: String,
    /// Where the changelog stood when the store was opened: whoever has it may write from then on.
    beginning: Position,
    commands: mpsc::Sender<Command>,
    wake: Arc<Wake>,
    /// Async, because it is held while a thread reads; one is enough for single documents.
    reader: Arc<Mutex<Connection>>,
    /// The changelog row from which on an acknowledgement is worth another pruning.
    prune_due: AtomicI64,
}

impl SqliteStore {
    /// Opens or creates the store at `path` and starts its writer thread. `name` is the source's
    /// name, the first part of its topics.
    ///
    /// # Errors
    /// When the file cannot be opened, is something else, or was written by a newer version; or
    /// when the name cannot be part of a topic.
    pub fn open(path: &Path, name: &str) -> Result<Self, SourceError> {
        let topics = topics(name)?;
        let connection = schema::open(path)?;
        let beginning = stream::newest(&connection)?;
        let reader = Arc::new(Mutex::new(schema::connect(path)?));
        let (commands, queue) = mpsc::channel(limits::WRITE_QUEUE_MAX);
        let wake = Arc::new(Wake::default());
        let to_wake = Arc::clone(&wake);
        thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || writer::run(connection, queue, &to_wake))
            .map_err(|error| SourceError::Unavailable(error.to_string()))?;
        let (name, path) = (name.into(), path.to_owned());
        let prune_due = AtomicI64::new(1);
        let identity = beginning.identity.clone();
        let beginning = beginning.to_position();
        let shared =
            Shared { name, path, topics, identity, beginning, commands, wake, reader, prune_due };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Opens a stream of changes, eagerly, as [`Source::watch`] says. Every event has both images
    /// of its document, whatever is asked for, and comes at once, however long may be waited.
    ///
    /// # Errors
    /// As [`Source::watch`]; [`SourceError::Unsupported`] names what the store cannot do.
    pub async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        options.check_plain("the embedded store")?;
        let (path, name) = (self.shared.path.clone(), Arc::clone(&self.shared.name));
        let wake = Arc::clone(&self.shared.wake);
        spawn_blocking(move || stream::open(&path, name, wake, &options))
            .await
            .map_err(|error| SourceError::Unavailable(error.to_string()))?
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let reader = Arc::clone(&self.shared.reader).lock_owned().await;
        let outcome = spawn_blocking(move || read(&reader)).await;
        outcome.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

/// The topics of a source called `name`, if any collection fits behind it.
fn topics(name: &str) -> Result<TopicSet, SourceError> {
    let longest = "x".repeat(limits::COLLECTION_BYTES_MAX);
    let pattern =
        Topic::new(name, &longest).and_then(|_| TopicPattern::parse(&format!("{name}.*")));
    let pattern = pattern.map_err(|error| SourceError::Operator {
        problem: format!("the store's name {name:?} cannot be part of a topic: {error}"),
        remedy: "give it a short name without a dot".into(),
    })?;
    Ok(TopicSet::new([pattern]))
}

#[async_trait]
impl Source for SqliteStore {
    fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    fn kind(&self) -> &'static str {
        "embedded"
    }

    fn topics(&self) -> TopicSet {
        self.shared.topics.clone()
    }

    async fn watch(&self, options: WatchOptions) -> Result<ChangeStream, SourceError> {
        Self::watch(self, options).await
    }

    /// When the store was opened. Documents can be written before the source is first watched, and
    /// those changes are to be told, too.
    fn beginning(&self) -> Option<Position> {
        Some(self.shared.beginning.clone())
    }

    /// Lets the writer forget the changelog up to `position`, save the newest
    /// [`limits::CHANGELOG_KEPT_ROWS`], now and then.
    async fn acknowledge(&self, position: &Position) {
        let Ok(place) = Place::from_position(position) else {
            return;
        };
        let upto = place.id.saturating_sub(limits::CHANGELOG_KEPT_ROWS);
        let is_due = upto >= self.shared.prune_due.load(Ordering::Relaxed);
        if place.identity != self.shared.identity || !is_due {
            return;
        }
        // While the queue is full there is better to do: a later acknowledgement prunes.
        if self.shared.commands.try_send(Command::Prune { upto }).is_ok() {
            let due = upto.saturating_add(limits::PRUNE_EVERY_ROWS);
            self.shared.prune_due.store(due, Ordering::Relaxed);
        }
    }

    /// Ends the writer: the file alone then holds everything, so that a copy of it is whole.
    async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        if self.shared.commands.send(Command::Close { reply }).await.is_ok() {
            // An error means that the writer has ended already.
            let _ = answer.await;
        }
    }

    fn documents(&self) -> Option<Arc<dyn Documents>> {
        Some(Arc::new(self.clone()))
    }

    async fn check(&self) -> Vec<Finding> {
        let file = self.shared.path.display();
        let read = self.read(schema::facts).await;
        match read {
            Err(problem) => {
                let error = SourceError::Unavailable(problem);
                vec![Finding::failed("file", &error)]
            }
            Ok(facts) => vec![
                Finding::ok("file", format!("{file} can be read, {} bytes", facts.bytes)),
                Finding::ok("schema", format!("format {}, as this version writes", facts.format)),
                Finding::ok(
                    "changelog",
                    format!("changes {} to {} are kept", facts.oldest, facts.newest),
                ),
            ],
        }
    }

    async fn probe(&self) -> Result<(), SourceError> {
        self.read(|connection| {
            connection.query_row("SELECT 1 FROM changelog_state", [], |_| Ok(()))
        })
        .await
        .map_err(SourceError::Unavailable)
    }
}

#[async_trait]
impl Documents for SqliteStore {
    async fn get(&self, collection: &str, id: &str) -> Result<Option<String>, DocumentsError> {
        check_names(collection, id)?;
        let key = (collection.to_owned(), id.to_owned());
        let body = self
            .read(move |connection| writer::stored(connection, (&key.0, &key.1)))
            .await
            .map_err(DocumentsError::Unavailable)?;
        body.map(|body| present(id, &body)).transpose()
    }

    async fn write(
        &self,
        collection: &str,
        id: &str,
        write: Write,
    ) -> Result<Written, DocumentsError> {
        check_names(collection, id)?;
        let write = Checked::new(id, &write)?;
        let (reply, answer) = oneshot::channel();
        let (collection, id) = (collection.to_owned(), id.to_owned());
        let command = Command::Write(Request { collection, id, write, reply });
        let ended = || DocumentsError::Unavailable("the store's writer has ended".into());
        self.shared.commands.send(command).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    async fn list(&self, collection: &str, wanted: ListPage) -> Result<Listed, DocumentsError> {
        check_collection(collection)?;
        let collection = collection.to_owned();
        let page = self.read(move |connection| list::page(connection, &collection, &wanted)).await;
        list::present_page(page.map_err(DocumentsError::Unavailable)?)
    }
}
