//! The embedded document store: one SQLite file, watched through a changelog that triggers fill.
//!
//! Its documents are written through [`SqliteStore`] or by any program that opens the file. What
//! such a program may rely on is in `schema.rs`. Nothing here knows the log or who follows.

mod description;
mod documents;
mod events;
mod list;
mod merge_patch;
mod object;
mod position;
mod schema;
mod store;
mod stream;
pub mod tables;
mod writer;

#[cfg(test)]
mod tests;

pub use store::SqliteStore;
pub use tables::{SqliteFile, SqliteFileConfig};

use rusqlite::ErrorCode;

use super::SourceError;

/// What follows from an error of SQLite.
fn failure(error: rusqlite::Error) -> SourceError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => SourceError::Operator {
            problem: error.to_string(),
            remedy: "restore the file from a copy, or move it away to start anew".into(),
        },
        _ => SourceError::Unavailable(error.to_string()),
    }
}
