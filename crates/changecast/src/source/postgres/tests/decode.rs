//! The decoder on what a server sends, on any bytes, and beside another decoder.

use pg_walstream::{LogicalReplicationMessage, LogicalReplicationParser};
use proptest::prelude::*;

use crate::source::postgres::decode::{Message, Old, Value, decode};

/// A message as the server writes it.
#[derive(Clone, Debug)]
struct Wire(Vec<u8>);

impl Wire {
    fn new(tag: u8) -> Self {
        Self(vec![tag])
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes()).bytes(&[0])
    }

    fn row(mut self, row: &[Option<Vec<u8>>]) -> Self {
        self = self.bytes(&u16::try_from(row.len()).expect("few").to_be_bytes());
        for value in row {
            self = match value {
                None => self.bytes(b"n"),
                // An empty one stands for what has not changed.
                Some(value) if value.is_empty() => self.bytes(b"u"),
                Some(value) => {
                    let length = u32::try_from(value.len()).expect("short");
                    self.bytes(b"t").bytes(&length.to_be_bytes()).bytes(value)
                }
            };
        }
        self
    }
}

fn values(row: &[Option<Vec<u8>>]) -> Vec<Value<'_>> {
    row.iter().map(value).collect()
}

fn value(value: &Option<Vec<u8>>) -> Value<'_> {
    match value {
        None => Value::Null,
        Some(value) if value.is_empty() => Value::Unchanged,
        Some(value) => Value::Text(value),
    }
}

type Row = Vec<Option<Vec<u8>>>;

fn rows() -> impl Strategy<Value = Row> {
    prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..6)), 0..5)
}

/// What the other decoder makes of it, in one word.
fn other(bytes: &[u8]) -> Option<&'static str> {
    let mut parser = LogicalReplicationParser::with_protocol_version(1);
    let parsed = parser.parse_wal_message(bytes).ok()?;
    Some(match parsed.message {
        LogicalReplicationMessage::Begin { .. } => "begin",
        LogicalReplicationMessage::Commit { .. } => "commit",
        LogicalReplicationMessage::Relation { .. } => "relation",
        LogicalReplicationMessage::Insert { .. } => "insert",
        LogicalReplicationMessage::Update { .. } => "update",
        LogicalReplicationMessage::Delete { .. } => "delete",
        LogicalReplicationMessage::Truncate { .. } => "truncate",
        _ => "other",
    })
}

fn ours(bytes: &[u8]) -> Option<&'static str> {
    Some(match decode(bytes).ok()? {
        Message::Begin { .. } => "begin",
        Message::Commit { .. } => "commit",
        Message::Relation(_) => "relation",
        Message::Insert { .. } => "insert",
        Message::Update { .. } => "update",
        Message::Delete { .. } => "delete",
        Message::Truncate { .. } => "truncate",
        Message::Other => "other",
    })
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn any_bytes_behind_a_known_tag_are_a_message_or_an_error(
        tag in prop::sample::select(b"BCRIUDTOYM".to_vec()),
        bytes in prop::collection::vec(0_u8..4, 0..100),
    ) {
        let _ = decode(&[&[tag][..], &bytes].concat());
    }

    #[test]
    fn rows_are_read_as_they_were_written(id in any::<u32>(), old in rows(), new in rows()) {
        let insert = Wire::new(b'I').bytes(&id.to_be_bytes()).bytes(b"N").row(&new);
        let expected = Message::Insert { relation: id, new: values(&new) };
        prop_assert_eq!(decode(&insert.0).expect("a message"), expected);
        let delete = Wire::new(b'D').bytes(&id.to_be_bytes()).bytes(b"K").row(&old);
        let gone = |is_full| Old { is_full, row: values(&old) };
        let expected = Message::Delete { relation: id, old: gone(false) };
        prop_assert_eq!(decode(&delete.0).expect("a message"), expected);
        let update = Wire::new(b'U').bytes(&id.to_be_bytes()).bytes(b"O").row(&old);
        let update = update.bytes(b"N").row(&new);
        let expected = Message::Update { relation: id, old: Some(gone(true)), new: values(&new) };
        prop_assert_eq!(decode(&update.0).expect("a message"), expected);
        for wire in [insert, delete, update] {
            prop_assert_eq!(ours(&wire.0), other(&wire.0));
            // What is cut short is an error, never something else.
            for end in 0..wire.0.len() {
                prop_assert!(decode(&wire.0[..end]).is_err());
            }
        }
    }

    #[test]
    fn transactions_and_tables_are_read_as_the_other_decoder_reads_them(
        lsn in any::<u64>(),
        micros in 0..1_000_000_000_000_i64,
        xid in any::<u32>(),
        names in prop::collection::vec("[a-z]{1,8}", 2..6),
    ) {
        let begin = Wire::new(b'B').bytes(&lsn.to_be_bytes()).bytes(&micros.to_be_bytes());
        let begin = begin.bytes(&xid.to_be_bytes());
        let expected = Message::Begin { commit_lsn: lsn, commit_micros: micros, xid };
        prop_assert_eq!(decode(&begin.0).expect("a message"), expected);
        let commit = Wire::new(b'C').bytes(&[0]).bytes(&lsn.to_be_bytes());
        let commit = commit.bytes(&lsn.to_be_bytes()).bytes(&micros.to_be_bytes());
        let mut relation = Wire::new(b'R').bytes(&xid.to_be_bytes()).text(&names[0]);
        relation = relation.text(&names[1]).bytes(b"d");
        relation = relation.bytes(&u16::try_from(names.len() - 2).expect("few").to_be_bytes());
        for (at, name) in names[2..].iter().enumerate() {
            let flags = [u8::from(at == 0)];
            relation = relation.bytes(&flags).text(name).bytes(&[0, 0, 0, 25, 255, 255, 255, 255]);
        }
        let Message::Relation(table) = decode(&relation.0).expect("a message") else {
            panic!("a table");
        };
        let columns: Vec<_> = table.columns.iter().map(|column| column.name).collect();
        let expected: Vec<_> = names[2..].iter().map(|name| name.as_bytes()).collect();
        prop_assert_eq!(columns, expected);
        for wire in [begin, commit, relation] {
            prop_assert_eq!(ours(&wire.0), other(&wire.0));
        }
    }
}
