//! `GET /documents/{source}/{collection}`: the documents in pages, and where to follow from.
//!
//! Invariant: the log's place is taken before the database is read. What is in the log by then is in
//! the database too, so a client that applies everything after that place to what it has read joins
//! state and stream without a hole. It may see changes again that its page already had.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::problem::Problem;
use super::super::router::App;
use super::{DocumentsMode, open};
use crate::limits;
use crate::model::EventId;
use crate::source::{ListPage, Listed};

/// Says the page's position once more, for those who do not look into the body.
const POSITION: HeaderName = HeaderName::from_static("changecast-position");

#[derive(Serialize)]
struct Body {
    position: String,
    documents: Vec<Box<RawValue>>,
    next: Option<String>,
}

pub(in super::super) async fn list(
    State(app): State<Arc<App>>,
    Path((source, collection)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    let documents = open(&app, &source, DocumentsMode::Read)?;
    let wanted = read_query(uri.query().unwrap_or(""))?;
    let position = position(&app, &source)?;
    let Listed { documents, next } = documents.list(&collection, wanted).await?;
    let documents = documents.into_iter().map(RawValue::from_string).collect::<Result<_, _>>();
    let documents = documents.map_err(|error| {
        tracing::error!(%error, "a listed document is not JSON");
        Problem::unavailable("a document cannot be read; see the server's log")
    })?;
    let body = Body { position: position.to_string(), documents, next };
    let header = HeaderValue::from_str(&body.position)
        .map_err(|_| Problem::unavailable("there is no position; try again"))?;
    let headers =
        [(header::CACHE_CONTROL, HeaderValue::from_static("no-store")), (POSITION, header)];
    Ok((headers, axum::Json(body)).into_response())
}

/// Where to follow from. A source that never had a position may miss what is written now, so that
/// no place could be named that joins it.
fn position(app: &App, source: &str) -> Result<EventId, Problem> {
    let statuses = app.board.sources();
    let is_positioned = statuses.iter().any(|status| &*status.name == source && status.positioned);
    if !is_positioned {
        return Err(Problem::unavailable(format!(
            "source {source:?} is not watched yet, so changes made meanwhile could be missed; try \
             again, or see /sources"
        )));
    }
    let seq = *app.log.tail().borrow();
    Ok(EventId { epoch: app.log.epoch(), seq })
}

fn read_query(query: &str) -> Result<ListPage, Problem> {
    let mut wanted = ListPage { after: None, limit: limits::LIST_COUNT };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "after" => wanted.after = Some(value.into_owned()),
            "limit" => wanted.limit = read_limit(&value)?,
            _ => {
                let name: String = name.chars().take(100).collect();
                let detail = format!("unknown query parameter {name:?}; known are limit, after");
                return Err(Problem::bad_request("parameter", detail));
            }
        }
    }
    Ok(wanted)
}

fn read_limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=limits::LIST_COUNT_MAX).contains(limit));
    limit.ok_or_else(|| {
        let detail = format!("limit takes a number from 1 to {}", limits::LIST_COUNT_MAX);
        Problem::bad_request("limit", detail)
    })
}
