//! Real mongods: the shared one, and those of a test's own, to be killed, paused and started again.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::ports::free_port;
use super::soon;

/// How often something is asked again that tells nobody when it changes.
const POLL_EVERY: Duration = Duration::from_millis(20);

/// Asks until the answer is yes.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(POLL_EVERY).await;
        }
    };
    soon(what, asking).await;
}

/// The connection string of the mongod that `scripts/services` runs: a replica set of one.
pub(crate) fn shared_mongo() -> String {
    of_services("CHANGECAST_TEST_MONGO")
}

pub(super) fn of_services(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `scripts/services up`, then `source .services/env`")
    })
}

/// A mongod of a test's own, on a port and a directory that it keeps; ended when dropped.
pub(crate) struct Mongod {
    child: Option<Child>,
    port: u16,
    directory: TempDir,
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Standalone,
    ReplicaSet,
    /// A replica set that lets in only whom it knows.
    Guarded,
}

impl Mongod {
    /// A replica set of one, ready for writes.
    pub(crate) async fn start() -> Self {
        let mut mongod = Self::absent();
        mongod.start_again().await;
        mongod
    }

    /// Known by its port only: it has yet to be started for the first time.
    pub(crate) fn absent() -> Self {
        Self::new(Mode::ReplicaSet)
    }

    /// A server without a replica set.
    pub(crate) async fn standalone() -> Self {
        let mut mongod = Self::new(Mode::Standalone);
        mongod.start_again().await;
        mongod
    }

    /// A replica set of one that lets in only users; it has none yet.
    pub(crate) async fn guarded() -> Self {
        let mut mongod = Self::new(Mode::Guarded);
        let key = mongod.key_file();
        fs::write(&key, "a2V5IG9mIGEgdGVzdA==").expect("a key file");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a private key file");
        mongod.start_again().await;
        mongod
    }

    fn new(mode: Mode) -> Self {
        let directory = tempfile::Builder::new().prefix("changecast-mongod-").tempdir();
        let directory = directory.expect("a temporary directory");
        fs::create_dir(directory.path().join("data")).expect("a directory for the data");
        Self { child: None, port: free_port(), directory, mode }
    }

    /// For changecast: as one writes it for a replica set.
    pub(crate) fn uri(&self) -> String {
        format!("{}?replicaSet=rs0", self.plain_uri())
    }

    /// Without the replica set's name: fits a standalone server, too.
    pub(crate) fn plain_uri(&self) -> String {
        format!("mongodb://{}/", self.address())
    }

    /// For somebody who has to log in.
    pub(crate) fn uri_for(&self, user: &str, password: &str) -> String {
        let address = self.address();
        format!("mongodb://{user}:{password}@{address}/?replicaSet=rs0&authSource=admin")
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The test's own connection: it speaks to this server, whatever state that is in.
    pub(crate) async fn client(&self) -> Client {
        let uri = format!("{}?directConnection=true", self.plain_uri());
        Client::with_uri_str(uri).await.expect("a client")
    }

    // ── Its end, and its next life ─────────────────────────────────────────────────────────────

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("the process is there");
        child.wait().expect("a killed process ends");
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let mut child = self.child.take().expect("it runs");
        let mut status = None;
        until("the end of mongod", async || {
            status = child.try_wait().expect("a child can be asked");
            status.is_some()
        })
        .await;
        status.expect("it has ended")
    }

    /// Stops it in its tracks: its connections stay open, and nothing answers.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it on the same port and data; it takes writes when this returns.
    pub(crate) async fn start_again(&mut self) {
        self.start_process();
        if self.mode != Mode::Standalone {
            self.initiate().await;
        }
        let admin = self.client().await.database("admin");
        until("a mongod that takes writes", async || {
            self.check_alive();
            let hello = admin.run_command(doc! { "hello": 1 }).await;
            hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false))
        })
        .await;
    }

    /// Ends it, and puts another on its port that knows nothing of what was there.
    pub(crate) async fn replace(&mut self) {
        self.kill();
        let data = self.directory.path().join("data");
        fs::remove_dir_all(&data).expect("the data can be removed");
        fs::create_dir(&data).expect("a directory for the data");
        self.start_again().await;
    }

    /// Copies its files while it is down; it runs again when this returns.
    pub(crate) async fn back_up(&mut self) {
        self.stop().await;
        copy_files(&self.directory.path().join("data"), &self.directory.path().join("backup"));
        self.start_again().await;
    }

    /// Puts the copy in place of what has been written since.
    pub(crate) async fn restore(&mut self) {
        self.stop().await;
        let data = self.directory.path().join("data");
        fs::remove_dir_all(&data).expect("the data can be removed");
        fs::rename(self.directory.path().join("backup"), data).expect("the copy can be moved");
        self.start_again().await;
    }

    /// Starts a standalone server again as a member of a replica set that nobody has initiated.
    pub(crate) async fn start_again_uninitiated(&mut self) {
        self.stop().await;
        self.mode = Mode::ReplicaSet;
        self.start_process();
    }

    /// What `rs.initiate()` does; once is enough for ever.
    pub(crate) async fn initiate(&self) {
        let member = doc! { "_id": 0, "host": self.address() };
        let config = doc! { "_id": "rs0", "members": [member] };
        let admin = self.client().await.database("admin");
        until("a replica set", async || {
            self.check_alive();
            let answer = admin.run_command(doc! { "replSetInitiate": config.clone() }).await;
            // Some answer that it may not be done again, the guarded one that nobody may ask.
            answer.map_or_else(|error| matches!(code_of(&error), Some(23 | 13)), |_| true)
        })
        .await;
    }

    fn start_process(&mut self) {
        let binary = of_services("CHANGECAST_TEST_MONGOD");
        let output = File::create(self.directory.path().join("output")).expect("a file");
        let mut command = Command::new(&binary);
        command.arg("--dbpath").arg(self.directory.path().join("data"));
        command.arg("--logpath").arg(self.directory.path().join("log")).arg("--logappend");
        command.args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--oplogSize", "64"]);
        command.args(["--wiredTigerCacheSizeGB", "0.25", "--port", &self.port.to_string()]);
        // Otherwise it would wait a quarter of a minute for other members before it ends.
        command.args(["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"]);
        command.args(["--setParameter", "diagnosticDataCollectionEnabled=false"]);
        if self.mode != Mode::Standalone {
            command.args(["--replSet", "rs0"]);
        }
        if self.mode == Mode::Guarded {
            command.arg("--auth").arg("--keyFile").arg(self.key_file());
        }
        let errors = output.try_clone().expect("a file");
        command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(output).stderr(errors);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{binary}: {error}")));
    }

    /// Fails at once when the server cannot run.
    fn check_alive(&self) {
        let pid = self.pid();
        let is_alive = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
            .is_ok_and(|stat| !stat.contains(") Z "));
        if !is_alive {
            let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().rev().take(5).collect();
            panic!("mongod ended; its last words, the last first:\n{}", lines.join("\n"));
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process is there");
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("it runs"))
    }

    fn key_file(&self) -> std::path::PathBuf {
        self.directory.path().join("key")
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory for the copy");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_files(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// The server's code for why it refused a command.
fn code_of(error: &mongodb::error::Error) -> Option<i32> {
    match &*error.kind {
        mongodb::error::ErrorKind::Command(answer) => Some(answer.code),
        _ => None,
    }
}

/// Inserts one document, however often the connection breaks meanwhile.
pub(crate) async fn insert_surely(items: &mongodb::Collection<Document>, document: &Document) {
    let inserting = async {
        while let Err(error) = items.insert_one(document).await {
            if format!("{error}").contains("E11000") {
                return;
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    };
    soon("an insert", inserting).await;
}
