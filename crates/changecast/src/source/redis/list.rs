//! Pages: of a stream's entries, and of the keys whose changes are told.
//!
//! Entries have an order of their own, so their pages are exact. Keys have none: Redis walks through
//! them by a cursor that passes every key that is there all the time, and may pass one twice. What
//! comes or goes meanwhile is told by the stream, so that state and stream join all the same. A
//! cursor belongs to one life of one server; in another it would leave keys out in silence.

use std::collections::HashSet;

use redis::{Cmd, Value, cmd};
use tokio::time::timeout;

use super::Watched;
use super::documents::{Keys, as_json, failed, senseless};
use super::events::{document_of, quote, value};
use super::live::key_collection;
use super::reply::{self, EntryId};
use crate::limits;
use crate::source::{Content, DocumentsError, ListPage, Listed, SourceError};

/// Where a walk through the keys is.
struct Walk {
    /// The server's own number of this life.
    run: String,
    /// Which of the patterns.
    pattern: usize,
    cursor: u64,
}

impl Keys {
    /// The page of `collection`, unless Redis takes too long over it.
    pub(super) async fn page(
        &self,
        collection: &str,
        wanted: &ListPage,
    ) -> Result<Listed, DocumentsError> {
        let reading = async {
            if self.is_stream(collection) {
                return self.entries(collection, wanted).await;
            }
            let patterns = self.patterns(collection)?;
            self.values(&patterns, wanted).await
        };
        let silent = |_| DocumentsError::Unavailable("no answer in time".into());
        timeout(limits::DOCUMENT_TIMEOUT, reading).await.map_err(silent)?
    }

    /// The patterns whose keys are of this collection.
    fn patterns(&self, collection: &str) -> Result<Vec<&str>, DocumentsError> {
        let patterns: Vec<&str> = match &self.watched {
            Watched::Live { keys, .. } => {
                let keys = keys.iter().map(String::as_str);
                keys.filter(|pattern| key_collection(pattern) == collection).collect()
            }
            Watched::Streams(_) => Vec::new(),
        };
        if patterns.is_empty() {
            return Err(DocumentsError::Missing(format!(
                "{collection:?} cannot be listed: of Redis, streams that are watched (stream=) and \
                 keys whose changes are told (keyspace=) can be"
            )));
        }
        Ok(patterns)
    }

    // ── Entries ────────────────────────────────────────────────────────────────────────────────

    async fn entries(&self, stream: &str, wanted: &ListPage) -> Result<Listed, DocumentsError> {
        let mut last: Option<EntryId> = wanted.after.as_deref().map(read_entry_id).transpose()?;
        let (mut listed, mut bytes) = (Listed::default(), 0);
        let mut count = limits::REDIS_FIRST_COUNT;
        loop {
            let is_full = listed.documents.len() >= wanted.limit || bytes >= limits::LIST_BYTES_MAX;
            let start = last.map_or_else(|| "-".into(), |id| format!("({id}"));
            let asked = if is_full { 1 } else { count.min(wanted.limit - listed.documents.len()) };
            let range =
                cmd("XRANGE").arg(stream).arg(start).arg("+").arg("COUNT").arg(asked).to_owned();
            let answer = self.ask(&range).await.map_err(failed)?;
            let entries = reply::entries_of(answer).ok_or_else(senseless)?;
            if entries.is_empty() {
                return Ok(listed);
            }
            if is_full {
                listed.next = last.map(|id| id.to_string());
                return Ok(listed);
            }
            for entry in &entries {
                let (document, _) = document_of(entry);
                bytes += document.len();
                listed.documents.push(item(&quote(&entry.id.to_string()), &document));
                last = Some(entry.id);
            }
            // As many as their size so far lets expect to fit.
            let average = bytes / listed.documents.len().max(1);
            count = (limits::LIST_BYTES_MAX.saturating_sub(bytes) / average.max(1)).max(1);
        }
    }

    // ── Keys ───────────────────────────────────────────────────────────────────────────────────

    async fn values(&self, patterns: &[&str], wanted: &ListPage) -> Result<Listed, DocumentsError> {
        let mut walk = wanted.after.as_deref().map(Walk::read).transpose()?;
        let (mut listed, mut bytes) = (Listed::default(), 0);
        let mut known = HashSet::new();
        for _ in 0..limits::REDIS_SCANS_MAX {
            let Some(pattern) = patterns.get(walk.as_ref().map_or(0, |walk| walk.pattern)) else {
                return Err(not_ours());
            };
            let keys = self.scan(pattern, wanted.limit, &mut walk).await?;
            for key in keys {
                if known.insert(key.clone())
                    && let Some(document) = self.document(&key, bytes).await?
                {
                    bytes += document.len();
                    listed.documents.push(document);
                }
            }
            let at_end = |walk: &Walk| walk.pattern >= patterns.len();
            if walk.as_ref().is_some_and(at_end) {
                return Ok(listed);
            }
            if listed.documents.len() >= wanted.limit || bytes >= limits::LIST_BYTES_MAX {
                break;
            }
        }
        listed.next = walk.map(|walk| walk.to_string());
        Ok(listed)
    }

    /// The next step of the walk, if the server is still the one that it began on.
    async fn scan(
        &self,
        pattern: &str,
        count: usize,
        walk: &mut Option<Walk>,
    ) -> Result<Vec<Vec<u8>>, DocumentsError> {
        let cursor = walk.as_ref().map_or(0, |walk| walk.cursor);
        let count = count.min(limits::REDIS_SCAN_COUNT);
        let scan =
            cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(count).to_owned();
        let life = cmd("INFO").arg("server").to_owned();
        let mut answers = self.ask_at_once([life, scan]).await?.into_iter();
        let (life, found) = answers.next().zip(answers.next()).ok_or_else(senseless)?;
        let run = reply::info_line(&life, "run_id").ok_or_else(senseless)?;
        if walk.as_ref().is_some_and(|walk| walk.run != run) {
            return Err(DocumentsError::Conflict(
                "Redis was started anew since this list began, and its cursor means nothing any \
                 more: begin the list again, without after"
                    .into(),
            ));
        }
        let (cursor, keys) = scanned(found).ok_or_else(senseless)?;
        let at = walk.as_ref().map_or(0, |walk| walk.pattern);
        let pattern = if cursor == 0 { at + 1 } else { at };
        *walk = Some(Walk { run, pattern, cursor });
        Ok(keys)
    }

    async fn ask_at_once(&self, commands: [Cmd; 2]) -> Result<Vec<Value>, DocumentsError> {
        let answers = self.all_at_once(commands).await;
        answers.map_err(|error| match error {
            SourceError::Operator { problem, .. } => DocumentsError::Refused(format!(
                "{problem}; a list of keys needs the rights to SCAN and INFO: ACL SETUSER name \
                 +scan +info"
            )),
            error => failed(error),
        })
    }

    /// The key with its value; none if it has gone away. A value that is too large, or that no page
    /// has room for, is left out and named.
    async fn document(&self, key: &[u8], bytes: usize) -> Result<Option<String>, DocumentsError> {
        let id = value(key);
        let left_out = Ok(Some(format!(r#"{{"_id":{id},"$unavailable":["value"]}}"#)));
        if bytes >= limits::LIST_BYTES_MAX {
            return left_out;
        }
        match self.content(key).await {
            Ok(content) => Ok(content.map(|content: Content| item(&id, &as_json(&content)))),
            Err(DocumentsError::Invalid(_)) => left_out,
            Err(error) => Err(error),
        }
    }
}

impl Walk {
    fn read(text: &str) -> Result<Self, DocumentsError> {
        let mut parts = text.split(':');
        let (run, pattern, cursor) = (parts.next(), parts.next(), parts.next());
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        let walk = || {
            let pattern = number(pattern).and_then(|number| usize::try_from(number).ok())?;
            Some(Self { run: run?.to_owned(), pattern, cursor: number(cursor)? })
        };
        walk().filter(|_| parts.next().is_none()).ok_or_else(not_ours)
    }
}

impl std::fmt::Display for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.run, self.pattern, self.cursor)
    }
}

fn read_entry_id(text: &str) -> Result<EntryId, DocumentsError> {
    text.parse().map_err(|()| not_ours())
}

fn not_ours() -> DocumentsError {
    DocumentsError::Invalid("after takes what a page said as its next".into())
}

/// The answer to `SCAN`: where to go on, and the keys.
fn scanned(answer: Value) -> Option<(u64, Vec<Vec<u8>>)> {
    let Value::Array(parts) = answer else { return None };
    let [cursor, keys] = <[Value; 2]>::try_from(parts).ok()?;
    Some((reply::text(&cursor)?.parse().ok()?, reply::list(keys)?))
}

fn item(id: &str, value: &str) -> String {
    format!(r#"{{"_id":{id},"value":{value}}}"#)
}
