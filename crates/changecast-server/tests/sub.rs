//! `changecast sub`: a client that resumes by itself.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Outcome, Process, TestServer, run};

/// Starts `changecast sub` against a server.
fn sub(server: &TestServer, arguments: &[&str]) -> Process {
    Process::start(&words(&server.url(""), arguments), &[])
}

async fn sub_to_its_end(url: &str, arguments: &[&str]) -> Outcome {
    let words = words(url, arguments);
    run(&words.iter().map(String::as_str).collect::<Vec<_>>()).await
}

fn words(url: &str, arguments: &[&str]) -> Vec<String> {
    let all = ["sub", url].into_iter().chain(arguments.iter().copied());
    all.map(ToOwned::to_owned).collect()
}

fn lines(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn numbers(lines: &[Value]) -> Vec<i64> {
    let number = |line: &Value| line["change"]["fullDocument"]["n"].as_i64().expect("a number");
    lines.iter().map(number).collect()
}

#[tokio::test]
async fn into_a_pipe_it_writes_a_line_for_each_change_and_ends_when_it_has_enough() {
    let server = TestServer::start().await;
    server.insert_numbers(1..=5).await;
    server.put_in("other", "1", &json!({"n": 6})).await;
    server.logged(6).await;
    let outcome = sub_to_its_end(&server.url(""), &["--since", "earliest", "-n", "3"]).await;
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""), "{outcome:?}");
    let all = lines(&outcome.stdout);
    assert_eq!(numbers(&all), [1, 2, 3]);
    assert!(all.iter().all(|line| line["id"].is_string() && line["topic"] == "test.test"));

    let id = all[1]["id"].as_str().expect("an id");
    let rest =
        ["--since", id, "--topic", "test.test", "--match", r#"{"fullDocument.n":{"$gt":3}}"#];
    let outcome = sub_to_its_end(&server.url("/events"), &[&rest[..], &["-n", "2"]].concat()).await;
    assert_eq!(numbers(&lines(&outcome.stdout)), [4, 5], "{outcome:?}");
}

#[tokio::test]
async fn g5_it_goes_on_by_itself_after_the_server_was_away() {
    let mut server = TestServer::start_restartable().await;
    server.insert_numbers(1..=3).await;
    let mut process = sub(&server, &["--since", "earliest", "-n", "6"]);
    process.stdout_with(r#""n":3"#).await;
    server.kill().await;
    process.stderr_with("trying again").await;
    server.start_again().await;
    server.insert_numbers(4..=6).await;
    assert!(process.exit().await.success());
    assert_eq!(numbers(&lines(&process.stdout())), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn g2_lost_history_is_a_line_and_with_strict_an_exit_code() {
    let server = TestServer::start().await;
    server.insert_numbers(1..=2).await;
    server.logged(2).await;
    // An id of another log: what it stands for is gone.
    let foreign = ["--since", "aaaaaaaa-1", "-n", "1"];
    let outcome = sub_to_its_end(&server.url(""), &foreign).await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let said = lines(&outcome.stdout);
    assert_eq!((&said[0]["type"], &said[0]["action"]), (&json!("gap"), &json!("refetch")));
    assert_eq!(numbers(&said[1..]), [1]);

    let strict = sub_to_its_end(&server.url(""), &[&foreign[..], &["--strict"]].concat()).await;
    assert_eq!(strict.code, Some(6), "{strict:?}");
    assert_eq!(lines(&strict.stdout).len(), 1, "the gap");
    assert!(strict.stderr.contains("history is lost"), "{strict:?}");
}

#[tokio::test]
async fn what_cannot_work_ends_at_once_with_words_and_a_code() {
    let server = TestServer::start().await;
    let url = server.url("");
    for (arguments, code, words) in [
        (&["--topic", "nodot"][..], 1, "no dot"),
        (&["--match", "{"], 1, "JSON"),
        (&["--since", "never"], 1, "earliest"),
        (&["--mode", "fast"], 2, "latest"),
        (&["--nonsense"], 2, "--nonsense"),
    ] {
        let outcome = sub_to_its_end(&url, arguments).await;
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert!(outcome.stderr.contains(words), "{arguments:?}: {}", outcome.stderr);
    }
    for (url, code, words) in [
        ("nonsense", 3, "http://127.0.0.1:8888"),
        ("ftp://localhost", 3, "http://"),
        ("http://localhost/?topic=a.b", 3, "--topic"),
        (&*format!("{url}/nothing/here"), 1, "404"),
    ] {
        let outcome = sub_to_its_end(url, &[]).await;
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert!(outcome.stderr.contains(words), "{url}: {}", outcome.stderr);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for_and_told() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let outcome = sub_to_its_end(&url, &["--timeout", "1s"]).await;
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    assert!(outcome.stderr.contains("refused") && outcome.stderr.contains("trying again"));
}

#[tokio::test]
async fn when_the_time_is_over_it_ends_and_says_whether_enough_came() {
    let server = TestServer::start().await;
    let outcome = sub_to_its_end(&server.url(""), &["--timeout", "1s"]).await;
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), ""), "{outcome:?}");
    let outcome = sub_to_its_end(&server.url(""), &["--timeout", "1s", "-n", "2"]).await;
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("2 more"), "{outcome:?}");
}

#[tokio::test]
async fn pretty_is_for_people() {
    let server = TestServer::start().await;
    let mut process = sub(&server, &["--output", "pretty", "--since", "earliest", "-n", "2"]);
    server.put("7", &json!({"n": 1})).await;
    server.delete("7").await;
    assert!(process.exit().await.success());
    let shown = process.stdout();
    assert!(shown.starts_with("insert   test.test 7 "), "{shown}");
    assert!(
        shown.contains("\n    \"n\": 1\n") && shown.contains("\ndelete   test.test 7 "),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "no colours into a pipe");
}

#[tokio::test]
async fn it_ends_quietly_on_an_interrupt() {
    let server = TestServer::start().await;
    server.insert_numbers([1]).await;
    let mut process = sub(&server, &["--since", "earliest"]);
    process.stdout_with(r#""n":1"#).await;
    process.signal(Signal::INT);
    process.exit().await;
    assert_eq!(process.stderr(), "");
}
