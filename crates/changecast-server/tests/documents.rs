//! Reading and writing single documents over HTTP.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{SseClient, Subscriber, TestServer};

const DOCUMENT: &str = "/documents/test/test/1";

async fn send(server: &TestServer, method: Method, path: &str, body: &str) -> Response {
    let request = server.request(method, path).header(CONTENT_TYPE, "application/json");
    request.body(body.to_owned()).send().await.expect("an answer")
}

async fn status(server: &TestServer, method: Method, path: &str, body: &str) -> u16 {
    send(server, method, path, body).await.status().as_u16()
}

/// The problem's text, after checking its form.
async fn problem(response: Response) -> String {
    let status = response.status().as_u16();
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    let problem: Value = response.json().await.expect("JSON");
    assert_eq!(problem["status"], status);
    problem["detail"].as_str().expect("a text that says what to do").to_owned()
}

#[tokio::test]
async fn a_document_lives_from_put_to_delete() {
    let server = TestServer::start().await;
    let created = send(&server, Method::PUT, DOCUMENT, r#"{"x":1,"y":{"z":2}}"#).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    assert_eq!(created.headers()["location"], DOCUMENT);
    let read = server.get_json(DOCUMENT).await;
    assert_eq!(read, json!({"_id": "1", "x": 1, "y": {"z": 2}}));

    assert_eq!(status(&server, Method::PATCH, DOCUMENT, r#"{"x":null,"y":{"w":3}}"#).await, 204);
    assert_eq!(server.get_json(DOCUMENT).await, json!({"_id": "1", "y": {"z": 2, "w": 3}}));

    assert_eq!(status(&server, Method::PUT, DOCUMENT, "{}").await, 204);
    assert_eq!(server.get_json(DOCUMENT).await, json!({"_id": "1"}));

    assert_eq!(status(&server, Method::POST, DOCUMENT, r#"{"x":2}"#).await, 204);
    assert_eq!(status(&server, Method::POST, "/documents/test/test/2", "{}").await, 204);
    assert_eq!(server.get_json(DOCUMENT).await, json!({"_id": "1", "x": 2}));

    assert_eq!(server.delete("1").await, StatusCode::NO_CONTENT);
    assert_eq!(server.get(DOCUMENT).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_read_is_json_that_no_browser_sniffs_or_keeps() {
    let server = TestServer::start().await;
    server.put("1", &json!({"x": "<script>alert(1)</script>"})).await;
    let response = server.get(DOCUMENT).await;
    let content_type = response.headers()[CONTENT_TYPE].to_str().expect("text");
    assert!(content_type.starts_with("application/json"), "{content_type}");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let head = server.request(Method::HEAD, DOCUMENT).send().await.expect("an answer");
    assert_eq!(head.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_there_is_said_in_words() {
    let server = TestServer::start().await;
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let response = send(&server, method.clone(), DOCUMENT, "{}").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{method}");
        let detail = problem(response).await;
        assert!(detail.contains("no document \"1\" in test.test"), "{method}: {detail}");
    }
    let detail = problem(server.get("/documents/nowhere/test/1").await).await;
    assert!(detail.contains("no source \"nowhere\"") && detail.contains("test"), "{detail}");
}

#[tokio::test]
async fn only_an_object_is_a_document() {
    let server = TestServer::start().await;
    server.put("1", &json!({"x": 1})).await;
    for body in [
        "[]",
        "[{}]",
        "1",
        "\"text\"",
        "null",
        "true",
        "",
        " ",
        "{",
        "{\"x\":}",
        "{'x':1}",
        "{\"x\":1}{}",
        "{\"x\":01}",
        "{\"x\":NaN}",
        "{\"x\":\"\\ud800\"",
        "nonsense",
    ] {
        for method in [Method::PUT, Method::POST, Method::PATCH] {
            let response = send(&server, method.clone(), DOCUMENT, body).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{method} {body}");
            problem(response).await;
        }
    }
    let not_text = server.request(Method::PUT, DOCUMENT).header(CONTENT_TYPE, "application/json");
    let response = not_text.body(b"{\"x\":\"\xff\"}".to_vec()).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    assert_eq!(status(&server, Method::PUT, DOCUMENT, &deep).await, 400);
    assert_eq!(server.get_json(DOCUMENT).await, json!({"_id": "1", "x": 1}), "left as it was");
}

#[tokio::test]
async fn a_body_says_that_it_is_json() {
    let server = TestServer::start().await;
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let request = server.request(Method::PUT, DOCUMENT).header(CONTENT_TYPE, wrong);
        let response = request.body("{}").send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{wrong}");
        let detail = problem(response).await;
        assert!(detail.contains("Content-Type: application/json"), "{detail}");
    }
    let without = server.request(Method::PUT, DOCUMENT).body("{}").send().await;
    assert_eq!(without.expect("an answer").status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for right in ["application/json", "Application/JSON; charset=utf-8"] {
        let request = server.request(Method::PUT, DOCUMENT).header(CONTENT_TYPE, right);
        let response = request.body("{}").send().await.expect("an answer");
        assert!(response.status().is_success(), "{right}");
    }
}

#[tokio::test]
async fn g10_a_body_over_the_cap_is_too_large() {
    let server = TestServer::start().await;
    let with_length = |length: usize| format!("{{\"x\":\"{}\"}}", "x".repeat(length - 8));
    let largest = with_length(1 << 20);
    assert_eq!(status(&server, Method::PUT, DOCUMENT, &largest).await, 201);
    let response = send(&server, Method::PUT, DOCUMENT, &with_length((1 << 20) + 1)).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    problem(response).await;
}

#[tokio::test]
async fn the_bodys_own_id_is_the_addresss() {
    let server = TestServer::start().await;
    assert_eq!(status(&server, Method::PUT, DOCUMENT, r#"{"_id":"1","x":1}"#).await, 201);
    assert_eq!(server.get_json(DOCUMENT).await, json!({"_id": "1", "x": 1}));
    for (method, body) in [
        (Method::PUT, r#"{"_id":"2"}"#),
        (Method::PUT, r#"{"_id":1}"#),
        (Method::PUT, r#"{"_id":null}"#),
        (Method::POST, r#"{"_id":"2"}"#),
        (Method::PATCH, r#"{"_id":"2"}"#),
        (Method::PATCH, r#"{"_id":null}"#),
    ] {
        let response = send(&server, method.clone(), DOCUMENT, body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{method} {body}");
        let detail = problem(response).await;
        assert!(detail.contains("_id"), "{detail}");
    }
}

#[tokio::test]
async fn an_id_may_be_any_text() {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    for (encoded, id) in [
        ("a%2Fb", "a/b"),
        ("%2E%2E%2Fetc", "../etc"),
        ("%F0%9F%98%80%20%C3%A9", "😀 é"),
        ("%3Cscript%3Ealert(1)%3C%2Fscript%3E", "<script>alert(1)</script>"),
        ("a+b", "a+b"),
        ("100%25", "100%"),
        ("%22quoted%22", "\"quoted\""),
        ("a?b".replace('?', "%3F").as_str(), "a?b"),
    ] {
        let path = format!("/documents/test/test/{encoded}");
        let created = send(&server, Method::PUT, &path, r#"{"x":1}"#).await;
        assert_eq!(created.status(), StatusCode::CREATED, "{id}");
        let location = created.headers()["location"].to_str().expect("ASCII").to_owned();
        assert_eq!(server.get_json(&path).await["_id"], id);
        assert_eq!(server.get_json(&location).await["_id"], id, "{location}");
        assert_eq!(client.change().await.change.0["documentKey"]["_id"], id);
        assert_eq!(status(&server, Method::DELETE, &path, "").await, 204, "{id}");
        client.change().await;
    }
    for refused in ["a%00b", "%0A", &"x".repeat(1025), "%FF"] {
        let path = format!("/documents/test/test/{refused}");
        assert_eq!(status(&server, Method::PUT, &path, "{}").await, 400, "{refused}");
    }
}

#[tokio::test]
async fn numbers_that_a_browser_would_round_are_spelled_out() {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    let body = r#"{"safe":9007199254740991,"int":9007199254740993,"negative":-9007199254740993,
        "float":0.1,"nested":[{"int":9223372036854775807}]}"#;
    assert_eq!(status(&server, Method::PUT, DOCUMENT, body).await, 201);
    let expected = json!({
        "_id": "1",
        "safe": 9_007_199_254_740_991_i64,
        "int": {"$numberLong": "9007199254740993"},
        "negative": {"$numberLong": "-9007199254740993"},
        "float": 0.1,
        "nested": [{"int": {"$numberLong": "9223372036854775807"}}],
    });
    assert_eq!(server.get_json(DOCUMENT).await, expected);
    assert_eq!(*client.change().await.change.document(), expected);

    // What was read can be written back, and a patch of one field leaves the others alone.
    assert_eq!(status(&server, Method::PATCH, DOCUMENT, r#"{"float":0.2}"#).await, 204);
    let read = server.get_json(DOCUMENT).await;
    assert_eq!(read["int"], expected["int"]);
    let update = client.change().await.change;
    assert_eq!(update.0["updateDescription"]["updatedFields"], json!({"float": 0.2}));

    let tiny =
        r#"{"decimal":0.1000000000000000055511151231257827,"huge":123456789012345678901234567890}"#;
    assert_eq!(status(&server, Method::PUT, DOCUMENT, tiny).await, 204);
    let read = server.get_json(DOCUMENT).await;
    assert_eq!(read["huge"], json!({"$numberDecimal": "123456789012345678901234567890"}));
    assert_eq!(read["decimal"], json!({"$numberDecimal": "0.1000000000000000055511151231257827"}));
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_no_change() {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    server.put("1", &json!({"x": 1})).await;
    assert_eq!(server.patch("1", &json!({"x": 1})).await, StatusCode::NO_CONTENT);
    assert_eq!(server.put("1", &json!({"x": 1})).await, StatusCode::NO_CONTENT);
    server.put("2", &json!({})).await;
    let changes = client.changes(2).await;
    assert_eq!(changes[1].change.0["documentKey"]["_id"], "2");
}

#[tokio::test]
async fn a_write_is_on_the_disk_when_it_is_answered() {
    let mut server = TestServer::start_restartable().await;
    server.put("1", &json!({"x": 1})).await;
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.get_json(DOCUMENT).await, json!({"_id": "1", "x": 1}));
}

#[tokio::test]
async fn a_method_that_documents_do_not_know_is_refused_with_those_that_they_do() {
    let server = TestServer::start().await;
    let response = send(&server, Method::TRACE, DOCUMENT, "").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    let allow = response.headers()["allow"].to_str().expect("text").to_owned();
    for method in ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"] {
        assert!(allow.contains(method), "{allow}");
    }
}
