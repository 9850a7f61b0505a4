//! The access log and where lines go.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{NdjsonClient, Subscriber, TestServer, exchange};

/// What the files that start with `prefix` hold.
fn files(directory: &Path, prefix: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).expect("text");
            (entry.file_name().to_string_lossy().into_owned(), text)
        })
        .filter(|(name, _)| name.starts_with(prefix))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn s0_11_a_request_is_a_line_with_status_method_path_address_and_time() {
    let mut server = TestServer::start_with(&["--log-format=json"]).await;
    server.get("/healthz?secret=sesame").await;
    server.get("/nowhere").await;
    let log = server.process().stderr_with("/nowhere").await;
    let line = |path: &str| {
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut lines = lines.filter(|line| line["fields"]["path"] == path);
        lines.next().unwrap_or_else(|| panic!("{path} is not in\n{log}"))
    };
    let found = line("/healthz");
    assert_eq!(found["level"], "INFO");
    assert_eq!(found["fields"]["status"], 200);
    assert_eq!(found["fields"]["method"], "GET");
    assert_eq!(found["fields"]["ip"], "127.0.0.1");
    assert!(found["fields"]["ms"].as_f64().is_some_and(|ms| ms >= 0.0), "{found}");
    assert!(found["timestamp"].is_string(), "{found}");
    let missing = line("/nowhere");
    assert_eq!(missing["level"], "WARN");
    assert_eq!(missing["fields"]["status"], 404);
    assert!(!log.contains("sesame"), "a query may hold what is nobody's business");
}

#[tokio::test]
async fn s0_11_the_same_as_text() {
    let mut server = TestServer::start().await;
    server.get("/healthz").await;
    let log = server.process().stderr_with("path=\"/healthz\"").await;
    let line = log.lines().find(|line| line.contains("/healthz")).expect("it is there");
    for part in [" INFO ", "status=200", "method=\"GET\"", "ip=127.0.0.1", "ms="] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!line.contains('\u{1b}'), "no colours where nobody sees them: {line:?}");
}

#[tokio::test]
async fn s1_18_a_subscriber_that_leaves_is_a_line_with_what_it_got() {
    let mut server = TestServer::start_with(&["--log-format=json"]).await;
    let mut client = NdjsonClient::follow(&server, "").await;
    client.hello().await;
    server.insert_numbers(1..=3).await;
    client.changes(3).await;
    drop(client);
    let log = server.process().stderr_with("\"ndjson\"").await;
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let mut lines = lines.filter(|line| line["fields"]["transport"] == "ndjson");
    let left = lines.next().expect("it is there");
    assert_eq!(left["fields"]["changes"], 3, "{left}");
    assert!(left["fields"]["seconds"].is_number(), "{left}");
}

#[tokio::test]
async fn s0_10_every_line_of_json_parses() {
    let mut server = TestServer::start_with(&["--log-format=json", "--logging=debug"]).await;
    server.get("/events?topics=%22quoted%22").await;
    let odd = format!("GET /%22%0a%1b[31m\" HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    let _ = exchange(server.address(), &odd).await;
    assert!(server.terminate().await.success());
    let log = server.process().stderr();
    assert!(log.lines().count() >= 4, "{log}");
    for line in log.lines() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn s0_10_logging_sets_how_much_is_said() {
    for (level, has_info, has_warning) in [
        ("debug", true, true),
        ("info", true, true),
        ("warning", false, true),
        ("error", false, false),
        ("none", false, false),
    ] {
        let mut server = TestServer::start_with(&[&format!("--logging={level}")]).await;
        server.get("/healthz").await;
        server.get("/nowhere").await;
        assert!(server.terminate().await.success());
        let log = server.process().stderr();
        assert_eq!(log.contains("/healthz"), has_info, "{level}: {log}");
        assert_eq!(log.contains("/nowhere"), has_warning, "{level}: {log}");
    }
}

#[tokio::test]
async fn s0_10_a_log_file_takes_the_lines_from_stderr_unless_both_are_asked_for() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("log").to_str().expect("UTF-8").to_owned();
    for (more, stderr_too) in [(&[][..], false), (&["--log-to-stderr"], true)] {
        let prefix = format!("--log-file-prefix={path}");
        let mut server = TestServer::start_with(&[&[&*prefix], more].concat()).await;
        server.get("/healthz").await;
        assert!(server.terminate().await.success());
        let log = std::fs::read_to_string(&path).expect("a log file");
        assert!(log.contains("/healthz"), "{log}");
        assert_eq!(server.process().stderr().contains("/healthz"), stderr_too);
    }
}

#[tokio::test]
async fn s0_10_a_log_file_is_rotated_by_size_and_so_many_are_kept() {
    let directory = TempDir::new().expect("a directory");
    let prefix = format!("--log-file-prefix={}", directory.path().join("cast.log").display());
    let arguments = [&prefix, "--log-file-max-size=2000", "--log_file_num_backups=3"];
    let mut server = TestServer::start_with(&arguments).await;
    for number in 0..150 {
        server.get(&format!("/nowhere/{number}")).await;
    }
    assert!(server.terminate().await.success());
    let files = files(directory.path(), "cast.log");
    assert_eq!(files.len(), 4, "{files:?}");
    for (name, text) in &files {
        assert!(text.len() < 3000, "{name} has {} bytes", text.len());
        assert!(text.is_empty() || text.ends_with('\n'), "{name} ends within a line");
    }
    // The newest lines are there, without a hole.
    let all: String = files.iter().map(|(_, text)| text.as_str()).collect();
    let count = all.matches("/nowhere/").count();
    for number in (0..150).rev().take(count) {
        assert!(all.contains(&format!("\"/nowhere/{number}\"")), "{number} of the last {count}");
    }
}
