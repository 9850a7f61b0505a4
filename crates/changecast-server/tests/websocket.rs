//! `/ws`: the handshake, single frames, and how it ends.

use serde_json::json;

use crate::support::{RawFrame, RawWebSocket, Subscriber, TestServer, WsClient, exchange, masked};

#[tokio::test]
async fn s0_24_a_failed_handshake_gets_the_originals_answer() {
    let server = TestServer::start().await;
    let upgrade = "Upgrade: websocket\r\n";
    let connection = "Connection: Upgrade\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    let short_key = "Sec-WebSocket-Key: dGhl\r\n";
    let missing = "Missing/Invalid WebSocket headers";
    for (headers, expected) in [
        (vec![connection, key, version], "Can \"Upgrade\" only to \"WebSocket\"."),
        (vec!["Upgrade: h2c\r\n", connection, key, version], "Can \"Upgrade\" only to"),
        (vec![upgrade, key, version], "\"Connection\" must be \"Upgrade\"."),
        (vec![upgrade, "Connection: close\r\n", key, version], "\"Connection\" must be"),
        (vec![upgrade, connection, version], missing),
        (vec![upgrade, connection, short_key, version], missing),
        (vec![upgrade, connection, key], missing),
    ] {
        for path in ["/ws", "/socket"] {
            let host = server.address();
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{}\r\n", headers.concat());
            let answer = exchange(host, &request).await;
            assert_eq!(answer.head.status, 400, "{path} {headers:?}");
            let problem: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
            let detail = problem["detail"].as_str().expect("text");
            assert!(detail.contains(expected), "{path} {headers:?}: {detail}");
        }
    }
    for path in ["/ws", "/socket"] {
        let headers = [upgrade, connection, key, "Sec-WebSocket-Version: 99\r\n"].concat();
        let host = server.address();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        let answer = exchange(host, &request).await;
        assert_eq!(answer.head.status, 426, "{path}");
        assert_eq!(answer.head.header("sec-websocket-version"), Some("13"), "{path}");
    }
}

#[tokio::test]
async fn the_handshake_is_that_of_rfc_6455() {
    let server = TestServer::start().await;
    // The lists and the case that browsers and proxies send.
    let socket = RawWebSocket::connect(&server, "/ws", "").await;
    assert_eq!(socket.head.header("upgrade"), Some("websocket"));
    assert_eq!(socket.head.header("connection"), Some("Upgrade"));
    // The example of RFC 6455, section 1.3.
    assert_eq!(socket.head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(socket.head.header("sec-websocket-protocol"), None);
    assert_eq!(socket.head.header("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn the_subprotocol_is_echoed_to_who_asks_for_it() {
    let server = TestServer::start().await;
    for asked in ["changecast.v1+json", "graphql-ws, changecast.v1+json"] {
        let header = [("Sec-WebSocket-Protocol", asked)];
        let client = WsClient::connect(&server, "/ws", &header).await;
        assert_eq!(client.response.headers()["sec-websocket-protocol"], "changecast.v1+json");
    }
    let other = "Sec-WebSocket-Protocol: graphql-ws\r\n";
    let socket = RawWebSocket::connect(&server, "/ws", other).await;
    assert_eq!(socket.head.header("sec-websocket-protocol"), None);
}

#[tokio::test]
async fn s0_27_no_compression_whatever_the_client_offers() {
    let server = TestServer::start().await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let mut socket = RawWebSocket::connect(&server, "/ws", offer).await;
    assert_eq!(socket.head.header("sec-websocket-extensions"), None);
    assert_eq!(socket.frame().await.first, RawFrame::TEXT, "no reserved bit");
}

#[tokio::test]
async fn s0_27_a_silent_connection_is_pinged() {
    let server = TestServer::start().await;
    let mut socket = RawWebSocket::connect(&server, "/socket", "").await;
    let ping = socket.frame().await;
    assert_eq!(ping.first, RawFrame::PING, "the first it hears, as nothing changes");
    socket.send(RawFrame::PONG, &ping.payload).await;
    server.put("1", &json!({})).await;
    assert_eq!(socket.frame().await.first, RawFrame::TEXT);
}

#[tokio::test]
async fn the_first_frame_is_hello_then_changes_with_id_and_topic() {
    let server = TestServer::start().await;
    let mut client = WsClient::follow(&server, "").await;
    let hello = client.next_json().await;
    assert_eq!((&hello["type"], &hello["waiting"]), (&json!("hello"), &json!([])));
    assert_eq!(hello["id"], hello["position"]);
    server.put("1", &json!({"x": 1})).await;
    let frame = client.next_json().await;
    let names: Vec<_> = frame.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(names, ["change", "id", "topic"]);
    assert_eq!(frame["topic"], "test.test");
    assert_eq!(frame["change"]["fullDocument"], json!({"_id": "1", "x": 1}));
}

#[tokio::test]
async fn s0_25_ping_is_answered_and_close_is_echoed() {
    let server = TestServer::start().await;
    for path in ["/ws?topic=test.quiet", "/socket"] {
        let mut socket = RawWebSocket::connect(&server, path, "").await;
        if path.starts_with("/ws") {
            assert_eq!(socket.frame().await.first, RawFrame::TEXT);
        }
        socket.send(RawFrame::PING, b"hi").await;
        let pong = RawFrame { first: RawFrame::PONG, payload: b"hi".to_vec() };
        assert_eq!(socket.frame().await, pong, "{path}");
        socket.send(RawFrame::CLOSE, &1000_u16.to_be_bytes()).await;
        assert_eq!(socket.frame().await.close_code(), Some(1000), "{path}");
        assert_eq!(socket.until_closed().await, b"", "{path}");
    }
}

#[tokio::test]
async fn s0_26_a_text_is_answered_or_ignored_and_the_connection_stays() {
    let server = TestServer::start().await;
    let mut ws = WsClient::follow(&server, "").await;
    let mut socket = WsClient::connect(&server, "/socket", &[]).await;
    ws.hello().await;
    for text in ["hello?", "{\"subscribe\":[]}", ""] {
        ws.send(text).await;
        let answer = ws.next_json().await;
        assert_eq!(answer["type"], "error", "{text:?}");
        assert!(answer["detail"].as_str().expect("words").contains("not a command"), "{answer}");
        socket.send(text).await;
    }
    server.put("1", &json!({"x": 1})).await;
    assert_eq!(ws.next_json().await["change"]["fullDocument"]["x"], 1);
    assert_eq!(socket.next_json().await["fullDocument"]["x"], 1);
}

#[tokio::test]
async fn g10_a_message_over_the_cap_closes_with_1009() {
    let server = TestServer::start().await;
    for path in ["/ws", "/socket"] {
        let mut socket = RawWebSocket::connect(&server, path, "").await;
        socket.send(RawFrame::TEXT, &vec![b'x'; 64 << 10]).await;
        socket.send(RawFrame::PING, b"alive").await;
        while socket.frame().await.first != RawFrame::PONG {}
        socket.send(RawFrame::TEXT, &vec![b'x'; (64 << 10) + 1]).await;
        assert_eq!(socket.close_frame().await.close_code(), Some(1009), "{path}");
    }
}

#[tokio::test]
async fn g10_a_message_in_thousands_of_empty_fragments_closes_with_1009() {
    let server = TestServer::start().await;
    for path in ["/ws", "/socket"] {
        let mut socket = RawWebSocket::connect(&server, path, "").await;
        let fragments = [masked(0x01, b""), masked(0x00, b"").repeat(5000)].concat();
        socket.send_bytes(&fragments).await;
        assert_eq!(socket.close_frame().await.close_code(), Some(1009), "{path}");
    }
}

#[tokio::test]
async fn g10_every_ping_of_a_flood_is_answered_in_order() {
    let server = TestServer::start().await;
    let mut socket = RawWebSocket::connect(&server, "/socket", "").await;
    let payloads: Vec<String> = (0..2000).map(|count| format!("ping {count}")).collect();
    let pings = payloads.iter().map(|payload| masked(RawFrame::PING, payload.as_bytes()));
    socket.send_bytes(&pings.collect::<Vec<_>>().concat()).await;
    for payload in payloads {
        let pong = RawFrame { first: RawFrame::PONG, payload: payload.into_bytes() };
        assert_eq!(socket.frame().await, pong);
    }
}

#[tokio::test]
async fn what_comes_after_a_violation_does_not_take_the_reason_back() {
    let server = TestServer::start().await;
    for path in ["/ws", "/socket"] {
        let mut socket = RawWebSocket::connect(&server, path, "").await;
        let flood = [masked(0x83, b"hi"), vec![b'x'; 128 << 10]].concat();
        socket.send_bytes(&flood).await;
        let close = socket.close_frame().await;
        assert_eq!(close.close_code(), Some(1002), "{path}");
        let reason = String::from_utf8_lossy(&close.payload[2..]).into_owned();
        assert_eq!(reason, "there is no such kind of frame", "{path}");
        assert_eq!(socket.until_closed().await, b"", "{path}");
    }
}

#[tokio::test]
async fn what_breaks_the_protocol_closes_with_1002() {
    let server = TestServer::start().await;
    let mut unmasked = RawWebSocket::connect(&server, "/ws", "").await;
    unmasked.send_unmasked(RawFrame::TEXT, b"hi").await;
    assert_eq!(unmasked.close_frame().await.close_code(), Some(1002), "an unmasked frame");
    for (what, first) in [("reserved bits", 0xF1), ("an unknown opcode", 0x83)] {
        let mut socket = RawWebSocket::connect(&server, "/ws", "").await;
        socket.send(first, b"hi").await;
        assert_eq!(socket.close_frame().await.close_code(), Some(1002), "{what}");
    }
    let mut not_text = RawWebSocket::connect(&server, "/ws", "").await;
    not_text.send(RawFrame::TEXT, b"\xff\xfe").await;
    assert_eq!(not_text.close_frame().await.close_code(), Some(1007), "text that is none");
}

#[tokio::test]
async fn a_client_that_goes_without_a_word_is_noticed() {
    let server = TestServer::start().await;
    let gauge = "changecast_subscribers{transport=\"websocket\"}";
    let client = WsClient::follow(&server, "").await;
    server.metric_becomes(gauge, 1).await;
    drop(client);
    server.metric_becomes(gauge, 0).await;
}

#[tokio::test]
async fn a_wrong_parameter_is_refused_before_the_upgrade() {
    let server = TestServer::start().await;
    let host = server.address();
    let request = format!(
        "GET /ws?topics=x HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    let answer = exchange(host, &request).await;
    assert_eq!(answer.head.status, 400);
    assert!(answer.body.contains("topics"), "{}", answer.body);
}
