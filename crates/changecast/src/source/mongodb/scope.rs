//! What of a database is watched, and which topic each part of it has.
//!
//! It must not know how a stream is opened. Invariant: every topic that it names is among those it
//! announces.

use std::sync::Arc;

use mongodb::bson::{Document, doc};

use super::errors::invalid;
use crate::model::{Topic, TopicPattern, TopicSet};
use crate::source::SourceError;

/// Bytes in a source's name: MongoDB's namespaces have up to 255, and both together make a topic.
const NAME_BYTES_MAX: usize = 63;

/// Stands for a collection where a change concerns the whole database.
const DATABASE_TOPIC: &str = "$database";

/// What MongoDB keeps for itself.
const OWN_DATABASES: [&str; 3] = ["admin", "config", "local"];

/// What of a database is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// One collection.
    Collection(String),
    /// These collections, through one stream.
    Collections(Vec<String>),
    /// All collections, also those to come.
    Database,
    /// All collections of all databases, save MongoDB's own.
    Cluster,
}

/// A [`Scope`] with its names checked.
pub(super) struct Watched {
    /// The source's name.
    pub(super) name: Arc<str>,
    /// None for the whole cluster.
    database: Option<String>,
    /// In order, each once, with their topics; none = all.
    collections: Vec<(String, Topic)>,
    database_topic: Topic,
}

impl Watched {
    pub(super) fn new(name: &Arc<str>, database: &str, scope: &Scope) -> Result<Self, SourceError> {
        let database = (*scope != Scope::Cluster).then_some(database);
        check_names(name, database)?;
        let mut names = match scope {
            Scope::Collection(collection) => vec![collection.clone()],
            Scope::Collections(collections) => collections.clone(),
            Scope::Database | Scope::Cluster => Vec::new(),
        };
        if names.is_empty() && matches!(scope, Scope::Collections(_)) {
            return Err(invalid("an empty list of collections watches nothing"));
        }
        names.sort();
        names.dedup();
        let collections = names.into_iter().map(|collection| with_topic(name, collection));
        Ok(Self {
            name: Arc::clone(name),
            database: database.map(ToOwned::to_owned),
            collections: collections.collect::<Result<_, _>>()?,
            database_topic: topic(name, DATABASE_TOPIC)?,
        })
    }

    pub(super) fn topics(&self) -> TopicSet {
        if self.is_cluster() {
            return TopicSet::new([TopicPattern::All]);
        }
        if self.collections.is_empty() {
            return TopicSet::new([TopicPattern::Prefix(format!("{}.", self.name).into())]);
        }
        let mut topics: Vec<_> = self.collections.iter().map(|(_, topic)| topic.clone()).collect();
        if self.only().is_none() {
            topics.push(self.database_topic.clone());
        }
        TopicSet::new(topics.into_iter().map(TopicPattern::Exact))
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.database.is_none()
    }

    /// The database that a stream is opened on.
    pub(super) fn database(&self) -> &str {
        self.database.as_deref().unwrap_or("admin")
    }

    /// The collection, if one alone is watched.
    pub(super) fn only(&self) -> Option<&str> {
        match self.collections.as_slice() {
            [(collection, _)] => Some(collection),
            _ => None,
        }
    }

    /// The database and the collections, as a position remembers them; nothing for the cluster.
    pub(super) fn identity(&self) -> Vec<String> {
        let collections = self.collections.iter().map(|(collection, _)| collection);
        self.database.iter().chain(collections).cloned().collect()
    }

    /// Keeps a stream on the whole database to the collections, if it is one.
    pub(super) fn pipeline(&self) -> Option<Document> {
        if self.collections.len() < 2 {
            return None;
        }
        let names: Vec<&str> = self.collections.iter().map(|(name, _)| name.as_str()).collect();
        Some(doc! { "$match": { "$or": [
            { "ns.coll": { "$in": names.clone() } },
            { "to.coll": { "$in": names } },
            { "operationType": { "$in": ["dropDatabase", "invalidate"] } },
        ] } })
    }

    /// The topic of a change to `namespace`, which has been renamed to `renamed_to` if any.
    pub(super) fn topic(&self, namespace: Namespace<'_>, renamed_to: Namespace<'_>) -> Topic {
        if let [(_, only)] = self.collections.as_slice() {
            return only.clone();
        }
        let found = if self.collections.is_empty() {
            // The first part of the topics.
            let first = if self.is_cluster() { namespace.database } else { Some(&*self.name) };
            let collection = namespace.collection.unwrap_or(DATABASE_TOPIC);
            first.and_then(|first| any_topic(first, collection))
        } else {
            let listed = |collection| self.listed_topic(collection);
            namespace.collection.and_then(listed).or_else(|| renamed_to.collection.and_then(listed))
        };
        found.unwrap_or_else(|| self.database_topic.clone())
    }

    /// Database and collection of the documents whose topics end with `collection`, if they are
    /// watched: what nobody watches is none of this source's.
    pub(super) fn namespace<'a>(&'a self, collection: &'a str) -> Option<(&'a str, &'a str)> {
        let (database, collection) = match &self.database {
            Some(database) => (database.as_str(), collection),
            None => collection.split_once('.')?,
        };
        let is_own = collection.starts_with("system.") || OWN_DATABASES.contains(&database);
        let is_name = !collection.is_empty() && !collection.contains(['$', '\0']);
        let is_listed = self.collections.is_empty() || self.listed_topic(collection).is_some();
        (is_name && !is_own && is_listed && check_names("", Some(database)).is_ok())
            .then_some((database, collection))
    }

    fn listed_topic(&self, collection: &str) -> Option<Topic> {
        let index = self.collections.binary_search_by(|(name, _)| name.as_str().cmp(collection));
        index.ok().and_then(|index| self.collections.get(index)).map(|(_, topic)| topic.clone())
    }
}

/// Where a change happened, as far as its event says.
#[derive(Clone, Copy, Default)]
pub(super) struct Namespace<'a> {
    pub(super) database: Option<&'a str>,
    pub(super) collection: Option<&'a str>,
}

/// MongoDB allows control characters in a collection's name, a topic does not.
fn any_topic(first: &str, collection: &str) -> Option<Topic> {
    let printable = || collection.replace(char::is_control, "\u{FFFD}");
    Topic::new(first, collection).or_else(|_| Topic::new(first, &printable())).ok()
}

fn check_names(name: &str, database: Option<&str>) -> Result<(), SourceError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(invalid(format!("source {name:?}: longer than {NAME_BYTES_MAX} bytes")));
    }
    let Some(database) = database else {
        return Ok(());
    };
    let is_bad = |c: char| c.is_control() || " /\\.\"$".contains(c);
    if database.is_empty() || database.len() >= 64 || database.contains(is_bad) {
        return Err(invalid(format!("database {database:?}: not a name of a MongoDB database")));
    }
    Ok(())
}

fn with_topic(name: &str, collection: String) -> Result<(String, Topic), SourceError> {
    if collection.contains('$') {
        return Err(invalid(format!("collection {collection:?}: a name holds no `$`")));
    }
    let topic = topic(name, &collection)?;
    Ok((collection, topic))
}

fn topic(name: &str, collection: &str) -> Result<Topic, SourceError> {
    Topic::new(name, collection)
        .map_err(|error| invalid(format!("topic {name:?}.{collection:?}: {error}")))
}
