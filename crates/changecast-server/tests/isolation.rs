//! Five databases of five kinds: whichever breaks, the others go on, and it comes back complete.

use std::net::SocketAddr;

use mongodb::bson::doc;
use serde_json::{Value, json};

use crate::http_source::{Stub, json_answer};
use crate::mongodb::TestDatabase;
use crate::sqlite_files::ORDERS;
use crate::support::{
    Entry, NdjsonClient, PostgresDatabase, Proxy, RedisServer, SqliteDatabase, Subscriber,
    TestServer, until,
};

const COUNT: usize = 5;

/// Where the JSON value is among them: only its newest state is told.
const WEATHER: usize = 4;

/// What is written, and what lies between it and changecast.
struct Five {
    mongo: TestDatabase,
    postgres: PostgresDatabase,
    redis: RedisServer,
    sqlite: SqliteDatabase,
    weather: Stub,
    /// What the sources are called, in the order of `/sources`.
    names: [String; COUNT],
    /// None for the file.
    proxies: [Option<(Proxy, SocketAddr)>; COUNT],
}

impl Five {
    async fn start() -> (Self, TestServer) {
        let (mongo, postgres) = (TestDatabase::new().await, PostgresDatabase::new().await);
        let (redis, sqlite) = (RedisServer::start().await, SqliteDatabase::new(ORDERS));
        sqlite.install(&["orders"]).await;
        let weather = Stub::start(&json_answer(&json!({"n": 0}))).await;
        let urls = [
            format!("{}&collection=items", with_database(&mongo)),
            postgres.source(""),
            format!("{}?name=shop&stream=orders", redis.url()),
            format!("sqlite://{}?table=orders&name=app", sqlite.text()),
            weather.source(""),
        ];
        let names = [mongo.database.name(), &postgres.name, "shop", "app", "weather"]
            .map(ToOwned::to_owned);
        let mut proxies = [None, None, None, None, None];
        let mut sources = Vec::new();
        for (url, place) in urls.iter().zip(&mut proxies) {
            let Some(address) = address_in(url) else {
                sources.push(url.clone());
                continue;
            };
            let proxy = Proxy::to(address).await;
            sources.push(url.replace(&address.to_string(), &proxy.address().to_string()));
            *place = Some((proxy, address));
        }
        let arguments: Vec<&str> = sources.iter().flat_map(|it| ["--source", &**it]).collect();
        let server = TestServer::start_with(&arguments).await;
        (Self { mongo, postgres, redis, sqlite, weather, names, proxies }, server)
    }

    async fn write(&self, index: usize, n: i64) {
        match index {
            0 => {
                self.mongo.items().insert_one(doc! { "_id": n }).await.expect("an insert");
            }
            1 => self.postgres.run(&format!("INSERT INTO items VALUES ({n}, {n})")).await,
            2 => {
                self.redis.add("orders", n).await;
            }
            3 => self.sqlite.execute(&format!("INSERT INTO orders (id) VALUES ({n})")),
            _ => self.weather.answers(&json_answer(&json!({ "n": n }))),
        }
    }

    fn break_it(&self, index: usize) {
        match &self.proxies[index] {
            Some((proxy, _)) => proxy.lead_to(None),
            None => std::fs::rename(self.sqlite.path(), self.away()).expect("renamed"),
        }
    }

    fn mend_it(&self, index: usize) {
        match &self.proxies[index] {
            Some((proxy, address)) => proxy.lead_to(Some(*address)),
            None => std::fs::rename(self.away(), self.sqlite.path()).expect("renamed"),
        }
    }

    /// So many changes, in their order, by source.
    async fn told(&self, client: &mut NdjsonClient, count: usize) -> [Vec<i64>; COUNT] {
        let mut told = [const { Vec::new() }; COUNT];
        for entry in client.changes(count).await {
            let topic = entry.change.topic();
            let name = topic.split('.').next().expect("a name");
            let index = self.names.iter().position(|known| known == name).expect("one of ours");
            told[index].push(number_of(&entry));
        }
        told
    }

    fn away(&self) -> std::path::PathBuf {
        self.sqlite.directory().join("away.db")
    }
}

fn with_database(mongo: &TestDatabase) -> String {
    let (base, options) = mongo.uri.split_once("/?").expect("a connection string");
    format!("{base}/{}?{options}", mongo.database.name())
}

fn address_in(url: &str) -> Option<SocketAddr> {
    let from = url.find("127.0.0.1:")?;
    let rest = &url[from..];
    rest[..rest.find(['/', '?']).unwrap_or(rest.len())].parse().ok()
}

/// What was written: each kind of source has it in another place.
fn number_of(entry: &Entry) -> i64 {
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let change = &entry.change.0;
    let (key, document) = (&change["documentKey"], &change["fullDocument"]);
    let places = [&document["n"], &key["_id"], &key["id"]];
    places.into_iter().find_map(number).expect("a number")
}

#[tokio::test]
async fn g8_g9_whichever_of_five_sources_breaks_the_others_go_on_and_it_comes_back_complete() {
    let (five, server) = Five::start().await;
    let mut client = NdjsonClient::follow(&server, "since=earliest").await;
    client.hello().await;
    assert_eq!(five.told(&mut client, 1).await[WEATHER], [0], "the value that is there");
    let mut next = 1;
    for broken in 0..COUNT {
        five.break_it(broken);
        until("a source that is down", async || {
            let source = server.get_json("/sources").await["sources"][broken].clone();
            source["state"] != "live" && source["error"].is_string()
        })
        .await;
        for n in [next, next + 1] {
            let others: Vec<_> = (0..COUNT).filter(|index| *index != broken).collect();
            for &index in &others {
                five.write(index, n).await;
            }
            let told = five.told(&mut client, others.len()).await;
            for index in others {
                let (name, down) = (&five.names[index], &five.names[broken]);
                assert_eq!(told[index], [n], "{name} while {down} is down");
            }
        }
        // What is written while it is down, save to the file, which is elsewhere.
        let is_file = five.proxies[broken].is_none();
        if is_file {
            five.mend_it(broken);
        }
        let last = if broken == WEATHER { next } else { next + 1 };
        for n in next..=last {
            five.write(broken, n).await;
        }
        if !is_file {
            five.mend_it(broken);
        }
        let expected: Vec<_> = (next..=last).collect();
        assert_eq!(five.told(&mut client, expected.len()).await[broken], expected);
        next += 2;
    }
    let sources = server.get_json("/sources").await;
    for source in sources["sources"].as_array().expect("sources") {
        let (state, gaps) = (&source["state"], &source["gap_count"]);
        assert_eq!((state, gaps), (&json!("live"), &json!(0)), "{source}");
    }
}
