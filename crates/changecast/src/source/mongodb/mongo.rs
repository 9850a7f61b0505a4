//! The way to the changes of a MongoDB in a line or two, for programs that want nothing else.

use std::sync::Arc;

use super::{MongoConfig, MongoSource, Scope, SharedClient};
use crate::source::SourceError;

/// A MongoDB, by its connection string. What is watched through it shares its connections.
///
/// ```no_run
/// use changecast::source::WatchOptions;
/// use changecast::source::mongodb::Mongo;
///
/// # async fn watch() -> Result<(), changecast::source::SourceError> {
/// let mongo = Mongo::new("mongodb://localhost");
/// let mut stream = mongo.collection("shop", "orders")?.watch(WatchOptions::new()).await?;
/// while let Some(change) = stream.next().await {
///     println!("{:?}", change?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Mongo {
    uri: String,
    client: Arc<SharedClient>,
}

impl Mongo {
    /// Nothing is checked or connected yet.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), client: Arc::default() }
    }

    /// One collection, be it there already or not.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when a name or the connection string is not valid.
    pub fn collection(&self, database: &str, collection: &str) -> Result<MongoSource, SourceError> {
        self.source(database, Scope::Collection(collection.to_owned()))
    }

    /// All collections of a database, also those to come.
    ///
    /// # Errors
    /// As [`collection`](Self::collection).
    pub fn database(&self, database: &str) -> Result<MongoSource, SourceError> {
        self.source(database, Scope::Database)
    }

    /// All collections of all databases but MongoDB's own, also those to come. A change's topic is
    /// `<database>.<collection>`.
    ///
    /// # Errors
    /// As [`collection`](Self::collection).
    pub fn cluster(&self) -> Result<MongoSource, SourceError> {
        self.source("", Scope::Cluster)
    }

    fn source(&self, database: &str, scope: Scope) -> Result<MongoSource, SourceError> {
        let config = match scope {
            Scope::Cluster => MongoConfig::cluster(&self.uri),
            scope => MongoConfig::new(&self.uri, database, scope),
        };
        let mut source = MongoSource::new(config, Arc::default())?;
        source.client = Arc::clone(&self.client);
        Ok(source)
    }
}
