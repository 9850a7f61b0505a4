//! What each test does, whatever the store.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::beds::{Bed, Kind};

/// The words of a problem, after a look at its form.
async fn problem(response: Response, expected: u16) -> String {
    let status = response.status().as_u16();
    let kind = response.headers()[CONTENT_TYPE].clone();
    let text = response.text().await.expect("text");
    assert_eq!((status, kind.as_bytes()), (expected, &b"application/problem+json"[..]), "{text}");
    let problem: Value = serde_json::from_str(&text).expect("JSON");
    let detail = problem["detail"].as_str().expect("words").to_owned();
    assert!(!detail.is_empty(), "{text}");
    detail
}

/// The original's `finish` took objects and strings only: anything else was a 500.
pub(super) async fn s3_06_lists_and_numbers_are_served_and_are_no_failure(bed: &Bed) {
    for content in [json!([1, [2]]), json!({"a": [1]}), json!(7), json!(-0.5), json!(null)] {
        let path = bed.path("1");
        let put = bed.send(Method::POST, &path, &bed.body(&content)).await;
        if bed.kind == Kind::Sqlite && (content.is_array() || content.is_object()) {
            // A column holds one value.
            problem(put, 400).await;
            continue;
        }
        assert_eq!(put.status(), 204, "{content}");
        let document = bed.server.get_json(&path).await;
        assert_eq!(bed.content_of(&document), content);
    }
}

/// The original served it as `text/html`, so that whoever could write it could run scripts.
pub(super) async fn s3_06_text_is_never_served_as_a_page(bed: &Bed) {
    let markup = "<script>alert(1)</script>";
    let path = bed.path(markup);
    let body = bed.body(&json!(markup));
    assert_eq!(bed.status(Method::POST, &path, &body).await, 204);
    let response = bed.server.get(&path).await;
    let headers = response.headers().clone();
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers[CONTENT_TYPE], "application/json; charset=UTF-8");
    let document: Value = response.json().await.expect("JSON");
    assert_eq!(bed.content_of(&document), markup);
    // A 404 repeats the key, and is no page either.
    let missing = bed.server.get(&bed.path("<b>")).await;
    assert_eq!(missing.headers()["x-content-type-options"], "nosniff");
    assert!(problem(missing, 404).await.contains("<b>"));
}

/// The original answered 500.
pub(super) async fn s3_06_what_is_no_json_is_400(bed: &Bed) {
    let path = bed.path("1");
    for body in ["", "{", "{'content':1}", "{\"content\":}", "nonsense", "{}{}", "[1,]", "\"x"] {
        for method in [Method::PUT, Method::POST] {
            problem(bed.send(method, &path, body).await, 400).await;
        }
    }
    assert_eq!(bed.status(Method::GET, &path, "").await, 404, "nothing was written");
}

/// The original set a reason, and the client got a bare page.
pub(super) async fn s3_06_the_text_of_a_404_reaches_the_client(bed: &Bed) {
    let path = bed.path("nobody's");
    for method in [Method::GET, Method::DELETE] {
        let detail = problem(bed.send(method, &path, "").await, 404).await;
        assert!(detail.contains("no document \"nobody's\""), "{detail}");
    }
}

pub(super) async fn s3_06_post_inserts_and_replaces_with_204(bed: &Bed) {
    let path = bed.path("a b/ü");
    for content in [json!("one"), json!("two")] {
        assert_eq!(bed.status(Method::POST, &path, &bed.body(&content)).await, 204);
        assert_eq!(bed.content_of(&bed.server.get_json(&path).await), content);
    }
    assert_eq!(bed.status(Method::DELETE, &path, "").await, 204);
    assert_eq!(bed.status(Method::GET, &path, "").await, 404);
}

pub(super) async fn s3_06_no_key_and_no_table_is_run(bed: &Bed) {
    let body = bed.body(&json!("kept"));
    assert_eq!(bed.status(Method::PUT, &bed.path("kept"), &body).await, 201);
    let evil = [
        "x' OR '1'='1",
        "'; DROP TABLE things; --",
        "\"; DROP TABLE things; --",
        "$1",
        "?1",
        "\\",
        "things\" t, secrets --",
        "x\r\nFLUSHALL\r\n",
    ];
    for id in evil {
        let path = bed.path(id);
        let found = bed.status(Method::GET, &path, "").await;
        // Some are no id of some store, such as those with a control character.
        assert!(matches!(found, 400 | 404), "{id}: {found}");
        let deleted = bed.status(Method::DELETE, &path, "").await;
        assert!(matches!(deleted, 400 | 404), "{id}: {deleted}");
        let collection = bed.path_in(id, "kept");
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = bed.status(method.clone(), &collection, &body).await;
            let may_be_new = bed.kind == Kind::Embedded && matches!(answer, 201 | 204);
            assert!(matches!(answer, 400 | 404) || may_be_new, "{method} {id}: {answer}");
        }
    }
    let kept = bed.server.get_json(&bed.path("kept")).await;
    assert_eq!(bed.content_of(&kept), "kept");
    if matches!(bed.kind, Kind::Postgres | Kind::Sqlite) {
        let answer = bed.status(Method::GET, &bed.path_in("secrets", "kept"), "").await;
        assert!(matches!(answer, 400 | 404), "no other table is open: {answer}");
    }
}

/// The original took 100 MB.
pub(super) async fn s3_07_a_body_has_a_cap(bed: &Bed) {
    const CAP: usize = 1 << 20;
    let around = bed.body(&json!("")).len();
    let path = bed.path("large");
    let largest = bed.body(&json!("x".repeat(CAP - around)));
    assert_eq!(bed.status(Method::PUT, &path, &largest).await, 201);
    let document = bed.server.get_json(&path).await;
    assert_eq!(bed.content_of(&document).as_str().map(str::len), Some(CAP - around));
    let larger = bed.body(&json!("x".repeat(CAP - around + 1)));
    for method in [Method::PUT, Method::POST] {
        let detail = problem(bed.send(method, &path, &larger).await, 413).await;
        assert!(detail.contains(&CAP.to_string()), "{detail}");
    }
}

/// The original took any body for whatever it was called.
pub(super) async fn s3_07_a_content_type_is_asked_for_and_kept(bed: &Bed) {
    let path = bed.path("1");
    let body = bed.body(&json!("é"));
    for wrong in ["text/plain", "text/html", "application/x-www-form-urlencoded"] {
        let request = bed.server.request(Method::POST, &path).header(CONTENT_TYPE, wrong);
        let response = request.body(body.clone()).send().await.expect("an answer");
        assert!(problem(response, 415).await.contains("application/json"));
    }
    let kind = "application/json; charset=UTF-8";
    let request = bed.server.request(Method::POST, &path).header(CONTENT_TYPE, kind);
    assert_eq!(request.body(body).send().await.expect("an answer").status(), 204);
    let response = bed.server.get(&path).await;
    assert_eq!(response.headers()[CONTENT_TYPE], kind);
    assert_eq!(bed.content_of(&response.json().await.expect("JSON")), "é");
}
