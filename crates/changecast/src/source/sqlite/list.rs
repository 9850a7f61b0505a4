//! Pages of a collection, by key.
//!
//! A page is one statement, so it shows one moment of the file; the next page shows a later one.

use rusqlite::{Connection, params};

use super::documents::present;
use crate::limits;
use crate::source::{DocumentsError, ListPage, Listed};

/// Keys and stored bodies, and whether more follow.
pub(super) struct Rows {
    rows: Vec<(String, String)>,
    has_more: bool,
}

/// Reads what `wanted` asks for, up to [`limits::LIST_BYTES_MAX`].
pub(super) fn page(
    connection: &Connection,
    collection: &str,
    wanted: &ListPage,
) -> rusqlite::Result<Rows> {
    let mut statement = connection.prepare_cached(
        "SELECT id, body FROM document WHERE collection = ? AND id > ? ORDER BY id",
    )?;
    // Every key has a character, so all come after the empty text.
    let after = wanted.after.as_deref().unwrap_or("");
    let mut found = statement.query(params![collection, after])?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = found.next()? {
        let text = |column| -> rusqlite::Result<String> {
            Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
        };
        if rows.len() >= wanted.limit || bytes >= limits::LIST_BYTES_MAX {
            return Ok(Rows { rows, has_more: true });
        }
        let (id, body) = (text(0)?, text(1)?);
        bytes += body.len();
        rows.push((id, body));
    }
    Ok(Rows { rows, has_more: false })
}

/// The page as it is handed out.
pub(super) fn present_page(Rows { rows, has_more }: Rows) -> Result<Listed, DocumentsError> {
    let next = if has_more { rows.last().map(|(id, _)| id.clone()) } else { None };
    let documents = rows.iter().map(|(id, body)| present(id, body)).collect::<Result<_, _>>()?;
    Ok(Listed { documents, next })
}
