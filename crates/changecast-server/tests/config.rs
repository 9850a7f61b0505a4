//! The configuration file, the environment, and what wins.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{TestServer, exchange, run};

/// A file with `text`, gone with the value.
struct ConfigFile {
    _directory: TempDir,
    path: PathBuf,
}

impl ConfigFile {
    fn with(text: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("changecast.toml");
        std::fs::write(&path, text).expect("a file");
        Self { _directory: directory, path }
    }

    fn flag(&self) -> String {
        format!("--config={}", self.path.display())
    }
}

/// How many changes the page is told to show: a setting that can be seen.
async fn cache_size(server: &TestServer) -> String {
    let page = server.get("/").await.text().await.expect("text");
    let meta = page.lines().find(|line| line.contains("changecast-cache-size"));
    let value = meta.and_then(|meta| meta.split("content=\"").nth(1)?.split('"').next());
    value.expect("the page's setting").to_owned()
}

#[tokio::test]
async fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let file = ConfigFile::with("cache_size = 11\n");
    let config = file.flag();
    let variable = [("CHANGECAST_CACHE_SIZE", "12")];
    for (arguments, variables, expected) in [
        (&[][..], &[][..], "5"),
        (&[&*config], &[], "11"),
        (&[], &variable, "12"),
        (&[&*config], &variable, "12"),
        (&[&*config, "--cache-size=13"], &variable, "13"),
        (&[], &[("CHANGECAST_CONFIG", file.path.to_str().expect("UTF-8"))], "11"),
    ] {
        let server = TestServer::start_unready(arguments, variables).await;
        assert_eq!(cache_size(&server).await, expected, "{arguments:?} {variables:?}");
    }
}

#[tokio::test]
async fn the_port_may_come_from_anywhere() {
    let file = ConfigFile::with("port = 1\naddress = \"127.0.0.1\"\n");
    // Port 1 is nobody's to take: had the file won, there would be no server.
    let config = file.flag();
    let server = TestServer::start_unready(&[&config], &[("CHANGECAST_PORT", "0")]).await;
    assert_eq!(server.get("/healthz").await.status(), 200);
    let outcome = run(&["--config", file.path.to_str().expect("UTF-8"), "--port=x"]).await;
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
}

#[tokio::test]
async fn the_file_takes_everything_that_the_flags_take() {
    let file = ConfigFile::with(
        r#"
        mongo = "mongodb://127.0.0.1:1"
        ns = ["shop.orders", "shop.customers", "depot.*"]
        documents = "read"
        allow_origin = ["https://ok.example"]
        allow_host = ["db.example"]
        debug = false
        logging = "warning"
        log_format = "json"

        [[source]]
        url = "mongodb://127.0.0.1:2/fleet"
        name = "cars"
        collection = ["vans", "trucks"]
        full_document = "updateLookup"
        "#,
    );
    let mut server = TestServer::start_unready(&[&file.flag()], &[]).await;
    let sources = server.get_json("/sources").await;
    let of = |name: &str| {
        let mut all = sources["sources"].as_array().expect("a list").iter();
        all.find(|source| source["name"] == name).unwrap_or_else(|| panic!("no {name}"))
    };
    for (name, topics) in [
        ("shop", &["shop.orders", "shop.customers"][..]),
        ("depot", &["depot.*"]),
        ("cars", &["cars.vans", "cars.trucks"]),
    ] {
        let watched = of(name)["topics"].as_array().expect("a list");
        for topic in topics {
            assert!(watched.iter().any(|known| known == topic), "{topic}: {sources}");
        }
        assert_eq!(of(name)["documents"], "read", "{sources}");
    }

    let request = "HEAD / HTTP/1.1\r\nHost: db.example\r\nOrigin: https://ok.example\r\n\r\n";
    let answer = exchange(server.address(), request).await;
    assert_eq!(answer.head.status, 200);
    let allowed = answer.head.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://ok.example"));

    assert!(server.terminate().await.success());
    for line in server.process().stderr().lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_ne!(line["level"], "INFO", "{line}");
    }
}

#[tokio::test]
async fn a_misspelt_key_is_refused_with_its_line_and_the_nearest_name() {
    for (text, line, nearest) in [
        ("port = 0\ncash_size = 5\n", "line 2", "cache_size"),
        ("prot = 0\n", "line 1", "port"),
        ("\n\n[[source]]\nurl = \"mongodb://h/d\"\nnam = \"x\"\n", "line 5", "name"),
        ("[[sources]]\nurl = \"mongodb://h/d\"\n", "line 1", "source"),
    ] {
        let file = ConfigFile::with(text);
        let outcome = run(&[&file.flag()]).await;
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        let stderr = &outcome.stderr;
        assert!(stderr.contains("changecast.toml"), "{stderr}");
        assert!(stderr.contains(line), "{stderr}");
        assert!(stderr.contains(&format!("did you mean {nearest}?")), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_kind_is_refused_with_its_line() {
    for (text, line) in [
        ("port = \"many\"\n", "line 1"),
        ("debug = false\nport = 70000\n", "line 2"),
        ("[[source]]\nname = \"no url\"\n", "line 1"),
        ("documents = \"maybe\"\n", "line 1"),
        ("port = \n", "line 1"),
    ] {
        let file = ConfigFile::with(text);
        let outcome = run(&[&file.flag()]).await;
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        assert!(outcome.stderr.contains(line), "{text}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    }
}

#[tokio::test]
async fn a_wrong_value_in_the_environment_is_refused_by_name() {
    let arguments = ["--port=0".to_owned()];
    let variables = [("CHANGECAST_CACHE_SIZE", "many")];
    let mut process = crate::support::Process::start(&arguments, &variables);
    assert_eq!(process.exit().await.code(), Some(2));
    let stderr = process.stderr();
    assert!(stderr.contains("many") && stderr.contains("--cache-size"), "{stderr}");
}

#[tokio::test]
async fn a_secret_in_the_file_is_not_repeated() {
    for text in [
        "mongo = \"mongodb://user:sesame@\"\n",
        "[[source]]\nurl = \"mongodb://user:sesame@host\"\n",
        "mongo = \"mongodb://user:sesame@host\"\nmongo = \"mongodb://user:sesame@host\"\n",
        "mongo = \"mongodb://user:sesame@host\nport = 1\n",
        "mongo = [\"mongodb://user:sesame@host\"]\n",
    ] {
        let file = ConfigFile::with(text);
        let outcome = run(&[&file.flag()]).await;
        assert_eq!(outcome.code, Some(3), "{text}: {outcome:?}");
        assert!(!outcome.stderr.contains("sesame"), "{}", outcome.stderr);
    }
}

#[tokio::test]
async fn s2_02_s2_17_a_pipeline_that_cannot_be_is_refused_at_start_in_words() {
    for (pipeline, words) in [
        ("{}", "pipeline must be a list of stages"),
        ("[{\"$group\": {\"_id\": 1}}]", "pipeline, stage 1: $group cannot be used"),
        ("[{\"$project\": {\"_id\": 0}}]", "leave _id as it is"),
        ("[{", "not Extended JSON"),
    ] {
        let text =
            format!("[[source]]\nurl = \"mongodb://127.0.0.1:1/shop\"\npipeline = '{pipeline}'\n");
        let file = ConfigFile::with(&text);
        let outcome = run(&[&file.flag()]).await;
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        assert!(outcome.stderr.contains(words), "{outcome:?}");
    }
    let url = "mongodb://127.0.0.1:1/shop?pipeline=%5B%7B%22%24out%22%3A%20%22x%22%7D%5D";
    let outcome = run(&["--source", url]).await;
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(outcome.stderr.contains("$out cannot be used on change streams"), "{outcome:?}");
}

#[tokio::test]
async fn s2_01_a_star_in_the_wrong_place_is_refused() {
    for (arguments, words) in [
        (["--ns", "*.orders"], "a star stands alone"),
        (["--source", "mongodb://127.0.0.1:1/*?collection=a"], "collection= needs a database"),
        (["--source", "mongodb://127.0.0.1:1"], "or /* for all"),
    ] {
        let outcome = run(&arguments).await;
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        assert!(outcome.stderr.contains(words), "{outcome:?}");
    }
}
