//! The live page and its assets, embedded in the binary.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path as FilePath;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::router::App;

/// How the page behaves.
#[derive(Clone, Copy, Debug)]
pub struct PageConfig {
    /// How many past changes it begins with.
    pub cache_size: u32,
    /// Whether its files are read from the source tree's `web/dist` at each request, so that an edit shows on
    /// reload.
    pub from_disk: bool,
}

impl Default for PageConfig {
    fn default() -> Self {
        Self { cache_size: 5, from_disk: false }
    }
}

struct Asset {
    name: &'static str,
    content_type: &'static str,
    embedded: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        Asset {
            name: $name,
            content_type: $content_type,
            embedded: include_bytes!(concat!("../../web/dist/", $name)),
        }
    };
}

static INDEX: Asset = asset!("index.html", "text/html; charset=UTF-8");
static FAVICON: Asset = asset!("favicon.svg", "image/svg+xml");
static PAGE_JS: Asset = asset!("page.js", JAVASCRIPT);
static STYLE_CSS: Asset = asset!("style.css", "text/css; charset=UTF-8");

/// What other people's pages load, at addresses that stay.
static LIBRARY: [Asset; 3] = [
    asset!("changecast.js", JAVASCRIPT),
    asset!("changecast.d.ts", "text/plain; charset=UTF-8"),
    asset!("change-stream.js", JAVASCRIPT),
];

const JAVASCRIPT: &str = "text/javascript; charset=UTF-8";

impl Asset {
    fn read(&self, config: &PageConfig) -> Vec<u8> {
        let path = FilePath::new(concat!(env!("CARGO_MANIFEST_DIR"), "/web/dist")).join(self.name);
        let edited = if config.from_disk { std::fs::read(path).ok() } else { None };
        edited.unwrap_or_else(|| self.embedded.to_vec())
    }

    fn versioned_url(&self, config: &PageConfig) -> String {
        format!("/assets/{}?v={}", self.name, version(&self.read(config)))
    }
}

/// Tells contents apart; not a secret and not a defence.
fn version(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

pub(super) fn index(app: &App, headers: &HeaderMap) -> Response {
    let config = &app.page;
    let html = String::from_utf8_lossy(&INDEX.read(config))
        .replace("@PAGE_JS@", &PAGE_JS.versioned_url(config))
        .replace("@STYLE_CSS@", &STYLE_CSS.versioned_url(config))
        .replace("@FAVICON@", &FAVICON.versioned_url(config))
        .replace("@CACHE_SIZE@", &config.cache_size.to_string());
    respond(headers, INDEX.content_type, html.into_bytes(), "no-cache")
}

pub(super) async fn favicon(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    respond(&headers, FAVICON.content_type, FAVICON.read(&app.page), "max-age=86400")
}

pub(super) async fn asset(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asset = [&PAGE_JS, &STYLE_CSS, &FAVICON].into_iter().find(|asset| asset.name == name);
    let asset = asset.ok_or_else(|| Problem::not_found("there is no such asset"))?;
    let caching = if app.page.from_disk { "no-cache" } else { "max-age=31536000, immutable" };
    Ok(respond(&headers, asset.content_type, asset.read(&app.page), caching))
}

/// The client and the custom element, for pages of any origin: scripts are no secret.
pub(super) async fn library(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asset = LIBRARY.iter().find(|asset| uri.path().strip_prefix('/') == Some(asset.name));
    let asset = asset.ok_or_else(|| Problem::not_found("there is no such page"))?;
    let content = asset.read(&app.page);
    let mut response = respond(&headers, asset.content_type, content, "no-cache");
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

fn respond(
    request: &HeaderMap,
    content_type: &'static str,
    content: Vec<u8>,
    caching: &'static str,
) -> Response {
    let etag = format!("\"{}\"", version(&content));
    let known = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| {
        known.split(',').any(|tag| tag.trim() == "*" || tag.trim().trim_start_matches("W/") == etag)
    });
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, content_type)], content).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, caching),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
