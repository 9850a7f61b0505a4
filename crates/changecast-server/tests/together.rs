//! One server, five databases, one `curl`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use mongodb::bson::doc;
use serde_json::{Value, json};

use crate::http_source::{Stub, json_answer};
use crate::mongodb::TestDatabase;
use crate::sqlite_files::ORDERS;
use crate::support::{PostgresDatabase, RedisServer, SqliteDatabase, TestServer, soon};

/// What a terminal shows of a stream.
struct Curl(Child);

impl Curl {
    fn follow(url: &str) -> Self {
        let mut command = Command::new("curl");
        command.args(["--silent", "--no-buffer", "--noproxy", "*", url]);
        let child = command.stdout(Stdio::piped()).spawn().expect("curl starts");
        Self(child)
    }

    /// Reads on until changes of so many namespaces have come; their names.
    fn namespaces(&mut self, count: usize) -> BTreeSet<String> {
        let stdout = self.0.stdout.as_mut().expect("a pipe");
        let mut seen = BTreeSet::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.expect("text");
            let data = line.strip_prefix("data: ").and_then(|data| serde_json::from_str(data).ok());
            let ns = data.and_then(|event: Value| event.get("ns").cloned());
            if let Some(ns) = ns {
                let name = |part: &str| ns[part].as_str().expect("a name").to_owned();
                seen.insert(format!("{}.{}", name("db"), name("coll")));
            }
            if seen.len() == count {
                return seen;
            }
        }
        panic!("the stream ended with {seen:?} only");
    }
}

impl Drop for Curl {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn s3_one_server_follows_five_databases_and_one_curl_shows_them_all() {
    let (mongo, postgres) = (TestDatabase::new().await, PostgresDatabase::new().await);
    let (redis, sqlite) = (RedisServer::start().await, SqliteDatabase::new(ORDERS));
    sqlite.install(&["orders"]).await;
    let weather = Stub::start(&json_answer(&json!({"celsius": 21}))).await;
    let sources = [
        postgres.source(""),
        format!("{}?name=shop&stream=orders", redis.url()),
        format!("sqlite://{}?table=orders&name=app", sqlite.text()),
        weather.source(""),
    ];
    let namespace = mongo.namespace("items");
    let mut arguments = vec!["--mongo", &mongo.uri, "--ns", &namespace];
    arguments.extend(sources.iter().flat_map(|source| ["--source", source]));
    let server = TestServer::start_with(&arguments).await;
    let mut curl = Curl::follow(&server.url("/events?since=earliest"));

    mongo.items().insert_one(doc! { "_id": 1 }).await.expect("an insert");
    postgres.run("INSERT INTO items VALUES (1, 1)").await;
    redis.add("orders", 1).await;
    sqlite.execute("INSERT INTO orders (total) VALUES (1)");

    let reading = tokio::task::spawn_blocking(move || curl.namespaces(5));
    let seen = soon("a change of each", reading).await.expect("no panic");
    let expected = [
        namespace,
        format!("{}.items", postgres.name),
        "shop.orders".to_owned(),
        "app.orders".to_owned(),
        "weather.now".to_owned(),
    ];
    assert_eq!(seen, BTreeSet::from(expected));
}
