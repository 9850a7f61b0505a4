//! `/socket`: the frames of the original page, for clients written against it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{RawFrame, RawWebSocket, Subscriber, TestServer, WsClient};

/// The JSON inside `<div id="change-ID"><pre>…</pre></div>`, unescaped.
fn shown(frame: &Value) -> Value {
    let html = frame["html"].as_str().expect("html is text");
    let id = frame["html_id"].as_str().expect("html_id is text");
    let escaped = html
        .strip_prefix(&format!("<div id=\"change-{id}\"><pre>"))
        .and_then(|rest| rest.strip_suffix("</pre></div>"))
        .unwrap_or_else(|| panic!("not the original's element: {html}"));
    assert!(!escaped.contains(['<', '>', '"', '\'']), "not escaped: {escaped}");
    let text = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    let text = text.replace("&#x27;", "'").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn s0_18_nothing_comes_before_the_first_change() {
    let server = TestServer::start().await;
    let mut socket = RawWebSocket::connect(&server, "/socket", "").await;
    // The answer to a ping comes after whatever was said before it.
    socket.send(RawFrame::PING, b"anything?").await;
    assert_eq!(socket.frame().await.first, RawFrame::PONG);
    server.put("1", &json!({"x": 1})).await;
    let frame = socket.frame().await;
    assert_eq!(frame.first, RawFrame::TEXT);
    let frame: Value = serde_json::from_slice(&frame.payload).expect("JSON");
    assert_eq!(frame["operationType"], "insert");
}

#[tokio::test]
async fn s0_19_s0_20_the_frame_is_the_event_without_id_then_html_and_html_id() {
    let server = TestServer::start().await;
    let mut ws = WsClient::follow(&server, "").await;
    let mut socket = WsClient::connect(&server, "/socket", &[]).await;
    ws.hello().await;
    server
        .put("1", &json!({"x": 1, "list": [], "empty": {}, "text": "a \"b\" 'c' & d: {e}"}))
        .await;
    server.patch("1", &json!({"x": 2, "y": [1, {"z": null}]})).await;
    server.put("1", &json!({"n": 9_007_199_254_740_993_i64})).await;
    server.delete("1").await;
    for _ in 0..4 {
        let mut event = ws.next_json().await["change"].take();
        let id = event.as_object_mut().expect("an object").remove("_id").expect("an _id");
        let mut frame = socket.next_json().await;
        assert_eq!(shown(&frame), event, "html shows the event without its _id");
        let fields = frame.as_object_mut().expect("an object");
        fields.remove("html").expect("html");
        let html_id = fields.remove("html_id").expect("html_id");
        let data = id["_data"].as_str().expect("text");
        assert_eq!(html_id, URL_SAFE_NO_PAD.encode(data.as_bytes()));
        assert_eq!(frame, event);
    }
}

#[tokio::test]
async fn s0_19_html_and_html_id_come_last() {
    let server = TestServer::start().await;
    let mut socket = RawWebSocket::connect(&server, "/socket", "").await;
    server.put("1", &json!({"x": 1})).await;
    let frame = String::from_utf8(socket.frame().await.payload).expect("text");
    let place =
        |name: &str| frame.find(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name}"));
    let order = ["operationType", "fullDocument", "ns", "documentKey", "html", "html_id"];
    let places: Vec<_> = order.iter().map(|name| place(name)).collect();
    assert!(places.is_sorted(), "{frame}");
}

#[tokio::test]
async fn s0_20_markup_in_values_and_keys_is_escaped() {
    let server = TestServer::start().await;
    let mut socket = WsClient::connect(&server, "/socket", &[]).await;
    let evil = "<script>alert('1' + \"2\")</script><!-- &lt; &amp;";
    server.put("1", &json!({"value": evil, evil: {"nested": [evil]}})).await;
    let frame = socket.next_json().await;
    let document = json!({"_id": "1", "value": evil, evil: {"nested": [evil]}});
    assert_eq!(frame["fullDocument"], document);
    assert_eq!(shown(&frame)["fullDocument"], document);
}

#[tokio::test]
async fn s0_34_a_large_event_is_not_sent_twice() {
    let server = TestServer::start().await;
    let mut socket = WsClient::connect(&server, "/socket", &[]).await;
    let large = "x".repeat(300 << 10);
    server.put("1", &json!({"x": large})).await;
    let frame = socket.next_json().await;
    assert_eq!(frame["fullDocument"]["x"], large);
    assert!(frame["html"].as_str().expect("text").len() < 1000);
}

#[tokio::test]
async fn s0_35_what_came_between_the_page_and_its_socket_can_be_had() {
    let server = TestServer::start().await;
    server.insert_numbers(1..=7).await;
    server.logged(7).await;
    let mut socket = WsClient::connect(&server, "/socket?since=last:5", &[]).await;
    for expected in 3..=7 {
        assert_eq!(socket.next_json().await["fullDocument"]["n"], expected);
    }
}
