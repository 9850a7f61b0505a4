//! Documents of a MongoDB by key and in pages, through the real binary.

use futures_util::future::join_all;
use mongodb::bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{TestDatabase, arguments};
use crate::lists::{catch_up, list};
use crate::support::{NdjsonClient, Subscriber, TestServer};

/// A changecast whose source's documents are open.
async fn opened(bed: &TestDatabase, mode: &str) -> TestServer {
    let namespaces = [bed.namespace("items")];
    let mut all = arguments(&bed.uri, &namespaces);
    all.extend(["--documents", mode]);
    TestServer::start_with(&all).await
}

fn path(bed: &TestDatabase, id: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("/documents/{}/items/{}", bed.name(), encoded.replace('+', "%20"))
}

async fn send(server: &TestServer, method: Method, path: &str, body: &str) -> Response {
    let request = server.request(method, path).header(CONTENT_TYPE, "application/json");
    request.body(body.to_owned()).send().await.expect("an answer")
}

async fn status(server: &TestServer, method: Method, path: &str, body: &str) -> u16 {
    send(server, method, path, body).await.status().as_u16()
}

#[tokio::test]
async fn s3_06_a_document_lives_from_put_to_delete_and_its_changes_are_told() {
    let bed = TestDatabase::new().await;
    let server = opened(&bed, "write").await;
    let mut client = NdjsonClient::follow(&server, "").await;
    client.hello().await;
    let one = path(&bed, "1");
    // Of a small document MongoDB tells all rather than the difference, which is longer.
    let long = "long ".repeat(50);
    let body = json!({"x": 1, "y": {"z": 2, "long": long}}).to_string();
    assert_eq!(status(&server, Method::PUT, &one, &body).await, 201);
    let read = server.get_json(&one).await;
    assert_eq!(read, json!({"_id": "1", "x": 1, "y": {"z": 2, "long": long}}));
    assert_eq!(status(&server, Method::PATCH, &one, r#"{"x":null,"y":{"w":3}}"#).await, 204);
    assert_eq!(
        server.get_json(&one).await,
        json!({"_id": "1", "y": {"z": 2, "w": 3, "long": long}})
    );
    assert_eq!(status(&server, Method::PUT, &one, r#"{"_id":"1"}"#).await, 204);
    assert_eq!(status(&server, Method::POST, &one, r#"{"x":2}"#).await, 204);
    assert_eq!(status(&server, Method::DELETE, &one, "").await, 204);
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let gone = send(&server, method.clone(), &one, "{}").await;
        assert_eq!(gone.status(), 404, "{method}");
        let problem: Value = gone.json().await.expect("JSON");
        assert!(problem["detail"].as_str().expect("words").contains("no document \"1\""));
    }
    let operations: Vec<_> =
        client.changes(5).await.into_iter().map(|entry| entry.change).collect();
    let names: Vec<_> = operations.iter().map(|change| change.0["operationType"].clone()).collect();
    assert_eq!(names, ["insert", "update", "replace", "replace", "delete"]);
    let updated = &operations[1].0["updateDescription"];
    assert_eq!(updated["updatedFields"], json!({"y.w": 3}), "only what has changed");
    assert_eq!(updated["removedFields"], json!(["x"]));
}

#[tokio::test]
async fn s3_06_lists_numbers_and_strings_are_served_as_json() {
    let bed = TestDatabase::new().await;
    let server = opened(&bed, "read").await;
    let markup = "<script>alert(1)</script>";
    for (id, content) in [
        ("list", Bson::from(vec![1, 2])),
        ("number", Bson::from(7)),
        ("text", Bson::from(markup)),
        ("long", Bson::from(i64::MAX)),
        ("none", Bson::Null),
    ] {
        bed.items().insert_one(doc! { "_id": id, "content": content }).await.expect("a write");
    }
    let text = server.get(&path(&bed, "text")).await;
    assert!(text.headers()[CONTENT_TYPE].to_str().expect("text").starts_with("application/json"));
    assert_eq!(text.headers()["x-content-type-options"], "nosniff");
    assert_eq!(text.json::<Value>().await.expect("JSON")["content"], markup);
    for (id, expected) in [
        ("list", json!([1, 2])),
        ("number", json!(7)),
        ("long", json!({"$numberLong": "9223372036854775807"})),
        ("none", Value::Null),
    ] {
        assert_eq!(server.get_json(&path(&bed, id)).await["content"], expected, "{id}");
    }
}

#[tokio::test]
async fn an_id_says_its_type() {
    let bed = TestDatabase::new().await;
    let server = opened(&bed, "write").await;
    let oid = ObjectId::new();
    let hex = oid.to_hex();
    for (text, id) in [
        (hex.clone(), Bson::from(oid)),
        (format!("\"{hex}\""), Bson::from(&*hex)),
        ("42".into(), Bson::from("42")),
        (r#"{"$numberInt":"42"}"#.into(), Bson::from(42)),
        (r#"{"_id":43}"#.into(), Bson::from(43)),
        (r#"{"_id":true}"#.into(), Bson::from(true)),
        (
            r#"{"$date":"2026-11-21T07:50:50Z"}"#.into(),
            DateTime::from_millis(1_795_247_450_000).into(),
        ),
        ("a/b c+é😀".into(), Bson::from("a/b c+é😀")),
    ] {
        let path = path(&bed, &text);
        let created = send(&server, Method::PUT, &path, r#"{"x":1}"#).await;
        assert_eq!(created.status(), 201, "{text}: {:?}", created.text().await);
        let stored = bed.items().find_one(doc! { "_id": &id }).await.expect("an answer");
        assert_eq!(stored, Some(doc! { "_id": id, "x": 1 }), "{text}");
        let location = created.headers()["location"].to_str().expect("ASCII").to_owned();
        assert_eq!(server.get_json(&location).await["x"], 1, "{location}");
    }
}

#[tokio::test]
async fn an_id_is_never_an_operator() {
    let bed = TestDatabase::new().await;
    let server = opened(&bed, "write").await;
    bed.items().insert_one(doc! { "_id": "secret", "x": 1 }).await.expect("a write");
    for id in [
        r#"{"$gt":""}"#,
        r#"{"$ne":null}"#,
        r#"{"$exists":true}"#,
        r#"{"_id":{"$gt":""}}"#,
        r#"{"$regularExpression":{"pattern":"","options":""}}"#,
        r#"{"$where":"1"}"#,
    ] {
        let path = path(&bed, id);
        assert_eq!(status(&server, Method::GET, &path, "").await, 404, "{id}");
        assert_eq!(status(&server, Method::DELETE, &path, "").await, 404, "{id}");
        assert_eq!(status(&server, Method::PATCH, &path, "{}").await, 404, "{id}");
        assert_eq!(status(&server, Method::PUT, &path, "{}").await, 400, "{id}");
    }
    assert_eq!(bed.items().count_documents(doc! {}).await.expect("a number"), 1);
}

#[tokio::test]
async fn values_keep_their_types_on_the_way_in_and_in_a_patch() {
    let bed = TestDatabase::new().await;
    let server = opened(&bed, "write").await;
    let one = path(&bed, "1");
    let body = r#"{"when":{"$date":"2026-11-21T07:50:50Z"},"long":9223372036854775807,
        "huge":123456789012345678901234567890,"half":0.5,"int":7,"deep":{"id":{"$oid":"65a1b2c3d4e5f60718293a4b"}},
        "$dollar":1,"dotted.name":2}"#;
    assert_eq!(status(&server, Method::PUT, &one, body).await, 201);
    let stored = bed.items().find_one(doc! {}).await.expect("an answer").expect("a document");
    assert_eq!(stored.get("when"), Some(&Bson::from(DateTime::from_millis(1_795_247_450_000))));
    assert_eq!(stored.get("long"), Some(&Bson::Int64(i64::MAX)));
    assert_eq!(stored.get("int"), Some(&Bson::Int32(7)));
    let huge = stored.get("huge").map(ToString::to_string);
    assert_eq!(huge.as_deref(), Some("123456789012345678901234567890"));
    assert_eq!(status(&server, Method::PATCH, &one, r#"{"dotted.name":3,"int":8}"#).await, 204);
    let mut expected = stored;
    expected.insert("dotted.name", 3);
    expected.insert("int", 8);
    let patched = bed.items().find_one(doc! {}).await.expect("an answer").expect("a document");
    assert_eq!(patched, expected, "what a patch does not name is as it was");
}

#[tokio::test]
async fn what_is_no_document_is_400_and_writes_nothing() {
    let bed = TestDatabase::new().await;
    let server = opened(&bed, "write").await;
    let one = path(&bed, "1");
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    for body in [
        "",
        "[]",
        "[1]",
        "7",
        "\"text\"",
        "null",
        "{",
        "{'x':1}",
        "{}{}",
        "{\"x\":1,}",
        "{\"x\":\"\\ud800\"}",
        "{\"x\\u0000y\":1}",
        "{\"_id\":\"2\"}",
        "{\"_id\":1}",
        "{\"x\":{\"$oid\":\"zz\"}}",
        "{\"x\":{\"$date\":\"soon\"}}",
        &deep,
    ] {
        for method in [Method::PUT, Method::POST] {
            let response = send(&server, method.clone(), &one, body).await;
            let status = response.status();
            let problem: Value = response.json().await.expect("JSON");
            assert_eq!(status, 400, "{method} {body}: {problem}");
            assert!(problem["detail"].as_str().is_some_and(|words| !words.is_empty()), "{problem}");
        }
    }
    assert_eq!(bed.items().count_documents(doc! {}).await.expect("a number"), 0);
}

#[tokio::test]
async fn patches_at_once_lose_nothing() {
    let bed = TestDatabase::new().await;
    let server = opened(&bed, "write").await;
    let one = path(&bed, "1");
    assert_eq!(status(&server, Method::PUT, &one, "{}").await, 201);
    let patch = async |number: usize| {
        let body = json!({ format!("f{number}"): number }).to_string();
        // Somebody wins each round, so all come through in the end.
        while status(&server, Method::PATCH, &one, &body).await == 409 {}
    };
    join_all((0..12).map(patch)).await;
    let document = server.get_json(&one).await;
    for number in 0..12 {
        assert_eq!(document[format!("f{number}")], number, "{document}");
    }
}

#[tokio::test]
async fn external_documents_are_closed_unless_opened_and_only_what_is_watched_is_there() {
    let bed = TestDatabase::new().await;
    bed.items().insert_one(doc! { "_id": "1" }).await.expect("a write");
    bed.collection("others").insert_one(doc! { "_id": "1" }).await.expect("a write");
    let all = format!("/documents/{}/items", bed.name());
    let others = format!("/documents/{}/others", bed.name());
    let closed = bed.watched().await;
    assert_eq!(closed.get(&all).await.status(), 403);
    assert_eq!(closed.get(&path(&bed, "1")).await.status(), 403);
    let server = opened(&bed, "read").await;
    assert_eq!(server.get(&all).await.status(), 200);
    assert_eq!(status(&server, Method::PUT, &path(&bed, "1"), "{}").await, 403);
    for unwatched in
        [&others, &format!("{others}/1"), &format!("/documents/{}/system.views", bed.name())]
    {
        let response = server.get(unwatched).await;
        assert_eq!(response.status(), 404, "{unwatched}");
    }
}

#[tokio::test]
async fn a_list_goes_over_ids_of_all_types() {
    let bed = TestDatabase::new().await;
    let server = opened(&bed, "read").await;
    let ids = [
        Bson::Null,
        Bson::from(1),
        Bson::from(1.5),
        Bson::from(i64::MAX),
        Bson::from("{"),
        Bson::from("65a1b2c3d4e5f60718293a4b"),
        Bson::from("b"),
        Bson::from(doc! { "_id": 1 }),
        Bson::from(doc! { "a": "" }),
        Bson::from(ObjectId::new()),
        Bson::from(true),
        Bson::from(DateTime::from_millis(1)),
    ];
    let all = format!("/documents/{}/items", bed.name());
    assert_eq!(list(&server, &all, 5).await.1.len(), 0, "there is no such collection yet");
    let documents: Vec<Document> = ids.iter().map(|id| doc! { "_id": id.clone() }).collect();
    bed.items().insert_many(&documents).await.expect("a write");
    for limit in [1, 2, 5, 11, 12, 13] {
        let (_, state) = list(&server, &all, limit).await;
        assert_eq!(state.len(), documents.len(), "{limit}: {state:?}");
    }
    let page = server.get_json(&format!("{all}?limit=12")).await;
    assert_eq!(page["next"], Value::Null, "nothing follows");
}

#[tokio::test]
async fn g2_g5_state_and_stream_join_without_a_hole() {
    let bed = TestDatabase::new().await;
    let server = opened(&bed, "read").await;
    let all = format!("/documents/{}/items", bed.name());
    let items = bed.items();
    let is_enough = std::sync::atomic::AtomicBool::new(false);
    let write = |first: i64| {
        let (items, is_enough) = (&items, &is_enough);
        async move {
            let mut round = 0;
            while !is_enough.load(std::sync::atomic::Ordering::Relaxed) {
                round += 1;
                let id = (round * first * 7) % 60;
                let filter = doc! { "_id": id };
                if round % 3 == 0 {
                    items.delete_one(filter).await.expect("a write");
                } else {
                    let new = doc! { "_id": id, "n": round };
                    // Two at once may both insert: then one of them has.
                    let _ = items.replace_one(filter, new).upsert(true).await;
                }
            }
        }
    };
    let read = async {
        let mut joined = Vec::new();
        for limit in [3, 10, 100, 4, 1] {
            joined.push(list(&server, &all, limit).await);
        }
        is_enough.store(true, std::sync::atomic::Ordering::Relaxed);
        joined
    };
    let (joined, (), ()) = tokio::join!(read, write(1), write(11));
    items.insert_one(doc! { "_id": "end" }).await.expect("a write");
    let (_, expected) = list(&server, &all, 1000).await;
    let topic = bed.namespace("items");
    for (position, mut state) in joined {
        catch_up(&server, &topic, &position, &mut state).await;
        assert_eq!(state, expected);
    }
}
