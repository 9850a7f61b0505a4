//! One connection to the server: a request for lines, and the lines.

use std::collections::VecDeque;
use std::error::Error as _;
use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use super::SubArguments;
use crate::Failure;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the server may be silent: it says something every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Bytes of one line: an event and its frame, which the server caps at 96 MiB.
const LINE_BYTES_MAX: usize = 128 << 20;

/// Bytes of an answer that explains a refusal.
const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// Why a connection is no use any more.
#[derive(Debug)]
pub(super) enum Broken {
    /// Another one may work.
    ForNow(String),
    /// None will.
    ForGood(Failure),
}

/// What is asked of the server.
pub(super) struct Request {
    client: Client,
    events: Url,
    /// Topics, filter and mode.
    selection: Vec<(&'static str, String)>,
    /// From where, until an id is known.
    since: String,
    last_id: Option<String>,
}

impl Request {
    pub(super) fn new(arguments: &SubArguments) -> Result<Self, Failure> {
        let events = events_url(&arguments.url)?;
        let topics = arguments.topic.iter().map(|topic| ("topic", topic.clone()));
        let mut selection: Vec<_> = topics.collect();
        selection.extend(arguments.filter.iter().map(|filter| ("match", filter.clone())));
        selection.extend(arguments.mode.iter().map(|mode| ("mode", mode.clone())));
        // An error means that somebody has chosen a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let client = client.map_err(|error| Failure::Run(format!("no HTTP client: {error}")))?;
        Ok(Self { client, events, selection, since: arguments.since.clone(), last_id: None })
    }

    pub(super) fn url(&self) -> &Url {
        &self.events
    }

    /// The next connection goes on strictly after `id`.
    pub(super) fn resume_after(&mut self, id: &str) {
        self.last_id = Some(id.to_owned());
    }

    async fn send(&self) -> reqwest::Result<Response> {
        let mut url = self.events.clone();
        let mut query = url.query_pairs_mut();
        query.extend_pairs(&self.selection);
        match &self.last_id {
            Some(id) => query.append_pair("last_event_id", id),
            None => query.append_pair("since", &self.since),
        };
        drop(query);
        self.client.get(url).header(ACCEPT, "application/x-ndjson").send().await
    }
}

/// The server's URL, with or without the path.
fn events_url(text: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| {
        Failure::Configuration(format!(
            "{text:?} is no server's URL, such as http://127.0.0.1:8888: {why}"
        ))
    };
    let mut url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it begins with http:// or https://"));
    }
    if url.query().is_some() {
        return Err(wrong("what to follow is told by --topic, --since and --match"));
    }
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/events").unwrap_or(path).to_owned();
    url.set_path(&format!("{path}/events"));
    Ok(url)
}

/// A stream of lines.
pub(super) struct Connection {
    response: Response,
    unread: Vec<u8>,
    /// How much of it is known to hold no line's end.
    searched: usize,
    lines: VecDeque<String>,
}

impl Connection {
    pub(super) async fn open(request: &Request) -> Result<Self, Broken> {
        let url = request.url();
        let response = match timeout(SILENCE_MAX, request.send()).await {
            Ok(response) => response.map_err(|error| unreachable(url, &error))?,
            Err(_) => return Err(Broken::ForNow(format!("{url} does not answer"))),
        };
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(Self { response, unread: Vec::new(), searched: 0, lines: VecDeque::new() });
        }
        let detail = explain(response).await;
        let refusal = format!("{url} answers {status}{detail}");
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Broken::ForGood(Failure::NotAllowed(refusal))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Broken::ForNow(refusal),
            status if status.is_server_error() => Broken::ForNow(refusal),
            _ => Broken::ForGood(Failure::Run(refusal)),
        })
    }

    /// The next line; none once the server has ended the stream.
    pub(super) async fn line(&mut self) -> Result<Option<String>, Broken> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(Some(line));
            }
            let chunk = timeout(SILENCE_MAX, self.response.chunk()).await;
            let chunk =
                chunk.map_err(|_| Broken::ForNow("the server has fallen silent".to_owned()))?;
            let broke_off =
                |error| Broken::ForNow(format!("the stream broke off: {}", why(&error)));
            let Some(chunk) = chunk.map_err(broke_off)? else {
                return Ok(None);
            };
            self.take_in(&chunk)?;
        }
    }

    fn take_in(&mut self, chunk: &[u8]) -> Result<(), Broken> {
        self.unread.extend_from_slice(chunk);
        let fresh = self.unread.get(self.searched..).unwrap_or_default();
        if let Some(last) = fresh.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.unread.split_off(self.searched + last + 1);
            let whole = std::mem::replace(&mut self.unread, rest);
            let text = String::from_utf8(whole)
                .map_err(|_| Broken::ForNow("the server sent no UTF-8".to_owned()))?;
            self.lines.extend(text.lines().map(ToOwned::to_owned));
        }
        self.searched = self.unread.len();
        if self.searched > LINE_BYTES_MAX {
            let problem = format!("a line is longer than {LINE_BYTES_MAX} bytes");
            return Err(Broken::ForGood(Failure::Run(problem)));
        }
        Ok(())
    }
}

fn unreachable(url: &Url, error: &reqwest::Error) -> Broken {
    Broken::ForNow(format!("nothing to follow at {url}: {}", why(error)))
}

/// The innermost reason: the layers above it say where, not why.
fn why(error: &reqwest::Error) -> String {
    let mut innermost = error.source();
    while let Some(deeper) = innermost.and_then(|inner| inner.source()) {
        innermost = Some(deeper);
    }
    innermost.map_or_else(|| error.to_string(), ToString::to_string)
}

/// What the server says about a refusal: a problem's detail, if it is one.
async fn explain(mut response: Response) -> String {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    let mut body = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > PROBLEM_BYTES_MAX {
                return;
            }
        }
    };
    // What has come by then will do.
    let _ = timeout(CONNECT_TIMEOUT, reading).await;
    serde_json::from_slice(&body).map_or_else(
        |_| ": no word of a changecast server; is the URL right?".to_owned(),
        |Problem { detail }| format!(": {detail}"),
    )
}
