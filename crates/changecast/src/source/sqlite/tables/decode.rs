//! A changelog row becomes a change event, by the layout that it names.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::config::SqliteFileConfig;
use super::inspect::operator;
use super::schema::{self, INSTALLED_ANEW};
use super::status::{TableStatus, survey};
use super::values::{self, Value};
use crate::model::{Change, Op};
use crate::source::SourceError;
use crate::source::check::shell_word;
use crate::source::sqlite::events::{Encoder, Event, Image, Row};
use crate::source::sqlite::failure;
use crate::source::sqlite::object::join;
use crate::source::sqlite::stream::Decode;

/// Reads the changelog of one database.
pub(super) struct Decoder {
    encoder: Encoder,
    config: SqliteFileConfig,
    layouts: HashMap<i64, Option<Layout>>,
    /// The database's schema when it was last looked at.
    schema_version: i64,
    file: Option<FileId>,
}

/// What an image is of.
struct Layout {
    collection: String,
    columns: Vec<String>,
    key: Vec<usize>,
    is_wanted: bool,
}

/// Tells a file from another that has taken its place.
type FileId = (u64, u64);

impl Decoder {
    pub(super) fn new(encoder: Encoder, config: SqliteFileConfig) -> Self {
        let file = file_id(&config.path);
        Self { encoder, config, layouts: HashMap::new(), schema_version: -1, file }
    }

    fn layout(
        &mut self,
        connection: &Connection,
        id: &str,
    ) -> Result<Option<&Layout>, SourceError> {
        let id: i64 = id.parse().unwrap_or(-1);
        if !self.layouts.contains_key(&id) {
            let read = self.read_layout(connection, id).map_err(failure)?;
            self.layouts.insert(id, read);
        }
        Ok(self.layouts.get(&id).and_then(Option::as_ref))
    }

    fn read_layout(&self, connection: &Connection, id: i64) -> rusqlite::Result<Option<Layout>> {
        let found: Option<(String, String, String)> = connection
            .query_row(
                "SELECT collection, columns, key FROM changecast_layout WHERE id = ?",
                params![id],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()?;
        Ok(found.and_then(|(collection, columns, key)| {
            let columns = serde_json::from_str(&columns).ok()?;
            let key = serde_json::from_str(&key).ok()?;
            let is_wanted = is_wanted(&self.config, &collection);
            Some(Layout { collection, columns, key, is_wanted })
        }))
    }
}

impl Decode for Decoder {
    fn change(
        &mut self,
        connection: &Connection,
        row: &Row,
    ) -> Result<Option<Change>, SourceError> {
        let encoder = self.encoder.clone();
        let Some(layout) = self.layout(connection, &row.collection)? else {
            // Nobody can tell which table it is of.
            return Err(SourceError::HistoryLost("the changelog holds a row of no table".into()));
        };
        if !layout.is_wanted {
            return Ok(None);
        }
        if row.op == INSTALLED_ANEW {
            let table = &layout.collection;
            return Err(SourceError::HistoryLost(format!(
                "the table {table:?} was installed anew: changes from before may be missing"
            )));
        }
        Ok(encoder.change(layout.event(row)))
    }

    /// Looks whether the file is still the one, and whether its triggers are there.
    fn check(&mut self, connection: &Connection) -> Result<(), SourceError> {
        if file_id(&self.config.path) != self.file {
            return Err(SourceError::Unavailable("the file was removed or replaced".into()));
        }
        let version: i64 = connection
            .pragma_query_value(None, "schema_version", |row| row.get(0))
            .map_err(failure)?;
        if version != self.schema_version {
            for TableStatus { table, problem, .. } in check_installed(connection, &self.config)? {
                let remedy = command(&self.config, "install", std::slice::from_ref(&table));
                let source = &*self.config.name;
                tracing::warn!(source, table, problem, remedy, "a table has changed");
            }
            self.schema_version = version;
        }
        Ok(())
    }
}

impl Layout {
    fn event<'r>(&self, row: &'r Row) -> Event<'r> {
        let before = row.before.as_deref().map(|image| self.read(image));
        let after = row.after.as_deref().map(|image| self.read(image));
        let mut unavailable = Vec::new();
        let mut key = None;
        let mut image = |read: Option<Option<Vec<Value>>>, part: &str, is_after: bool| {
            let values = match read {
                None => return Image::Absent,
                Some(None) => return Image::Unreadable,
                Some(Some(values)) => values,
            };
            if is_after || key.is_none() {
                key = Some(self.key(&values));
            }
            let missing = self.named(&values).filter(|(_, value)| value.is_none());
            unavailable.extend(missing.map(|(name, _)| format!("{part}.{name}")));
            Image::Text(join(self.named(&values).filter_map(|(name, value)| Some((name, value?)))))
        };
        let before = image(before, "fullDocumentBeforeChange", false);
        let after = image(after, "fullDocument", true);
        Event {
            id: row.id,
            time: row.time,
            op: Op::from_name(&row.op),
            op_name: &row.op,
            collection: self.collection.clone(),
            key: key.unwrap_or_else(|| "{}".into()),
            own_id: None,
            before,
            after,
            unavailable,
        }
    }

    /// The values of an image, if it is one of this layout.
    fn read(&self, image: &str) -> Option<Vec<Value>> {
        let needed = self.key.iter().map(|place| place + 1).max().unwrap_or(0);
        let count = self.columns.len().max(needed);
        values::read(image).filter(|values| values.len() == count)
    }

    /// The columns with their values, where those can be sent; the hidden row id is none.
    fn named<'v>(
        &'v self,
        values: &'v [Value],
    ) -> impl Iterator<Item = (&'v str, Option<&'v str>)> + 'v {
        self.columns.iter().map(String::as_str).zip(values.iter().map(|value| match value {
            Value::Json(text) => Some(text.as_str()),
            Value::Unavailable => None,
        }))
    }

    fn key(&self, values: &[Value]) -> String {
        let members = self.key.iter().filter_map(|place| {
            let name = self.columns.get(*place).map_or("rowid", String::as_str);
            let value = match values.get(*place)? {
                Value::Json(text) => text.as_str(),
                Value::Unavailable => "null",
            };
            Some((name, value))
        });
        join(members)
    }
}

/// Says so if what is to be watched is not, or no longer, installed. Returns the tables that have
/// changed since, but whose rows are still written down.
pub(super) fn check_installed(
    connection: &Connection,
    config: &SqliteFileConfig,
) -> Result<Vec<TableStatus>, SourceError> {
    let path = config.path.display();
    if !schema::is_there(connection)? {
        return Err(operator(
            format!("nothing in {path} writes down its changes yet"),
            command(config, "install", &config.tables),
        ));
    }
    schema::check_format(connection, &config.path)?;
    let tables = survey(connection)?;
    for wanted in &config.tables {
        let alike = tables.iter().find(|status| status.table.eq_ignore_ascii_case(wanted));
        if let Some(alike) = alike.filter(|alike| alike.table != *wanted) {
            let problem = format!("the table {wanted:?} is called {:?} in {path}", alike.table);
            return Err(operator(problem, format!("write table={}", alike.table)));
        }
        if alike.is_none() {
            return Err(operator(
                format!("nothing in {path} writes down the changes of {wanted:?} yet"),
                command(config, "install", std::slice::from_ref(wanted)),
            ));
        }
    }
    let changed = tables
        .into_iter()
        .filter(|status| status.problem.is_some() && is_wanted(config, &status.table));
    let changed: Vec<TableStatus> = changed.collect();
    let Some(unseen) = changed.iter().find(|status| status.is_unseen) else {
        return Ok(changed);
    };
    let one = std::slice::from_ref(&unseen.table);
    let problem = unseen.problem.as_deref().unwrap_or_default();
    Err(operator(
        format!("changes of {:?} in {path} go by unseen: {problem}", unseen.table),
        format!(
            "{}; if it is not wanted any more, {}",
            command(config, "install", one),
            command(config, "uninstall", one)
        ),
    ))
}

pub(super) fn is_wanted(config: &SqliteFileConfig, table: &str) -> bool {
    config.tables.is_empty() || config.tables.iter().any(|name| name == table)
}

/// The command that mends it, to be pasted into a shell.
pub(super) fn command(config: &SqliteFileConfig, verb: &str, tables: &[String]) -> String {
    let path = shell_word(&config.path.to_string_lossy());
    let mut command = format!("run: changecast sqlite {verb} {path}");
    for table in tables {
        command.push_str(&format!(" --table {}", shell_word(table)));
    }
    if tables.is_empty() {
        command.push_str(" --table TABLE");
    }
    command
}

#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn file_id(path: &Path) -> Option<FileId> {
    path.exists().then_some((0, 0))
}
