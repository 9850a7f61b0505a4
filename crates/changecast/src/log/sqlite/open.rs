//! Opening `log.db`: is it whole, is it the one that was closed, and may its ids go on?
//!
//! | what is found | what becomes of it |
//! |---|---|
//! | damage | the files are moved aside, positions are kept where they can be read, a new log begins |
//! | less than was shown: an older file, or a write-ahead log cut short | a new epoch; entries and positions stay |
//! | `durability = normal`, not closed, and the machine started anew since | the same |

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};

use super::checksum;
use super::mark::{Mark, Marked};
use super::schema::{self, FORMAT, Opened, SourceRow};
use super::{Durability, storage};
use crate::limits;
use crate::log::LogError;
use crate::model::Epoch;

/// Why a file was not opened.
enum Trouble {
    Damage(rusqlite::Error),
    Other(LogError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        if schema::is_damage(&error) || schema::is_misshapen(&error) {
            Self::Damage(error)
        } else {
            Self::Other(storage(error))
        }
    }
}

pub(super) fn open(path: &Path, durability: Durability) -> Result<(Connection, Opened), LogError> {
    let marked = Mark::read(path);
    let opened = match open_sound(path, marked.as_ref()) {
        Err(Trouble::Damage(error)) => {
            let sources = salvage(path);
            set_aside(path, &error)?;
            open_sound(path, None).and_then(|(connection, opened)| {
                restore(&connection, &sources)?;
                Ok((connection, opened))
            })
        }
        opened => opened,
    };
    let (connection, mut opened) = opened.map_err(|trouble| match trouble {
        Trouble::Damage(error) => storage(error),
        Trouble::Other(error) => error,
    })?;
    begin(&connection, &mut opened, marked.as_ref(), durability).map_err(storage)?;
    Ok((connection, opened))
}

fn open_sound(path: &Path, marked: Option<&Marked>) -> Result<(Connection, Opened), Trouble> {
    let mut connection = schema::connect(path)?;
    // A damaged file is moved aside as it was found.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format > FORMAT {
        let path = path.display().to_string();
        return Err(Trouble::Other(LogError::Newer { path, found: format, known: FORMAT }));
    }
    check_pages(&connection, path)?;
    match format {
        FORMAT => {}
        1 | 2 => schema::migrate(&mut connection, format)?,
        0 if is_empty(&connection)? => schema::create(&mut connection)?,
        _ => return Err(Trouble::Damage(schema::damaged("its format is unknown"))),
    }
    let opened = schema::load(&connection)?;
    // One that ends earlier is not the one that was found damaged: somebody has restored it.
    let is_marked = |marked: &Marked| {
        marked.is_damaged && marked.epoch == opened.state.epoch && marked.seq == opened.state.tail
    };
    if marked.is_some_and(is_marked) {
        return Err(Trouble::Damage(schema::damaged("it was found damaged while it was in use")));
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok((connection, opened))
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

/// Asks SQLite whether the pages belong together: not of a large file, which would take long. What
/// entries say has checksums anyway.
fn check_pages(connection: &Connection, path: &Path) -> rusqlite::Result<()> {
    let bytes = fs::metadata(path).map_or(0, |file| file.len());
    if bytes > limits::LOG_CHECK_BYTES_MAX {
        return Ok(());
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(schema::damaged(&verdict)) }
}

/// What can still be read of where the sources were.
fn salvage(path: &Path) -> Vec<SourceRow> {
    let read = || -> rusqlite::Result<Vec<SourceRow>> {
        let connection = schema::connect(path)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let mut statement =
            connection.prepare("SELECT id, name, position, checksum FROM source")?;
        // What follows the first row that cannot be read is not to be trusted to be what it seems.
        let rows = statement.query_map([], SourceRow::read)?.map_while(Result::ok);
        Ok(rows.filter(SourceRow::is_sound).collect())
    };
    read().unwrap_or_default()
}

fn restore(connection: &Connection, sources: &[SourceRow]) -> rusqlite::Result<()> {
    for source in sources {
        let sum = checksum::of_source(source.id, &source.name, source.position.as_deref());
        connection.execute(
            "INSERT INTO source (id, name, position, checksum) VALUES (?, ?, ?, ?)",
            params![source.id, source.name, source.position, sum],
        )?;
    }
    tracing::info!(count = sources.len(), "positions of sources were kept");
    Ok(())
}

fn set_aside(path: &Path, error: &rusqlite::Error) -> Result<(), LogError> {
    let beside = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let aside = (seconds..)
        .map(|seconds| beside(path, &format!(".damaged-{seconds}")))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| beside(path, ".damaged"));
    // The file itself last: should this end in between, it is found damaged once more.
    for suffix in ["-wal", "-shm", ""] {
        let (from, to) = (beside(path, suffix), beside(&aside, suffix));
        if from.exists() {
            fs::rename(&from, &to).map_err(|error| {
                LogError::Storage(format!("cannot move {} aside: {error}", from.display()))
            })?;
        }
    }
    tracing::error!(
        %error, path = %path.display(), aside = %aside.display(),
        "the log is damaged: it was moved aside, and a new one begins"
    );
    Ok(())
}

/// Decides whether the epoch goes on, and writes down that the log is in use.
fn begin(
    connection: &Connection,
    opened: &mut Opened,
    marked: Option<&Marked>,
    durability: Durability,
) -> rusqlite::Result<()> {
    let boot = boot();
    let (known_durability, known_boot, was_closed): (String, String, bool) =
        connection.query_row("SELECT durability, boot, closed FROM log", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let state = &mut opened.state;
    let is_older =
        marked.is_some_and(|marked| marked.epoch == state.epoch && marked.seq > state.tail);
    let may_lack = known_durability == NORMAL && !was_closed && known_boot != boot;
    if is_older || may_lack {
        let reason = if is_older {
            "it ends before what was shown: an older file was restored, or its end was lost"
        } else {
            "it was not closed before the machine went down, with durability = normal"
        };
        let old = state.epoch;
        state.epoch = Epoch::from_random(fastrand::u64(..));
        tracing::error!(%old, new = %state.epoch, reason, "the log has a new epoch");
        state.store(connection)?;
    }
    let name = if durability == Durability::Normal { NORMAL } else { FULL };
    if durability == Durability::Normal || known_durability != name {
        // Synced whatever the durability: it is what the next start relies on.
        connection
            .execute("UPDATE log SET durability = ?, boot = ?, closed = 0", params![name, boot])?;
    }
    if durability == Durability::Normal {
        connection.pragma_update(None, "synchronous", "normal")?;
    }
    Ok(())
}

/// Another connection for the writer.
pub(super) fn renew(path: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let connection = schema::connect(path)?;
    if durability == Durability::Normal {
        connection.pragma_update(None, "synchronous", "normal")?;
    }
    Ok(connection)
}

const NORMAL: &str = "normal";
const FULL: &str = "full";

/// Everything is on the disk: the next start has nothing to doubt.
pub(super) fn finish(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    if durability == Durability::Normal {
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute("UPDATE log SET closed = 1", [])?;
    }
    Ok(())
}

/// What differs from one start of the machine to the next; where it is unknown, each start of ours
/// counts as one.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| format!("{:016x}", fastrand::u64(..)), |id| id.trim().to_owned())
}
