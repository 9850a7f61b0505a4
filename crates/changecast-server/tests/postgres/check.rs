//! `changecast check` on a real PostgreSQL.

use serde_json::Value;

use super::watched;
use crate::check::{checked, finding};
use crate::support::{Postgres, PostgresDatabase, mend};

fn detail<'a>(report: &'a Value, about: &str) -> &'a str {
    finding(report, about)["detail"].as_str().expect("words")
}

/// Whether there are only such findings as have nothing to mend.
fn is_sound(report: &Value) -> bool {
    // How long a slot may keep WAL is seldom set, nor is it in the servers of the tests.
    let findings = report["sources"][0]["findings"].as_array().expect("findings");
    findings.iter().all(|found| found["level"] == "ok" || found["about"] == "kept WAL")
}

#[tokio::test]
async fn a_sound_postgresql_is_ok_and_a_check_makes_nothing() {
    let database = PostgresDatabase::new().await;
    let source = database.source("");
    let (report, outcome) = checked(&["--source", &source]).await;
    assert!(outcome.code == Some(0) && is_sound(&report), "{report}");
    for about in ["reachable", "version", "wal_level", "rights", "tables", "identity", "slots"] {
        assert_eq!(finding(&report, about)["level"], "ok", "{report}");
    }
    assert!(detail(&report, "publication").contains("made at the first start"), "{report}");
    assert!(detail(&report, "slot").contains("made at the first start"), "{report}");
    let slot = database.slot();
    let made = format!(
        "SELECT (SELECT count(*) FROM pg_publication) +
         (SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}')"
    );
    assert_eq!(database.ask(&made).await.as_deref(), Some("0"));
    let (mut server, _client) = watched(&database).await;
    let (report, outcome) = checked(&["--source", &source]).await;
    assert!(outcome.code == Some(0) && is_sound(&report), "{report}");
    assert!(detail(&report, "publication").contains("has all"), "{report}");
    assert!(detail(&report, "slot").contains("is being read"), "{report}");
    server.terminate().await;
    let (report, outcome) = checked(&["--source", &source]).await;
    assert!(outcome.code == Some(0) && is_sound(&report), "{report}");
    assert!(detail(&report, "slot").contains("nobody reads it now"), "{report}");
}

#[tokio::test]
async fn a_table_without_a_key_and_one_that_is_not_published_come_with_their_commands() {
    let database = PostgresDatabase::new().await;
    database.run("CREATE TABLE \"it's\" (n int)").await;
    let source = database.source("&table=it's&publication=mine");
    let (report, outcome) = checked(&["--source", &source]).await;
    assert_eq!(outcome.code, Some(1), "{report}");
    mend(finding(&report, "identity"), "psql");
    let (report, outcome) = checked(&["--source", &source]).await;
    assert!(outcome.code == Some(0) && is_sound(&report), "{report}");
    database.run("CREATE PUBLICATION mine FOR TABLE items WITH (publish = 'insert')").await;
    let (report, outcome) = checked(&["--source", &source]).await;
    assert_eq!(outcome.code, Some(0), "{report}");
    let findings = report["sources"][0]["findings"].as_array().expect("findings");
    let found: Vec<_> = findings.iter().filter(|it| it["about"] == "publication").collect();
    assert!(found[0]["detail"].as_str().expect("words").ends_with("next start: it's"), "{report}");
    mend(found[1], "psql");
    let (report, _) = checked(&["--source", &source]).await;
    assert!(is_sound(&report), "{report}");
    database.run("CREATE PUBLICATION empty").await;
    let whole = database.source_with("publication=empty");
    let (report, outcome) = checked(&["--source", &whole]).await;
    let found = finding(&report, "publication");
    assert_eq!((outcome.code, &found["level"]), (Some(0), &"warning".into()), "{report}");
    let (report, outcome) = checked(&["--source", &database.source("&table=absent")]).await;
    assert_eq!(outcome.code, Some(1), "{report}");
    assert!(detail(&report, "tables").contains("there is no table \"absent\""), "{report}");
}

#[tokio::test]
async fn settings_and_rights_come_with_the_commands_that_mend_them() {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    database.run("CREATE ROLE ada LOGIN PASSWORD 's3cret'").await;
    for setting in ["wal_level = replica", "max_wal_senders = 0", "max_replication_slots = 0"] {
        database.run(&format!("ALTER SYSTEM SET {setting}")).await;
    }
    postgres.kill().await;
    postgres.start_again().await;
    let url = postgres.url_for("ada", "s3cret", &database.name);
    let source = format!("{url}?table=items");
    let (report, outcome) = checked(&["--source", &source]).await;
    assert_eq!(outcome.code, Some(1), "{report}");
    for about in ["wal_level", "rights", "publication", "slots", "senders", "kept WAL"] {
        mend(finding(&report, about), "psql");
    }
    postgres.kill().await;
    postgres.start_again().await;
    let (report, outcome) = checked(&["--source", &source]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"ok".into()), "{report}");
    assert!(!format!("{outcome:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_slot_of_something_else_is_a_problem() {
    let database = PostgresDatabase::new().await;
    let slot = database.slot();
    database
        .run(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding')"))
        .await;
    let (report, outcome) = checked(&["--source", &database.source("")]).await;
    database.run(&format!("SELECT pg_drop_replication_slot('{slot}')")).await;
    let found = finding(&report, "slot");
    assert_eq!((outcome.code, &found["level"]), (Some(1), &"problem".into()), "{report}");
    assert!(found["mend"].as_str().expect("words").contains("slot="), "{found}");
}
