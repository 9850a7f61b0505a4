//! Which fields a filter on events may ask for.

use super::super::error::{FilterError, nearest};
use super::super::path::Path;
use super::{Subjects, check_path};

/// What events have at their outermost level, of any source.
const FIELDS: [&str; 22] = [
    "_id",
    "operationType",
    "ns",
    "nsType",
    "to",
    "documentKey",
    "fullDocument",
    "fullDocumentBeforeChange",
    "updateDescription",
    "operationDescription",
    "stateBeforeChange",
    "clusterTime",
    "wallTime",
    "commitTimestamp",
    "collectionUUID",
    "reshardingUUID",
    "lsid",
    "txnNumber",
    "txn",
    "splitEvent",
    "unavailable",
    "unreadable",
];

/// Reads a path. A filter that can never match, because no event has such a field, would be a
/// silent gap: most such paths lack the `fullDocument.` that MongoDB's own collections do without.
pub(super) fn path(name: &str, subjects: Option<Subjects>) -> Result<Path, FilterError> {
    let path = Path::parse(name);
    check_path(&path, name)?;
    let root = path.root();
    if subjects != Some(Subjects::Events) || FIELDS.contains(&root) {
        return Ok(path);
    }
    let near = nearest(root, FIELDS.into_iter());
    let nearest = match near {
        Some(near) => name.replacen(root, near, 1),
        None => format!("fullDocument.{name}"),
    };
    Err(FilterError::UnknownField { path: name.to_owned(), nearest, is_known: near.is_some() })
}
