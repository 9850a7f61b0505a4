//! The databases that the suite is run on.

use std::ops::Range;
use std::path::PathBuf;

use super::{Bed, MortalBed};
use crate::mongodb::{TestDatabase, numbered};
use crate::support::{
    Mongod, OtherProgram, Postgres, PostgresDatabase, RedisServer, SqliteDatabase, TestServer,
};

/// The embedded store, written by another program.
pub(crate) struct Embedded {
    data: PathBuf,
}

impl Bed for Embedded {
    async fn new() -> Self {
        Self { data: PathBuf::new() }
    }

    fn arguments(&self) -> Vec<String> {
        Vec::new()
    }

    fn attach(&mut self, server: &TestServer) {
        self.data = server.data().to_owned();
    }

    async fn write(&self, numbers: Range<i64>) {
        let data = self.data.clone();
        let writing =
            tokio::task::spawn_blocking(move || OtherProgram::open(&data).insert_numbers(numbers));
        writing.await.expect("the writer has not failed");
    }

    async fn write_at_once(&self, numbers: Range<i64>) {
        let data = self.data.clone();
        let writing = tokio::task::spawn_blocking(move || {
            OtherProgram::open(&data).insert_numbers_at_once(numbers);
        });
        writing.await.expect("the writer has not failed");
    }
}

/// A replica set.
pub(crate) struct Mongo {
    database: TestDatabase,
    server: Option<Mongod>,
}

impl Bed for Mongo {
    async fn new() -> Self {
        Self { database: TestDatabase::new().await, server: None }
    }

    fn arguments(&self) -> Vec<String> {
        let namespace = self.database.namespace("items");
        vec!["--mongo".into(), self.database.uri.clone(), "--ns".into(), namespace]
    }

    async fn write(&self, numbers: Range<i64>) {
        self.database.insert_numbers(numbers).await;
    }

    async fn write_at_once(&self, numbers: Range<i64>) {
        let items = self.database.items();
        let documents: Vec<_> = numbers.map(numbered).collect();
        // A transaction creates no collection while somebody watches for it.
        let mut session = items.client().start_session().await.expect("a session");
        session.start_transaction().await.expect("a transaction begins");
        items.insert_many(documents).session(&mut session).await.expect("documents");
        session.commit_transaction().await.expect("a transaction ends");
    }
}

impl MortalBed for Mongo {
    async fn mortal() -> Self {
        let server = Mongod::start().await;
        Self { database: TestDatabase::on(&server).await, server: Some(server) }
    }

    async fn kill(&mut self) {
        self.server.as_mut().expect("its own").kill();
    }

    async fn start_again(&mut self) {
        self.server.as_mut().expect("its own").start_again().await;
    }
}

/// A table.
pub(crate) struct PostgreSql {
    database: PostgresDatabase,
    server: Option<Postgres>,
}

impl Bed for PostgreSql {
    async fn new() -> Self {
        Self { database: PostgresDatabase::new().await, server: None }
    }

    fn arguments(&self) -> Vec<String> {
        vec!["--source".into(), self.database.source("")]
    }

    async fn write(&self, numbers: Range<i64>) {
        self.database.insert_numbers(numbers).await;
    }

    async fn write_at_once(&self, numbers: Range<i64>) {
        self.database.insert_numbers_at_once(numbers).await;
    }
}

impl MortalBed for PostgreSql {
    async fn mortal() -> Self {
        let server = Postgres::start().await;
        Self { database: PostgresDatabase::on(&server).await, server: Some(server) }
    }

    async fn kill(&mut self) {
        self.server.as_ref().expect("its own").kill().await;
    }

    async fn start_again(&mut self) {
        self.server.as_ref().expect("its own").start_again().await;
    }
}

/// A stream.
pub(crate) struct RedisStream(RedisServer);

impl Bed for RedisStream {
    async fn new() -> Self {
        Self(RedisServer::start().await)
    }

    fn arguments(&self) -> Vec<String> {
        vec!["--source".into(), format!("{}?name=shop&stream=items", self.0.url())]
    }

    async fn write(&self, numbers: Range<i64>) {
        for number in numbers {
            self.0.add_surely("items", number..number + 1).await;
        }
    }

    async fn write_at_once(&self, numbers: Range<i64>) {
        self.0.add_surely("items", numbers).await;
    }
}

impl MortalBed for RedisStream {
    async fn mortal() -> Self {
        Self(RedisServer::start_durable().await)
    }

    async fn kill(&mut self) {
        self.0.kill();
    }

    async fn start_again(&mut self) {
        self.0.start_again().await;
    }
}

/// A table of a SQLite database that belongs to another program.
pub(crate) struct SqliteFile(SqliteDatabase);

impl SqliteFile {
    /// Runs one statement for each range of numbers, each in its transaction.
    async fn insert(&self, ranges: Vec<Range<i64>>) {
        let connection = self.0.connection();
        let writing = tokio::task::spawn_blocking(move || {
            for Range { start, end } in ranges {
                let numbers = format!(
                    "WITH RECURSIVE numbers(n) AS
                         (SELECT {start} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {end})
                     INSERT INTO items SELECT n, n FROM numbers"
                );
                connection.execute_batch(&numbers).expect("numbers");
            }
        });
        writing.await.expect("the writer has not failed");
    }
}

impl Bed for SqliteFile {
    async fn new() -> Self {
        let database = SqliteDatabase::new("CREATE TABLE items (id INTEGER PRIMARY KEY, n)");
        database.install(&["items"]).await;
        Self(database)
    }

    fn arguments(&self) -> Vec<String> {
        vec![self.0.source("?table=items")]
    }

    async fn write(&self, numbers: Range<i64>) {
        self.insert(numbers.map(|number| number..number + 1).collect()).await;
    }

    async fn write_at_once(&self, numbers: Range<i64>) {
        self.insert(vec![numbers]).await;
    }
}
