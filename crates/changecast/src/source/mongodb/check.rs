//! What of a MongoDB works, and the command that mends what does not.
//!
//! Everything is asked with the source's own user: what it may not know is said to be unknown.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error;

use super::{MongoSource, errors};
use crate::limits;
use crate::source::{Finding, FullDocument, FullDocumentBeforeChange, SourceError, WatchOptions};

const HOUR: u64 = 60 * 60;

/// An oplog that reaches back less than this makes a gap of a weekend's outage's first night.
const WINDOW_HOURS_MIN: u64 = 24;

/// Hundredths of its size from which on an oplog counts as full: from then on it forgets.
const FULL_PERCENT: f64 = 90.0;

impl MongoSource {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let client = match self.client().await {
            Ok(client) => client,
            Err(error) => return vec![Finding::failed("reachable", &error)],
        };
        let hello = match self.hello(&client).await {
            Ok(hello) => hello,
            Err(error) => return vec![self.unreachable(&error)],
        };
        let reachable = Finding::ok("reachable", format!("{} answers", self.hosts.names()));
        let deployment = self.deployment(&hello);
        let has_streams = deployment.mend.is_none();
        let mut findings = vec![reachable, deployment];
        if !has_streams {
            return findings;
        }
        findings.push(self.rights(&client).await);
        if hello.contains_key("setName") {
            findings.push(self.oplog(&client, &hello).await);
        }
        findings.extend(self.images(&client).await);
        findings
    }

    fn unreachable(&self, error: &SourceError) -> Finding {
        if error.to_string() == self.hosts.uninitiated().to_string() {
            let mend = self.mongosh("admin", "rs.initiate()");
            return Finding::problem("replica set", error.to_string(), mend);
        }
        Finding::failed("reachable", error)
    }

    fn deployment(&self, hello: &Document) -> Finding {
        if let Ok(name) = hello.get_str("setName") {
            return Finding::ok("replica set", format!("a member of {name:?} answers"));
        }
        if hello.contains_key("msg") {
            return Finding::ok("replica set", "a router of a sharded cluster answers");
        }
        Finding::failed("replica set", &self.hosts.standalone())
    }

    /// Opens the stream that the source would open, unless one is open: it has the rights then.
    async fn rights(&self, client: &Client) -> Finding {
        if self.open_streams.load(Ordering::Relaxed) > 0 {
            return Finding::ok("rights", "a stream is open");
        }
        let error = match self.watch(WatchOptions::new()).await {
            Ok(_) => return Finding::ok("rights", "the stream can be opened"),
            Err(error) => error,
        };
        if error.advice() != Some(errors::GRANT_READ) {
            return Finding::failed("rights", &error);
        }
        let role = match self.watched.is_cluster() {
            true => r#"{role: "readAnyDatabase", db: "admin"}"#.to_owned(),
            false => format!("{{role: \"read\", db: {}}}", quote(self.watched.database())),
        };
        Finding::problem("rights", error.to_string(), self.grant(client, &role).await)
    }

    /// How long an outage may last.
    async fn oplog(&self, client: &Client, hello: &Document) -> Finding {
        match ask_oplog(client, hello).await {
            Ok(Some(oplog)) => self.judge(&oplog),
            Ok(None) => Finding::ok("oplog", "how far it reaches back is not told"),
            Err(error) if errors::is_refusal(&error) => Finding::warning(
                "oplog",
                "how far it reaches back is unknown: the user may not read it",
                self.grant(client, r#"{role: "read", db: "local"}"#).await,
            ),
            Err(error) => Finding::failed("oplog", &self.hosts.explain(&error)),
        }
    }

    fn judge(&self, oplog: &Oplog) -> Finding {
        let reach = format!("it reaches back {}", hours(oplog.seconds));
        if !oplog.is_full {
            return Finding::ok("oplog", format!("{reach}, to its beginning: it has yet to fill"));
        }
        if oplog.seconds >= WINDOW_HOURS_MIN * HOUR {
            return Finding::ok("oplog", format!("{reach}: so long may an outage last"));
        }
        let command = format!(
            "db.adminCommand({{replSetResizeOplog: 1, minRetentionHours: {WINDOW_HOURS_MIN}}})"
        );
        let detail = format!("{reach}: what a longer outage misses is a gap");
        Finding::warning("oplog", detail, self.mongosh("admin", &command))
    }

    /// Whether the collections keep the images that the source asks for.
    async fn images(&self, client: &Client) -> Vec<Finding> {
        let (wants, is_required) = self.wanted_images();
        if !wants {
            return vec![Finding::ok("images", "none are asked for that a collection has to keep")];
        }
        if self.watched.is_cluster() {
            return Vec::new();
        }
        let database = client.database(self.watched.database());
        let known = async {
            let filter = doc! { "type": "collection" };
            database.list_collections().filter(filter).await?.try_collect::<Vec<_>>().await
        };
        let known = match known.await {
            Ok(known) => known,
            Err(error) => return vec![Finding::failed("images", &self.hosts.explain(&error))],
        };
        let without = known.iter().filter(|collection| {
            let images = collection.options.change_stream_pre_and_post_images.as_ref();
            self.watched.namespace(&collection.name).is_some()
                && !images.is_some_and(|images| images.enabled)
        });
        let mut findings: Vec<_> = without
            .take(limits::CHECK_COLLECTIONS_MAX)
            .map(|collection| self.without_images(&collection.name, is_required))
            .collect();
        if findings.is_empty() {
            findings.push(Finding::ok("images", "every watched collection keeps them"));
        }
        findings
    }

    fn without_images(&self, collection: &str, is_required: bool) -> Finding {
        let command = format!(
            "db.runCommand({{collMod: {}, changeStreamPreAndPostImages: {{enabled: true}}}})",
            quote(collection)
        );
        let mend = self.mongosh(self.watched.database(), &command);
        let detail = format!("{collection} keeps no images");
        if is_required {
            return Finding::problem("images", format!("{detail}, which are required"), mend);
        }
        Finding::warning("images", format!("{detail}: changes come without them"), mend)
    }

    /// Whether images are asked for that a collection has to keep, and whether none will do.
    fn wanted_images(&self) -> (bool, bool) {
        let before = self.config.full_document_before_change;
        let after = self.config.full_document;
        let is_required = before == Some(FullDocumentBeforeChange::Required)
            || after == Some(FullDocument::Required);
        let is_wanted = before.is_some()
            || matches!(after, Some(FullDocument::Required | FullDocument::WhenAvailable));
        (is_wanted, is_required)
    }

    /// The command that grants `role` to whoever is logged in.
    async fn grant(&self, client: &Client, role: &str) -> String {
        let admin = client.database("admin");
        let status = admin.run_command(doc! { "connectionStatus": 1 }).await.unwrap_or_default();
        let users = status
            .get_document("authInfo")
            .and_then(|told| told.get_array("authenticatedUsers"))
            .ok();
        let user = users.and_then(|users| users.first()).and_then(Bson::as_document);
        let member = |name| user.and_then(|user| user.get_str(name).ok());
        let (name, database) = (member("user").unwrap_or("USER"), member("db").unwrap_or("admin"));
        self.mongosh(database, &format!("db.grantRolesToUser({}, [{role}])", quote(name)))
    }

    /// A command line that runs `script`; who runs it adds a login that may.
    fn mongosh(&self, database: &str, script: &str) -> String {
        let host = self.hosts.first();
        let script = script.replace('\'', r"'\''");
        format!("mongosh 'mongodb://{host}/{database}' --eval '{script}'")
    }
}

/// What is known of an oplog.
struct Oplog {
    /// From its oldest entry until now.
    seconds: u64,
    /// Whether it forgets an entry for each new one.
    is_full: bool,
}

async fn ask_oplog(client: &Client, hello: &Document) -> Result<Option<Oplog>, Error> {
    let oplog = client.database("local").collection::<Document>("oplog.rs");
    let oldest = oplog.find_one(doc! {}).sort(doc! { "$natural": 1 }).await?;
    let oldest = oldest.and_then(|entry| entry.get_timestamp("ts").ok());
    let newest = hello.get_timestamp("operationTime").ok();
    let (Some(oldest), Some(newest)) = (oldest, newest) else {
        return Ok(None);
    };
    let stats = vec![doc! { "$collStats": { "storageStats": {} } }];
    let stats = oplog.aggregate(stats).await?.try_next().await?.unwrap_or_default();
    let number = |name| match stats.get_document("storageStats").ok()?.get(name)? {
        Bson::Int32(number) => Some(f64::from(*number)),
        #[allow(clippy::cast_precision_loss, reason = "a size in hundredths")]
        Bson::Int64(number) => Some(*number as f64),
        Bson::Double(number) => Some(*number),
        _ => None,
    };
    let percent = number("size").zip(number("maxSize")).map(|(size, most)| size / most * 100.0);
    Ok(Some(Oplog {
        seconds: u64::from(newest.time.saturating_sub(oldest.time)),
        is_full: percent.is_none_or(|percent| percent >= FULL_PERCENT),
    }))
}

fn hours(seconds: u64) -> String {
    match Duration::from_secs(seconds).as_secs() / HOUR {
        0 => "less than an hour".to_owned(),
        1 => "1 hour".to_owned(),
        hours => format!("{hours} hours"),
    }
}

/// A text as JavaScript writes it.
fn quote(text: &str) -> String {
    // Every text is a JSON string.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::mongodb::MongoConfig;
    use crate::source::mongodb::Scope;
    use std::sync::Arc;

    #[test]
    fn only_a_full_oplog_that_forgets_soon_is_warned_about() {
        let config = MongoConfig::new("mongodb://db1,db2/?replicaSet=rs0", "shop", Scope::Database);
        let source = MongoSource::new(config, Arc::default()).unwrap();
        let young = source.judge(&Oplog { seconds: 60, is_full: false });
        assert_eq!((young.level, young.mend), (crate::source::Level::Ok, None));
        let long = source.judge(&Oplog { seconds: 24 * HOUR, is_full: true });
        assert_eq!(long.level, crate::source::Level::Ok);
        let short = source.judge(&Oplog { seconds: 5 * HOUR, is_full: true });
        assert_eq!(short.level, crate::source::Level::Warning);
        let command = "mongosh 'mongodb://db1:27017/admin' --eval \
                       'db.adminCommand({replSetResizeOplog: 1, minRetentionHours: 24})'";
        assert_eq!(short.mend.as_deref(), Some(command));
    }

    #[test]
    fn names_cannot_break_out_of_a_command() {
        let config = MongoConfig::new("mongodb://db1", "shop", Scope::Database);
        let source = MongoSource::new(config, Arc::default()).unwrap();
        let finding = source.without_images("it's \"odd\"", true);
        let command = "mongosh 'mongodb://db1:27017/shop' --eval 'db.runCommand({collMod: \
                       \"it'\\''s \\\"odd\\\"\", changeStreamPreAndPostImages: {enabled: true}})'";
        assert_eq!(finding.mend.as_deref(), Some(command));
    }
}
