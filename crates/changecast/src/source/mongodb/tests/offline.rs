//! What can be said without a server.

use super::super::decode::Decoder;
use super::super::scope::Watched;
use super::*;

fn refused(result: Result<MongoConfig, SourceError>) -> String {
    let made = result.and_then(|config| MongoSource::new(config, Arc::new(Telemetry::new())));
    made.err().expect("an error").to_string()
}

#[test]
fn a_url_names_all_there_is_to_say() {
    let config = MongoConfig::from_url(
        "mongodb://ada:s3cret@one,two:27018/shop?name=store&replicaSet=rs0&collection=orders\
         &collection=a%2Eb&full_document=updateLookup&full_document_before_change=off",
    )
    .unwrap();
    assert_eq!((&*config.name, &*config.database), ("store", "shop"));
    assert_eq!(config.scope, Scope::Collections(vec!["orders".into(), "a.b".into()]));
    assert_eq!(config.full_document, Some(crate::source::FullDocument::UpdateLookup));
    assert_eq!(config.full_document_before_change, None);
    let debug = format!("{config:?}");
    assert!(debug.contains("one,two:27018/shop?replicaSet=rs0\""), "{debug}");
    assert!(!debug.contains("s3cret") && !debug.contains("ada"), "{debug}");

    let source = source(config);
    assert_eq!(&**source.name(), "store");
    assert_eq!(source.topics().to_string(), "store.$database,store.a.b,store.orders");
}

#[test]
fn what_is_wrong_is_said_in_one_line_without_the_password() {
    for (url, expected) in [
        ("mongodb://localhost", "no database is named"),
        ("mongodb://localhost/?collection=orders", "no database is named"),
        ("mongodb://localhost/shop?full_document=all", "is not one of default, updateLookup"),
        ("mongodb://localhost/shop?name=a.b", "must not contain a dot"),
        ("mongodb://localhost/shop?collection=", "is empty"),
        ("mongodb://localhost/shop?collection=%zz", "percent-encoded"),
        ("mongodb://localhost/shop?replicaset=a&replicaSet=b", "repeated"),
        ("mongodb://localhost/sh%20op", "illegal character in database name"),
        ("mongodb://ada:s3cret@localhost:port/shop", "port"),
        ("mongodb://ada:s3c/ret@localhost/shop", "percent-encode"),
        ("mongodb://ada:s3c@ret@localhost/shop", "percent-encode"),
        ("postgres://ada:s3cret@localhost/shop", "scheme"),
    ] {
        let message = refused(MongoConfig::from_url(url));
        assert!(message.contains(expected), "{url}: {message}");
        assert!(!message.contains("s3c") && !message.contains("ret@"), "{message}");
        assert!(!message.contains('\n'));
    }
    let nothing = MongoConfig::new("mongodb://localhost", "shop", Scope::Collections(Vec::new()));
    assert!(refused(Ok(nothing)).contains("empty list"));
    let dotted = MongoConfig::new("mongodb://localhost", "sh.op", Scope::Database);
    assert!(refused(Ok(dotted)).contains("not a name of a MongoDB database"));
}

#[test]
fn a_server_error_says_what_follows() {
    let hosts = source(MongoConfig::new("mongodb://one,two:1", "shop", Scope::Database)).hosts;
    for (code, message, expected) in [
        (
            286,
            "Executor error during getMore :: caused by :: Resume of change stream was not \
             possible, as the resume point may no longer be in the oplog.",
            "history lost: resume of change stream was not possible, as the resume point may no \
             longer be in the oplog",
        ),
        (
            280,
            "cannot resume stream; the resume token was not found. {_data: \"82\"}",
            "history lost: cannot resume stream; the resume token was not found",
        ),
        (11600, "interrupted at shutdown", "interrupted at shutdown (code 11600)"),
        (
            13,
            "not authorized on shop to execute command { aggregate: \"secret\" }",
            "one:27017, two:1 does not permit it: not authorized on shop to execute command",
        ),
    ] {
        let answer = doc! { "code": code, "errmsg": message };
        let answer = mongodb::bson::deserialize_from_document(answer).unwrap();
        let error = mongodb::error::ErrorKind::Command(answer).into();
        assert_eq!(hosts.explain(&error).to_string(), expected);
    }
}

#[test]
fn what_cannot_be_written_is_named_and_the_rest_is_kept() {
    let event = doc! {
        "_id": { "_data": "82" },
        "operationType": "insert",
        "fullDocument": { "_id": 1, "odd": true },
        "ns": { "db": "shop", "coll": "orders" },
        "documentKey": { "_id": 1 },
    };
    let mut bytes = mongodb::bson::serialize_to_vec(&event).unwrap();
    let at = bytes.windows(4).position(|window| window == b"odd\0").unwrap();
    bytes[at + 4] = 7;
    let watched = Watched::new(&"shop".into(), "shop", &Scope::Database).unwrap();
    let decoded = Decoder::new(Arc::new(watched)).decode(&bytes);
    assert!(decoded.unreadable.is_some());
    assert_eq!(decoded.change.op, Op::Insert);
    assert_eq!(decoded.change.topic.as_str(), "shop.orders");
    assert_eq!(&*decoded.change.key, br#"{"_id":1}"#);
    let event = json(&decoded.change.event);
    assert_eq!(event["_id"]["_data"], "82");
    assert_eq!(event["unavailable"], serde_json::json!(["fullDocument"]));
    assert!(event["unreadable"].as_str().unwrap().contains("boolean"), "{event}");
}

#[test]
fn any_bytes_become_a_change() {
    let event = doc! {
        "_id": { "_data": "82" },
        "operationType": "insert",
        "ns": { "db": "shop", "coll": "orders" },
        "documentKey": { "_id": 1 },
        "fullDocument": { "_id": 1, "list": [1, "two", 3.0] },
    };
    let whole = mongodb::bson::serialize_to_vec(&event).unwrap();
    let watched = Watched::new(&"shop".into(), "shop", &Scope::Database).unwrap();
    let mut decoder = Decoder::new(Arc::new(watched));
    for at in 0..whole.len() {
        for byte in [0x00, 0x01, 0x02, 0x03, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            let event = json(&decoder.decode(&bytes).change.event);
            assert!(event.is_object(), "{at} {byte}");
        }
    }
    let event = json(&decoder.decode(b"").change.event);
    assert_eq!(event["operationType"], "unreadable");
}
