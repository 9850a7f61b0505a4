//! What is said when it does not work, and what follows from it.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use mongodb::bson::Timestamp;

use super::super::position::{Place, Positions, Token};
use super::*;
use crate::source::Remedy;

/// A mongod of the test's own.
struct Mongod {
    process: Child,
    uri: String,
    _data: tempfile::TempDir,
}

impl Mongod {
    fn start(arguments: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = Command::new(environment("CHANGECAST_TEST_MONGOD"))
            .args([
                "--bind_ip",
                "127.0.0.1",
                "--nounixsocket",
                "--wiredTigerCacheSizeGB",
                "0.25",
            ])
            .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
            .args(["--port", &port.to_string(), "--dbpath"])
            .arg(data.path())
            .arg("--logpath")
            .arg(Path::new(data.path()).join("log"))
            .args(arguments)
            .env("LC_ALL", "C")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            process,
            uri: format!("127.0.0.1:{port}"),
            _data: data,
        }
    }

    fn source(&self, credentials: &str, options: &str) -> MongoSource {
        let uri = format!("mongodb://{credentials}{}/{options}", self.uri);
        source(MongoConfig::new(uri, "shop", orders()))
    }

    /// Tries until mongod has started: it says so to nobody.
    async fn first_error(&self, source: &MongoSource) -> SourceError {
        let attempts = async {
            loop {
                match watch_error(source, None).await {
                    SourceError::Unavailable(_) => {}
                    error => return error,
                }
            }
        };
        timeout(PATIENCE, attempts).await.expect("mongod starts")
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[track_caller]
fn check(error: &SourceError, remedy: Remedy, words: &str, advice: &str) {
    let message = error.to_string();
    assert_eq!(error.remedy(), remedy, "{message}");
    assert!(message.contains(words), "{message}");
    assert!(
        error.advice().unwrap_or_default().contains(advice),
        "{error:?}"
    );
    assert!(message.len() < 300 && !message.contains('\n'), "{message}");
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_missing_server_is_said_shortly() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = socket.local_addr().unwrap();
    drop(socket);
    let uri = format!("mongodb://ada:s3cret@{host}/?serverSelectionTimeoutMS=100");
    let source = source(MongoConfig::new(uri, "shop", orders()));
    let expected = format!("no server reachable at {host}: connection refused");
    for error in [
        watch_error(&source, None).await,
        source.probe().await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.remedy(), Remedy::Retry);
    }
}

#[tokio::test]
async fn a_server_that_answers_passes_the_probe() {
    let bed = Bed::new().await;
    bed.source(orders()).probe().await.unwrap();
}

#[tokio::test]
async fn what_an_operator_has_to_mend_is_said_with_its_remedy() {
    let mongod = Mongod::start(&["--auth"]);
    let error = mongod.first_error(&mongod.source("ada:s3cret@", "")).await;
    check(
        &error,
        Remedy::Operator,
        "does not let the user in",
        "authSource",
    );

    let direct = format!("mongodb://{}/?directConnection=true", mongod.uri);
    let admin = Client::with_uri_str(direct)
        .await
        .unwrap()
        .database("admin");
    let roles = ["root"].as_slice();
    admin
        .run_command(doc! { "createUser": "ada", "pwd": "s3cret", "roles": roles })
        .await
        .unwrap();
    let error = watch_error(&mongod.source("", ""), None).await;
    check(
        &error,
        Remedy::Operator,
        "does not permit it",
        "role `read`",
    );
    let error = watch_error(&mongod.source("ada:s3cret@", ""), None).await;
    check(
        &error,
        Remedy::Operator,
        "is a standalone server",
        "--replSet rs0",
    );
}

#[tokio::test]
async fn a_replica_set_wants_to_be_initiated() {
    let mongod = Mongod::start(&["--replSet", "rs0"]);
    let source = mongod.source("", "?replicaSet=rs0&serverSelectionTimeoutMS=500");
    let error = mongod.first_error(&source).await;
    check(
        &error,
        Remedy::Operator,
        "is not initiated",
        "rs.initiate()",
    );
}

/// A position like those of `source`, but of another time.
async fn position_at(source: &MongoSource, seconds: impl Fn(u32) -> u32) -> Option<Position> {
    let text = follow(source, None).await.position().unwrap();
    let positions = Positions::new(&source.watched);
    let Place::After(token) = positions.start(Some(&text)).unwrap().place else {
        panic!("a token at first");
    };
    let Timestamp { time, .. } = token.time().unwrap();
    let mut document: Document = mongodb::bson::deserialize_from_bson(
        mongodb::bson::serialize_to_bson(&token.for_driver().unwrap()).unwrap(),
    )
    .unwrap();
    let data = document.get_str("_data").unwrap();
    let moved = format!("82{:08X}{}", seconds(time), &data[10..]);
    document.insert("_data", moved);
    let token = mongodb::bson::deserialize_from_bson(document.into()).unwrap();
    Some(positions.after(&Token::from_driver(token).unwrap()))
}

#[tokio::test]
async fn lost_history_is_told_from_a_passing_fault() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    let early = position_at(&source, |_| 1).await;
    check(
        &watch_error(&source, early).await,
        Remedy::Gap,
        "history lost",
        "",
    );
    let late = position_at(&source, |seconds| seconds + 3600).await;
    check(
        &watch_error(&source, late).await,
        Remedy::Gap,
        "restored from a backup",
        "",
    );
    for garbage in ["", "{}", "null", r#"{"version":2,"scope":[]}"#, "\u{0}"] {
        let position = Some(Position::new(garbage.to_owned()));
        check(
            &watch_error(&source, position).await,
            Remedy::Gap,
            "cannot be read",
            "",
        );
    }
}

#[tokio::test]
async fn a_token_that_is_none_is_lost_history() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    let positions = Positions::new(&source.watched);
    for token in [
        doc! { "_data": "nonsense" },
        doc! { "_data": "82" },
        doc! { "x": 1 },
        doc! {},
    ] {
        let token = mongodb::bson::deserialize_from_bson(token.into()).unwrap();
        let position = positions.after(&Token::from_driver(token).unwrap());
        check(
            &watch_error(&source, Some(position)).await,
            Remedy::Gap,
            "history lost",
            "",
        );
    }
}

async fn with_images(bed: &Bed) -> MongoSource {
    let mut config = bed.config(orders());
    config.full_document = super::super::FullDocument::parse("required").unwrap();
    config.full_document_before_change =
        super::super::FullDocumentBeforeChange::parse("required").unwrap();
    source(config)
}

#[tokio::test]
async fn a_change_too_large_to_be_sent_ends_in_a_gap() {
    let bed = Bed::new().await;
    let images = doc! { "enabled": true };
    let create = doc! { "create": "orders", "changeStreamPreAndPostImages": images };
    bed.database.run_command(create).await.unwrap();
    bed.orders()
        .insert_one(doc! { "_id": 1, "text": "x".repeat(9 << 20) })
        .await
        .unwrap();
    let mut stream = follow(&with_images(&bed).await, None).await;
    bed.orders()
        .update_one(doc! {}, doc! { "$set": { "more": 1 } })
        .await
        .unwrap();
    let error = loop {
        if let Err(error) = stream.delivery().await {
            break error;
        }
    };
    check(&error, Remedy::Gap, "larger than the 16 MB", "");
}

#[tokio::test]
async fn a_required_image_that_is_missing_is_for_the_operator() {
    let bed = Bed::new().await;
    bed.insert_orders(1..2).await;
    let mut stream = follow(&with_images(&bed).await, None).await;
    bed.orders()
        .update_one(doc! {}, doc! { "$set": { "more": 1 } })
        .await
        .unwrap();
    let error = loop {
        if let Err(error) = stream.delivery().await {
            break error;
        }
    };
    check(&error, Remedy::Operator, "required", "whenAvailable");
}
