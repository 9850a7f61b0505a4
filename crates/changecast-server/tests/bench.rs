//! `changecast bench`: a client that measures, and counts what went wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::support::{Outcome, TestServer, run};

async fn bench(url: &str, arguments: &[&str]) -> Outcome {
    run(&[&["bench", url], arguments].concat()).await
}

fn figures(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("no JSON: {outcome:?}"))
}

#[tokio::test]
async fn every_subscriber_gets_each_message_once_and_the_figures_add_up() {
    let mut server = TestServer::start_with(&["--publish"]).await;
    let pid = server.process().id().to_string();
    for transport in ["sse", "websocket"] {
        let arguments =
            ["--json", "--subscribers=20", "--messages=50", "--rate=500", "--pid", &pid];
        let arguments = [&arguments[..], &["--transport", transport]].concat();
        let outcome = bench(&server.url(""), &arguments).await;
        assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""), "{outcome:?}");
        let figures = figures(&outcome);
        for (name, expected) in [
            ("subscribers", 20),
            ("payload_bytes", 200),
            ("messages", 50),
            ("deliveries", 1_000),
            ("missed", 0),
            ("duplicated", 0),
            ("out_of_order", 0),
            ("faulty_subscribers", 0),
            ("ended_streams", 0),
            ("refused", 0),
        ] {
            assert_eq!(figures[name], expected, "{name}: {figures}");
        }
        assert_eq!((&figures["transport"], &figures["rate"]), (&transport.into(), &500.0.into()));
        let positive = |pointer: &str| {
            let value = figures.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0);
            assert!(value > 0.0, "{pointer}: {figures}");
            value
        };
        assert!(positive("/bytes_per_delivery") > 200.0, "a delivery wraps the payload");
        for name in ["latency_us", "publish_us"] {
            let [p50, p99, p999, max] =
                ["p50", "p99", "p999", "max"].map(|at| positive(&format!("/{name}/{at}")));
            assert!(p50 <= p99 && p99 <= p999 && p999 <= max, "{figures}");
        }
        for name in ["seconds", "deliveries_per_second", "connects_per_second"] {
            positive(&format!("/{name}"));
        }
        let seconds = positive("/server/cpu_seconds");
        let micros = positive("/server/cpu_us_per_delivery") * 1_000.0;
        assert!((seconds * 1e6 - micros).abs() < 1.0, "{figures}");
        assert!(figures["server"]["memory_kb_per_connection"].is_number(), "{figures}");
    }
}

#[tokio::test]
async fn as_fast_as_they_are_taken_is_measured_too_and_beside_those_that_never_read() {
    let server = TestServer::start_with(&["--publish"]).await;
    let arguments =
        ["--json", "--subscribers=5", "--stalled=3", "--max", "--window=4", "--messages=60"];
    let outcome = bench(&server.url(""), &arguments).await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let figures = figures(&outcome);
    assert_eq!((&figures["deliveries"], &figures["missed"]), (&300.into(), &0.into()));
    assert_eq!((&figures["rate"], &figures["stalled"]), (&Value::Null, &3.into()));
    let stuck = &figures["stuck"];
    assert_eq!(stuck, &serde_json::json!([3, 3]), "their buffers are full before it begins");
    assert_eq!(figures["server"], Value::Null, "no process was named");
}

#[tokio::test]
async fn for_people_it_is_a_table() {
    let server = TestServer::start_with(&["--publish"]).await;
    let arguments =
        ["--subscribers=3", "--messages=10", "--rate=200", "--nap=2ms", "--payload-bytes=500"];
    let outcome = bench(&server.url("/ws").replace("http", "ws"), &arguments).await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    for row in ["(websocket)", "10 of 500 bytes", "p99.9", "missed                0\n"] {
        assert!(outcome.stdout.contains(row), "{row}: {}", outcome.stdout);
    }
    let deliveries = outcome.stdout.lines().find(|line| line.starts_with("deliveries "));
    assert!(deliveries.is_some_and(|row| row.ends_with(" 30")), "{}", outcome.stdout);
}

#[tokio::test]
async fn what_cannot_be_measured_ends_at_once_with_words_and_a_code() {
    let open = TestServer::start_with(&["--publish"]).await;
    let closed = TestServer::start().await;
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    let many = 1_000_000_000_000_u64.to_string();
    for (url, arguments, code, words) in [
        (&*nobody, &[][..], 4, "nothing listens"),
        (&*closed.url(""), &[], 5, "--publish"),
        (&*open.url(""), &["--topic=test.test"], 5, "no source writes"),
        (&*open.url("/nothing"), &[], 1, "/events or /ws"),
        (&*open.url("/events"), &["--transport=websocket"], 1, "answers 200"),
        (&*open.url(""), &["--pid=4194999"], 3, "there is no process 4194999"),
        (&*open.url(""), &["-n", &many], 3, "raise the hard limit"),
        (&*open.url(""), &["--payload-bytes=10"], 3, "a message carries"),
        (&*open.url(""), &["--subscribers=0", "--max"], 3, "--subscribers"),
        ("https://localhost", &[], 3, "TLS"),
        (&*open.url(""), &["--rate=0"], 2, "messages a second"),
        (&*open.url(""), &["--max", "--rate=1"], 2, "--max"),
    ] {
        let outcome = bench(url, arguments).await;
        assert_eq!(outcome.code, Some(code), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.contains(words), "{arguments:?}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "", "{arguments:?}");
    }
}

/// What a server does to a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Deliver,
    Drop,
    Repeat,
    /// Deliver it after the next.
    Delay,
    /// Deliver it, and end all streams.
    End,
}

use Deed::{Delay, Deliver, Drop, End, Repeat};

/// A server that does these to the messages; those before, for warming up, are delivered.
fn faulty_server(deeds: &'static [Deed]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let streams = Arc::new(Mutex::new(Vec::new()));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let streams = Arc::clone(&streams);
            thread::spawn(move || serve(stream, &streams, deeds));
        }
    });
    url
}

/// Ends with the connection.
fn serve(stream: TcpStream, streams: &Mutex<Vec<TcpStream>>, deeds: &[Deed]) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut deeds = deeds.iter().copied();
    let mut delayed = String::new();
    loop {
        let (head, body) = read_request(&mut reader)?;
        if head.starts_with("GET") {
            (&stream).write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
            streams.lock().ok()?.push(stream);
            return Some(());
        }
        let is_warm_up = body.contains("\"seq\":0,");
        let deed = if is_warm_up { Deliver } else { deeds.next()? };
        let mut text = match deed {
            Deliver | End => body.clone(),
            Drop | Delay => String::new(),
            Repeat => body.repeat(2),
        };
        text.push_str(&std::mem::take(&mut delayed));
        if deed == Delay {
            delayed = body;
        }
        let mut streams = streams.lock().ok()?;
        for mut stream in streams.iter() {
            stream.write_all(text.as_bytes()).ok()?;
        }
        if deed == End {
            streams.clear();
        }
        std::mem::drop(streams);
        (&stream).write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<(String, String)> {
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let start = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if let Some(value) = head[start..].strip_prefix("Content-Length: ") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body).ok()?;
    Some((head, body))
}

#[tokio::test]
async fn what_a_server_gets_wrong_is_counted() {
    let url = faulty_server(&[Deliver, Repeat, Drop, Delay, Deliver, Delay, Repeat, Drop, End]);
    let arguments = ["--json", "--subscribers=2", "--messages=9", "--rate=1000", "--publishers=1"];
    let outcome = bench(&url, &arguments).await;
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let figures = figures(&outcome);
    for (name, each) in [("missed", 2), ("duplicated", 2), ("out_of_order", 2), ("deliveries", 9)] {
        assert_eq!(figures[name], 2 * each, "{name}: {figures}");
    }
    assert_eq!(figures["faulty_subscribers"], 2);
    assert!(outcome.stderr.contains("4 missed, 4 duplicated, 4 out of order"), "{outcome:?}");
}
