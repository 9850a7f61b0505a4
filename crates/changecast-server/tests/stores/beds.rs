//! One store of each kind, with a collection whose documents hold any content under a text key.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::mongodb::TestDatabase;
use crate::support::{PostgresDatabase, RedisServer, SqliteDatabase, TestServer};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Embedded,
    Mongo,
    Postgres,
    Redis,
    Sqlite,
}

pub(super) struct Bed {
    pub(super) kind: Kind,
    pub(super) server: TestServer,
    /// The path of its source.
    source: String,
    collection: &'static str,
    _database: Database,
}

/// What has to live as long as the server.
#[expect(dead_code, reason = "held until the end of the test, not looked at")]
enum Database {
    None,
    Mongo(TestDatabase),
    Postgres(PostgresDatabase),
    Redis(RedisServer),
    Sqlite(SqliteDatabase),
}

impl Bed {
    pub(super) async fn open(kind: Kind) -> Self {
        let (arguments, source, collection, database) = match kind {
            Kind::Embedded => (Vec::new(), "test".to_owned(), "items", Database::None),
            Kind::Mongo => {
                let bed = TestDatabase::new().await;
                let namespace = bed.namespace("items");
                let (name, _) = namespace.split_once('.').expect("a namespace");
                let name = name.to_owned();
                let arguments = vec!["--mongo".into(), bed.uri.clone(), "--ns".into(), namespace];
                (arguments, name, "items", Database::Mongo(bed))
            }
            Kind::Postgres => {
                let bed = PostgresDatabase::new().await;
                bed.run("CREATE TABLE things (id text PRIMARY KEY, content jsonb)").await;
                bed.run("CREATE TABLE secrets (id text PRIMARY KEY)").await;
                let options = format!("name=shop&table=things&slot={}", bed.slot());
                let arguments = vec!["--source".into(), bed.source_with(&options)];
                (arguments, "shop".into(), "things", Database::Postgres(bed))
            }
            Kind::Redis => {
                let bed = RedisServer::start().await;
                let arguments =
                    vec!["--source".into(), format!("{}?name=shop&stream=orders", bed.url())];
                (arguments, "shop".into(), "keys", Database::Redis(bed))
            }
            Kind::Sqlite => {
                let bed = SqliteDatabase::new(
                    "CREATE TABLE things (id TEXT PRIMARY KEY, content) WITHOUT ROWID;
                     CREATE TABLE secrets (id TEXT PRIMARY KEY)",
                );
                bed.install(&["things"]).await;
                (vec![bed.source("?name=shop")], "shop".into(), "things", Database::Sqlite(bed))
            }
        };
        let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
        all.extend(["--documents", "write"]);
        let server = TestServer::start_with(&all).await;
        Self { kind, server, source, collection, _database: database }
    }

    /// The path of a document; neither name needs to be one.
    pub(super) fn path_in(&self, collection: &str, id: &str) -> String {
        let encode = |part: &str| {
            let encoded: String = url::form_urlencoded::byte_serialize(part.as_bytes()).collect();
            encoded.replace('+', "%20")
        };
        format!("/documents/{}/{}/{}", self.source, encode(collection), encode(id))
    }

    pub(super) fn path(&self, id: &str) -> String {
        self.path_in(self.collection, id)
    }

    /// A body that holds `content`: Redis has nothing around it.
    pub(super) fn body(&self, content: &Value) -> String {
        match self.kind {
            Kind::Redis => content.to_string(),
            _ => json!({ "content": content }).to_string(),
        }
    }

    pub(super) fn content_of(&self, document: &Value) -> Value {
        match self.kind {
            Kind::Redis => document.clone(),
            _ => document["content"].clone(),
        }
    }

    pub(super) async fn send(&self, method: Method, path: &str, body: &str) -> Response {
        let request = self.server.request(method, path).header(CONTENT_TYPE, "application/json");
        request.body(body.to_owned()).send().await.expect("an answer")
    }

    pub(super) async fn status(&self, method: Method, path: &str, body: &str) -> u16 {
        self.send(method, path, body).await.status().as_u16()
    }
}
