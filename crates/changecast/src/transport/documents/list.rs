//! `GET /documents/{source}/{collection}`: the documents in pages, and where to follow from.
//!
//! Invariant: the log's place is taken before the database is read. What is in the log by then is in
//! the database too, so a client that applies everything after that place to what it has read joins
//! state and stream without a hole. It may see changes again that its page already had.

use std::future::Future;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, Request, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::authorize::Wanted;
use super::super::problem::Problem;
use super::super::router::App;
use super::{DocumentsMode, open};
use crate::board::Board;
use crate::limits;
use crate::log::Log;
use crate::model::EventId;
use crate::source::{ListPage, Listed};

/// Says the page's position once more, for those who do not look into the body.
const POSITION: HeaderName = HeaderName::from_static("changecast-position");

#[derive(Serialize)]
struct Listing {
    position: String,
    documents: Vec<Box<RawValue>>,
    next: Option<String>,
}

pub(in super::super) async fn list(
    State(app): State<Arc<App>>,
    Path((source, collection)): Path<(String, String)>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let wanted =
        Wanted::ReadDocuments { source: source.clone(), collection: collection.clone(), id: None };
    app.authorizer.allow(&request, wanted).await?;
    let documents = open(&app, &source, DocumentsMode::Read)?;
    let wanted = read_query(request.uri().query().unwrap_or(""))?;
    let place = place(&app.board, &*app.log, &source)?;
    let (position, Listed { documents, next }) =
        place.then(documents.list(&collection, wanted)).await?;
    let documents = documents.into_iter().map(RawValue::from_string).collect::<Result<_, _>>();
    let documents = documents.map_err(|error| {
        tracing::error!(%error, "a listed document is not JSON");
        Problem::unavailable("a document cannot be read; see the server's log")
    })?;
    let body = Listing { position: position.to_string(), documents, next };
    let header = HeaderValue::from_str(&body.position)
        .map_err(|_| Problem::unavailable("there is no position; try again"))?;
    let headers =
        [(header::CACHE_CONTROL, HeaderValue::from_static("no-store")), (POSITION, header)];
    Ok((headers, axum::Json(body)).into_response())
}

/// Where to follow from, taken before anything is read.
struct Place(EventId);

impl Place {
    /// What `reading` finds, and the place from before it.
    async fn then<T, E>(
        self,
        reading: impl Future<Output = Result<T, E>>,
    ) -> Result<(EventId, T), E> {
        Ok((self.0, reading.await?))
    }
}

/// The place now. A source that never had a position may miss what is written now, so that no place
/// could be named that joins it.
fn place(board: &Board, log: &dyn Log, source: &str) -> Result<Place, Problem> {
    let statuses = board.sources();
    let is_positioned = statuses.iter().any(|status| &*status.name == source && status.positioned);
    if !is_positioned {
        return Err(Problem::unavailable(format!(
            "source {source:?} is not watched yet, so changes made meanwhile could be missed; try \
             again, or see /sources"
        )));
    }
    let seq = *log.tail().borrow();
    Ok(Place(EventId { epoch: log.epoch(), seq }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Batch, MemoryLog, PositionUpdate, Retention};
    use crate::model::{Body, Seq, SourceGap, SourceState, SourceStatus, Timestamp, TopicSet};

    fn board(positioned: bool) -> Board {
        let board = Board::default();
        board.add(SourceStatus {
            name: "shop".into(),
            kind: "scripted",
            topics: TopicSet::all(),
            state: SourceState::Live,
            positioned,
            error: None,
            remedy: None,
            since: Timestamp(0),
            last_change: None,
            gap_count: 0,
            replayable: true,
        });
        board
    }

    async fn append(log: &MemoryLog) -> Result<Seq, crate::log::LogError> {
        let bodies = vec![Body::Gap(SourceGap::new("any entry", &TopicSet::all()))];
        let position = PositionUpdate::Keep;
        log.append(Batch { source: "shop".into(), bodies, position }).await
    }

    #[tokio::test]
    async fn g2_what_is_appended_while_a_page_is_read_comes_after_its_position() {
        let log = MemoryLog::new(Retention::default());
        append(&log).await.unwrap();
        let place = place(&board(true), &log, "shop").unwrap();
        let (position, during) = place.then(append(&log)).await.unwrap();
        assert_eq!((position.seq, during), (Seq(1), Seq(2)));
    }

    #[test]
    fn a_source_that_was_never_reached_has_no_place_to_follow_from() {
        let log = MemoryLog::new(Retention::default());
        assert!(place(&board(false), &log, "shop").is_err());
        assert!(place(&board(true), &log, "stock").is_err());
    }
}
