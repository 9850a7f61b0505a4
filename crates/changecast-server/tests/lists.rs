//! Collections in pages, and how state and stream join.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Entry, NdjsonClient, Subscriber, TestServer};

/// What a client knows of a collection: documents by the JSON of their key.
pub(crate) type State = BTreeMap<String, Value>;

/// Everything in a collection, page by page, and the position of the first page.
pub(crate) async fn list(server: &TestServer, collection: &str, limit: usize) -> (String, State) {
    list_by("_id", server, collection, limit).await
}

/// The same where documents are known by another member.
pub(crate) async fn list_by(
    key: &str,
    server: &TestServer,
    collection: &str,
    limit: usize,
) -> (String, State) {
    let (mut state, mut position, mut after) = (State::new(), None, String::new());
    loop {
        let page = server.get_json(&format!("{collection}?limit={limit}{after}")).await;
        let said = page["position"].as_str().unwrap_or_else(|| panic!("no position: {page}"));
        position.get_or_insert_with(|| said.to_owned());
        let documents = page["documents"].as_array().expect("a list");
        for document in documents {
            state.insert(document[key].to_string(), document.clone());
        }
        let Some(next) = page["next"].as_str() else {
            return (position.expect("a first page"), state);
        };
        let encoded: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        after = format!("&after={encoded}");
    }
}

/// What a change makes of a state.
pub(crate) fn apply(key: &str, state: &mut State, entry: &Entry) {
    let change = &entry.change;
    let id = change.0["documentKey"][key].to_string();
    match change.0["operationType"].as_str() {
        Some("delete") => drop(state.remove(&id)),
        Some("insert" | "replace" | "update") => {
            assert!(change.document().is_object(), "a full document: {change:?}");
            state.insert(id, change.document().clone());
        }
        other => panic!("unexpected: {other:?}"),
    }
}

/// Follows from `position` until the document `end` has come.
pub(crate) async fn catch_up(server: &TestServer, topic: &str, position: &str, state: &mut State) {
    catch_up_by("_id", &json!("end"), server, topic, position, state).await;
}

/// The same where documents are known by another member, and the last one is another.
pub(crate) async fn catch_up_by(
    key: &str,
    end: &Value,
    server: &TestServer,
    topic: &str,
    position: &str,
    state: &mut State,
) {
    let mut client = NdjsonClient::follow(server, &format!("topic={topic}&since={position}")).await;
    assert_eq!(client.hello().await["resumed"], true);
    let is_end = |entry: &Entry| entry.change.0["documentKey"][key] == *end;
    for entry in client.changes_until(is_end).await {
        apply(key, state, &entry);
    }
}

#[tokio::test]
async fn g2_g5_state_and_stream_join_without_a_hole_while_others_write() {
    let server = TestServer::start().await;
    for number in 0..60 {
        server.put(&format!("k{number:02}"), &json!({"n": number})).await;
    }
    let enough = AtomicBool::new(false);
    let write = |first: u64| {
        let (server, enough) = (&server, &enough);
        async move {
            let mut random = first;
            while !enough.load(Ordering::Relaxed) {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(first);
                let id = format!("k{:02}", (random >> 33) % 80);
                let path = format!("/documents/test/test/{id}");
                if random >> 62 == 0 {
                    // It may not be there.
                    let deleting = server.request(Method::DELETE, &path).send().await;
                    deleting.expect("an answer");
                } else {
                    server.put(&id, &json!({"n": random >> 40})).await;
                }
            }
        }
    };
    let read = async {
        let mut joined = Vec::new();
        for limit in [1, 7, 100] {
            joined.push(list(&server, "/documents/test/test", limit).await);
        }
        enough.store(true, Ordering::Relaxed);
        joined
    };
    let (joined, (), ()) = tokio::join!(read, write(1), write(99));
    server.put("end", &json!({})).await;
    let (_, expected) = list(&server, "/documents/test/test", 1000).await;
    for (position, mut state) in joined {
        catch_up(&server, "test.test", &position, &mut state).await;
        assert_eq!(state, expected);
    }
}

#[tokio::test]
async fn a_list_has_every_document_once_in_the_order_of_the_keys() {
    let server = TestServer::start().await;
    let ids = ["", "a", "a b", "a/b", "b", "é", "😀"];
    for id in &ids[1..] {
        let encoded: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        server.put(&encoded.replace('+', "%20"), &json!({"x": 1})).await;
    }
    server.put_in("other", "z", &json!({})).await;
    for limit in [1, 2, 3, 6, 7] {
        let page = server.get_json(&format!("/documents/test/test?limit={limit}")).await;
        assert_eq!(page["documents"].as_array().map(Vec::len), Some(limit.min(6)), "{page}");
        let (_, state) = list(&server, "/documents/test/test", limit).await;
        assert_eq!(state.len(), 6, "{limit}: {state:?}");
    }
    let page = server.get_json("/documents/test/test?limit=2").await;
    assert_eq!(page["documents"], json!([{"_id": "a", "x": 1}, {"_id": "a b", "x": 1}]));
    assert_eq!(page["next"], "a b");
    let page = server.get_json("/documents/test/test?after=%C3%A9").await;
    assert_eq!(page["documents"], json!([{"_id": "😀", "x": 1}]));
    assert_eq!(page["next"], Value::Null);
    let nothing = server.get_json("/documents/test/nothing").await;
    assert_eq!(nothing["documents"], json!([]));
    let last = server.get_json("/documents/test/test?limit=6").await;
    assert_eq!(last["next"], Value::Null, "nothing follows");
}

#[tokio::test]
async fn a_lists_position_is_in_a_header_too() {
    let server = TestServer::start().await;
    server.put("1", &json!({"x": 1})).await;
    server.logged(1).await;
    let response = server.get("/documents/test/test").await;
    let header = response.headers()["changecast-position"].to_str().expect("text").to_owned();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let page: Value = response.json().await.expect("JSON");
    assert_eq!(page["position"], header);
    assert!(header.ends_with("-1"), "{header}");
}

#[tokio::test]
async fn what_a_list_cannot_do_is_refused_with_the_reason() {
    let server = TestServer::start().await;
    for (path, status, said) in [
        ("/documents/test/test?limit=0", 400, "from 1 to 1000"),
        ("/documents/test/test?limit=1001", 400, "from 1 to 1000"),
        ("/documents/test/test?limit=x", 400, "from 1 to 1000"),
        ("/documents/test/test?page=2", 400, "known are limit, after"),
        ("/documents/test/a%00b", 400, "control character"),
        ("/documents/nowhere/test", 404, "no source"),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        let problem: Value = response.json().await.expect("JSON");
        let detail = problem["detail"].as_str().expect("words");
        assert!(detail.contains(said), "{path}: {detail}");
    }
    let response = server.request(Method::PUT, "/documents/test/test").body("{}").send().await;
    assert_eq!(response.expect("an answer").status(), StatusCode::METHOD_NOT_ALLOWED);
}
