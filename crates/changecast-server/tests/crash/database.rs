//! The database under fire. Writers speak to it directly, changecast through a proxy.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::sync::Mutex;

use super::ledger::{COLLECTIONS, Fact};
use super::rig::{DATABASE, Source};
use super::store::mongo::durable;
use super::store::postgres::Tables;
use super::store::redis::Streams;
use super::store::{Store, mongo, open_sqlite, rows};
use super::support::{Mongod, Postgres, Proxy, RedisServer};

pub(crate) struct Database {
    server: Server,
    /// None for what is a mere file.
    proxy: Option<Proxy>,
    kills: AtomicUsize,
}

enum Server {
    Mongo(Mutex<Mongod>, mongodb::Database),
    Postgres(Postgres),
    Redis(Mutex<RedisServer>),
    /// No server, but a file.
    Rows(TempDir),
}

impl Database {
    /// One of its own, with what is written in it; none for the embedded store, which is changecast's.
    pub(crate) async fn start(source: Source) -> Option<Self> {
        let (server, address) = match source {
            Source::Embedded => return None,
            Source::SqliteFile => {
                let directory = TempDir::with_prefix("changecast-rows-").expect("a directory");
                rows::create(&file_in(&directory));
                let (server, kills) = (Server::Rows(directory), AtomicUsize::new(0));
                return Some(Self { server, proxy: None, kills });
            }
            Source::MongoDb => start_mongo().await,
            Source::Postgres => {
                let postgres = Postgres::start().await;
                let mut tables = Tables::at(postgres.url(DATABASE));
                tables.create(DATABASE, &postgres.url("postgres")).await;
                let address = address_in(&postgres.url(DATABASE));
                (Server::Postgres(postgres), address)
            }
            Source::Redis => {
                let redis = RedisServer::start_durable().await;
                let address = address_in(&redis.url());
                (Server::Redis(Mutex::new(redis)), address)
            }
        };
        let proxy = Proxy::to(address.parse().expect("an address")).await;
        Some(Self { server, proxy: Some(proxy), kills: AtomicUsize::new(0) })
    }

    /// Between it and changecast.
    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("only planned for servers")
    }

    /// What changecast is told of it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let tables = COLLECTIONS.map(|name| format!("table={name}")).join("&");
        if let Server::Rows(directory) = &self.server {
            let file = file_in(directory).display().to_string();
            return vec!["--source".into(), format!("sqlite://{file}?name={DATABASE}&{tables}")];
        }
        let address = self.proxy().address();
        let source = match &self.server {
            Server::Mongo(..) => {
                let uri = format!("mongodb://{address}/?directConnection=true");
                return vec!["--mongo".into(), uri, "--ns".into(), format!("{DATABASE}.*")];
            }
            Server::Postgres(_) => {
                format!("postgres://postgres@{address}/{DATABASE}?{tables}")
            }
            Server::Redis(_) => {
                let streams = COLLECTIONS.map(|name| format!("stream={name}")).join("&");
                format!("redis://{address}/0?name={DATABASE}&{streams}")
            }
            Server::Rows(_) => unreachable!("it has no address"),
        };
        vec!["--source".into(), source]
    }

    /// Another way in for a writer.
    pub(crate) async fn store(&self) -> Store {
        match &self.server {
            Server::Mongo(_, database) => Store::Mongo(database.clone()),
            Server::Postgres(postgres) => Store::Postgres(Tables::at(postgres.url(DATABASE))),
            Server::Redis(redis) => Store::Redis(Streams::at(redis.lock().await.url())),
            Server::Rows(directory) => Store::Rows(open_sqlite(&file_in(directory))),
        }
    }

    /// What it holds now.
    pub(crate) async fn read(&self) -> Vec<Fact> {
        match self.store().await {
            Store::Mongo(database) => mongo::read(&database).await,
            Store::Postgres(mut tables) => tables.read().await,
            Store::Redis(mut streams) => streams.read().await,
            Store::Rows(connection) => rows::read(&connection),
            Store::File(_) | Store::Http(..) => unreachable!("these are the embedded store's"),
        }
    }

    /// As a power cut does; it takes writes again when this returns.
    pub(crate) async fn kill_and_start(&self) {
        self.kills.fetch_add(1, Ordering::Relaxed);
        match &self.server {
            Server::Mongo(mongod, _) => {
                let mut mongod = mongod.lock().await;
                mongod.kill();
                mongod.start_again().await;
            }
            Server::Postgres(postgres) => {
                postgres.kill().await;
                postgres.start_again().await;
            }
            Server::Redis(redis) => {
                let mut redis = redis.lock().await;
                redis.kill();
                redis.start_again().await;
            }
            Server::Rows(_) => unreachable!("only planned for servers"),
        }
    }

    pub(crate) fn kills(&self) -> usize {
        self.kills.load(Ordering::Relaxed)
    }
}

fn file_in(directory: &TempDir) -> PathBuf {
    directory.path().join("app.db")
}

/// The host and port of a URL.
fn address_in(url: &str) -> String {
    let authority = url.split('/').nth(2).expect("a URL");
    authority.rsplit('@').next().expect("a host").to_owned()
}

async fn start_mongo() -> (Server, String) {
    let mongod = Mongod::start().await;
    let options = mongodb::options::DatabaseOptions::builder().write_concern(durable()).build();
    let database = mongod.client().await.database_with_options(DATABASE, options);
    for name in COLLECTIONS {
        database.create_collection(name).await.expect("the database takes writes");
    }
    let address = mongod.address();
    (Server::Mongo(Mutex::new(mongod), database), address)
}
