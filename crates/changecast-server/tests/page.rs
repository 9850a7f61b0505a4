//! The page and its assets, as they are served. What they do in a browser is the browser tests'.

use reqwest::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use reqwest::{Method, Response, StatusCode};

use crate::support::TestServer;

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let value = response.headers().get(name).unwrap_or_else(|| panic!("no {name}"));
    value.to_str().expect("text")
}

/// The URLs that the page loads.
async fn assets(server: &TestServer) -> Vec<String> {
    let page = server.get("/").await.text().await.expect("text");
    let quoted = page.split('"').filter(|text| text.starts_with("/assets/"));
    let mut urls: Vec<_> = quoted.map(ToOwned::to_owned).collect();
    urls.sort();
    urls.dedup();
    urls
}

#[tokio::test]
async fn s0_14_the_page_is_html_with_an_etag_that_is_honoured() {
    let server = TestServer::start().await;
    let page = server.get("/").await;
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(header(&page, "content-type"), "text/html; charset=UTF-8");
    let etag = header(&page, "etag").to_owned();
    let length: usize = header(&page, "content-length").parse().expect("a number");
    assert_eq!(page.text().await.expect("text").len(), length);

    for known in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".into()] {
        let request = server.request(Method::GET, "/").header(IF_NONE_MATCH, &known);
        let again = request.send().await.expect("an answer");
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(again.headers()[ETAG], etag);
        assert_eq!(again.text().await.expect("text"), "");
    }
    let request = server.request(Method::GET, "/").header(IF_NONE_MATCH, "\"other\"");
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn s0_15_the_page_has_the_originals_ids() {
    let server = TestServer::start().await;
    let page = server.get("/").await.text().await.expect("text");
    for part in ["<body id=\"body\"", "id=\"changes\"", ">Changes</h4>"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains('@'), "a placeholder is left");
}

#[tokio::test]
async fn s0_17_head_works_post_does_not_and_what_is_not_there_is_404() {
    let server = TestServer::start().await;
    let head = server.request(Method::HEAD, "/").send().await.expect("an answer");
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(header(&head, "content-type"), "text/html; charset=UTF-8");
    assert!(head.headers().contains_key(ETAG));
    assert_eq!(head.text().await.expect("text"), "");

    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let response = server.request(method.clone(), "/").send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        let allow = header(&response, "allow");
        assert!(allow.contains("GET") && allow.contains("HEAD"), "{allow}");
    }
    for path in [
        "/nowhere",
        "/assets/nothing.js",
        "/assets/../Cargo.toml",
        "/assets/%2e%2e%2fpage.rs",
        "/events/more",
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&response, "content-type"), "application/problem+json", "{path}");
    }
}

#[tokio::test]
async fn the_page_runs_nothing_but_its_own_files() {
    let server = TestServer::start().await;
    let page = server.get("/").await;
    let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header(&page, "x-content-type-options"), "nosniff");
    let html = page.text().await.expect("text");
    assert!(!html.contains("http://") && !html.contains("https://"), "no third party");
    for inline in ["<script>", "<style", " style=", " onclick", "javascript:"] {
        assert!(!html.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn assets_are_versioned_and_kept_for_good() {
    let server = TestServer::start().await;
    let urls = assets(&server).await;
    assert_eq!(urls.len(), 3, "{urls:?}");
    for url in urls {
        assert!(url.contains("?v="), "{url}");
        let asset = server.get(&url).await;
        assert_eq!(asset.status(), StatusCode::OK, "{url}");
        assert!(header(&asset, "cache-control").contains("immutable"), "{url}");
        assert_eq!(header(&asset, "x-content-type-options"), "nosniff", "{url}");
        let expected = match url.split(['.', '?']).nth(1) {
            Some("js") => "text/javascript",
            Some("css") => "text/css",
            _ => "image/svg+xml",
        };
        assert!(header(&asset, "content-type").starts_with(expected), "{url}");
        let etag = header(&asset, "etag").to_owned();
        let request = server.request(Method::GET, &url).header(IF_NONE_MATCH, etag);
        assert_eq!(request.send().await.expect("an answer").status(), StatusCode::NOT_MODIFIED);
    }
    let favicon = server.get("/favicon.ico").await;
    assert_eq!(favicon.headers()[CONTENT_TYPE], "image/svg+xml");
}

#[tokio::test]
async fn the_client_and_the_element_are_for_pages_of_any_origin() {
    let server = TestServer::start().await;
    for (path, expected) in [
        ("/changecast.js", "text/javascript"),
        ("/change-stream.js", "text/javascript"),
        ("/changecast.d.ts", "text/plain"),
    ] {
        let request = server.request(Method::GET, path).header("origin", "https://shop.example");
        let asset = request.send().await.expect("an answer");
        assert_eq!(asset.status(), StatusCode::OK, "{path}");
        assert!(header(&asset, "content-type").starts_with(expected), "{path}");
        assert_eq!(header(&asset, "access-control-allow-origin"), "*", "{path}");
        assert_eq!(header(&asset, "cross-origin-resource-policy"), "cross-origin", "{path}");
    }
}

#[tokio::test]
async fn s0_04_debug_serves_the_files_as_they_are_in_the_source_tree() {
    let server = TestServer::start_with(&["--debug"]).await;
    let urls = assets(&server).await;
    let script = urls.iter().find(|url| url.contains("page.js")).expect("the page has a script");
    let served = server.get(script).await;
    assert_eq!(header(&served, "cache-control"), "no-cache", "an edit shows on reload");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../changecast/web/dist/page.js");
    let on_disk = std::fs::read_to_string(source).expect("the source tree is there");
    assert_eq!(served.text().await.expect("text"), on_disk);
}
