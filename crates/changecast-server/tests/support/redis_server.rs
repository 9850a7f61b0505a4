//! Real Redis servers: the shared one, and those of a test's own, to be killed, paused and started
//! again.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use redis::{AsyncConnectionConfig, Value};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::mongod::{of_services, until};
use super::ports::free_port;

/// The URL of the Redis that `scripts/services` runs.
pub(crate) fn shared_redis() -> String {
    of_services("CHANGECAST_TEST_REDIS")
}

/// A Redis of a test's own, on a port and a directory that it keeps; ended when dropped.
pub(crate) struct RedisServer {
    child: Option<Child>,
    port: u16,
    directory: TempDir,
    options: Vec<String>,
}

impl RedisServer {
    /// What it is told is gone with it.
    pub(crate) async fn start() -> Self {
        Self::start_with(&["--appendonly", "no"]).await
    }

    /// What it has confirmed it still has after a crash.
    pub(crate) async fn start_durable() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).await
    }

    pub(crate) async fn start_with(options: &[&str]) -> Self {
        let mut server = Self::absent(options);
        server.start_again().await;
        server
    }

    /// Known by its port only: it has yet to be started for the first time.
    pub(crate) fn absent(options: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("changecast-redis-").tempdir();
        let directory = directory.expect("a temporary directory");
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self { child: None, port: free_port(), directory, options }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The URL without a login, up to the database.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// The URL for somebody who has to log in.
    pub(crate) fn url_for(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}/0", self.port)
    }

    /// Runs one command, given as words.
    pub(crate) async fn run(&self, words: &[&str]) -> Value {
        run(&self.url(), words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The same, by somebody who has to log in.
    pub(crate) async fn run_as(&self, user: &str, password: &str, words: &[&str]) -> Value {
        let outcome = run(&self.url_for(user, password), words).await;
        outcome.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Adds an entry with the field `n` to a stream; its id.
    pub(crate) async fn add(&self, stream: &str, number: i64) -> String {
        let id = self.run(&["XADD", stream, "*", "n", &number.to_string()]).await;
        redis::from_redis_value(id).expect("an id")
    }

    pub(crate) async fn add_all(&self, stream: &str, numbers: std::ops::Range<i64>) {
        for number in numbers {
            self.add(stream, number).await;
        }
    }

    /// Adds one entry for each number in one step, with the number as the fields `n` and as the
    /// entry's id: numbers have to grow. Each is added once, however often the server goes away
    /// meanwhile.
    pub(crate) async fn add_surely(&self, stream: &str, numbers: std::ops::Range<i64>) {
        const SCRIPT: &str = "for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do
                local text = string.format('%d', n)
                redis.call('XADD', KEYS[1], '1-' .. string.format('%d', n + 1), 'n', text)
            end";
        let (first, last) = (numbers.start.to_string(), (numbers.end - 1).to_string());
        let words = ["EVAL", SCRIPT, "1", stream, &first, &last];
        until("an entry that is added", async || match run(&self.url(), &words).await {
            Ok(_) => true,
            // An earlier try has come through, though its answer has not.
            Err(error) => error.to_string().contains("equal or smaller"),
        })
        .await;
    }

    // ── Its end, and its next life ─────────────────────────────────────────────────────────────

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("the process is there");
        child.wait().expect("a killed process ends");
    }

    /// Stops it in its tracks: its connections stay open, and nothing answers.
    pub(crate) fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).expect("the process is there");
    }

    pub(crate) fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).expect("the process is there");
    }

    /// Starts it on the same port and data; it answers when this returns.
    pub(crate) async fn start_again(&mut self) {
        let binary = of_services("CHANGECAST_TEST_REDIS_SERVER");
        let output = File::create(self.directory.path().join("output")).expect("a file");
        let mut command = Command::new(&binary);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        command.arg("--dir").arg(self.directory.path()).args(&self.options);
        command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(output).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{binary}: {error}")));
        let url = self.url();
        until("a Redis that answers", async || {
            match run(&url, &["PING"]).await {
                Ok(_) => true,
                // It wants a login first, or has not read its data yet.
                Err(error) => matches!(error.code(), Some("NOAUTH")),
            }
        })
        .await;
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("it runs"))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs one command on a connection of its own.
async fn run(url: &str, words: &[&str]) -> redis::RedisResult<Value> {
    // A script may take longer than the client's half a second.
    let patient = AsyncConnectionConfig::new().set_response_timeout(None);
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&patient).await?;
    let (name, arguments) = words.split_first().expect("a command");
    let mut command = redis::cmd(name);
    for argument in arguments {
        command.arg(argument);
    }
    command.query_async(&mut connection).await
}
