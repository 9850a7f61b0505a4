//! What is said when it does not work, and what follows from it.

use super::super::position::{Place, Positions, Token};
use super::mongod::{Mongod, first_error};
use super::*;
use crate::source::Remedy;

#[track_caller]
fn check(error: &SourceError, remedy: Remedy, words: &str, advice: &str) {
    let message = error.to_string();
    assert_eq!(error.remedy(), remedy, "{message}");
    assert!(message.contains(words), "{message}");
    assert!(error.advice().unwrap_or_default().contains(advice), "{error:?}");
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
    for error in [watch_error(&source, None).await, source.probe().await.unwrap_err()] {
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
    let error = first_error(&mongod.source("ada:s3cret@", "")).await;
    check(&error, Remedy::Operator, "does not let the user in", "authSource");

    let admin = mongod.database("admin").await;
    let roles = ["root"].as_slice();
    admin.run_command(doc! { "createUser": "ada", "pwd": "s3cret", "roles": roles }).await.unwrap();
    let error = watch_error(&mongod.source("", ""), None).await;
    check(&error, Remedy::Operator, "does not permit it", "role `read`");
    let error = watch_error(&mongod.source("ada:s3cret@", ""), None).await;
    check(&error, Remedy::Operator, "is a standalone server", "--replSet rs0");
}

#[tokio::test]
async fn a_replica_set_wants_to_be_initiated() {
    let mongod = Mongod::start(&["--replSet", "rs0"]);
    let source = mongod.source("", "?replicaSet=rs0&serverSelectionTimeoutMS=500");
    let error = first_error(&source).await;
    check(&error, Remedy::Operator, "is not initiated", "rs.initiate()");
}

/// `source`'s present position, moved to another time.
async fn moved(
    source: &MongoSource,
    position: Option<Position>,
    seconds: impl Fn(u32) -> u32,
) -> Option<Position> {
    let positions = Positions::new(&source.watched, None);
    let Place::After(token) = positions.start(&after(position)).unwrap().place else {
        panic!("not a token");
    };
    let mut token_document = token.for_server().unwrap();
    let data = token_document.get_str("_data").unwrap();
    let time = seconds(token.time().unwrap().time);
    let data = format!("82{time:08X}{}", &data[10..]);
    token_document.insert("_data", data);
    Some(positions.after(&as_token(token_document)))
}

fn as_token(document: Document) -> Token {
    Token::of_server(&RawDocumentBuf::try_from(document).unwrap())
}

#[tokio::test]
async fn lost_history_is_told_from_a_passing_fault() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    let mut stream = follow(&source, None).await;
    bed.insert_orders(1..2).await;
    stream.change().await;
    let position = stream.position();

    let unknown = moved(&source, position.clone(), |seconds| seconds - 1).await;
    let error = match try_follow(&source, unknown).await {
        Ok(stream) => Followed { stream }.error().await,
        Err(error) => error,
    };
    check(&error, Remedy::Gap, "resume token was not found", "");
    let late = moved(&source, position, |seconds| seconds + 3600).await;
    check(&watch_error(&source, late).await, Remedy::Gap, "restored from a backup", "");
    for garbage in ["", "{}", "null", r#"{"version":2,"scope":[]}"#, "\u{0}"] {
        let position = Some(Position::new(garbage.to_owned()));
        check(&watch_error(&source, position).await, Remedy::Gap, "cannot be read", "");
    }
}

#[tokio::test]
async fn a_token_that_is_none_is_lost_history() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    let positions = Positions::new(&source.watched, None);
    for token in [doc! { "_data": "nonsense" }, doc! { "_data": "82" }, doc! { "x": 1 }, doc! {}] {
        let position = positions.after(&as_token(token));
        check(&watch_error(&source, Some(position)).await, Remedy::Gap, "history lost", "");
    }
}

async fn with_images(bed: &Bed) -> MongoSource {
    let mut config = bed.config(orders());
    config.full_document = crate::source::FullDocument::parse("required").unwrap();
    config.full_document_before_change =
        crate::source::FullDocumentBeforeChange::parse("required").unwrap();
    source(config)
}

#[tokio::test]
async fn a_change_too_large_to_be_sent_ends_in_a_gap() {
    let bed = Bed::new().await;
    let images = doc! { "enabled": true };
    let create = doc! { "create": "orders", "changeStreamPreAndPostImages": images };
    bed.database.run_command(create).await.unwrap();
    bed.orders().insert_one(doc! { "_id": 1, "text": "x".repeat(9 << 20) }).await.unwrap();
    let mut stream = follow(&with_images(&bed).await, None).await;
    bed.orders().update_one(doc! {}, doc! { "$set": { "more": 1 } }).await.unwrap();
    let error = stream.error().await;
    check(&error, Remedy::Gap, "larger than the 16 MB", "");
}

#[tokio::test]
async fn a_required_image_that_is_missing_is_for_the_operator() {
    let bed = Bed::new().await;
    bed.insert_orders(1..2).await;
    let mut stream = follow(&with_images(&bed).await, None).await;
    bed.orders().update_one(doc! {}, doc! { "$set": { "more": 1 } }).await.unwrap();
    let error = stream.error().await;
    check(&error, Remedy::Operator, "was not kept", "whenAvailable");
}
