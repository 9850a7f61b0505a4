//! `changecast check` on the embedded store and on what is not there.

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Outcome, SqliteDatabase, TestServer, mend, run};

/// What `check --json` says with these arguments.
pub(crate) async fn checked(arguments: &[&str]) -> (Value, Outcome) {
    let all = [&["check", "--json"], arguments].concat();
    let outcome = run(&all).await;
    let said = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    (said, outcome)
}

/// The finding about `about`, of the only source.
pub(crate) fn finding<'a>(report: &'a Value, about: &str) -> &'a Value {
    let findings = report["sources"][0]["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["about"] == about);
    found.unwrap_or_else(|| panic!("nothing about {about}: {report}"))
}

#[tokio::test]
async fn a_check_before_the_first_start_finds_nothing_wrong_and_makes_nothing() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().join("not-yet");
    let (report, outcome) = checked(&["--data", data.to_str().expect("UTF-8")]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &Value::from("ok")), "{report}");
    assert_eq!(report["sources"][0]["kind"], "embedded");
    assert!(!data.exists(), "it looks only");
}

#[tokio::test]
async fn a_check_may_run_beside_the_server() {
    let server = TestServer::start().await;
    server.put("1", &serde_json::json!({})).await;
    let (report, outcome) = checked(&["--data", server.data().to_str().expect("UTF-8")]).await;
    assert_eq!(outcome.code, Some(0), "{report}");
    assert!(report["data"][0]["detail"].as_str().expect("words").contains("running changecast"));
    assert!(finding(&report, "schema")["detail"].as_str().expect("words").contains("format 1"));
    let sources = server.get_json("/sources").await;
    assert_eq!(sources["sources"][0]["check"], serde_json::json!({"level": "ok", "findings": []}));
    assert_eq!(server.put("2", &serde_json::json!({})).await, 201, "it goes on");
}

#[tokio::test]
async fn a_store_that_is_none_ends_with_1_and_what_mends_it() {
    let directory = TempDir::new().expect("a directory");
    let file = Connection::open(directory.path().join("store.db")).expect("a file");
    file.execute_batch("CREATE TABLE other (x)").expect("a table");
    drop(file);
    let data = directory.path().to_str().expect("UTF-8");
    let (report, outcome) = checked(&["--data", data]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(1), &Value::from("problem")), "{report}");
    let found = finding(&report, "file");
    assert!(
        found["detail"].as_str().expect("words").contains("is not a document store"),
        "{found}"
    );
    assert!(found["mend"].as_str().expect("words").contains("--data"), "{found}");
    let text = run(&["check", "--data", data]).await;
    assert_eq!(text.code, Some(1));
    assert!(text.stdout.contains("source test (embedded)\n  problem  file"), "{text:?}");
    assert!(text.stdout.contains("to mend it:"), "{text:?}");
    assert_eq!(text.stderr, "changecast: a problem needs mending\n");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_a_problem_and_the_others_are_looked_at() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().to_str().expect("UTF-8");
    let absent = "mongodb://ada:s3cret@127.0.0.1:1/shop?serverSelectionTimeoutMS=300";
    let other = "mongodb://127.0.0.1:1/other?serverSelectionTimeoutMS=300";
    let (report, outcome) = checked(&["--data", data, "--source", absent, "--source", other]).await;
    assert_eq!(outcome.code, Some(1), "{report}");
    assert_eq!(report["sources"].as_array().map(Vec::len), Some(2), "{report}");
    let found = finding(&report, "reachable");
    assert_eq!(found["level"], "problem");
    assert!(found["mend"].as_str().expect("words").contains("runs and can be reached"), "{found}");
    assert!(!format!("{outcome:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_sqlite_file_is_checked_and_its_commands_mend_it() {
    let database = SqliteDatabase::new("CREATE TABLE orders (id INTEGER PRIMARY KEY, total)");
    let source = database.source("?table=orders");
    let (report, outcome) = checked(&[&source]).await;
    assert_eq!(outcome.code, Some(1), "{report}");
    mend(finding(&report, "triggers"), "changecast sqlite install");
    let (report, outcome) = checked(&[&source]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"ok".into()), "{report}");
    for about in ["file", "triggers", "changelog", "journal"] {
        assert_eq!(finding(&report, about)["level"], "ok", "{report}");
    }
    // A column that came later is left out: that is worth a word, and no more.
    database.execute("ALTER TABLE orders ADD COLUMN note; INSERT INTO orders VALUES (1, 2, 'x')");
    let (report, outcome) = checked(&[&source]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"warning".into()), "{report}");
    let kept = finding(&report, "changelog")["detail"].as_str().expect("words");
    assert!(kept.starts_with("1 changes are kept"), "{kept}");
    mend(finding(&report, "schema"), "changecast sqlite install");
    // A table that was made anew has lost its triggers.
    database.execute("DROP TABLE orders; CREATE TABLE orders (id INTEGER PRIMARY KEY, note)");
    let (report, outcome) = checked(&[&source]).await;
    assert_eq!(outcome.code, Some(1), "{report}");
    mend(finding(&report, "triggers"), "changecast sqlite install");
    database.execute("PRAGMA journal_mode = delete");
    let (report, outcome) = checked(&[&source]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"warning".into()), "{report}");
    mend(finding(&report, "journal"), "sqlite3");
    let (report, _) = checked(&[&source]).await;
    assert_eq!(report["level"], "ok", "{report}");
}
