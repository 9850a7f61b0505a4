//! What a stream asks of the server, beside where to start: the source's configuration and the
//! options of one `watch`, checked.
//!
//! A pipeline is Extended JSON. Its stages are checked here, before any server is asked, as far as
//! that goes; the rest the server says when the stream is opened. The module must not open streams.

use std::time::Duration;

use bson::{Bson, Document, doc};
use mongodb::action::Aggregate;
use mongodb::options::Collation;
use serde_json::{Value, json};

use super::config::MongoConfig;
use super::errors::invalid;
use crate::source::{FullDocument, FullDocumentBeforeChange, SourceError, WatchOptions};

/// How long the server waits for a change before it answers that there is none, unless told
/// otherwise: each answer tells a newer position.
const AWAIT_TIME: Duration = Duration::from_secs(1);

/// The stages that MongoDB takes behind `$changeStream`.
const STAGES: [&str; 9] = [
    "$match",
    "$project",
    "$addFields",
    "$set",
    "$unset",
    "$replaceRoot",
    "$replaceWith",
    "$redact",
    "$changeStreamSplitLargeEvent",
];

/// What a stream asks for.
pub(super) struct Request {
    pipeline: Vec<Document>,
    full_document: Option<FullDocument>,
    full_document_before_change: Option<FullDocumentBeforeChange>,
    max_await_time: Duration,
    batch_size: Option<u32>,
    collation: Option<Collation>,
    comment: Option<Bson>,
    show_expanded_events: bool,
    /// What tells this choice of changes from others; none where all are chosen.
    pub(super) fingerprint: Option<String>,
}

impl Request {
    /// What `options` say goes before what `config` says.
    pub(super) fn new(config: &MongoConfig, options: &WatchOptions) -> Result<Self, SourceError> {
        options.check_start()?;
        let pipeline = options.pipeline.as_ref().or(config.pipeline.as_ref());
        let max_await_time = options.max_await_time.unwrap_or(AWAIT_TIME);
        if max_await_time < Duration::from_millis(1) {
            return Err(invalid("max_await_time: at least a millisecond"));
        }
        Ok(Self {
            pipeline: pipeline.map_or(Ok(Vec::new()), |text| parse_pipeline(text))?,
            full_document: options.full_document.or(config.full_document),
            full_document_before_change: options
                .full_document_before_change
                .or(config.full_document_before_change),
            max_await_time,
            batch_size: options.batch_size,
            collation: options.collation.as_ref().map(parse_collation).transpose()?,
            comment: options.comment.as_ref().map(parse_comment).transpose()?,
            show_expanded_events: options.show_expanded_events,
            fingerprint: fingerprint(pipeline, options),
        })
    }

    /// Whether there is something in it that a server may refuse.
    pub(super) fn is_particular(&self) -> bool {
        let images = self.full_document.is_some() || self.full_document_before_change.is_some();
        images || self.fingerprint.is_some() || self.comment.is_some() || self.batch_size.is_some()
    }

    /// The `$changeStream` stage, but for where it starts.
    pub(super) fn stage(&self) -> Document {
        let mut stage = Document::new();
        if let Some(images) = self.full_document {
            stage.insert("fullDocument", images.name());
        }
        if let Some(images) = self.full_document_before_change {
            stage.insert("fullDocumentBeforeChange", images.name());
        }
        if self.show_expanded_events {
            stage.insert("showExpandedEvents", true);
        }
        stage
    }

    /// The user's stages.
    pub(super) fn pipeline(&self) -> impl Iterator<Item = Document> {
        self.pipeline.iter().cloned()
    }

    pub(super) fn configure<'a>(&self, aggregate: Aggregate<'a>) -> Aggregate<'a> {
        let mut aggregate = aggregate.max_await_time(self.max_await_time);
        if let Some(count) = self.batch_size {
            aggregate = aggregate.batch_size(count);
        }
        if let Some(collation) = &self.collation {
            aggregate = aggregate.collation(collation.clone());
        }
        if let Some(comment) = &self.comment {
            aggregate = aggregate.comment(comment.clone());
        }
        aggregate
    }
}

/// The choice of changes in a few bytes: whoever changes their mind gets another one. Were it the
/// same by chance, a token that the new choice leaves out would be refused as unknown, and told.
fn fingerprint(pipeline: Option<&String>, options: &WatchOptions) -> Option<String> {
    let expanded = options.show_expanded_events;
    if pipeline.is_none() && options.collation.is_none() && !expanded {
        return None;
    }
    let text = json!([pipeline, options.collation, expanded]).to_string();
    Some(format!("{:08x}", crc32fast::hash(text.as_bytes())))
}

fn parse_pipeline(text: &str) -> Result<Vec<Document>, SourceError> {
    if !text.trim_start().starts_with('[') {
        return Err(invalid(
            r#"pipeline must be a list of stages, such as [{"$match": {"operationType": "insert"}}]"#,
        ));
    }
    let stages: Vec<Document> = serde_json::from_str(text)
        .map_err(|error| invalid(format!("pipeline: not Extended JSON: {error}")))?;
    for (index, stage) in stages.iter().enumerate() {
        check_stage(stage)
            .map_err(|problem| invalid(format!("pipeline, stage {}: {problem}", index + 1)))?;
    }
    Ok(stages)
}

fn check_stage(stage: &Document) -> Result<(), String> {
    let mut members = stage.iter();
    let (Some((name, body)), None) = (members.next(), members.next()) else {
        return Err("a stage has one name, such as {\"$match\": …}".into());
    };
    if !STAGES.contains(&name.as_str()) {
        let known = STAGES.join(", ");
        return Err(format!("{name} cannot be used on change streams; these can: {known}"));
    }
    if touches_id(name, body) {
        return Err(format!(
            "{name} removes or changes _id, which is the resume token: leave _id as it is"
        ));
    }
    Ok(())
}

/// Whether a stage takes the resume token away, as far as one sees without running it.
fn touches_id(stage: &str, body: &Bson) -> bool {
    let id = body.as_document().and_then(|fields| fields.get("_id"));
    match (stage, body) {
        ("$project", _) => {
            id.is_some_and(|id| !matches!(id, Bson::Boolean(true)) && as_number(id) != Some(1.0))
        }
        ("$addFields" | "$set", _) => id.is_some(),
        ("$unset", Bson::String(field)) => field == "_id",
        ("$unset", Bson::Array(fields)) => fields.iter().any(|field| field.as_str() == Some("_id")),
        _ => false,
    }
}

fn as_number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(number) => Some(f64::from(*number)),
        Bson::Int64(number) => i32::try_from(*number).ok().map(f64::from),
        Bson::Double(number) => Some(*number),
        _ => None,
    }
}

fn parse_collation(value: &Value) -> Result<Collation, SourceError> {
    let wrong = |why: String| {
        invalid(format!("collation must be a document such as {{\"locale\": \"fr\"}}: {why}"))
    };
    let bson = Bson::try_from(value.clone()).map_err(|error| wrong(error.to_string()))?;
    bson::deserialize_from_bson(bson).map_err(|error| wrong(error.to_string()))
}

fn parse_comment(value: &Value) -> Result<Bson, SourceError> {
    Bson::try_from(value.clone())
        .map_err(|error| invalid(format!("comment: not Extended JSON: {error}")))
}

/// The whole pipeline of one stream.
pub(super) fn whole_pipeline(
    stage: Document,
    own: Option<Document>,
    request: &Request,
) -> Vec<Document> {
    let mut pipeline = vec![doc! { "$changeStream": stage }];
    pipeline.extend(own);
    pipeline.extend(request.pipeline());
    pipeline
}
