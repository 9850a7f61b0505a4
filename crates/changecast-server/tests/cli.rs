//! The command line: what it says, and how it ends.

use std::net::{Ipv4Addr, TcpListener};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::{Outcome, Process, TestServer, run};

impl Outcome {
    /// The one line that a failure says, after checking that it is one, and nothing else.
    fn one_line(&self) -> &str {
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        assert!(!self.stderr.contains("stack backtrace"), "{self:?}");
        let line = self.stderr.strip_suffix('\n').expect("a line");
        assert!(!line.contains('\n'), "more than a line: {line}");
        line
    }
}

#[tokio::test]
async fn s0_06_help_and_version_go_to_stdout_and_end_with_0() {
    for (arguments, said) in [
        (&["--help"][..], "--mongo"),
        (&["-h"], "--mongo"),
        (&["help"], "demo"),
        (&["serve", "--help"], "--port"),
        (&["demo", "--help"], "--port"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
        (&["-V"], env!("CARGO_PKG_VERSION")),
    ] {
        let outcome = run(arguments).await;
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {outcome:?}");
        assert_eq!(outcome.stderr, "", "{arguments:?}");
        assert!(outcome.stdout.contains(said), "{arguments:?}: {}", outcome.stdout);
    }
}

#[tokio::test]
async fn s0_01_s0_02_s0_03_s0_10_help_spells_the_originals_flags_and_defaults() {
    let help = run(&["--help"]).await.stdout;
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "--port",
        "[default: 8888]",
        "--mongo",
        "mongodb://localhost",
        "--ns",
        "test.test",
        "--debug",
        "--logging",
        "[default: info]",
        "--log-to-stderr",
        "--log-file-prefix",
        "--log-file-max-size",
        "[default: 100000000]",
        "--log-file-num-backups",
        "[default: 10]",
        "--log-rotate-mode",
        "[default: size]",
        "--log-rotate-when",
        "[default: midnight]",
        "--cache-size",
        "[default: 5]",
        "--address",
        "[default: 127.0.0.1]",
        "--data",
        "--source",
        "--config",
        "--documents",
        "--allow-origin",
        "--allow-host",
        "CHANGECAST_PORT",
        "Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration",
    ] {
        assert!(words.contains(expected), "{expected} is not in\n{help}");
    }
}

#[tokio::test]
async fn s0_05_an_option_and_its_value_may_be_one_word_or_two() {
    for arguments in [
        &["--port=0", "--cache-size=7"][..],
        &["--port", "0", "--cache-size", "7"],
        &["--port=0", "--cache_size=7"],
        &["-port=0", "-cache_size", "7"],
        &["serve", "--port", "0", "--cache_size=7"],
    ] {
        let server = TestServer::start_verb(arguments).await;
        let page = server.get("/").await.text().await.expect("text");
        assert!(page.contains("content=\"7\""), "{arguments:?}: {page}");
    }
}

#[tokio::test]
async fn s0_09_a_command_line_that_cannot_be_read_ends_with_2() {
    for (arguments, named) in [
        (&["--prot=1"][..], "--prot"),
        (&["--port=abc"], "abc"),
        (&["--port=70000"], "70000"),
        (&["--port=-1"], "-1"),
        (&["--port"], "--port"),
        (&["--address=localhost:80"], "localhost:80"),
        (&["--documents=maybe"], "maybe"),
        (&["--logging=loud"], "loud"),
        (&["--debug=perhaps"], "perhaps"),
        (&["--cache-size=-1"], "-1"),
        (&["fly"], "fly"),
    ] {
        let outcome = run(arguments).await;
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{arguments:?}");
        assert!(!outcome.stderr.contains("panicked"), "{arguments:?}: {}", outcome.stderr);
        let first = outcome.stderr.lines().next().expect("a line");
        assert!(first.contains(named), "{arguments:?}: {first}");
    }
}

#[tokio::test]
async fn s0_07_s0_08_a_namespace_without_both_halves_ends_with_3() {
    let exact = run(&["--ns=nodots"]).await;
    assert_eq!(exact.code, Some(3));
    assert!(exact.one_line().ends_with("Invalid ns \"nodots\", must contain a \".\""), "{exact:?}");
    for (ns, half) in [(".x", "database"), ("x.", "collection"), (".", "database")] {
        let outcome = run(&["--ns", ns]).await;
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        let line = outcome.one_line();
        assert!(line.contains(&format!("{ns:?}")) && line.contains(half), "{line}");
    }
}

#[tokio::test]
async fn s0_09_a_configuration_that_makes_no_sense_ends_with_3() {
    for (arguments, named) in [
        (&["--mongo=nonsense"][..], "connection string"),
        (&["--mongo=mongodb://"], "connection string"),
        (&["--mongo=http://localhost"], "connection string"),
        (&["--source=mysql://localhost/shop"], "mysql"),
        (&["--source=postgres://localhost/shop?tabel=orders"], "tabel"),
        (&["--source=localhost"], "mongodb://"),
        (&["--source=mongodb://localhost"], "database"),
        (&["--source=mongodb://localhost/shop?full_document=perhaps"], "full_document"),
        (&["--allow-origin=ok.example"], "ok.example"),
        (&["--allow-origin=https://ok.example/page"], "https://ok.example/page"),
        (&["--config=/nowhere/at/all.toml"], "/nowhere/at/all.toml"),
    ] {
        let outcome = run(arguments).await;
        assert_eq!(outcome.code, Some(3), "{arguments:?}: {outcome:?}");
        assert!(outcome.one_line().contains(named), "{arguments:?}: {}", outcome.stderr);
    }
}

#[tokio::test]
async fn s3_06_an_address_without_a_database_is_refused_in_a_sentence() {
    for (address, example) in [
        ("mongodb://localhost", "mongodb://localhost/shop"),
        ("mongodb://localhost/?collection=orders", "mongodb://localhost/shop"),
        ("postgres://localhost", "postgres://localhost/shop"),
        ("sqlite://", "sqlite:///path/to/app.db"),
    ] {
        let outcome = run(&["--source", address]).await;
        assert_eq!(outcome.code, Some(3), "{address}: {outcome:?}");
        assert!(outcome.one_line().contains(example), "{address}: {}", outcome.stderr);
    }
}

#[tokio::test]
async fn s0_02_a_password_in_a_wrong_uri_is_not_repeated() {
    for uri in [
        "mongodb://user:sesame@",
        "mongodb://user:ses@me/sesame@localhost/?x=sesame",
        "mongodb://user:sesame@localhost:99999/test",
        "mongodb://user:sesame@localhost/test?authMechanism=sesame",
        "mysql://user:sesame@localhost/test",
        "postgres://user:sesame@localhost/",
    ] {
        for flag in ["--mongo", "--source"] {
            let outcome = run(&[flag, uri]).await;
            assert_eq!(outcome.code, Some(3), "{flag} {uri}: {outcome:?}");
            let hidden = uri.replace("authMechanism=sesame", "").replace("x=sesame", "");
            if hidden == uri {
                assert!(!outcome.stderr.contains("sesame"), "{flag} {uri}: {}", outcome.stderr);
            }
            outcome.one_line();
        }
    }
}

#[tokio::test]
async fn two_sources_of_one_name_end_with_3() {
    let one = "--source=mongodb://127.0.0.1:1/shop";
    for arguments in [
        [one, "--source=mongodb://127.0.0.1:2/shop"],
        [one, "--source=mongodb://127.0.0.1:2/other?name=shop"],
        [one, "--ns=shop.orders"],
    ] {
        let outcome = run(&arguments).await;
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        let line = outcome.one_line();
        assert!(line.contains("\"shop\"") && line.contains("name="), "{line}");
    }
}

#[tokio::test]
async fn s0_09_a_port_that_is_taken_ends_with_1_and_the_way_out() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let data = TempDir::new().expect("a directory");
    let data = data.path().to_str().expect("UTF-8");
    let outcome = run(&["--port", &port, "--data", data]).await;
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let line = outcome.one_line();
    assert!(line.contains(&port) && line.contains("--port"), "{line}");
}

#[tokio::test]
async fn an_address_of_another_machine_ends_with_1_and_the_way_out() {
    let data = TempDir::new().expect("a directory");
    let data = data.path().to_str().expect("UTF-8");
    let outcome = run(&["--address=192.0.2.1", "--port=0", "--data", data]).await;
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.one_line().contains("--address"), "{outcome:?}");
}

#[tokio::test]
async fn a_data_directory_serves_one_process_at_a_time() {
    let mut server = TestServer::start().await;
    let data = server.data().to_str().expect("UTF-8").to_owned();
    let second = run(&["--port=0", "--data", &data]).await;
    assert_eq!(second.code, Some(1), "{second:?}");
    let line = second.one_line();
    assert!(line.contains(&data) && line.contains("another changecast"), "{line}");
    // The first one noticed nothing, and a crash leaves no lock behind.
    assert_eq!(server.get("/healthz").await.status(), 200);
    server.kill().await;
    server.start_again().await;
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_used_ends_with_1_and_its_name() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("a file");
    for path in [file.clone(), file.join("below")] {
        let path = path.to_str().expect("UTF-8");
        let outcome = run(&["--port=0", "--data", path]).await;
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(outcome.one_line().contains(path), "{outcome:?}");
    }
}

const NOTEBOOK: &str = "this is somebody's notebook, not a database\n";

#[tokio::test]
async fn a_store_that_is_not_ours_ends_with_1_and_is_left_alone() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("store.db");
    std::fs::write(&file, NOTEBOOK.repeat(100)).expect("a file");
    let path = directory.path().to_str().expect("UTF-8");
    let outcome = run(&["--port=0", "--data", path]).await;
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.one_line().contains("store.db"), "{outcome:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), NOTEBOOK.repeat(100));
}

#[tokio::test]
async fn g9_a_log_that_cannot_be_read_is_moved_aside_and_the_server_serves() {
    let mut server = TestServer::start_restartable().await;
    server.terminate().await;
    let data = server.data().to_owned();
    std::fs::write(data.join("log.db"), NOTEBOOK.repeat(100)).expect("a file");
    server.start_again().await;
    server.ready().await;
    let aside = std::fs::read_dir(&data).expect("the directory").find_map(|entry| {
        let path = entry.expect("an entry").path();
        path.to_str().is_some_and(|path| path.contains("log.db.damaged-")).then_some(path)
    });
    let kept = std::fs::read_to_string(aside.expect("it is kept")).expect("it is there");
    assert_eq!(kept, NOTEBOOK.repeat(100));
}

#[tokio::test]
async fn s0_12_it_listens_on_loopback_unless_told_otherwise() {
    // The whole of 127.0.0.0/8 is this machine; only the first is listened on.
    for (arguments, expected) in [(&[][..], false), (&["--address=0.0.0.0"], true)] {
        let server = TestServer::start_with(arguments).await;
        assert!(server.address().ip().is_loopback(), "what the banner says can be opened");
        let other = ("127.0.0.2", server.address().port());
        assert_eq!(TcpStream::connect(other).await.is_ok(), expected, "{arguments:?}");
    }
    let server = TestServer::start_with(&["--address", "::1"]).await;
    assert_eq!(server.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn the_banner_says_where_to_look_and_what_to_paste() {
    let mut server = TestServer::start().await;
    let (page, stream) = (server.url("/"), server.url("/events"));
    let banner = server.process().stdout();
    assert!(banner.contains(env!("CARGO_PKG_VERSION")), "{banner}");
    assert!(banner.contains(&page), "{banner}");
    assert!(banner.contains(&format!("curl -N {stream}")), "{banner}");
    assert!(banner.contains("the embedded store"), "{banner}");
    assert!(banner.contains("curl -X PUT"), "{banner}");
}

#[tokio::test]
async fn the_line_to_paste_writes_a_document() {
    let mut server = TestServer::start().await;
    let banner = server.process().stdout();
    let line = banner.lines().find_map(|line| line.split_once("curl -X PUT"));
    let (_, arguments) = line.expect("a line to paste");
    let command =
        format!("curl -sS --noproxy '*' -o /dev/null -w '%{{http_code}}' -X PUT{arguments}");
    let output = tokio::task::spawn_blocking(|| {
        std::process::Command::new("sh").args(["-c".to_owned(), command]).output()
    });
    let output = output.await.expect("it ran").expect("sh is there");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "201", "{output:?}");
    assert_eq!(server.get_json("/documents/test/test/1").await["hello"], "world");
}

#[tokio::test]
async fn demo_leaves_nothing_behind() {
    let arguments = ["demo".to_owned(), "--port=0".to_owned()];
    let mut demo = Process::start(&arguments, &[]);
    let banner = demo.stdout_with("curl -N").await;
    let line = banner.lines().find_map(|line| line.split_once("the embedded store in "));
    let directory = std::path::Path::new(line.expect("a directory").1);
    assert!(directory.join("log.db").exists(), "{directory:?}");
    demo.signal(rustix::process::Signal::INT);
    assert_eq!(demo.exit().await.code(), Some(0));
    assert!(!directory.exists(), "{directory:?}");
}
