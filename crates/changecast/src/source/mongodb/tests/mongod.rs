//! A mongod of a test's own, for what the shared one must not suffer.

use std::process::{Child, Command, Stdio};

use super::*;

pub(super) struct Mongod {
    process: Child,
    host: String,
    arguments: Vec<String>,
    data: tempfile::TempDir,
}

impl Mongod {
    pub(super) fn start(arguments: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let host = free.local_addr().unwrap().to_string();
        drop(free);
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let process = spawn(&host, &arguments, &data);
        Self { process, host, arguments, data }
    }

    /// Ends it as a power cut would.
    pub(super) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    pub(super) fn start_again(&mut self) {
        self.process = spawn(&self.host, &self.arguments, &self.data);
    }

    pub(super) fn source(&self, credentials: &str, options: &str) -> MongoSource {
        let uri = format!("mongodb://{credentials}{}/{options}", self.host);
        source(MongoConfig::new(uri, "shop", orders()))
    }

    /// A database on this server, whatever the server takes itself for.
    pub(super) async fn database(&self, name: &str) -> Database {
        let uri = format!("mongodb://{}/?directConnection=true", self.host);
        Client::with_uri_str(uri).await.unwrap().database(name)
    }

    pub(super) async fn initiate(&self) {
        let members = [doc! { "_id": 0, "host": &self.host }];
        let config = doc! { "_id": "rs0", "members": members.as_slice() };
        let admin = self.database("admin").await;
        admin.run_command(doc! { "replSetInitiate": config }).await.unwrap();
    }
}

fn spawn(host: &str, arguments: &[String], data: &tempfile::TempDir) -> Child {
    let (_, port) = host.rsplit_once(':').unwrap();
    Command::new(environment("CHANGECAST_TEST_MONGOD"))
        .args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"])
        .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
        .args(["--port", port, "--dbpath"])
        .arg(data.path())
        .arg("--logpath")
        .arg(data.path().join("log"))
        .args(arguments)
        .env("LC_ALL", "C")
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Mongod {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Tries until mongod has started, which it tells nobody: what comes first but an outage.
pub(super) async fn settled(
    source: &MongoSource,
    position: Option<Position>,
) -> Result<ChangeStream, SourceError> {
    let attempts = async {
        loop {
            match try_follow(source, position.clone()).await {
                Err(SourceError::Unavailable(_)) => {}
                settled => return settled,
            }
        }
    };
    timeout(PATIENCE, attempts).await.expect("mongod starts")
}

pub(super) async fn first_error(source: &MongoSource) -> SourceError {
    settled(source, None).await.expect_err("an error")
}
