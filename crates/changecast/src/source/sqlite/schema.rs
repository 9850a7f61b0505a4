//! The file's format: what every program that opens it may rely on.
//!
//! It knows SQL and nothing of events, streams or requests. Triggers write the changelog in the
//! transaction of whoever writes, so that no program has to know of it:
//!
//! | statement | changelog |
//! |---|---|
//! | `INSERT` | `insert` |
//! | `UPDATE` of the body, and `INSERT … ON CONFLICT DO UPDATE` | `update` |
//! | `INSERT OR REPLACE` of a document that exists | one `replace` |
//! | the same under `PRAGMA recursive_triggers = ON` | `delete`, `insert`: SQLite fires the delete trigger too |
//! | `DELETE` | `delete` |
//! | `UPDATE` of the key | `delete` of the old, `insert` of the new (`replace` where `OR REPLACE` overwrites one) |
//! | `INSERT OR IGNORE` of a document that exists, or writing the same text again | nothing |
//!
//! | invariant | what it buys |
//! |---|---|
//! | a changelog row and the write it tells of are one transaction | neither is ever there alone |
//! | ids grow by one in commit order, and the newest row is never pruned | a hole in the ids is lost history, never chance |
//! | the triggers use nothing newer than SQLite 3.32, and no table is `STRICT` | the `sqlite3` of a long-lived distribution can write too |
//! | `document` is `WITHOUT ROWID` | `REPLACE` can hit a document by its key only, so no removal goes unseen |

use std::path::Path;
use std::thread;
use std::time::Instant;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};

use super::failure;
use super::stream::Changelog;
use crate::limits;
use crate::source::SourceError;

const FORMAT: i64 = 1;

/// "ccds", as `file` and others show it.
const APPLICATION_ID: i64 = 0x6363_6473;

/// The numbers in the checks belong to the format: files out there have them, whatever
/// `limits.rs` comes to say. 16 MiB is what MongoDB allows. The constraints' names are what a
/// writer reads when one refuses its row.
const SCHEMA: &str = r#"
    CREATE TABLE document (
        collection TEXT NOT NULL,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (collection, id),
        CONSTRAINT "collection must be text of 1 to 255 bytes without control characters" CHECK (
            typeof(collection) = 'text'
            AND length(CAST(collection AS BLOB)) BETWEEN 1 AND 255
            AND instr(CAST(collection AS BLOB), x'00') = 0
            AND collection NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'
        ),
        CONSTRAINT "id must be text of 1 to 1024 bytes without control characters" CHECK (
            typeof(id) = 'text'
            AND length(CAST(id AS BLOB)) BETWEEN 1 AND 1024
            AND instr(CAST(id AS BLOB), x'00') = 0
            AND id NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'
        ),
        CONSTRAINT "body must be a JSON object of at most 16 MiB, as text" CHECK (
            typeof(body) = 'text'
            AND length(CAST(body AS BLOB)) <= 16777216
            AND CASE WHEN json_valid(body) THEN json_type(body) = 'object' ELSE 0 END
        )
    ) WITHOUT ROWID;

    CREATE TABLE changelog (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time INTEGER NOT NULL,          -- milliseconds since 1970, UTC
        op TEXT NOT NULL,               -- insert, update, replace or delete
        collection TEXT NOT NULL,
        document_id TEXT NOT NULL,
        before TEXT,                    -- the body before, of update, replace and delete
        after TEXT                      -- the body after, of insert, update and replace
    );

    CREATE TABLE changelog_state (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        identity TEXT NOT NULL,         -- of this file's history: event ids start with it
        rows_max INTEGER NOT NULL CHECK (rows_max > 0) -- the changelog's cap if nobody reads it
    );

    -- What a statement is about to overwrite. A row left over (by OR IGNORE) is never read: the
    -- BEFORE trigger of the same row always renews it.
    CREATE TABLE changelog_pending (
        collection TEXT NOT NULL,
        id TEXT NOT NULL,
        before TEXT NOT NULL,
        PRIMARY KEY (collection, id)
    ) WITHOUT ROWID;

    CREATE TRIGGER document_before_insert BEFORE INSERT ON document BEGIN
        DELETE FROM changelog_pending WHERE collection = NEW.collection AND id = NEW.id;
        INSERT INTO changelog_pending SELECT collection, id, body FROM document
            WHERE collection = NEW.collection AND id = NEW.id;
    END;

    CREATE TRIGGER document_after_insert AFTER INSERT ON document BEGIN
        {WRITTEN}
    END;

    CREATE TRIGGER document_before_move BEFORE UPDATE OF collection, id ON document
    WHEN OLD.collection IS NOT NEW.collection OR OLD.id IS NOT NEW.id BEGIN
        DELETE FROM changelog_pending WHERE collection = NEW.collection AND id = NEW.id;
        INSERT INTO changelog_pending SELECT collection, id, body FROM document
            WHERE collection = NEW.collection AND id = NEW.id;
    END;

    CREATE TRIGGER document_after_move AFTER UPDATE OF collection, id ON document
    WHEN OLD.collection IS NOT NEW.collection OR OLD.id IS NOT NEW.id BEGIN
        INSERT INTO changelog (time, op, collection, document_id, before)
            VALUES ({NOW}, 'delete', OLD.collection, OLD.id, OLD.body);
        {WRITTEN}
    END;

    CREATE TRIGGER document_after_update AFTER UPDATE ON document
    WHEN OLD.collection IS NEW.collection AND OLD.id IS NEW.id BEGIN
        INSERT INTO changelog (time, op, collection, document_id, before, after)
            SELECT {NOW}, 'update', NEW.collection, NEW.id, OLD.body, NEW.body
            WHERE OLD.body IS NOT NEW.body;
        DELETE FROM changelog_pending WHERE collection = NEW.collection AND id = NEW.id;
    END;

    CREATE TRIGGER document_after_delete AFTER DELETE ON document BEGIN
        INSERT INTO changelog (time, op, collection, document_id, before)
            VALUES ({NOW}, 'delete', OLD.collection, OLD.id, OLD.body);
        DELETE FROM changelog_pending WHERE collection = OLD.collection AND id = OLD.id;
    END;

    -- Now and then, so that a write hardly ever pays for it.
    CREATE TRIGGER changelog_cap AFTER INSERT ON changelog WHEN NEW.id % 256 = 0 BEGIN
        DELETE FROM changelog WHERE id <= NEW.id - (SELECT rows_max FROM changelog_state);
    END;
"#;

/// Stands for `{WRITTEN}`: a document is there that was not, or was another.
const WRITTEN: &str = "
        INSERT INTO changelog (time, op, collection, document_id, before, after)
            SELECT {NOW}, iif(old.before IS NULL, 'insert', 'replace'),
                   NEW.collection, NEW.id, old.before, NEW.body
            FROM (SELECT 1) LEFT JOIN changelog_pending AS old
                ON old.collection = NEW.collection AND old.id = NEW.id
            WHERE old.before IS NOT NEW.body;
        DELETE FROM changelog_pending WHERE collection = NEW.collection AND id = NEW.id;";

/// Stands for `{NOW}`; `unixepoch('subsec')` needs SQLite 3.42.
pub(super) const NOW: &str = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)";

/// Where the changes are written down.
pub(super) const CHANGELOG: Changelog = Changelog {
    table: "changelog",
    state: "changelog_state",
    // The row counts beside SQLite's own record, which a statement with `OR FAIL` leaves behind.
    newest: "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changelog'), 0),
                        coalesce((SELECT max(id) FROM changelog), 0))",
    columns: "op, collection, document_id, before, after",
};

/// Opens the store at `path`, creating it where there is none.
pub(super) fn open(path: &Path) -> Result<Connection, SourceError> {
    let mut connection = Connection::open(path).map_err(failure)?;
    prepare(&connection).map_err(failure)?;
    write_ahead(&connection).map_err(failure)?;
    if is_empty(&connection).map_err(failure)? {
        create(&mut connection).map_err(failure)?;
    }
    check(&connection, path)?;
    Ok(connection)
}

/// Another connection to a store that is there already; it does not create one.
pub(super) fn connect(path: &Path) -> Result<Connection, SourceError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failure)?;
    prepare(&connection).map_err(failure)?;
    check(&connection, path)?;
    connection.pragma_update(None, "query_only", true).map_err(failure)?;
    Ok(connection)
}

/// What an operator may want to know of a store.
pub(super) struct Facts {
    pub(super) format: i64,
    pub(super) bytes: i64,
    /// The changelog's oldest and newest row; 0 where it has none.
    pub(super) oldest: i64,
    pub(super) newest: i64,
}

pub(super) fn facts(connection: &Connection) -> rusqlite::Result<Facts> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let end = |order: &str| {
        let query = format!("SELECT coalesce({order}(id), 0) FROM changelog");
        connection.query_row(&query, [], |row| row.get(0))
    };
    Ok(Facts {
        format: pragma("user_version")?,
        bytes: pragma("page_count")?.saturating_mul(pragma("page_size")?),
        oldest: end("min")?,
        newest: end("max")?,
    })
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(limits::BUSY_TIMEOUT)?;
    // FULL: a write is on the disk before it is answered.
    connection.pragma_update(None, "synchronous", "full")
}

/// Turns to the write-ahead log. Where another process does the same to a new file, SQLite gives up at
/// once, whatever the busy timeout: trying again finds it done.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + limits::BUSY_TIMEOUT;
    loop {
        let turned = connection.pragma_update(None, "journal_mode", "wal");
        let is_busy = matches!(&turned, Err(error)
            if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
        if !is_busy || Instant::now() >= deadline {
            return turned;
        }
        thread::sleep(limits::BUSY_RETRY_EVERY);
    }
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !is_empty(&transaction)? {
        // Another process was faster.
        return Ok(());
    }
    transaction.execute_batch(&SCHEMA.replace("{WRITTEN}", WRITTEN).replace("{NOW}", NOW))?;
    transaction.execute(
        "INSERT INTO changelog_state VALUES (1, lower(hex(randomblob(8))), ?)",
        params![i64::try_from(limits::CHANGELOG_ROWS_MAX).unwrap_or(i64::MAX)],
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

fn check(connection: &Connection, path: &Path) -> Result<(), SourceError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let path = path.display();
    if pragma("application_id").map_err(failure)? != APPLICATION_ID {
        return Err(SourceError::Operator {
            problem: format!("{path} is not a document store of changecast"),
            remedy: "move the file away, or use another --data directory".into(),
        });
    }
    let format = pragma("user_version").map_err(failure)?;
    if format > FORMAT {
        return Err(SourceError::Operator {
            problem: format!(
                "{path} was written by a newer changecast (format {format}, this one reads {FORMAT})"
            ),
            remedy: "use that version, or another --data directory".into(),
        });
    }
    Ok(())
}
