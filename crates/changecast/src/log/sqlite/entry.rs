//! An entry's row, and whether it still says what was written.

use bytes::Bytes;
use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::checksum::EntryRow;
use super::schema::{KIND_GAP, is_misshapen, unsigned};
use crate::model::{Body, Change, Entry, Op, Seq, Timestamp, Topic};

/// What [`decode`] reads. An entry whose source cannot be found is damaged, not absent.
pub(super) const COLUMNS: &str = "
    SELECT entry.seq, entry.time, source.name, entry.kind, topic.name, entry.op, entry.key,
           entry.payload, entry.previous, entry.checksum, entry.topic
    FROM entry LEFT JOIN source ON source.id = entry.source
               LEFT JOIN topic ON topic.id = entry.topic";

pub(super) enum Decoded {
    Sound(Sound),
    /// Not what was written.
    Damaged,
}

pub(super) struct Sound {
    pub(super) entry: Entry,
    /// The place before it in its topic, or among the gaps; unknown for entries of format 1.
    pub(super) previous: Option<Seq>,
    /// Its topic's row.
    pub(super) topic: Option<i64>,
}

/// Reads a row; entries up to `unchecked_to` have no checksum.
pub(super) fn decode(row: &Row<'_>, unchecked_to: Seq) -> rusqlite::Result<Decoded> {
    match sound(row, unchecked_to) {
        Ok(Some(sound)) => Ok(Decoded::Sound(sound)),
        Ok(None) => Ok(Decoded::Damaged),
        Err(error) if is_misshapen(&error) => Ok(Decoded::Damaged),
        Err(error) => Err(error),
    }
}

fn sound(row: &Row<'_>, unchecked_to: Seq) -> rusqlite::Result<Option<Sound>> {
    let spelt = EntryRow {
        seq: Seq(unsigned(row, 0)?),
        time: unsigned(row, 1)?,
        source: optional(row, 2)?.unwrap_or_default(),
        kind: row.get(3)?,
        topic: optional(row, 4)?,
        op: optional(row, 5)?,
        key: optional(row, 6)?,
        payload: optional(row, 7)?.unwrap_or_default(),
        previous: Seq(row.get::<_, Option<i64>>(8)?.map_or(0, i64::unsigned_abs)),
    };
    let checksum: Option<i64> = row.get(9)?;
    let is_unchecked = checksum.is_none() && spelt.seq <= unchecked_to;
    if !is_unchecked && checksum != Some(spelt.checksum()) {
        return Ok(None);
    }
    let Some(body) = body(&spelt) else {
        return Ok(None);
    };
    let previous = (!is_unchecked).then_some(spelt.previous);
    let source = row.get(2)?;
    let entry = Entry { seq: spelt.seq, time: Timestamp(spelt.time), source, body };
    Ok(Some(Sound { entry, previous, topic: row.get(10)? }))
}

fn body(row: &EntryRow<'_>) -> Option<Body> {
    if row.kind == KIND_GAP {
        return serde_json::from_slice(row.payload).ok().map(Body::Gap);
    }
    Some(Body::Change(Change {
        topic: Topic::parse(std::str::from_utf8(row.topic?).ok()?).ok()?,
        op: Op::from_name(std::str::from_utf8(row.op?).ok()?),
        key: Bytes::copy_from_slice(row.key.unwrap_or_default()),
        event: Bytes::copy_from_slice(row.payload),
    }))
}

fn optional<'a>(row: &'a Row<'_>, index: usize) -> rusqlite::Result<Option<&'a [u8]>> {
    match row.get_ref(index)? {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Ok(Some(bytes)),
        ValueRef::Null => Ok(None),
        other => Err(rusqlite::Error::InvalidColumnType(
            index,
            "bytes expected".to_owned(),
            other.data_type(),
        )),
    }
}
