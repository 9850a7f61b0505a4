//! The messages of `pgoutput`, protocol version 1: pure functions over bytes.
//!
//! Any bytes may come: they are a message or an error, and never a panic. Values stay what the
//! server sent, and are not copied.

use super::errors::Failure;

/// Columns that a table can have.
const COLUMNS_MAX: u16 = 1664;

/// One message.
#[derive(Debug, PartialEq)]
pub(super) enum Message<'a> {
    Begin {
        commit_lsn: u64,
        commit_micros: i64,
        xid: u32,
    },
    Commit {
        commit_lsn: u64,
        end_lsn: u64,
    },
    Relation(Relation<'a>),
    Insert {
        relation: u32,
        new: Tuple<'a>,
    },
    Update {
        relation: u32,
        old: Option<Old<'a>>,
        new: Tuple<'a>,
    },
    Delete {
        relation: u32,
        old: Old<'a>,
    },
    Truncate {
        relations: Vec<u32>,
    },
    /// Says nothing that a change needs.
    Other,
}

/// What a table looks like from here on.
#[derive(Debug, PartialEq)]
pub(super) struct Relation<'a> {
    pub(super) id: u32,
    pub(super) schema: &'a [u8],
    pub(super) table: &'a [u8],
    /// `d` default, `n` nothing, `f` full, `i` an index.
    pub(super) identity: u8,
    pub(super) columns: Vec<Column<'a>>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Column<'a> {
    pub(super) is_key: bool,
    pub(super) name: &'a [u8],
    pub(super) kind: u32,
}

/// The row from before the change.
#[derive(Debug, PartialEq)]
pub(super) struct Old<'a> {
    /// Whether it is all of it, or only what identifies it.
    pub(super) is_full: bool,
    pub(super) row: Tuple<'a>,
}

pub(super) type Tuple<'a> = Vec<Value<'a>>;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    /// Stored apart from its row, and not sent since it has not changed.
    Unchanged,
    Text(&'a [u8]),
}

/// Reads one message.
pub(super) fn decode(bytes: &[u8]) -> Result<Message<'_>, Failure> {
    let mut reader = Reader(bytes);
    reader.message().ok_or_else(|| {
        let tag = bytes.first().copied().unwrap_or(0).escape_ascii();
        Failure::Broken(format!("the server sent a message {tag} that cannot be read"))
    })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn message(&mut self) -> Option<Message<'a>> {
        Some(match self.u8()? {
            b'B' => Message::Begin {
                commit_lsn: self.u64()?,
                commit_micros: self.u64()?.cast_signed(),
                xid: self.u32()?,
            },
            b'C' => {
                self.u8()?;
                Message::Commit { commit_lsn: self.u64()?, end_lsn: self.u64()? }
            }
            b'R' => Message::Relation(self.relation()?),
            b'I' => {
                let relation = self.u32()?;
                (self.u8()? == b'N').then_some(())?;
                Message::Insert { relation, new: self.tuple()? }
            }
            b'U' => self.update()?,
            b'D' => {
                let relation = self.u32()?;
                let tag = self.u8()?;
                Message::Delete { relation, old: self.old(tag)? }
            }
            b'T' => self.truncate()?,
            b'O' | b'Y' | b'M' => Message::Other,
            _ => return None,
        })
    }

    fn relation(&mut self) -> Option<Relation<'a>> {
        let (id, schema, table) = (self.u32()?, self.text()?, self.text()?);
        let identity = self.u8()?;
        let mut columns = Vec::new();
        for _ in 0..self.column_count()? {
            let is_key = self.u8()? & 1 == 1;
            let (name, kind) = (self.text()?, self.u32()?);
            self.u32()?;
            columns.push(Column { is_key, name, kind });
        }
        Some(Relation { id, schema, table, identity, columns })
    }

    fn update(&mut self) -> Option<Message<'a>> {
        let relation = self.u32()?;
        let (old, tag) = match self.u8()? {
            tag @ (b'K' | b'O') => (Some(self.old(tag)?), self.u8()?),
            tag => (None, tag),
        };
        (tag == b'N').then_some(())?;
        Some(Message::Update { relation, old, new: self.tuple()? })
    }

    fn old(&mut self, tag: u8) -> Option<Old<'a>> {
        matches!(tag, b'K' | b'O').then_some(())?;
        Some(Old { is_full: tag == b'O', row: self.tuple()? })
    }

    fn truncate(&mut self) -> Option<Message<'a>> {
        let count = self.u32()?;
        self.u8()?;
        let mut relations = Vec::new();
        for _ in 0..count {
            relations.push(self.u32()?);
        }
        Some(Message::Truncate { relations })
    }

    fn tuple(&mut self) -> Option<Tuple<'a>> {
        let count = self.column_count()?;
        let mut values = Vec::with_capacity(count.into());
        for _ in 0..count {
            values.push(match self.u8()? {
                b'n' => Value::Null,
                b'u' => Value::Unchanged,
                b't' => {
                    let length = self.u32()?;
                    Value::Text(self.take(length.try_into().ok()?)?)
                }
                _ => return None,
            });
        }
        Some(values)
    }

    fn column_count(&mut self) -> Option<u16> {
        let count = u16::from_be_bytes(*self.take(2)?.first_chunk()?);
        (count <= COLUMNS_MAX).then_some(count)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.u8()?;
        Some(text)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(*self.take(4)?.first_chunk()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(*self.take(8)?.first_chunk()?))
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
}
