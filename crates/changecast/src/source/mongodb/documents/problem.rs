//! What MongoDB's refusals mean to whoever asked over HTTP.
//!
//! Invariant: no text holds a value of the document or of another one.

use mongodb::error::{Error, ErrorKind};

use super::super::errors::{Hosts, server_sentence, server_words, short};
use crate::source::DocumentsError;

/// A key of this value is there already.
pub(super) const DUPLICATE_KEY: i32 = 11000;

const UNAUTHORIZED: i32 = 13;

/// What a server says of a document that it will never take, or of a name.
const INVALID: [i32; 12] = [
    2,     // BadValue
    14,    // TypeMismatch
    52,    // DollarPrefixedFieldName
    53,    // InvalidIdField
    55,    // InvalidDBRef
    56,    // EmptyFieldName
    57,    // DottedFieldName
    66,    // ImmutableField
    73,    // InvalidNamespace
    121,   // DocumentValidationFailure
    10334, // BSONObjectTooLarge
    17419, // the same, of an update
];

/// Whether a document of this key, or another unique one, is there already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    server_words(error).is_some_and(|(code, _)| code == DUPLICATE_KEY)
}

pub(super) fn explain(hosts: &Hosts, error: &Error) -> DocumentsError {
    match (server_words(error), &*error.kind) {
        (Some((UNAUTHORIZED, _)), _) => DocumentsError::Refused(
            "the database user of this source may not do this: grant it the role `read`, or \
             `readWrite` for writing"
                .into(),
        ),
        (Some((DUPLICATE_KEY, _)), _) => DocumentsError::Conflict(
            "another document has a value that the collection's unique index allows once".into(),
        ),
        (Some((code, words)), _) if INVALID.contains(&code) => {
            DocumentsError::Invalid(format!("MongoDB refuses it: {}", server_sentence(words)))
        }
        (None, ErrorKind::InvalidArgument { .. } | ErrorKind::BsonSerialization(_)) => {
            DocumentsError::Invalid(format!("MongoDB cannot hold it: {}", short(error)))
        }
        _ => DocumentsError::Unavailable(hosts.explain(error).to_string()),
    }
}
