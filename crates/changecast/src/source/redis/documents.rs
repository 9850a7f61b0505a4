//! Values by key: `keys` is the only collection, and a document's id is the whole key.
//!
//! A string that is JSON is served as JSON, other text as text, anything else as bytes: never as
//! something that a browser would run. Hashes, lists and sets are served as JSON.

use std::sync::Arc;

use async_trait::async_trait;
use redis::{Cmd, Value, cmd};
use tokio::sync::Mutex;

use super::Watched;
use super::events::{document_of, quote, value};
use super::reply::{self, EntryId};
use super::server::{Link, Server};
use crate::limits;
use crate::model::extend_json;
use crate::source::{
    Content, Documents, DocumentsError, ListPage, Listed, SourceError, Write, Written,
};

/// What keys are called where a collection has to be named.
const COLLECTION: &str = "keys";

/// The keys of one server, over a connection that is kept.
#[derive(Clone)]
pub(super) struct Keys {
    server: Server,
    /// What its source tells of: only that can be listed.
    pub(super) watched: Watched,
    /// A tokio mutex, because it is held while the server answers; single values need no more.
    link: Arc<Mutex<Option<Link>>>,
}

impl Keys {
    pub(super) fn new(server: Server, watched: Watched) -> Self {
        Self { server, watched, link: Arc::default() }
    }

    pub(super) fn is_stream(&self, collection: &str) -> bool {
        let Watched::Streams(streams) = &self.watched else { return false };
        collection != COLLECTION && streams.iter().any(|stream| stream == collection)
    }

    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, SourceError> {
        self.with_link(async |link| link.ask(command, limits::REDIS_ANSWER_TIMEOUT).await).await
    }

    /// Several things of one moment.
    pub(super) async fn all_at_once(&self, commands: [Cmd; 2]) -> Result<Vec<Value>, SourceError> {
        self.with_link(async |link| link.ask_at_once(commands).await).await
    }

    async fn with_link<T>(
        &self,
        asking: impl AsyncFnOnce(&mut Link) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let mut kept = self.link.lock().await;
        // Taken, so that one that breaks, or is given up half-way, is not used again.
        let mut link = match kept.take() {
            Some(link) => link,
            None => self.server.connect().await?,
        };
        let answer = asking(&mut link).await;
        if !matches!(answer, Err(SourceError::Unavailable(_))) {
            *kept = Some(link);
        }
        answer
    }

    /// The value of a key in the form in which it is served.
    pub(super) async fn content(&self, id: &[u8]) -> Result<Option<Content>, DocumentsError> {
        let kind = self.ask(cmd("TYPE").arg(id)).await.map_err(failed)?;
        match reply::text(&kind).unwrap_or_default() {
            "none" => Ok(None),
            "string" => self.string(id).await,
            "hash" => self.object(id).await,
            "list" => self.members("LLEN", id, cmd("LRANGE").arg(id).arg(0).arg(-1)).await,
            "set" => self.members("SCARD", id, cmd("SMEMBERS").arg(id)).await,
            "zset" => self.scores(id).await,
            kind => Err(DocumentsError::Invalid(format!(
                "{:?} is a {kind}, which is no document; a stream can be watched with stream=",
                String::from_utf8_lossy(id)
            ))),
        }
    }

    /// The fields of one entry of a stream.
    async fn entry(&self, stream: &str, id: &str) -> Result<Option<Content>, DocumentsError> {
        if id.parse::<EntryId>().is_err() {
            let problem = format!("{id:?} is no id of an entry, such as 1700000000123-0");
            return Err(DocumentsError::Invalid(problem));
        }
        let range = cmd("XRANGE").arg(stream).arg(id).arg(id).to_owned();
        let answer = self.ask(&range).await.map_err(failed)?;
        let entries = reply::entries_of(answer).ok_or_else(senseless)?;
        Ok(entries.first().map(|entry| Content::json(document_of(entry).0)))
    }

    async fn number(&self, command: &Cmd) -> Result<u64, DocumentsError> {
        let answer = self.ask(command).await.map_err(failed)?;
        reply::integer(&answer).ok_or_else(senseless)
    }

    async fn string(&self, key: &[u8]) -> Result<Option<Content>, DocumentsError> {
        self.check_count("STRLEN", key, limits::DOCUMENT_BYTES_MAX as u64).await?;
        let answer = self.ask(cmd("GET").arg(key)).await.map_err(failed)?;
        Ok(reply::owned_bytes(answer).map(content_of))
    }

    async fn object(&self, key: &[u8]) -> Result<Option<Content>, DocumentsError> {
        self.check_count("HLEN", key, limits::REDIS_MEMBERS_MAX).await?;
        let pairs = self.pairs(cmd("HGETALL").arg(key)).await?;
        Ok(json_object(pairs.iter().map(|(name, member)| (name, value(member)))))
    }

    async fn scores(&self, key: &[u8]) -> Result<Option<Content>, DocumentsError> {
        self.check_count("ZCARD", key, limits::REDIS_MEMBERS_MAX).await?;
        let range = cmd("ZRANGE").arg(key).arg(0).arg(-1).arg("WITHSCORES").to_owned();
        let pairs = self.pairs(&range).await?;
        let score = |score: &[u8]| {
            let text = String::from_utf8_lossy(score);
            extend_json(&text).unwrap_or_else(|_| quote(&text))
        };
        Ok(json_object(pairs.iter().map(|(member, number)| (member, score(number)))))
    }

    async fn members(
        &self,
        count: &str,
        key: &[u8],
        read: &Cmd,
    ) -> Result<Option<Content>, DocumentsError> {
        self.check_count(count, key, limits::REDIS_MEMBERS_MAX).await?;
        let answer = self.ask(read).await.map_err(failed)?;
        let items = reply::list(answer).ok_or_else(senseless)?;
        let texts: Vec<_> = items.iter().map(|item| value(item)).collect();
        // An empty one is a key that went away between the questions.
        Ok((!texts.is_empty()).then(|| Content::json(format!("[{}]", texts.join(",")))))
    }

    async fn pairs(&self, read: &Cmd) -> Result<Vec<(Vec<u8>, Vec<u8>)>, DocumentsError> {
        let answer = self.ask(read).await.map_err(failed)?;
        reply::pairs(answer).ok_or_else(senseless)
    }

    async fn check_count(&self, command: &str, key: &[u8], max: u64) -> Result<(), DocumentsError> {
        let count = self.number(cmd(command).arg(key)).await?;
        if count <= max {
            return Ok(());
        }
        let problem = format!("the value is larger than {max} bytes or members");
        Err(DocumentsError::Invalid(problem))
    }
}

#[async_trait]
impl Documents for Keys {
    /// The value as JSON, where it is a string in quotes unless it is JSON itself.
    async fn get(&self, collection: &str, id: &str) -> Result<Option<String>, DocumentsError> {
        Ok(self.read(collection, id).await?.as_ref().map(as_json))
    }

    async fn read(&self, collection: &str, id: &str) -> Result<Option<Content>, DocumentsError> {
        if self.is_stream(collection) {
            return self.entry(collection, id).await;
        }
        check_names(collection, id)?;
        self.content(id.as_bytes()).await
    }

    async fn write(
        &self,
        collection: &str,
        id: &str,
        write: Write,
    ) -> Result<Written, DocumentsError> {
        if self.is_stream(collection) {
            let problem = "entries of a stream are added with XADD and never changed";
            return Err(DocumentsError::Invalid(problem.into()));
        }
        check_names(collection, id)?;
        match write {
            Write::Put(body) => {
                if let Err(error) = extend_json(&body) {
                    return Err(DocumentsError::Invalid(format!("the body is {error}")));
                }
                let set = cmd("SET").arg(id).arg(body).arg("GET").to_owned();
                Ok(match self.ask(&set).await.map_err(failed)? {
                    Value::Nil => Written::Inserted,
                    _ => Written::Updated,
                })
            }
            Write::Patch(_) => Err(DocumentsError::Invalid(
                "Redis replaces values as a whole: use PUT instead of PATCH".into(),
            )),
            Write::Delete => match self.number(cmd("DEL").arg(id)).await? {
                0 => Ok(Written::Missing),
                _ => Ok(Written::Deleted),
            },
        }
    }

    async fn list(&self, collection: &str, wanted: ListPage) -> Result<Listed, DocumentsError> {
        self.page(collection, &wanted).await
    }
}

fn check_names(collection: &str, id: &str) -> Result<(), DocumentsError> {
    if collection != COLLECTION {
        let problem = format!("values of Redis are under {COLLECTION:?}, not {collection:?}");
        return Err(DocumentsError::Invalid(problem));
    }
    if id.is_empty() || id.len() > limits::DOCUMENT_ID_BYTES_MAX {
        let max = limits::DOCUMENT_ID_BYTES_MAX;
        return Err(DocumentsError::Invalid(format!("a key has 1 to {max} bytes")));
    }
    Ok(())
}

/// What is no JSON as a string, or as `$binary`.
pub(super) fn as_json(content: &Content) -> String {
    match std::str::from_utf8(&content.body) {
        Ok(text) if content.is_json() => text.to_owned(),
        _ => value(&content.body),
    }
}

/// A string as what it looks like.
fn content_of(bytes: Vec<u8>) -> Content {
    match String::from_utf8(bytes) {
        Ok(text) if serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok() => {
            Content::json(text)
        }
        Ok(text) => Content { content_type: "text/plain; charset=UTF-8", body: text.into() },
        Err(error) => {
            Content { content_type: "application/octet-stream", body: error.into_bytes().into() }
        }
    }
}

fn json_object<'a>(members: impl Iterator<Item = (&'a Vec<u8>, String)>) -> Option<Content> {
    let texts: Vec<_> = members
        .map(|(name, value)| format!("{}:{value}", quote(&String::from_utf8_lossy(name))))
        .collect();
    (!texts.is_empty()).then(|| Content::json(format!("{{{}}}", texts.join(","))))
}

pub(super) fn failed(error: SourceError) -> DocumentsError {
    match error {
        SourceError::Operator { problem, .. } if problem.starts_with("what is watched") => {
            DocumentsError::Invalid("the key holds another type of value; DELETE it first".into())
        }
        error => DocumentsError::Unavailable(error.to_string()),
    }
}

pub(super) fn senseless() -> DocumentsError {
    DocumentsError::Unavailable("Redis answers in no known form".into())
}
