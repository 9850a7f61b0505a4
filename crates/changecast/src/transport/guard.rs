//! What may come in: the names this server goes by, and the web pages that may write or open a
//! WebSocket. Without it, any page in a developer's browser could reach a server on localhost.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Who may ask for what.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Host names that the server answers to, besides `localhost` and every IP address: a foreign
    /// name that resolves to this machine (DNS rebinding) is refused.
    pub hosts: Vec<String>,
    /// Origins (`https://example.org`, or `*`) whose pages may read, write and open WebSockets.
    pub origins: Vec<String>,
}

impl Policy {
    fn allows_host(&self, host: &str) -> bool {
        let name = host_name(host);
        name.eq_ignore_ascii_case("localhost")
            || name.to_ascii_lowercase().ends_with(".localhost")
            || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
            || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    }

    fn allows_origin(&self, origin: &str) -> bool {
        is_among(origin, &self.origins)
    }

    fn is_foreign(&self, headers: &HeaderMap) -> bool {
        is_foreign(headers, &self.origins)
    }
}

/// Whether the request comes from a web page of another site than ours that is not `allowed`.
pub(crate) fn is_foreign(headers: &HeaderMap, allowed: &[String]) -> bool {
    if let Some(origin) = text(headers, &header::ORIGIN) {
        return !is_same_origin(origin, headers) && !is_among(origin, allowed);
    }
    // Some requests of web pages carry no Origin, but say where they come from.
    matches!(text(headers, &SEC_FETCH_SITE), Some("cross-site" | "same-site"))
}

fn is_among(origin: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
}

const SEC_FETCH_SITE: header::HeaderName = header::HeaderName::from_static("sec-fetch-site");

/// `host`, `host:port`, `[v6]` or `[v6]:port` without the port.
fn host_name(host: &str) -> &str {
    let has_port = host.rsplit_once(':').filter(|(name, port)| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && (!name.contains(':') || name.ends_with(']'))
    });
    has_port.map_or(host, |(name, _)| name)
}

fn is_same_origin(origin: &str, headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, &header::HOST) else {
        return false;
    };
    let Ok(origin) = origin.parse::<Uri>() else {
        return false;
    };
    let is_web = matches!(origin.scheme_str(), Some("http" | "https"));
    is_web && origin.authority().is_some_and(|name| name.as_str().eq_ignore_ascii_case(host))
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

/// Lets a request in, or refuses it with the reason; adds the CORS headers of allowed origins, and
/// has no answer taken for anything but what it says it is.
pub(super) async fn guard(
    State(policy): State<Arc<Policy>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match check(&policy, &request) {
        Ok(()) => let_in(&policy, request, next).await,
        Err(problem) => problem.into_response(),
    };
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

async fn let_in(policy: &Policy, request: Request, next: Next) -> Response {
    let allowed = text(request.headers(), &header::ORIGIN)
        .filter(|origin| policy.allows_origin(origin))
        .and_then(|origin| HeaderValue::from_str(origin).ok());
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (&allowed, is_preflight) {
        (Some(_), true) => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed {
        allow(response.headers_mut(), origin, is_preflight);
    }
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, is_preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let exposed = HeaderValue::from_static("Changecast-Position, Retry-After");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    if is_preflight {
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, PUT, PATCH, POST, DELETE"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Last-Event-ID, Idempotency-Key"),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

fn check(policy: &Policy, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let host =
        text(headers, &header::HOST).or_else(|| request.uri().authority().map(|a| a.as_str()));
    let Some(host) = host else {
        return Err(Problem::bad_request("host", "the request has no Host header"));
    };
    if !policy.allows_host(host) {
        let name = host_name(host);
        return Err(Problem::forbidden(
            "host",
            format!(
                "this server does not answer to the name {name:?}: start it with --allow-host {name} if it should"
            ),
        ));
    }
    let is_websocket = headers.contains_key(header::UPGRADE);
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_websocket && policy.is_foreign(headers) {
        return Err(Problem::forbidden(
            "origin",
            "Cross origin websockets not allowed: start the server with --allow-origin ORIGIN to let that page in",
        ));
    }
    if is_write && policy.is_foreign(headers) {
        return Err(Problem::forbidden(
            "origin",
            "a page of another origin must not write here: start the server with --allow-origin ORIGIN to let it",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_rebound_are_refused() {
        let policy = Policy { hosts: vec!["db.example".into()], origins: vec![] };
        for host in [
            "localhost",
            "localhost:8888",
            "LOCALHOST",
            "127.0.0.1:1",
            "[::1]:8888",
            "[::1]",
            "10.0.0.7",
            "db.example:80",
            "a.localhost:1",
        ] {
            assert!(policy.allows_host(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8888",
            "localhost.evil.example",
            "",
            "127.0.0.1.evil.example",
            "db.example.evil",
        ] {
            assert!(!policy.allows_host(host), "{host}");
        }
    }

    #[track_caller]
    fn check_foreign(headers: &[(&'static str, &'static str)], expected: bool) {
        let policy = Policy { hosts: vec![], origins: vec!["https://ok.example".into()] };
        let map = headers.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), HeaderValue::from_static(value))
        });
        assert_eq!(policy.is_foreign(&map.collect()), expected, "{headers:?}");
    }

    #[test]
    fn the_origin_must_be_the_host_port_included() {
        check_foreign(&[("host", "localhost:8888")], false);
        check_foreign(&[("host", "localhost:8888"), ("origin", "http://localhost:8888")], false);
        check_foreign(&[("host", "localhost:8888"), ("origin", "http://localhost:9999")], true);
        check_foreign(&[("host", "localhost:8888"), ("origin", "http://evil.example")], true);
        check_foreign(&[("host", "localhost:8888"), ("origin", "null")], true);
        check_foreign(&[("host", "localhost:8888"), ("origin", "https://ok.example")], false);
        check_foreign(&[("host", "localhost:8888"), ("sec-fetch-site", "cross-site")], true);
        check_foreign(&[("host", "localhost:8888"), ("sec-fetch-site", "same-origin")], false);
    }
}
