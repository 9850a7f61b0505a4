//! `config print`, completions, and variables that nobody knows.

use tempfile::TempDir;

use crate::support::{Outcome, run, run_with};

#[track_caller]
fn has_line(outcome: &Outcome, line: &str) {
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.lines().any(|said| said == line), "no {line:?}: {}", outcome.stdout);
}

#[tokio::test]
async fn each_setting_says_where_it_comes_from() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("changecast.toml");
    let text = "port = 1234\ncache_size = 7\nretention_age = \"90s\"\n\n[[source]]\n\
                url = \"mongodb://ada:s3cret@db1/shop\"\ncollection = [\"orders\"]\n";
    std::fs::write(&path, text).expect("a file");
    let config = format!("--config={}", path.display());
    let variables =
        [("CHANGECAST_CACHE_SIZE", "8"), ("CHANGECAST_SOURCE", "mongodb://bob:hidd3n@db2/stock")];
    let printed = run_with(&["config", "print", &config, "--address", "::1"], &variables).await;
    has_line(&printed, "address = \"::1\"  # flag");
    has_line(&printed, "port = 1234  # file");
    has_line(&printed, "cache_size = 8  # environment");
    has_line(&printed, "retention_age = \"90s\"  # file");
    has_line(&printed, "durability = \"full\"  # default");
    has_line(&printed, "publish = false  # default");
    has_line(&printed, "retention_bytes = 1073741824  # default");
    has_line(&printed, "# mongo is not set");
    has_line(&printed, "[[source]]  # file");
    has_line(&printed, "[[source]]  # environment");
    has_line(&printed, "url = \"mongodb://***@db1/shop\"");
    for secret in ["s3cret", "hidd3n", "ada", "bob"] {
        assert!(!format!("{printed:?}").contains(secret), "{secret}: {}", printed.stdout);
    }
}

#[tokio::test]
async fn what_is_printed_is_a_file_that_means_the_same() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("printed.toml");
    let first = run(&[
        "config",
        "print",
        "--ns",
        "shop.a,shop.b",
        "--mongo=mongodb://db",
        "--port=1",
        "--log-file-prefix=/tmp/x",
        "--allow-origin=https://example.org",
    ])
    .await;
    std::fs::write(&path, &first.stdout).expect("a file");
    let config = format!("--config={}", path.display());
    let second = run(&["config", "print", &config]).await;
    let without_origin = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with("# file"));
        lines.map(|line| line.split("  #").next().unwrap_or(line).to_owned()).collect()
    };
    assert_eq!(second.code, Some(0), "{second:?}");
    assert_eq!(without_origin(&first.stdout), without_origin(&second.stdout));
    has_line(&first, "ns = [\"shop.a\", \"shop.b\"]  # flag");
    has_line(&second, "mongo = \"mongodb://db\"  # file");
}

#[tokio::test]
async fn each_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let outcome = run(&["completions", shell]).await;
        assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""), "{shell}");
        assert!(outcome.stdout.contains("retention-age"), "{shell}");
    }
    assert_eq!(run(&["completions", "tcsh"]).await.code, Some(2));
}

#[tokio::test]
async fn an_unknown_variable_is_told_with_the_name_that_was_meant() {
    let variables = [
        ("CHANGECAST_PROT", "1"),
        ("CHANGECAST_COLOUR", "red"),
        ("CHANGECAST_PORT", "2"),
        ("CHANGECAST_TEST_MONGO", "x"),
    ];
    let outcome = run_with(&["config", "print"], &variables).await;
    has_line(&outcome, "port = 2  # environment");
    assert_eq!(outcome.stderr.lines().count(), 2, "{outcome:?}");
    let said = "CHANGECAST_PROT is not known and ignored: did you mean CHANGECAST_PORT?";
    assert!(outcome.stderr.contains(said), "{outcome:?}");
    assert!(outcome.stderr.contains("CHANGECAST_COLOUR is not known and ignored\n"), "{outcome:?}");
}
