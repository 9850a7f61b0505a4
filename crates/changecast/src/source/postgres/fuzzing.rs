//! The fuzz target of what a PostgreSQL may send, from the socket to the event.

use std::collections::HashMap;
use std::io::Cursor;

use futures_util::FutureExt as _;
use serde_json::value::RawValue;
use tokio::io::{join, sink};

use super::decode::{Message, Old, Relation, Tuple, Value, decode};
use super::scope::{Scope, topic};
use super::session::{Session, Streamed};
use super::stream::Transaction;
use super::table::{Encoded, Table, TableColumn};
use super::values::Kind;
use crate::model::Change;

/// Bytes from the socket of a session that streams: messages until the first that is none, and of
/// each row a change: `check_change` looks at what is made of that.
pub(crate) fn pgoutput(bytes: &[u8], check_change: fn(&Change)) {
    let socket = join(Cursor::new(bytes.to_vec()), sink());
    let mut session = Session::streaming(Box::new(socket));
    let mut stream = Stream::default();
    // Nothing is waited for: the bytes are there, and then their end is an error.
    while let Some(Ok(())) = session.receive().now_or_never() {
        while let Ok(Some(streamed)) = session.next_received() {
            let Streamed::Data(message) = streamed else { continue };
            let decoded = decode(&message);
            assert!(!message.is_empty() || decoded.is_err(), "nothing is no message");
            if let Ok(message) = decoded {
                stream.take(&message, check_change);
            }
        }
    }
}

/// What is known from earlier messages.
#[derive(Default)]
struct Stream {
    tables: HashMap<u32, Table>,
    transaction: Option<Transaction>,
    ordinal: u64,
}

impl Stream {
    fn take(&mut self, message: &Message<'_>, check_change: fn(&Change)) {
        match message {
            Message::Begin { commit_lsn, commit_micros, xid } => {
                self.transaction = Some(Transaction::new(*commit_lsn, *commit_micros, *xid));
            }
            Message::Commit { .. } => self.transaction = None,
            Message::Relation(relation) => {
                self.tables.insert(relation.id, table(relation));
            }
            message => {
                for change in self.changes(message) {
                    check_change(&change);
                }
            }
        }
    }

    fn changes(&mut self, message: &Message<'_>) -> Vec<Change> {
        let Some(transaction) = &mut self.transaction else { return Vec::new() };
        let of = |relation: &u32| self.tables.get(relation);
        let (stamp, at) = (&transaction.stamp, self.ordinal);
        let mut encoded = Vec::new();
        match message {
            Message::Insert { relation, new } => encoded.extend(of(relation).map(|table| {
                let encoded = table.insert(stamp, at, new);
                check_unavailable(&encoded, table, new, None);
                encoded
            })),
            Message::Update { relation, old, new } => {
                if let Some(table) = of(relation) {
                    let old = old.as_ref();
                    if let (2, Some(gone)) = (table.update_count(old, new), old) {
                        encoded.push(table.delete(stamp, at, gone));
                        encoded.push(table.moved(stamp, at + 1, old, new));
                    } else {
                        let update = table.update(stamp, at, old, new);
                        check_unavailable(&update, table, new, old);
                        encoded.push(update);
                    }
                }
            }
            Message::Delete { relation, old } => {
                encoded.extend(of(relation).map(|table| table.delete(stamp, at, old)));
            }
            Message::Truncate { relations } => {
                encoded.extend(relations.iter().filter_map(of).map(|it| it.truncate(stamp, at)));
            }
            _ => {}
        }
        self.ordinal += encoded.len() as u64;
        encoded.into_iter().map(|encoded| finish(transaction, encoded)).collect()
    }
}

/// As the catalog makes it, without a database to ask: types that were made there count as text.
fn table(relation: &Relation<'_>) -> Table {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let kind = |oid| Kind::built_in(oid).unwrap_or(Kind::Text);
    let columns = relation.columns.iter();
    let columns = columns.map(|it| TableColumn::new(&text(it.name), kind(it.kind))).collect();
    let keys = relation.columns.iter().enumerate().filter(|(_, column)| column.is_key);
    let (schema, table) = (text(relation.schema), text(relation.table));
    let topic = topic("a", &schema, &table);
    assert!(Scope::default().topics("a").matches(&topic), "{topic} is not announced");
    Table::new("a", topic, (&schema, &table), columns, keys.map(|(at, _)| at).collect())
}

fn finish(transaction: &mut Transaction, encoded: Encoded) -> Change {
    let change = transaction.finish(encoded, false);
    check_json(&change.event);
    assert!(change.event.starts_with(br#"{"_id":{"_data":""#));
    if !change.key.is_empty() {
        check_json(&change.key);
    }
    change
}

/// A value that was not sent, and is not known from the old row, is said to be missing.
fn check_unavailable(encoded: &Encoded, table: &Table, new: &Tuple<'_>, old: Option<&Old<'_>>) {
    let known = |at| {
        let old = old.filter(|old| old.is_full).and_then(|old| old.row.get(at));
        old.is_some_and(|value| *value != Value::Unchanged)
    };
    let mut missing = new.iter().enumerate().filter(|(_, value)| **value == Value::Unchanged);
    let is_missing = missing.any(|(at, _)| at < table.column_count() && !known(at));
    let event = String::from_utf8_lossy(&encoded.event);
    assert!(!is_missing || event.contains(r#","unavailable":["#), "{event}");
}

/// One JSON value in one line. Nesting may be deeper than most parsers follow.
#[track_caller]
fn check_json(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("the output is UTF-8");
    serde_json::from_str::<&RawValue>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(!text.contains(['\n', '\r']), "one line: {text:?}");
}
