//! `POST /publish/{topic}`: messages from outside, as JSON or as CloudEvents.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::authorize::Wanted;
use super::cloud_event::{self, CloudEvent};
use super::documents::read_body;
use super::problem::Problem;
use super::router::App;
use crate::hub::{Message, PublishError};
use crate::model::Topic;

const KEY: &str = "idempotency-key";

pub(super) async fn publish(
    State(app): State<Arc<App>>,
    Path(topic): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let topic = read_topic(&topic)?;
    app.authorizer.allow(&request, Wanted::Publish(topic.clone())).await?;
    let Some(publisher) = &app.publisher else {
        let detail = "publishing is not open: start the server with --publish";
        return Err(Problem::forbidden("publish", detail));
    };
    let key = read_key(request.headers())?;
    let (json, own_key) = read_message(request).await?;
    // The two kinds of key must not meet.
    let key = key.map(|key| format!("key {key}")).or(own_key.map(|key| format!("event {key}")));
    let receipt = publisher.publish(Message { topic, json, key }).await?;
    let body = Json(serde_json::json!({ "id": receipt.id.to_string() }));
    Ok((StatusCode::ACCEPTED, [(header::CACHE_CONTROL, "no-store")], body).into_response())
}

fn read_topic(text: &str) -> Result<Topic, Problem> {
    if text.contains('*') {
        let detail = "a message goes to one topic, without a star";
        return Err(Problem::bad_request("topic", detail));
    }
    Topic::parse(text).map_err(|error| Problem::bad_request("topic", error.to_string()))
}

fn read_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(KEY).iter();
    let invalid = |detail: &str| Problem::bad_request("idempotency-key", detail);
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(invalid("there is more than one Idempotency-Key"));
    }
    let text = key.to_str().map_err(|_| invalid("the Idempotency-Key is not plain ASCII"))?.trim();
    // The header's standard has it in quotes; most clients leave them out.
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if bare.is_empty() {
        return Err(invalid("the Idempotency-Key is empty"));
    }
    Ok(Some(bare.to_owned()))
}

/// The message as JSON, and the key that it brings itself.
async fn read_message(request: Request<Body>) -> Result<(String, Option<String>), Problem> {
    let headers = request.headers().clone();
    let is_binary = cloud_event::is_binary(&headers);
    let is_structured = !is_binary
        && headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(
            |value| {
                let kind = value.split(';').next().unwrap_or("").trim();
                kind.eq_ignore_ascii_case(cloud_event::STRUCTURED)
            },
        );
    let types: &[&str] = if is_binary {
        &["application/json"]
    } else {
        &["application/json", cloud_event::STRUCTURED]
    };
    let body = read_body(request, types).await?;
    let event = match (is_binary, is_structured) {
        (true, _) => cloud_event::read_binary(&headers, &body)?,
        (_, true) => cloud_event::read_structured(body)?,
        _ => return Ok((body, None)),
    };
    let CloudEvent { json, key } = event;
    Ok((json, Some(key)))
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let detail = error.to_string();
        match error {
            PublishError::Owned { .. } | PublishError::Reserved(_) => {
                Self::forbidden("topic", detail)
            }
            PublishError::Invalid(_) => Self::bad_request("message", detail),
            PublishError::KeyReused(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key", detail)
            }
            PublishError::Log(_) => {
                // What the storage said is for the log, not for the client.
                tracing::error!(%error, "publishing failed");
                let detail =
                    "the log cannot be written now; try again, with the same Idempotency-Key";
                Self::unavailable(detail)
            }
        }
    }
}
