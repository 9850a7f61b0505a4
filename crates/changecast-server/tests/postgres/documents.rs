//! Rows by key over HTTP.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{PostgresDatabase, SseClient, Subscriber, TestServer, soon};

/// A changecast that lets rows be written, over a table with a key of this kind.
async fn writable(database: &PostgresDatabase, key: &str) -> TestServer {
    let table = format!(
        "CREATE TABLE things ({key}, name text, price numeric, tags text[], extra jsonb DEFAULT '{{}}')"
    );
    database.run(&table).await;
    let source = database.source_with(&format!("name=shop&table=things&slot={}", database.slot()));
    TestServer::start_with(&["--source", &source, "--documents", "write"]).await
}

async fn send(
    server: &TestServer,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, String) {
    let mut request = server.request(method, &format!("/documents/shop/{path}"));
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = soon(path, request.send()).await.expect("an answer");
    (answer.status(), answer.text().await.expect("text"))
}

#[tokio::test]
async fn s3_06_rows_are_written_read_patched_and_deleted_by_key() {
    let database = PostgresDatabase::new().await;
    let server = writable(&database, "id bigint PRIMARY KEY").await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    let price = json!({"$numberDecimal": "0.12345678901234567890"});
    let body = json!({"name": "a'b\"; --", "price": price, "tags": ["x", null, "y,\"z"]});
    let (status, text) = send(&server, Method::PUT, "things/7", Some(body.clone())).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    let (status, text) = send(&server, Method::GET, "things/7", None).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let mut expected = body;
    expected["id"] = json!(7);
    expected["extra"] = json!({});
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), expected);
    assert_eq!(client.change().await.change.document(), &expected, "events have the same shape");

    let (status, _) = send(&server, Method::PATCH, "things/7", Some(json!({"name": null}))).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    expected["name"] = Value::Null;
    assert_eq!(client.change().await.change.document(), &expected);

    let (status, _) = send(&server, Method::PUT, "things/7", Some(json!({"name": "new"}))).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let replaced = client.change().await.change;
    let (name, price) = (&replaced.document()["name"], &replaced.document()["price"]);
    assert_eq!((name, price), (&json!("new"), &Value::Null), "replaced as a whole");

    let (status, _) = send(&server, Method::DELETE, "things/7", None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, text) = send(&server, Method::GET, "things/7", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains('7'), "in words: {text}");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_and_is_no_failure() {
    let database = PostgresDatabase::new().await;
    let server = writable(&database, "id bigint PRIMARY KEY").await;
    for (method, path, body, words) in [
        (Method::GET, "things/seven", None, "bigint"),
        (Method::GET, "items/7", None, "not watched"),
        (Method::PUT, "things/7", Some(json!({"colour": "red"})), "colour"),
        (Method::PUT, "things/7", Some(json!({"price": "dear"})), "numeric"),
        (Method::PUT, "things/7", Some(json!({"price": {"a": 1}})), "price"),
        (Method::PUT, "things/99999999999999999999", Some(json!({})), "bigint"),
        (Method::PATCH, "things/7", Some(json!({"extra": {"a": 1}})), "extra"),
    ] {
        let (status, text) = send(&server, method, path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {text}");
        assert!(text.contains(words), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_key_of_several_columns_is_divided_by_commas() {
    let database = PostgresDatabase::new().await;
    let server = writable(&database, "shop text, id int, PRIMARY KEY (id, shop)").await;
    let (status, text) =
        send(&server, Method::PUT, "things/7,north", Some(json!({"name": "a"}))).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    let row = database.ask("SELECT shop || id || name FROM things").await;
    assert_eq!(row.as_deref(), Some("north7a"));
    let (status, text) = send(&server, Method::GET, "things/7", None).await;
    assert!(status == StatusCode::BAD_REQUEST && text.contains("id, shop"), "{text}");
}
