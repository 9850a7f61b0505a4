//! What no foreign web page may do through a browser that can reach the server.

use crate::support::{Answer, RawWebSocket, TestServer, exchange};

/// A request with its headers, `HOST` standing for the server's address.
async fn ask(server: &TestServer, start: &str, headers: &[&str], body: &str) -> Answer {
    let host = server.address().to_string();
    let mut request = format!("{start} HTTP/1.1\r\n");
    for header in headers {
        request.push_str(&header.replace("HOST", &host));
        request.push_str("\r\n");
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    exchange(server.address(), &request).await
}

const SOCKET: [&str; 4] = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

#[tokio::test]
async fn a_foreign_host_is_refused_on_every_path() {
    let server = TestServer::start().await;
    for host in
        ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"]
    {
        for path in ["/", "/events", "/healthz", "/documents/test/test/1", "/nowhere"] {
            let answer =
                ask(&server, &format!("GET {path}"), &[&format!("Host: {host}")], "").await;
            assert_eq!(answer.head.status, 403, "{host} {path}");
            assert!(answer.body.contains("--allow-host"), "{}", answer.body);
            assert_eq!(answer.head.header("content-type"), Some("application/problem+json"));
        }
    }
    let without = ask(&server, "GET /", &[], "").await;
    assert_eq!(without.head.status, 400, "{}", without.body);
}

#[tokio::test]
async fn an_address_and_localhost_are_no_foreign_hosts() {
    let server = TestServer::start().await;
    for host in [
        "HOST",
        "127.0.0.1",
        "192.0.2.7:8888",
        "[::1]:8888",
        "localhost",
        "LocalHost:1",
        "app.localhost",
    ] {
        let answer = ask(&server, "GET /healthz", &[&format!("Host: {host}")], "").await;
        assert_eq!(answer.head.status, 200, "{host}");
    }
}

#[tokio::test]
async fn allow_host_lets_a_name_in() {
    let server = TestServer::start_with(&["--allow-host", "db.example,other.example"]).await;
    for (host, expected) in [
        ("db.example", 200),
        ("DB.example:443", 200),
        ("other.example", 200),
        ("evil.example", 403),
    ] {
        let answer = ask(&server, "GET /healthz", &[&format!("Host: {host}")], "").await;
        assert_eq!(answer.head.status, expected, "{host}");
    }
}

#[tokio::test]
async fn s0_23_a_websocket_from_a_foreign_page_is_refused() {
    let server = TestServer::start().await;
    let port = server.address().port();
    let other_port = format!("Origin: http://127.0.0.1:{}", port ^ 1);
    let by_name = format!("Origin: http://localhost:{port}");
    for foreign in [
        "Origin: http://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        &other_port,
        &by_name,
        "Origin: http://HOST.evil.example",
    ] {
        for path in ["/ws", "/socket"] {
            let headers = [&["Host: HOST", foreign][..], &SOCKET].concat();
            let answer = ask(&server, &format!("GET {path}"), &headers, "").await;
            assert_eq!(answer.head.status, 403, "{path} {foreign}");
            assert!(answer.body.contains("Cross origin websockets not allowed"), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn s0_23_our_own_page_and_programs_may_open_a_websocket() {
    let server = TestServer::start().await;
    let host = server.address();
    for path in ["/ws", "/socket"] {
        RawWebSocket::connect(&server, path, "").await;
        RawWebSocket::connect(&server, path, &format!("Origin: http://{host}\r\n")).await;
        let of_a_browser = format!("Origin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n");
        RawWebSocket::connect(&server, path, &of_a_browser).await;
    }
}

const PUT: &str = "PUT /documents/test/test/1";
const JSON: &str = "Content-Type: application/json";

#[tokio::test]
async fn a_foreign_page_cannot_write() {
    let server = TestServer::start().await;
    let evil = "Origin: http://evil.example";
    for (start, headers, expected) in [
        // What a form sends without asking.
        (
            "POST /documents/test/test/1",
            &[evil, "Content-Type: application/x-www-form-urlencoded"][..],
            403,
        ),
        ("POST /documents/test/test/1", &[evil, "Content-Type: text/plain"], 403),
        ("POST /documents/test/test/1", &["Content-Type: application/x-www-form-urlencoded"], 415),
        ("POST /documents/test/test/1", &["Origin: null", JSON], 403),
        (PUT, &[evil, JSON], 403),
        (PUT, &["Sec-Fetch-Site: cross-site", JSON], 403),
        (PUT, &["Sec-Fetch-Site: same-site", JSON], 403),
        ("PATCH /documents/test/test/1", &[evil, JSON], 403),
        ("DELETE /documents/test/test/1", &[evil], 403),
    ] {
        let headers = [&["Host: HOST"], headers].concat();
        let answer = ask(&server, start, &headers, "{}").await;
        assert_eq!(answer.head.status, expected, "{start} {headers:?}");
        assert_eq!(answer.head.header("access-control-allow-origin"), None);
    }
    assert_eq!(server.get("/documents/test/test/1").await.status(), 404, "nothing was written");
}

#[tokio::test]
async fn our_own_page_may_write() {
    let server = TestServer::start().await;
    for (headers, expected) in [
        (&["Origin: http://HOST", "Sec-Fetch-Site: same-origin"][..], 201),
        (&["Sec-Fetch-Site: same-origin"], 204),
        (&["Sec-Fetch-Site: none"], 204),
        (&[], 204),
    ] {
        let headers = [&["Host: HOST", JSON], headers].concat();
        assert_eq!(ask(&server, PUT, &headers, "{}").await.head.status, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn a_foreign_page_may_ask_but_gets_no_leave_to_read() {
    let server = TestServer::start().await;
    let foreign = ["Host: HOST", "Origin: http://evil.example"];
    let answer = ask(&server, "GET /sources", &foreign, "").await;
    assert_eq!(answer.head.header("access-control-allow-origin"), None);
    let preflight = [&foreign[..], &["Access-Control-Request-Method: PUT"]].concat();
    let answer = ask(&server, "OPTIONS /documents/test/test/1", &preflight, "").await;
    assert_eq!(answer.head.header("access-control-allow-origin"), None);
    assert_eq!(answer.head.header("access-control-allow-methods"), None);
}

#[tokio::test]
async fn allow_origin_opens_reading_writing_and_websockets_to_that_page() {
    let server = TestServer::start_with(&["--allow-origin", "https://ok.example"]).await;
    let ok = "Origin: https://ok.example";
    let allowed = Some("https://ok.example");

    let answer = ask(&server, "HEAD /events", &["Host: HOST", ok], "").await;
    assert_eq!(answer.head.status, 200);
    assert_eq!(answer.head.header("access-control-allow-origin"), allowed);
    assert!(answer.head.header("vary").is_some_and(|vary| vary.contains("Origin")));

    let preflight = [
        "Host: HOST",
        ok,
        "Access-Control-Request-Method: PUT",
        "Access-Control-Request-Headers: content-type",
    ];
    let answer = ask(&server, "OPTIONS /documents/test/test/1", &preflight, "").await;
    assert_eq!(answer.head.status, 204);
    assert_eq!(answer.head.header("access-control-allow-origin"), allowed);
    assert!(
        answer.head.header("access-control-allow-methods").is_some_and(|all| all.contains("PUT"))
    );
    let headers = answer.head.header("access-control-allow-headers").expect("a list");
    assert!(headers.contains("Content-Type") && headers.contains("Last-Event-ID"), "{headers}");

    let answer =
        ask(&server, PUT, &["Host: HOST", ok, "Sec-Fetch-Site: cross-site", JSON], "{}").await;
    assert_eq!(answer.head.status, 201);
    assert_eq!(answer.head.header("access-control-allow-origin"), allowed);

    for path in ["/ws", "/socket"] {
        RawWebSocket::connect(&server, path, "Origin: https://ok.example\r\n").await;
        let evil = [&["Host: HOST", "Origin: https://evil.example"][..], &SOCKET].concat();
        assert_eq!(ask(&server, &format!("GET {path}"), &evil, "").await.head.status, 403);
    }
    for not_it in [
        "https://evil.example",
        "http://ok.example",
        "https://ok.example:444",
        "https://ok.example.evil",
    ] {
        let origin = format!("Origin: {not_it}");
        let answer = ask(&server, PUT, &["Host: HOST", &origin, JSON], "{}").await;
        assert_eq!(answer.head.status, 403, "{not_it}");
        assert_eq!(answer.head.header("access-control-allow-origin"), None, "{not_it}");
    }
}

#[tokio::test]
async fn an_error_is_readable_for_an_allowed_page_too() {
    let server = TestServer::start_with(&["--allow-origin=*"]).await;
    let headers = ["Host: HOST", "Origin: https://any.example"];
    let answer = ask(&server, "GET /events?topics=x", &headers, "").await;
    assert_eq!(answer.head.status, 400);
    let exposed = answer.head.header("access-control-expose-headers").expect("a list");
    assert!(
        exposed.contains("Changecast-Position") && exposed.contains("Retry-After"),
        "{exposed}"
    );
    assert_eq!(answer.head.header("access-control-allow-origin"), Some("https://any.example"));
}
