//! WebSocket clients that mean harm, or do not know better: each gets the answer of RFC 6455, and
//! nobody else notices.

use serde_json::json;

use crate::support::{RawFrame, RawWebSocket, Subscriber, TestServer, WsClient, masked};

const CONTINUATION: u8 = 0x80;
/// FIN is the highest bit.
const FIN: u8 = 0x80;

/// What a client sends, and the code that it is shown the door with.
type Case = (&'static str, Vec<u8>, u16);

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    masked(RawFrame::CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// The beginning of a masked frame that announces a length in eight bytes.
fn announced(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0xFF], &length.to_be_bytes()[..], &[0; 4]].concat()
}

fn violations() -> Vec<Case> {
    let text = RawFrame::TEXT;
    vec![
        ("an unmasked frame", vec![text, 2, b'h', b'i'], 1002),
        ("the first reserved bit, as of compression", masked(text | 0x40, b"hi"), 1002),
        ("the second reserved bit", masked(text | 0x20, b"hi"), 1002),
        ("the third reserved bit", masked(RawFrame::PING | 0x10, b"hi"), 1002),
        ("a reserved opcode of data", masked(0x83, b"hi"), 1002),
        ("a reserved opcode of control", masked(0x8B, b"hi"), 1002),
        ("a ping in fragments", masked(RawFrame::PING & !FIN, b"hi"), 1002),
        ("a ping of 126 bytes", masked(RawFrame::PING, &[b'x'; 126]), 1002),
        ("a close of 126 bytes", close(1000, &[b'x'; 124]), 1002),
        ("a continuation of nothing", masked(CONTINUATION, b"hi"), 1002),
        ("a message in a message", [masked(text & !FIN, b"a"), masked(text, b"b")].concat(), 1002),
        (
            "a length that is not in its shortest form",
            [&[text, 0xFE, 0, 5], &[0; 9][..]].concat(),
            1002,
        ),
        ("a length with its highest bit set", announced(text, 1 << 63), 1002),
        ("exbibytes, announced and never sent", announced(text, 1 << 60), 1009),
        ("a byte more than a message may have, announced", announced(0x82, (64 << 10) + 1), 1009),
        (
            "gibibytes as a continuation",
            [masked(text & !FIN, b"a"), announced(0, 1 << 30)].concat(),
            1009,
        ),
        (
            "fragments without end",
            [masked(text & !FIN, b""), masked(0, b"x").repeat(70_000)].concat(),
            1009,
        ),
        ("text that is none", masked(text, b"\xC3\x28"), 1007),
        ("text that is none, before its end has come", masked(text & !FIN, b"\xED\xA0\x80"), 1007),
        ("a close of one byte", masked(RawFrame::CLOSE, &[3]), 1002),
        ("a close whose reason is no text", close(1000, b"\xFF"), 1007),
    ]
}

#[tokio::test]
async fn g8_each_violation_gets_its_close_code_and_the_others_their_changes() {
    let server = TestServer::start().await;
    let mut neighbour = WsClient::follow(&server, "").await;
    neighbour.hello().await;
    let mut cases = violations();
    // Codes that only stand for what did not come over the wire, and those of nobody.
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(("a close code that nobody may send", close(code, b""), 1002));
    }
    let goodbyes = (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]);
    cases.extend(goodbyes.map(|code| ("a close with a code", close(code, b"bye"), code)));
    for (number, (what, bytes, code)) in (1_i64..).zip(cases) {
        let path = if number % 2 == 0 { "/ws?topic=test.none" } else { "/socket" };
        let mut hostile = RawWebSocket::connect(&server, path, "").await;
        hostile.send_bytes(&bytes).await;
        assert_eq!(hostile.close_frame().await.close_code(), Some(code), "{what}");
        server.insert_numbers([number]).await;
        assert_eq!(neighbour.change().await.change.number(), Some(number), "{what}");
    }
}

#[tokio::test]
async fn a_close_without_a_code_is_answered_by_one_without_a_code() {
    let server = TestServer::start().await;
    let mut socket = RawWebSocket::connect(&server, "/socket", "").await;
    socket.send(RawFrame::CLOSE, b"").await;
    assert_eq!(socket.frame().await, RawFrame { first: RawFrame::CLOSE, payload: Vec::new() });
    assert_eq!(socket.until_closed().await, b"");
}

#[tokio::test]
async fn who_closes_is_not_kept_waiting_for_the_end_of_the_connection() {
    let mut server = TestServer::start_with(&["--logging=debug"]).await;
    let mut socket = RawWebSocket::connect(&server, "/socket", "").await;
    socket.send_bytes(&close(1000, b"")).await;
    assert_eq!(socket.frame().await.close_code(), Some(1000));
    // RFC 6455, section 7.1.1: the server is the one to end the connection.
    assert_eq!(socket.until_closed().await, b"");
    server.get("/no/such").await;
    let said = server.process().stderr_with("/no/such").await;
    assert!(!said.contains("does not close"), "nobody was waited for: {said}");
}

#[tokio::test]
async fn what_comes_after_a_close_is_not_heard() {
    let server = TestServer::start().await;
    let mut socket = RawWebSocket::connect(&server, "/ws?topic=no.such", "").await;
    assert_eq!(socket.json().await["type"], "hello");
    let command = masked(RawFrame::TEXT, br#"{"type":"subscribe","topics":["*"]}"#);
    let ping = masked(RawFrame::PING, b"still there?");
    socket.send_bytes(&[close(1000, b""), command, ping, close(1001, b"")].concat()).await;
    server.put("1", &json!({})).await;
    assert_eq!(socket.frame().await.close_code(), Some(1000));
    assert_eq!(socket.until_closed().await, b"");
}

/// Sends fragments and looks at what comes back, until the server says that it is enough.
#[tokio::test]
async fn g10_a_million_fragments_and_floods_of_pings_cost_no_memory() {
    let mut server = TestServer::start().await;
    let before = server.process().anonymous_memory_kib();
    let mut fragments = RawWebSocket::connect(&server, "/socket", "").await;
    fragments.send(RawFrame::TEXT & !FIN, b"").await;
    let empty = masked(0, b"").repeat(1_000);
    for _ in 0..1_000 {
        // Heard or not: it is the server that says when it is enough.
        fragments.send_bytes(&empty).await;
    }
    assert_eq!(fragments.close_frame().await.close_code(), Some(1009));

    // Nobody reads the pongs; the server stops reading pings once it cannot write.
    let mut floods = Vec::new();
    for _ in 0..20 {
        floods.push((RawWebSocket::connect(&server, "/socket", "").await, 0));
    }
    let ping = masked(RawFrame::PING, &[b'x'; 125]);
    let pings = ping.repeat(1_000);
    for (flood, sent) in &mut floods {
        let mut stalls = 0;
        // Full, and still full after others have been served.
        while stalls < 5 {
            let count = flood.try_send(&pings[*sent % pings.len()..]);
            *sent += count;
            stalls = if count == 0 { stalls + 1 } else { 0 };
            if count == 0 {
                assert_eq!(server.get("/healthz").await.status(), 200);
            }
        }
    }
    let mut neighbour = WsClient::follow(&server, "").await;
    neighbour.hello().await;
    server.put("1", &json!({})).await;
    neighbour.change().await;
    let grown = server.process().anonymous_memory_kib().saturating_sub(before) >> 10;
    assert!(grown < 32, "{grown} MiB");
    // Once they read, every ping has its pong, in order, as far as it was sent.
    let (flood, sent) = &mut floods[0];
    for _ in 0..*sent / ping.len() {
        let frame = flood.frame().await;
        if frame.first == RawFrame::TEXT {
            continue;
        }
        assert_eq!((frame.first, frame.payload.len()), (RawFrame::PONG, 125));
    }
}

#[tokio::test]
async fn who_goes_in_the_middle_of_a_frame_or_stops_talking_is_gone() {
    let server = TestServer::start().await;
    let count = "changecast_subscribers{transport=\"websocket\"}";
    let frame = masked(RawFrame::TEXT, &[b'x'; 1_000]);
    for cut in [1, 3, 7, 500] {
        let mut half = RawWebSocket::connect(&server, "/ws", "").await;
        half.send_bytes(&frame[..cut]).await;
        server.metric_becomes(count, 1).await;
        half.finish().await;
        // It ends at once, and does not wait for a close that cannot come.
        server.metric_becomes(count, 0).await;
        half.until_closed().await;
    }
}
