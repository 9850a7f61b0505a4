//! `/documents/{source}/{collection}/{id}`: reading and writing single documents; without an id,
//! `list.rs` has them in pages.

mod list;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::authorize::Wanted;
use super::problem::Problem;
use super::router::App;
use crate::limits;
use crate::source::{Documents, DocumentsError, Write, Written};

/// What may be done with a source's documents over HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentsMode {
    /// Nothing.
    #[default]
    Off,
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

pub(super) use list::list;

pub(super) type Key = Path<(String, String, String)>;

pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path((source, collection, id)): Key,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let wanted = Wanted::ReadDocuments {
        source: source.clone(),
        collection: collection.clone(),
        id: Some(id.clone()),
    };
    app.authorizer.allow(&request, wanted).await?;
    let documents = open(&app, &source, DocumentsMode::Read)?;
    match documents.read(&collection, &id).await? {
        Some(document) => {
            let content_type = (header::CONTENT_TYPE, document.content_type);
            Ok(([content_type, (header::CACHE_CONTROL, "no-store")], document.body).into_response())
        }
        None => Err(missing(&source, &collection, &id)),
    }
}

pub(super) async fn write(
    State(app): State<Arc<App>>,
    Path((source, collection, id)): Key,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let wanted = Wanted::WriteDocument {
        source: source.clone(),
        collection: collection.clone(),
        id: id.clone(),
    };
    app.authorizer.allow(&request, wanted).await?;
    let documents = open(&app, &source, DocumentsMode::Write)?;
    let method = request.method().clone();
    let write = match method {
        Method::DELETE => Write::Delete,
        Method::PATCH => Write::Patch(read_body(request, &PATCH_TYPES).await?),
        _ => Write::Put(read_body(request, &["application/json"]).await?),
    };
    let written = documents.write(&collection, &id, write).await?;
    Ok(match written {
        Written::Missing => return Err(missing(&source, &collection, &id)),
        // The original's upsert answered 204, whatever it did.
        _ if method == Method::POST => StatusCode::NO_CONTENT.into_response(),
        Written::Inserted => created(&source, &collection, &id),
        Written::Updated | Written::Deleted => StatusCode::NO_CONTENT.into_response(),
    })
}

const PATCH_TYPES: [&str; 2] = ["application/merge-patch+json", "application/json"];

fn open(app: &App, source: &str, wanted: DocumentsMode) -> Result<Arc<dyn Documents>, Problem> {
    let Some(served) = app.sources.iter().find(|served| &**served.source.name() == source) else {
        let known: Vec<_> = app.sources.iter().map(|served| &**served.source.name()).collect();
        let detail = format!("there is no source {source:?}; there are: {}", known.join(", "));
        return Err(Problem::not_found(detail));
    };
    let Some(documents) = served.source.documents() else {
        let detail = format!("the documents of source {source:?} cannot be had by key");
        return Err(Problem::not_found(detail));
    };
    if served.documents < wanted {
        let mode = if wanted == DocumentsMode::Write { "write" } else { "read" };
        let detail = format!(
            "the documents of source {source:?} are not open: start the server with --documents {mode}"
        );
        return Err(Problem::forbidden("documents", detail));
    }
    Ok(documents)
}

pub(super) async fn read_body(request: Request<Body>, types: &[&str]) -> Result<String, Problem> {
    check_content_type(request.headers(), types)?;
    let reading = to_bytes(request.into_body(), limits::DOCUMENT_BYTES_MAX);
    let body = match timeout(limits::BODY_TIMEOUT, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if is_too_large(&error) => {
            let detail = format!("the body is larger than {} bytes", limits::DOCUMENT_BYTES_MAX);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail));
        }
        Ok(Err(_)) => return Err(Problem::bad_request("body", "the body broke off")),
        Err(_) => {
            let detail = "the body took too long";
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail));
        }
    };
    String::from_utf8(body.into())
        .map_err(|_| Problem::bad_request("body", "the body is not UTF-8"))
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Also a defence: a form of a foreign web page cannot send this type without asking first.
fn check_content_type(headers: &HeaderMap, types: &[&str]) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.map(|value| value.split(';').next().unwrap_or("").trim());
    if given.is_some_and(|given| types.iter().any(|kind| kind.eq_ignore_ascii_case(given))) {
        return Ok(());
    }
    let detail = format!("send the header Content-Type: {}", types.join(" or "));
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", detail))
}

fn created(source: &str, collection: &str, id: &str) -> Response {
    let encode = |part: &str| form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
    let parts = [source, collection, id].map(|part| encode(part).replace('+', "%20"));
    let mut response = StatusCode::CREATED.into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/documents/{}", parts.join("/"))) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn missing(source: &str, collection: &str, id: &str) -> Problem {
    Problem::not_found(format!("there is no document {id:?} in {source}.{collection}"))
}

impl From<DocumentsError> for Problem {
    fn from(error: DocumentsError) -> Self {
        match error {
            DocumentsError::Invalid(detail) => Self::bad_request("document", detail),
            DocumentsError::Missing(detail) => Self::not_found(detail),
            DocumentsError::Refused(detail) => Self::forbidden("documents", detail),
            DocumentsError::Conflict(detail) => Self::new(StatusCode::CONFLICT, "conflict", detail),
            DocumentsError::Unavailable(_) => {
                // What the database said is for the log, not for the browser.
                tracing::error!(%error, "documents failed");
                Self::unavailable("the database does not answer; try again")
            }
        }
    }
}
