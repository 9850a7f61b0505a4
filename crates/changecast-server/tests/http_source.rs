//! A JSON value behind an address, carried by the real binary from a server that does as it is told.

mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::check::{checked, finding};
use crate::support::{Proxy, SseClient, Subscriber, TestServer, run, soon, until};

/// A web server that gives one answer until it is told another.
pub(crate) struct Stub {
    scheme: &'static str,
    port: u16,
    answer: Arc<Mutex<String>>,
    requests: watch::Receiver<Vec<String>>,
}

impl Stub {
    pub(crate) async fn start(answer: &str) -> Self {
        Self::start_with(answer, None).await
    }

    async fn start_with(answer: &str, tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answer = Arc::new(Mutex::new(answer.to_owned()));
        let (noted, requests) = watch::channel(Vec::new());
        let told = Arc::clone(&answer);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (told, noted) = (Arc::clone(&told), noted.clone());
                let tls = tls.clone();
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        return serve(connection, told, noted).await;
                    };
                    // Whoever does not trust it goes away.
                    if let Ok(connection) = tls.accept(connection).await {
                        serve(connection, told, noted).await;
                    }
                });
            }
        });
        Self { scheme, port, answer, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Watched every tenth of a second as `weather.now`.
    pub(crate) fn source(&self, query: &str) -> String {
        let ours = "name=weather&topic=now&every=100ms&allow_private=true";
        self.url(&format!("/v1?{query}&{ours}"))
    }

    pub(crate) fn answers(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().expect("nobody panicked"));
    }

    /// Waits for so many more requests, and returns the last.
    async fn asked(&mut self, more: usize) -> String {
        let wanted = self.requests.borrow().len() + more;
        let requests = soon("a request", self.requests.wait_for(|all| all.len() >= wanted)).await;
        requests.expect("the stub lives").last().expect("one").clone()
    }

    fn count(&self) -> usize {
        self.requests.borrow().len()
    }
}

/// The answer `304` is given to whoever knows the tag that the answer has.
async fn serve(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    answer: Arc<Mutex<String>>,
    noted: watch::Sender<Vec<String>>,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(request).expect("text");
    let answer = answer.lock().expect("nobody panicked").clone();
    noted.send_modify(|all| all.push(request.clone()));
    let tag = |text: &str, name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let known = tag(&request, "if-none-match");
    let answer = match known.is_some() && known == tag(&answer, "etag") {
        true => "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_owned(),
        false => answer,
    };
    // It may have gone away.
    let _ = connection.write_all(answer.as_bytes()).await;
    let _ = connection.shutdown().await;
}

fn ok(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

pub(crate) fn json_answer(value: &Value) -> String {
    ok("Content-Type: application/json\r\n", &value.to_string())
}

fn status(line: &str, headers: &str) -> String {
    format!("HTTP/1.1 {line}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n")
}

async fn watched(source: &str) -> (TestServer, SseClient) {
    let server = TestServer::start_unready(&["--source", source], &[]).await;
    // The first value may be there before anybody follows.
    let mut client = SseClient::follow(&server, "since=earliest").await;
    client.hello().await;
    (server, client)
}

async fn becomes(client: &mut SseClient, state: &str) -> Value {
    loop {
        let news = client.control("source").await.data;
        if news["state"] == state {
            return news;
        }
    }
}

async fn fails(client: &mut SseClient, error: &str, remedy: &str) {
    let news = becomes(client, "failed").await;
    let says = |field: &str, text| news[field].as_str().is_some_and(|said| said.contains(text));
    assert!(says("error", error) && says("remedy", remedy), "{news}");
}

/// What is wrong is said on `/sources`, in these words.
async fn says_error(server: &TestServer, words: &str) {
    until("an error that is told", async || {
        let error = server.get_json("/sources").await["sources"][0]["error"].clone();
        error.as_str().is_some_and(|error| error.contains(words))
    })
    .await;
}

/// The next change is of this kind and has this value.
async fn check_change(client: &mut SseClient, operation: &str, value: Value) -> Value {
    let change = client.change().await.change.0;
    assert_eq!((&change["operationType"], &change["fullDocument"]), (&json!(operation), &value));
    change
}

fn weather(condition: &Value) -> String {
    let channel = json!({"item": {"condition": condition}, "built": "changes each time"});
    json_answer(&json!({"query": {"results": {"channel": channel}}}))
}

#[tokio::test]
async fn s3_08_the_weather_is_told_when_it_changes() {
    let (sunny, rainy) =
        (json!({"temp": "21", "text": "Sunny"}), json!({"temp": "9", "text": "Rain"}));
    let mut stub = Stub::start(&weather(&sunny)).await;
    let pointer = "/query/results/channel/item/condition";
    let (_server, mut client) = watched(&stub.source(&format!("pointer={pointer}"))).await;
    let first = check_change(&mut client, "insert", sunny.clone()).await;
    assert_eq!(first["documentKey"], json!({"_id": pointer}));
    assert_eq!(first["ns"], json!({"db": "weather", "coll": "now"}));

    // Written otherwise, it is the same.
    let blanks = json!({"query": {"results": {"channel": {"item": {"condition": 0}}}}}).to_string();
    let reordered = blanks.replace('0', "{ \"text\" : \"Sun\\u006ey\",\n\"temp\": \"21\" }");
    stub.answers(&ok("", &reordered));
    stub.asked(3).await;
    stub.answers(&weather(&rainy));
    let second = check_change(&mut client, "replace", rainy).await;
    stub.answers(&weather(&sunny));
    let third = check_change(&mut client, "replace", sunny).await;
    let ids = [&first["_id"], &second["_id"], &third["_id"]];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
}

#[tokio::test]
async fn any_json_value_is_carried() {
    let stub = Stub::start(&ok("", "[1, 9007199254740993]")).await;
    let (_server, mut client) = watched(&stub.source("")).await;
    let big = json!({"$numberLong": "9007199254740993"});
    let change = check_change(&mut client, "insert", json!([1, big])).await;
    assert_eq!(change["documentKey"], json!({"_id": "/"}));
    for value in [json!("text"), json!(null), json!(1.5), json!(false)] {
        stub.answers(&json_answer(&value));
        check_change(&mut client, "replace", value).await;
    }
}

#[tokio::test]
async fn what_is_asked_is_the_address_without_our_options() {
    let mut stub = Stub::start(&ok("ETag: \"a\"\r\n", "1")).await;
    let (_server, mut client) = watched(&stub.source("lat=1%2C5&q=a+b&pointer=")).await;
    check_change(&mut client, "insert", json!(1)).await;
    let request = stub.asked(2).await.to_lowercase();
    assert!(request.starts_with("get /v1?lat=1%2c5&q=a+b http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: 127.0.0.1:{}\r\n", stub.port)), "{request}");
    assert!(request.contains("\r\nif-none-match: \"a\"\r\n"), "{request}");
    stub.answers(&ok("ETag: \"b\"\r\n", "2"));
    check_change(&mut client, "replace", json!(2)).await;
}

#[tokio::test]
async fn g5_g7_a_crash_repeats_nothing_and_misses_no_new_value() {
    let mut stub = Stub::start(&json_answer(&json!(1))).await;
    let (mut server, mut client) = watched(&stub.source("")).await;
    check_change(&mut client, "insert", json!(1)).await;
    server.kill().await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    stub.asked(3).await;
    server.kill().await;
    stub.answers(&json_answer(&json!(2)));
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    check_change(&mut client, "replace", json!(2)).await;
    let listed = server.get_json("/sources").await["sources"][0].clone();
    assert_eq!((&listed["kind"], &listed["gap_count"]), (&json!("http"), &json!(0)));
}

#[tokio::test]
async fn what_is_no_json_is_told_in_words_and_mended_without_a_restart() {
    let stub = Stub::start(&ok("Content-Type: text/html\r\n", "<!doctype html><p>Log in")).await;
    let (_server, mut client) = watched(&stub.source("pointer=/a")).await;
    fails(&mut client, "a web page instead of JSON", "address of the data").await;
    stub.answers(&json_answer(&json!({"a": 1})));
    check_change(&mut client, "insert", json!(1)).await;
    stub.answers(&json_answer(&json!({"b": 1})));
    fails(&mut client, "there is no value at \"/a\"", "pointer").await;
    stub.answers(&json_answer(&json!({"a": 2})));
    check_change(&mut client, "replace", json!(2)).await;
}

#[tokio::test]
async fn g9_a_server_that_fails_is_asked_again() {
    let stub = Stub::start(&status("500 Oh", "")).await;
    let (server, mut client) = watched(&stub.source("")).await;
    says_error(&server, "status 500").await;
    stub.answers(&json_answer(&json!(1)));
    check_change(&mut client, "insert", json!(1)).await;
}

#[tokio::test]
async fn g9_an_answer_that_breaks_off_is_told_and_asked_for_again() {
    let whole = json_answer(&json!({"n": 1}));
    let stub = Stub::start(&whole[..whole.len() - 1]).await;
    let (server, mut client) = watched(&stub.source("")).await;
    says_error(&server, "the answer broke off").await;
    stub.answers(&whole);
    check_change(&mut client, "insert", json!({"n": 1})).await;
}

#[tokio::test]
async fn g9_a_server_that_never_answers_is_given_up_and_asked_again() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let place = silent.local_addr().expect("an address");
    let stub = Stub::start(&json_answer(&json!(1))).await;
    let proxy = Proxy::to(place).await;
    let source = stub.source("").replace(&stub.address().to_string(), &proxy.address().to_string());
    let (server, mut client) = watched(&source).await;
    says_error(&server, "no answer from").await;
    proxy.lead_to(Some(stub.address()));
    check_change(&mut client, "insert", json!(1)).await;
}

#[tokio::test]
async fn a_server_that_wants_time_gets_it() {
    let began = Instant::now();
    let mut stub = Stub::start(&status("429 Slow Down", "Retry-After: 2\r\n")).await;
    let seldom = stub.source("").replace("every=100ms", "every=1h");
    let (_server, mut client) = watched(&seldom).await;
    stub.asked(usize::from(stub.count() == 0)).await;
    stub.answers(&json_answer(&json!(1)));
    check_change(&mut client, "insert", json!(1)).await;
    let waits = u32::try_from(stub.count() - 1).expect("not so many");
    assert!(waits > 0 && began.elapsed() >= Duration::from_secs(2) * waits, "asked in between");
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever() {
    let goal = Stub::start(&json_answer(&json!(1))).await;
    let stub = Stub::start(&status("302 Found", "Location: /v1\r\n")).await;
    let with_login = stub.source("").replace("127.0.0.1", "ada:s3cret@127.0.0.1");
    let (_server, mut client) = watched(&with_login).await;
    fails(&mut client, "more than 5 redirects", "last address").await;
    stub.answers(&status("301 Moved", &format!("Location: {}\r\n", goal.url("/there?x=1"))));
    check_change(&mut client, "insert", json!(1)).await;
    let asked = goal.requests.borrow().first().expect("a request").to_lowercase();
    assert!(asked.starts_with("get /there?x=1 "), "{asked}");
    assert!(!asked.contains("authorization"), "the login is the first server's: {asked}");
}

#[tokio::test]
async fn a_private_address_is_asked_only_where_that_is_meant() {
    let stub = Stub::start(&json_answer(&json!(1))).await;
    for host in ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"] {
        let source = format!("http://{host}:{}/v1?name=weather&every=100ms", stub.port);
        let (_server, mut client) = watched(&source).await;
        fails(&mut client, "private network", "allow_private=true").await;
    }
    assert_eq!(stub.count(), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let stub = Stub::start(&ok("", &format!("\"{}\"", "x".repeat(9 << 20)))).await;
    let (_server, mut client) = watched(&stub.source("")).await;
    fails(&mut client, "more than 8388608 bytes", "ask for less").await;
}

#[tokio::test]
async fn a_login_and_a_key_are_sent_and_never_shown() {
    let mut stub = Stub::start(&status("401 No", "")).await;
    let source = stub.source("appid=k3y").replace("127.0.0.1", "ada:s3cret@127.0.0.1");
    let (mut server, mut client) = watched(&source).await;
    fails(&mut client, "status 401", "login").await;
    stub.answers(&json_answer(&json!(1)));
    check_change(&mut client, "insert", json!(1)).await;
    let request = stub.asked(1).await.to_lowercase();
    assert!(request.contains("\r\nauthorization: basic ywrhonmzy3jlda==\r\n"), "{request}");
    let shown = server.get("/sources").await.text().await.expect("text");
    server.terminate().await;
    let said = shown + &server.process().stdout() + &server.process().stderr();
    assert!(!said.contains("s3cret") && !said.contains("k3y"), "{said}");
}

#[tokio::test]
async fn what_a_url_gets_wrong_is_told_at_the_start() {
    for (query, words) in [
        ("every=soon", "write a time such as"),
        ("every=1ms", "it has to be 100ms to 24h"),
        ("pointer=a", "begins with a slash"),
        ("allow_private=yes", "write true or false"),
        ("sslrootcert=", "sslrootcert= is empty"),
        ("name=a.b", "must not contain a dot"),
    ] {
        let outcome = run(&["--source", &format!("https://localhost/?{query}")]).await;
        assert_eq!(outcome.code, Some(3), "{query}: {outcome:?}");
        assert!(outcome.stderr.contains(words), "{query}: {}", outcome.stderr);
    }
}

#[tokio::test]
async fn a_check_asks_once_and_says_whether_the_value_is_there() {
    let stub = Stub::start(&json_answer(&json!({"rate": 1.5}))).await;
    let source = stub.source("key=s3cret&pointer=/rate");
    let (report, outcome) = checked(&["--source", &source]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"ok".into()), "{report}");
    assert_eq!(finding(&report, "document")["detail"], "3 bytes of JSON at \"/rate\"");
    assert_eq!(stub.count(), 1);
    stub.answers(&json_answer(&json!({"price": 1.5})));
    let (report, outcome) = checked(&["--source", &source]).await;
    let found = finding(&report, "document");
    assert_eq!((outcome.code, &found["level"]), (Some(1), &"problem".into()), "{report}");
    let mend = found["mend"].as_str().expect("a command");
    assert!(mend.ends_with(&format!("curl -i {}", stub.url("/v1"))), "{mend}");
    stub.answers(&status("500 Internal Server Error", ""));
    let (report, outcome) = checked(&["--source", &source]).await;
    let found = finding(&report, "reachable");
    assert_eq!((outcome.code, &found["level"]), (Some(1), &"problem".into()), "{report}");
    assert!(!format!("{outcome:?}").contains("s3cret"));
}
