//! `changecast check` on a real MongoDB.

use mongodb::bson::doc;

use super::TestDatabase;
use super::logins::{PASSWORD, users};
use crate::check::{checked, finding};
use crate::support::{Mongod, TestServer};

fn text<'a>(finding: &'a serde_json::Value, field: &str) -> &'a str {
    finding[field].as_str().unwrap_or_else(|| panic!("no {field}: {finding}"))
}

#[tokio::test]
async fn a_sound_mongodb_is_ok_and_its_oplog_is_told() {
    let bed = TestDatabase::new().await;
    let namespace = bed.namespace("items");
    let (report, outcome) = checked(&["--mongo", &bed.uri, "--ns", &namespace]).await;
    assert_eq!(outcome.code, Some(0), "{report}");
    for about in ["reachable", "replica set", "rights", "images"] {
        assert_eq!(finding(&report, about)["level"], "ok", "{report}");
    }
    assert!(text(finding(&report, "oplog"), "detail").contains("reaches back"), "{report}");
}

#[tokio::test]
async fn missing_images_come_with_the_command_that_mends_them() {
    let bed = TestDatabase::new().await;
    bed.items().insert_one(doc! { "_id": 1 }).await.expect("a write");
    let (base, options) = bed.uri.split_once("/?").expect("a connection string");
    let url = |wish: &str| {
        format!(
            "{base}/{}?{options}&collection=items&full_document_before_change={wish}",
            bed.name()
        )
    };
    let (report, outcome) = checked(&["--source", &url("required")]).await;
    let found = finding(&report, "images");
    assert_eq!((outcome.code, text(found, "level")), (Some(1), "problem"), "{report}");
    assert!(text(found, "mend").contains("collMod: \"items\""), "{found}");
    let (report, outcome) = checked(&["--source", &url("whenAvailable")]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"warning".into()), "{report}");
    // `/sources` says the same, without the command.
    let server = TestServer::start_with(&["--source", &url("whenAvailable")]).await;
    let sources = server.get_json("/sources").await;
    let brief = &sources["sources"][0]["check"];
    assert_eq!(brief["level"], "warning", "{sources}");
    // The oplog of a mongod for tests may be short, too.
    let findings = brief["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["about"] == "images").expect("it is told");
    assert!(found.get("mend").is_none(), "{found}");
    // What the command says is what mends it.
    let images = doc! { "enabled": true };
    let mend = doc! { "collMod": "items", "changeStreamPreAndPostImages": images };
    bed.database.run_command(mend).await.expect("it mends");
    let (report, outcome) = checked(&["--source", &url("required")]).await;
    assert_eq!(outcome.code, Some(0), "{report}");
}

#[tokio::test]
async fn a_missing_right_and_a_wrong_password_are_told_with_what_mends_them() {
    let mongod = Mongod::guarded().await;
    let bed = TestDatabase::on(&mongod).await;
    let elsewhere = doc! { "role": "read", "db": "elsewhere" };
    let root = users(&mongod, PASSWORD, &[elsewhere]).await;
    let namespace = bed.namespace("items");
    let uri = mongod.uri_for("ada", PASSWORD);
    let (report, outcome) = checked(&["--mongo", &uri, "--ns", &namespace]).await;
    assert_eq!(outcome.code, Some(1), "{report}");
    let mend = text(finding(&report, "rights"), "mend");
    let grant = format!(r#"db.grantRolesToUser("ada", [{{role: "read", db: "{}"}}])"#, bed.name());
    assert!(mend.contains(&grant), "{mend}");
    let oplog = finding(&report, "oplog");
    assert_eq!(text(oplog, "level"), "warning", "{oplog}");
    assert!(text(oplog, "mend").contains(r#"{role: "read", db: "local"}"#), "{oplog}");
    // What the commands say is what mends it.
    let roles =
        vec![doc! { "role": "read", "db": bed.name() }, doc! { "role": "read", "db": "local" }];
    let grant = doc! { "grantRolesToUser": "ada", "roles": roles };
    root.database("admin").run_command(grant).await.expect("it mends");
    let (report, outcome) = checked(&["--mongo", &uri, "--ns", &namespace]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"ok".into()), "{report}");
    let wrong = mongod.uri_for("ada", "wr0ng");
    let (report, outcome) = checked(&["--mongo", &wrong, "--ns", &namespace]).await;
    assert_eq!(outcome.code, Some(1), "{report}");
    assert!(text(finding(&report, "reachable"), "mend").contains("password"), "{report}");
    assert!(!format!("{outcome:?}").contains("wr0ng"));
}
