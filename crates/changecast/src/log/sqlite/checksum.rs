//! What each row says of itself, so that a flipped bit on the disk is found before it is believed.

use crate::model::Seq;

/// CRC-32 over fields, each with its length, so that no two rows spell the same bytes.
#[derive(Default)]
pub(super) struct Checksum(crc32fast::Hasher);

impl Checksum {
    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Nothing differs from an empty field.
    pub(super) fn optional(self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => self.number(1).bytes(bytes),
            None => self.number(0),
        }
    }

    pub(super) fn finish(self) -> i64 {
        i64::from(self.0.finalize())
    }
}

/// An entry as its row spells it, with its source's and topic's names instead of their ids.
pub(super) struct EntryRow<'a> {
    pub(super) seq: Seq,
    pub(super) time: u64,
    pub(super) source: &'a [u8],
    pub(super) kind: i64,
    pub(super) topic: Option<&'a [u8]>,
    pub(super) op: Option<&'a [u8]>,
    pub(super) key: Option<&'a [u8]>,
    pub(super) payload: &'a [u8],
    /// The place of the topic's entry before this one, or of the gap before this gap.
    pub(super) previous: Seq,
}

impl EntryRow<'_> {
    pub(super) fn checksum(&self) -> i64 {
        Checksum::default()
            .number(self.seq.0)
            .number(self.time)
            .bytes(self.source)
            .number(self.kind.unsigned_abs())
            .optional(self.topic)
            .optional(self.op)
            .optional(self.key)
            .bytes(self.payload)
            .number(self.previous.0)
            .finish()
    }
}

pub(super) fn of_source(id: i64, name: &str, position: Option<&[u8]>) -> i64 {
    Checksum::default().number(id.unsigned_abs()).bytes(name.as_bytes()).optional(position).finish()
}

pub(super) fn of_topic(id: i64, state: &crate::log::TopicState) -> i64 {
    Checksum::default()
        .number(id.unsigned_abs())
        .bytes(state.topic.as_bytes())
        .bytes(state.source.as_bytes())
        .number(state.last_seq)
        .number(state.trimmed_seq)
        .finish()
}
