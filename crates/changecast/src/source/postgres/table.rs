//! A row's change becomes a change event.
//!
//! A [`Table`] is what one `Relation` message says, made ready for writing events; the next such
//! message replaces it. What a row holds comes through here, so:
//!
//! | invariant | what it buys |
//! |---|---|
//! | a value that was not sent is named in `unavailable`, never written as null | nobody takes it for a change |
//! | every row becomes an event, whatever it holds | a poison row never stops the stream |
//! | a new primary key is a delete of the old row and an insert of the new | who keeps rows by key keeps them right |

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;

use super::decode::{Old, Tuple, Value};
use super::scope::collection;
use super::values::{self, Kind, write_text};
use crate::limits;
use crate::model::{Op, Topic};

/// A table, as its rows come now.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) topic: Topic,
    /// `"ns":{…}`
    namespace: String,
    columns: Vec<TableColumn>,
    /// The columns of `documentKey`, by their place in `columns`.
    key: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct TableColumn {
    /// Its name as JSON.
    label: Vec<u8>,
    name: String,
    kind: Kind,
}

impl TableColumn {
    pub(super) fn new(name: &str, kind: Kind) -> Self {
        let mut label = Vec::new();
        write_text(&mut label, name);
        Self { label, name: name.to_owned(), kind }
    }
}

/// A change without its place in the transaction, which is written last.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) topic: Topic,
    pub(super) op: Op,
    pub(super) key: Bytes,
    /// The event up to where `txn` goes.
    pub(super) event: Vec<u8>,
    /// Invalid UTF-8 that was replaced.
    pub(super) replacements: u64,
}

/// What all changes of a transaction share.
#[derive(Debug)]
pub(super) struct Stamp {
    pub(super) commit_lsn: u64,
    /// `"wallTime":{…}`
    pub(super) wall_time: String,
}

impl Table {
    pub(super) fn new(
        database: &str,
        topic: Topic,
        (schema, table): (&str, &str),
        columns: Vec<TableColumn>,
        key: Vec<usize>,
    ) -> Self {
        let mut namespace = br#""ns":{"db":"#.to_vec();
        write_text(&mut namespace, database);
        namespace.extend_from_slice(br#","coll":"#);
        write_text(&mut namespace, &collection(schema, table));
        namespace.push(b'}');
        let namespace = String::from_utf8(namespace).expect("JSON is UTF-8");
        Self { topic, namespace, columns, key }
    }

    #[cfg(feature = "fuzzing")]
    pub(super) fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// How many changes an update makes: two if it moves the row to another key.
    pub(super) fn update_count(&self, old: Option<&Old<'_>>, new: &Tuple<'_>) -> u64 {
        let moves = old.is_some_and(|old| {
            self.key.iter().any(|at| match (old.row.get(*at), new.get(*at)) {
                (_, Some(Value::Unchanged)) => false,
                (old, new) => old != new,
            })
        });
        if moves { 2 } else { 1 }
    }

    pub(super) fn insert(&self, stamp: &Stamp, ordinal: u64, new: &Tuple<'_>) -> Encoded {
        let mut writer = Writer::new(self, stamp, ordinal, Op::Insert);
        writer.document("fullDocument", new, None);
        writer.finish(new)
    }

    pub(super) fn update(
        &self,
        stamp: &Stamp,
        ordinal: u64,
        old: Option<&Old<'_>>,
        new: &Tuple<'_>,
    ) -> Encoded {
        let before = old.filter(|old| old.is_full).map(|old| &old.row);
        let mut writer = Writer::new(self, stamp, ordinal, Op::Update);
        writer.document("fullDocument", new, before);
        if let Some(before) = before {
            writer.description(before, new);
            writer.document("fullDocumentBeforeChange", before, None);
        }
        // What identifies the row is told apart, even where it is stored apart.
        writer.finish(&with_old(new, old.map(|old| &old.row)))
    }

    /// The insert that follows the delete of the row under its old key.
    pub(super) fn moved(
        &self,
        stamp: &Stamp,
        ordinal: u64,
        old: Option<&Old<'_>>,
        new: &Tuple<'_>,
    ) -> Encoded {
        let before = old.filter(|old| old.is_full).map(|old| &old.row);
        self.insert(stamp, ordinal, &with_old(new, before))
    }

    pub(super) fn delete(&self, stamp: &Stamp, ordinal: u64, old: &Old<'_>) -> Encoded {
        let mut writer = Writer::new(self, stamp, ordinal, Op::Delete);
        if old.is_full {
            writer.document("fullDocumentBeforeChange", &old.row, None);
        }
        writer.finish(&old.row)
    }

    pub(super) fn truncate(&self, stamp: &Stamp, ordinal: u64) -> Encoded {
        Writer::new(self, stamp, ordinal, Op::Truncate).finish_without_key()
    }

    fn write_key(&self, out: &mut Vec<u8>, row: &Tuple<'_>, replacements: &mut u64) {
        out.push(b'{');
        for (index, at) in self.key.iter().enumerate() {
            let (Some(column), Some(value)) = (self.columns.get(*at), row.get(*at)) else {
                continue;
            };
            if index > 0 {
                out.push(b',');
            }
            write_member(out, column, value, replacements);
        }
        out.push(b'}');
    }
}

/// Takes from the old row what the new one leaves out since it has not changed.
fn with_old<'a>(new: &Tuple<'a>, old: Option<&Tuple<'a>>) -> Tuple<'a> {
    let take = |(at, value): (usize, &Value<'a>)| match value {
        Value::Unchanged => old.and_then(|old| old.get(at)).copied().unwrap_or(*value),
        value => *value,
    };
    new.iter().enumerate().map(take).collect()
}

/// Writes one event.
struct Writer<'a> {
    table: &'a Table,
    op: Op,
    out: Vec<u8>,
    /// Paths, in the order of their first mention.
    unavailable: BTreeSet<String>,
    /// Columns with longer text are left out, and named.
    value_bytes_max: usize,
    replacements: u64,
}

impl<'a> Writer<'a> {
    fn new(table: &'a Table, stamp: &Stamp, ordinal: u64, op: Op) -> Self {
        let head = format!(
            r#"{{"_id":{{"_data":"{:016X}-{ordinal}"}},"operationType":"{}",{}"#,
            stamp.commit_lsn,
            op.name(),
            stamp.wall_time,
        );
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(head.as_bytes());
        let value_bytes_max = usize::MAX;
        Self { table, op, out, unavailable: BTreeSet::new(), value_bytes_max, replacements: 0 }
    }

    /// A row as an object; what it lacks is taken from `old`.
    fn document(&mut self, member: &str, row: &Tuple<'_>, old: Option<&Tuple<'_>>) {
        self.bound(row);
        self.begin_member(member);
        let mut is_first = true;
        for (at, (column, value)) in self.table.columns.iter().zip(row).enumerate() {
            let value = match value {
                Value::Unchanged => old.and_then(|old| old.get(at)).unwrap_or(value),
                value => value,
            };
            if !self.is_sent(value) {
                self.unavailable.insert(format!("{member}.{}", column.name));
                continue;
            }
            if !std::mem::take(&mut is_first) {
                self.out.push(b',');
            }
            write_member(&mut self.out, column, value, &mut self.replacements);
        }
        self.out.push(b'}');
    }

    /// Which columns have other values than before.
    fn description(&mut self, old: &Tuple<'_>, new: &Tuple<'_>) {
        const MEMBER: &str = "updateDescription";
        self.begin_member(MEMBER);
        self.out.extend_from_slice(br#""updatedFields":{"#);
        let mut is_first = true;
        for (column, (old, new)) in self.table.columns.iter().zip(old.iter().zip(new)) {
            if old == new || *new == Value::Unchanged {
                continue;
            }
            if !self.is_sent(new) {
                self.unavailable.insert(format!("{MEMBER}.updatedFields.{}", column.name));
                continue;
            }
            if !std::mem::take(&mut is_first) {
                self.out.push(b',');
            }
            write_member(&mut self.out, column, new, &mut self.replacements);
        }
        self.out.extend_from_slice(br#"},"removedFields":[],"truncatedArrays":[]}"#);
    }

    /// A row of hundreds of megabytes would not fit the log: its largest values are left out.
    fn bound(&mut self, row: &Tuple<'_>) {
        let size = |value: &Value<'_>| match value {
            Value::Text(text) => text.len(),
            _ => 0,
        };
        if row.iter().map(size).sum::<usize>() > limits::POSTGRES_ROW_BYTES_MAX {
            self.value_bytes_max = limits::POSTGRES_VALUE_BYTES_MAX;
        }
    }

    fn is_sent(&self, value: &Value<'_>) -> bool {
        match value {
            Value::Null => true,
            Value::Unchanged => false,
            Value::Text(text) => text.len() <= self.value_bytes_max,
        }
    }

    fn begin_member(&mut self, member: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(member.as_bytes());
        self.out.extend_from_slice(b"\":{");
    }

    fn finish(mut self, identified: &Tuple<'_>) -> Encoded {
        let mut key = Vec::new();
        if !self.table.key.is_empty() {
            self.table.write_key(&mut key, identified, &mut self.replacements);
        }
        self.finish_with(key)
    }

    fn finish_without_key(self) -> Encoded {
        self.finish_with(Vec::new())
    }

    fn finish_with(mut self, key: Vec<u8>) -> Encoded {
        self.out.push(b',');
        self.out.extend_from_slice(self.table.namespace.as_bytes());
        if !key.is_empty() {
            self.out.extend_from_slice(br#","documentKey":"#);
            self.out.extend_from_slice(&key);
        }
        if !self.unavailable.is_empty() {
            self.out.extend_from_slice(br#","unavailable":"#);
            let paths = serde_json::to_vec(&self.unavailable).expect("texts become JSON");
            self.out.extend_from_slice(&paths);
        }
        Encoded {
            topic: self.table.topic.clone(),
            op: self.op,
            key: key.into(),
            event: self.out,
            replacements: self.replacements,
        }
    }
}

fn write_member(
    out: &mut Vec<u8>,
    column: &TableColumn,
    value: &Value<'_>,
    replacements: &mut u64,
) {
    out.extend_from_slice(&column.label);
    out.push(b':');
    match value {
        Value::Text(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            if let Cow::Owned(text) = &text {
                *replacements += text.matches('\u{fffd}').count() as u64;
            }
            values::write(out, &column.kind, &text);
        }
        Value::Null | Value::Unchanged => out.extend_from_slice(b"null"),
    }
}
