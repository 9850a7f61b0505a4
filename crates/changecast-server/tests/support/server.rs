//! The server under test.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::client::http_client;
use super::ports::free_port;
use super::{NdjsonClient, OtherProgram, Process, SseClient, Subscriber, soon};

/// A changecast of its own for one test.
pub(crate) struct TestServer {
    process: Process,
    arguments: Vec<String>,
    address: SocketAddr,
    data: TempDir,
    client: reqwest::Client,
}

impl TestServer {
    /// With the embedded store, which is being watched when this returns.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more arguments.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let server = Self::start_unready(arguments, &[]).await;
        server.ready().await;
        server
    }

    /// On a port that it finds free again after [`Self::kill`] or [`Self::terminate`].
    pub(crate) async fn start_restartable() -> Self {
        Self::start_restartable_with(&[]).await
    }

    /// The same with more arguments.
    pub(crate) async fn start_restartable_with(arguments: &[&str]) -> Self {
        let port = free_port().to_string();
        Self::start_with(&[&["--port", &*port], arguments].concat()).await
    }

    /// With arguments that begin with a verb or choose the port.
    pub(crate) async fn start_verb(arguments: &[&str]) -> Self {
        let data = TempDir::new().expect("a temporary directory");
        let mut all: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        all.extend(["--data".to_owned(), path_text(data.path())]);
        Self::run(all, data, &[]).await
    }

    /// Listens when this returns; its sources may not.
    pub(crate) async fn start_unready(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let data = TempDir::new().expect("a temporary directory");
        let mut all = vec!["--data".to_owned(), path_text(data.path())];
        let has_port = arguments.iter().any(|argument| argument.starts_with("--port"))
            || variables.iter().any(|(name, _)| *name == "CHANGECAST_PORT");
        if !has_port {
            all.push("--port=0".to_owned());
        }
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        Self::run(all, data, variables).await
    }

    /// With the embedded store, and limits set by the shell, such as `ulimit -n 100`.
    pub(crate) async fn start_limited(limits: &str) -> Self {
        let data = TempDir::new().expect("a temporary directory");
        let arguments = vec!["--data".to_owned(), path_text(data.path()), "--port=0".to_owned()];
        let process = Process::start_limited(limits, &arguments);
        let server = Self::of(process, arguments, data).await;
        server.ready().await;
        server
    }

    async fn run(arguments: Vec<String>, data: TempDir, variables: &[(&str, &str)]) -> Self {
        let process = Process::start(&arguments, variables);
        Self::of(process, arguments, data).await
    }

    async fn of(mut process: Process, arguments: Vec<String>, data: TempDir) -> Self {
        let address = address_of(&mut process).await;
        Self { process, arguments, address, data, client: http_client() }
    }

    /// Waits until every source is live.
    pub(crate) async fn ready(&self) {
        let mut follower = SseClient::follow(self, "").await;
        let hello = follower.hello().await;
        let mut waiting = hello["waiting"].as_array().expect("a list").clone();
        while !waiting.is_empty() {
            let news = follower.control("source").await.data;
            waiting.retain(|name| *name != news["source"] || news["state"] != "live");
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The directory of log and store.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Opens the store as any other program would.
    pub(crate) fn other_program(&self) -> OtherProgram {
        OtherProgram::open(self.data())
    }

    // ── Requests ───────────────────────────────────────────────────────────────────────────────

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        soon(path, self.request(Method::GET, path).send()).await.expect("an answer")
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        self.get(path).await.json().await.expect("JSON")
    }

    /// Writes the document `id` of `test.test`.
    pub(crate) async fn put(&self, id: &str, document: &Value) -> StatusCode {
        self.put_in("test", id, document).await
    }

    /// Writes the document `id` of a collection.
    pub(crate) async fn put_in(&self, collection: &str, id: &str, document: &Value) -> StatusCode {
        let path = format!("/documents/test/{collection}/{id}");
        self.write(self.request(Method::PUT, &path).json(document)).await
    }

    pub(crate) async fn patch(&self, id: &str, patch: &Value) -> StatusCode {
        let request = self.request(Method::PATCH, &format!("/documents/test/test/{id}"));
        let merge_patch = "application/merge-patch+json";
        self.write(request.header(CONTENT_TYPE, merge_patch).body(patch.to_string())).await
    }

    pub(crate) async fn delete(&self, id: &str) -> StatusCode {
        self.write(self.request(Method::DELETE, &format!("/documents/test/test/{id}"))).await
    }

    /// Inserts documents `{"n": number}` with the number as their id, one after the other.
    pub(crate) async fn insert_numbers(&self, numbers: impl IntoIterator<Item = i64>) {
        for number in numbers {
            self.put(&number.to_string(), &serde_json::json!({"n": number})).await;
        }
    }

    /// Waits until the log holds so many changes: a write is answered once the store has it, and
    /// arrives in the log a moment later.
    pub(crate) async fn logged(&self, count: usize) {
        let mut reader = NdjsonClient::follow(self, "since=earliest").await;
        reader.hello().await;
        reader.changes(count).await;
    }

    async fn write(&self, request: RequestBuilder) -> StatusCode {
        let response = soon("the answer to a write", request.send()).await.expect("an answer");
        let status = response.status();
        assert!(status.is_success(), "{status}: {:?}", response.text().await);
        status
    }

    /// The sample called `name` (with its labels) in `/metrics`, if there is one.
    pub(crate) async fn metric(&self, name: &str) -> Option<u64> {
        let metrics = self.get("/metrics").await.text().await.expect("text");
        let sample = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        sample.map(|value| value.parse().expect("a whole number"))
    }

    /// Asks for `/metrics` until the sample called `name` (with its labels) is `expected`.
    pub(crate) async fn metric_becomes(&self, name: &str, expected: u64) {
        let becoming = async { while self.metric(name).await != Some(expected) {} };
        soon(&format!("{name} {expected}"), becoming).await;
    }

    // ── Its end, and its next life ─────────────────────────────────────────────────────────────

    /// Ends it as a crash does.
    pub(crate) async fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        self.process.exit().await;
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.process.signal(Signal::TERM);
        self.process.exit().await
    }

    /// Starts it again with the same arguments, on the same data; it is ready when this returns.
    pub(crate) async fn start_again(&mut self) {
        self.process = Process::start(&self.arguments, &[]);
        self.address = address_of(&mut self.process).await;
        self.ready().await;
    }
}

async fn address_of(process: &mut Process) -> SocketAddr {
    let banner = process.stdout_with("curl -N").await;
    let url = banner.lines().find_map(|line| line.trim().strip_prefix("page "));
    let url = url.expect("the banner names the page").trim();
    let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
    address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no URL: {url}"))
}

fn path_text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}
