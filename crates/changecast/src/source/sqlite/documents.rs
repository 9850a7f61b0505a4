//! What a request may ask of the store: names and bodies are checked before anything is written.

use super::events::identified;
use super::object::{Object, depth, quote, readable};
use crate::limits;
use crate::source::{DocumentsError, Write};

/// A checked [`Write`]; bodies hold no `_id`.
#[derive(Debug)]
pub(super) enum Checked {
    Put(String),
    Patch(String),
    Delete,
}

impl Checked {
    pub(super) fn new(id: &str, write: &Write) -> Result<Self, DocumentsError> {
        Ok(match write {
            Write::Put(body) => Self::Put(check_body(id, body)?),
            Write::Patch(patch) => Self::Patch(check_body(id, patch)?),
            Write::Delete => Self::Delete,
        })
    }

    /// Bytes that it adds to a transaction.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Put(body) | Self::Patch(body) => body.len(),
            Self::Delete => 0,
        }
    }
}

pub(super) fn check_names(collection: &str, id: &str) -> Result<(), DocumentsError> {
    check_collection(collection)?;
    check_name("id", id, limits::DOCUMENT_ID_BYTES_MAX)
}

pub(super) fn check_collection(collection: &str) -> Result<(), DocumentsError> {
    check_name("collection", collection, limits::COLLECTION_BYTES_MAX)
}

fn check_name(what: &str, name: &str, bytes_max: usize) -> Result<(), DocumentsError> {
    if name.is_empty() {
        return Err(DocumentsError::Invalid(format!("the {what} is empty")));
    }
    if name.len() > bytes_max {
        return Err(DocumentsError::Invalid(format!(
            "the {what} is longer than {bytes_max} bytes"
        )));
    }
    if name.chars().any(char::is_control) {
        return Err(DocumentsError::Invalid(format!("the {what} holds a control character")));
    }
    Ok(())
}

/// Checks the size of a body as it will be stored.
pub(super) fn check_size(body: &str) -> Result<(), DocumentsError> {
    if body.len() > limits::DOCUMENT_BYTES_MAX {
        return Err(DocumentsError::Invalid(format!(
            "the document is larger than {} bytes",
            limits::DOCUMENT_BYTES_MAX
        )));
    }
    if depth(body) > limits::DOCUMENT_DEPTH_MAX {
        return Err(DocumentsError::Invalid(format!(
            "the document nests deeper than {} levels",
            limits::DOCUMENT_DEPTH_MAX
        )));
    }
    Ok(())
}

fn check_body(id: &str, body: &str) -> Result<String, DocumentsError> {
    check_size(body)?;
    let mut object = Object::parse(body).map_err(|error| {
        DocumentsError::Invalid(format!("the body must be a JSON object: {error}"))
    })?;
    if let Some(own) = object.remove("_id")
        && serde_json::from_str::<String>(own).ok().as_deref() != Some(id)
    {
        return Err(DocumentsError::Invalid(format!(
            "the body's _id is {own}, but the address says {}: leave _id out or make them equal",
            quote(id)
        )));
    }
    Ok(object.to_string())
}

/// A stored body as it is handed out: with its id in front and numbers that a browser keeps.
pub(super) fn present(id: &str, body: &str) -> Result<String, DocumentsError> {
    let unreadable = |error: &dyn std::error::Error| {
        DocumentsError::Unavailable(format!("the stored document cannot be read: {error}"))
    };
    let text = readable(body).map_err(|error| unreadable(&error))?;
    let mut object = Object::parse(&text).map_err(|error| unreadable(&error))?;
    object.remove("_id");
    Ok(identified(&quote(id), &object))
}
