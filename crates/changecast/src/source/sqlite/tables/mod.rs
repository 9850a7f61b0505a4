//! A database of somebody else's: some of its tables are watched, through triggers that
//! [`install`] puts there.
//!
//! Which tables, under which names, is in `schema.rs`; what the triggers write in `triggers.rs`;
//! the stream is the embedded store's. Nothing but the installation writes to the database, save
//! that what has been read of the changelog is pruned.
//!
//! | invariant | what it buys |
//! |---|---|
//! | a changelog row and the write it tells of are one transaction | neither is ever there alone |
//! | a value keeps its type and its bytes, whatever its column is declared as | an event says what is in the database |
//! | a table whose triggers are gone stops the source, and installing it anew leaves a gap | no write goes by in silence |
//! | [`uninstall`] drops all that `install` made | the database is as it was |

mod check;
mod config;
mod decode;
mod documents;
mod inspect;
mod install;
mod schema;
mod source;
mod status;
mod triggers;
mod values;

#[cfg(test)]
mod tests;

pub use config::SqliteFileConfig;
pub use install::{Installed, install, uninstall};
pub use source::SqliteFile;
pub use status::{Status, TableStatus, status};

use super::stream::Changelog;

/// Where its changes are written down.
const CHANGELOG: Changelog = Changelog {
    table: "changecast_changelog",
    state: "changecast_state",
    // Its newest row is never pruned, and without AUTOINCREMENT nothing is left behind.
    newest: "SELECT coalesce(max(id), 0) FROM changecast_changelog",
    columns: "op, layout, NULL, before, after",
};
