//! What `--ns` watches, and through how many cursors.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use mongodb::bson::doc;
use serde_json::{Value, json};

use super::{TestDatabase, numbered};
use crate::support::{Message, NdjsonClient, Subscriber, TestServer, shared_mongo, until};

/// The ids of the change streams that are open on databases whose name starts so.
async fn cursors(database: &TestDatabase, prefix: &str) -> BTreeSet<String> {
    let operations = doc! { "$currentOp": { "allUsers": true, "idleCursors": true } };
    let admin = database.database.client().database("admin");
    let found = admin.aggregate([operations]).await.expect("mongod tells");
    let found: Vec<_> = found.try_collect().await.expect("all of them");
    let is_ours = |operation: &&mongodb::bson::Document| {
        operation.get_str("ns").is_ok_and(|ns| ns.starts_with(prefix))
            && operation.to_string().contains("$changeStream")
    };
    let ids =
        found.iter().filter(is_ours).filter_map(|operation| operation.get_document("cursor").ok());
    ids.filter_map(|cursor| cursor.get("cursorId").map(ToString::to_string)).collect()
}

/// Between two answers a cursor may be seen by neither name, so that one look is not enough.
async fn check_cursor_count(database: &TestDatabase, prefix: &str, expected: usize) {
    let (mut seen, mut looks) = (BTreeSet::new(), 0);
    until("the cursors", async || {
        seen.extend(cursors(database, prefix).await);
        looks += 1;
        looks >= 20 && seen.len() >= expected
    })
    .await;
    assert_eq!(seen.len(), expected, "{seen:?}");
}

/// The topics of the next changes, as the frames name them.
async fn topics(client: &mut NdjsonClient, count: usize) -> Vec<String> {
    let entries = client.changes(count).await;
    entries.iter().map(|entry| entry.change.topic()).collect()
}

#[tokio::test]
async fn s0_03_a_namespace_splits_at_its_first_dot() {
    let database = TestDatabase::new().await;
    let server = database.watched_at(&["orders.archive.2026"]).await;
    let topic = database.namespace("orders.archive.2026");
    let mut client = NdjsonClient::follow(&server, &format!("topic={topic}")).await;
    client.hello().await;
    for collection in ["orders", "orders.archive", "archive.2026", "orders.archive.2026"] {
        let document = doc! { "in": collection };
        database.collection(collection).insert_one(document).await.expect("an insert");
    }
    let entry = client.change().await;
    assert_eq!(entry.change.document()["in"], "orders.archive.2026");
    assert_eq!(entry.change.topic(), topic);
}

#[tokio::test]
async fn a_star_watches_every_collection_also_those_to_come_through_one_cursor() {
    let database = TestDatabase::new().await;
    let server = database.watched_at(&["*"]).await;
    let mut all = NdjsonClient::follow(&server, "").await;
    let some = format!("topic={0}.beans.*&topic={0}.bread", database.name());
    let mut some = NdjsonClient::follow(&server, &some).await;
    all.hello().await;
    some.hello().await;
    let collections = ["apples", "beans.dried", "bread"];
    for collection in collections {
        database.collection(collection).insert_one(numbered(1)).await.expect("an insert");
    }
    let expected = collections.map(|name| database.namespace(name));
    assert_eq!(topics(&mut all, 3).await, expected);
    assert_eq!(topics(&mut some, 2).await, expected[1..]);
    check_cursor_count(&database, &format!("{}.", database.name()), 1).await;
}

#[tokio::test]
async fn several_namespaces_of_one_database_share_a_cursor() {
    let database = TestDatabase::new().await;
    let server = database.watched_at(&["one", "two", "three.four"]).await;
    let mut client = NdjsonClient::follow(&server, "").await;
    client.hello().await;
    for collection in ["zero", "two", "three.four", "three", "one"] {
        database.collection(collection).insert_one(numbered(1)).await.expect("an insert");
    }
    let expected = ["two", "three.four", "one"].map(|name| database.namespace(name));
    assert_eq!(topics(&mut client, 3).await, expected);

    let listing = server.get_json("/sources").await;
    let sources = listing["sources"].as_array().expect("a list");
    assert_eq!(sources.len(), 1, "{listing}");
    assert_eq!(sources[0]["name"], database.name());
    assert_eq!(sources[0]["kind"], "mongodb");
    check_cursor_count(&database, &format!("{}.", database.name()), 1).await;
}

#[tokio::test]
async fn two_databases_are_two_sources_in_one_stream() {
    let (one, two) = (TestDatabase::new().await, TestDatabase::new().await);
    let namespaces = [one.namespace("items"), two.namespace("items")];
    let uri = shared_mongo();
    let arguments = ["--mongo", &uri, "--ns", &namespaces[0], "--ns", &namespaces[1]];
    let server = TestServer::start_with(&arguments).await;
    let mut both = NdjsonClient::follow(&server, "").await;
    let mut second = NdjsonClient::follow(&server, &format!("topic={}.*", two.name())).await;
    both.hello().await;
    second.hello().await;

    one.insert_numbers(1..2).await;
    assert_eq!(topics(&mut both, 1).await, [&*namespaces[0]]);
    two.insert_numbers(2..3).await;
    assert_eq!(topics(&mut both, 1).await, [&*namespaces[1]]);
    assert_eq!(second.change().await.change.document()["n"], 2);

    let listing = server.get_json("/sources").await;
    let names = listing["sources"].as_array().expect("a list").iter();
    let names: BTreeSet<_> = names.map(|source| source["name"].as_str().expect("a name")).collect();
    assert_eq!(names, BTreeSet::from([one.name(), two.name()]));
    check_cursor_count(&one, &format!("{}.", one.name()), 1).await;
    check_cursor_count(&two, &format!("{}.", two.name()), 1).await;
}

/// Where the source would go on, as `/sources` tells.
async fn position(server: &TestServer) -> Value {
    let listing = server.get_json("/sources").await;
    listing["sources"][0]["position"].clone()
}

#[tokio::test]
async fn g6_a_position_moves_while_only_others_change() {
    let database = TestDatabase::new().await;
    let server = database.watched().await;
    let mut client = NdjsonClient::follow(&server, "").await;
    let hello = client.hello().await;
    let before = position(&server).await;
    assert_ne!(before, Value::Null);
    let mut number = 0;
    until("a position that moves", async || {
        number += 1;
        database.collection("others").insert_one(numbered(number)).await.expect("an insert");
        position(&server).await != before
    })
    .await;

    // Nobody was told of it, and nothing was lost over it.
    database.insert_numbers(1..2).await;
    let message = client.next().await;
    let Message::Change(entry) = message else { panic!("no change but {message:?}") };
    assert_eq!(entry.change.document()["n"], 1);
    assert_eq!(entry.change.topic(), database.namespace("items"));
    let place = |id: &str| id.rsplit_once('-').and_then(|(_, place)| place.parse::<u64>().ok());
    let told = place(hello["position"].as_str().expect("an id")).expect("a number");
    assert_eq!(place(&entry.id), Some(told + 1), "saving a position takes no place in the log");
    assert_eq!(server.get_json("/topics").await["topics"].as_array().map(Vec::len), Some(1));
    assert_eq!(hello["waiting"], json!([]));
}

#[tokio::test]
async fn s2_01_a_star_watches_the_cluster_through_one_cursor() {
    let (one, two) = (TestDatabase::new().await, TestDatabase::new().await);
    let uri = shared_mongo();
    // All the others are among them.
    let arguments = ["--mongo", &uri, "--ns", "*", "--ns", &one.namespace("items")];
    let mut server = TestServer::start_with(&arguments).await;
    let of_both = format!("topic={}.*&topic={}.*", one.name(), two.name());
    let mut client = NdjsonClient::follow(&server, &of_both).await;
    client.hello().await;
    one.insert_numbers(1..2).await;
    two.collection("other.things").insert_one(numbered(2)).await.expect("an insert");
    let expected = [one.namespace("items"), two.namespace("other.things")];
    assert_eq!(topics(&mut client, 2).await, expected);

    let listing = server.get_json("/sources").await;
    let sources = listing["sources"].as_array().expect("a list");
    assert_eq!(sources.len(), 1, "{listing}");
    assert_eq!((&sources[0]["name"], &sources[0]["topics"]), (&json!("mongodb"), &json!(["*"])));

    // Its position outlives it.
    server.kill().await;
    one.insert_numbers(3..4).await;
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    assert_eq!(client.change().await.change.document()["n"], 3);
}

#[tokio::test]
async fn s2_02_g2_g3_a_pipeline_chooses_and_another_one_loses_and_repeats_nothing() {
    let database = TestDatabase::new().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    let configure = |pipeline: &str| {
        let (uri, name) = (shared_mongo().replacen("/?", "/NAME?", 1), database.name());
        let uri = uri.replacen("NAME", name, 1);
        let text = format!("[[source]]\nurl = \"{uri}\"\ncollection = [\"items\"]\n{pipeline}\n");
        std::fs::write(file.path(), text).expect("a file");
    };
    configure(r#"pipeline = '[{"$match": {"fullDocument.n": {"$mod": [2, 0]}}}]'"#);
    let path = file.path().to_str().expect("UTF-8");
    let mut server = TestServer::start_with(&["--config", path]).await;
    let mut client = NdjsonClient::follow(&server, "").await;
    client.hello().await;
    database.insert_numbers(0..6).await;
    let mut seen = client.changes(3).await;

    for (first, pipeline) in
        [(6, ""), (10, r#"pipeline = '[{"$match": {"fullDocument.n": {"$ne": 11}}}]'"#)]
    {
        server.kill().await;
        configure(pipeline);
        database.insert_numbers(first..first + 4).await;
        server.start_again().await;
        client = client.come_back(&server).await;
        assert_eq!(client.hello().await["resumed"], true);
        seen.extend(client.changes_until(|entry| entry.change.document()["n"] == first + 3).await);
    }
    let seen = crate::support::numbers(&seen);
    // What only the first pipeline left out may come once more: 5 is right behind the last.
    let rest: Vec<i64> = seen.iter().copied().filter(|number| *number != 5).collect();
    assert_eq!(rest, [0, 2, 4, 6, 7, 8, 9, 10, 12, 13]);
    let listing = server.get_json("/sources").await;
    assert_eq!(listing["sources"][0]["gap_count"], 0, "{listing}");
}
