//! One transaction in the making: several batches, their positions, and what goes for them.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};

use super::checksum::{self, EntryRow};
use super::schema::{KIND_CHANGE, KIND_GAP, signed};
use super::shared::Shared;
use super::state::State;
use crate::log::{Batch, PositionUpdate, TopicState};
use crate::model::{Body, Change, Entry, Seq, SourceGap};

/// One transaction in the making.
pub(super) struct Group<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    shared: &'a Shared,
    insert: CachedStatement<'a>,
    pub(super) written: Written,
    sources: HashMap<Arc<str>, i64>,
}

/// What a transaction wrote, to be shown once it is durable.
pub(super) struct Written {
    pub(super) entries: Vec<Arc<Entry>>,
    /// The topics that it changed.
    pub(super) topics: HashMap<Arc<str>, (i64, TopicState)>,
    /// Everything up to here is trimmed, as far as this transaction trimmed anything.
    pub(super) cut: Seq,
    pub(super) state: State,
}

impl<'a> Group<'a> {
    /// Goes on from `state`, which is the file's.
    pub(super) fn new(
        transaction: &'a Transaction<'a>,
        shared: &'a Shared,
        state: State,
    ) -> rusqlite::Result<Self> {
        let insert = transaction.prepare_cached(
            "INSERT INTO entry (seq, source, topic, time, kind, op, key, payload, previous, checksum)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let written =
            Written { entries: Vec::new(), topics: HashMap::new(), cut: Seq::ZERO, state };
        Ok(Self { transaction, shared, insert, written, sources: HashMap::new() })
    }

    pub(super) fn append(&mut self, batch: Batch) -> rusqlite::Result<()> {
        let source = self.source_id(&batch.source)?;
        for body in batch.bodies {
            let seq = self.written.state.tail.next();
            self.written.state.tail = seq;
            match &body {
                Body::Change(change) => self.insert_change(source, &batch.source, change)?,
                Body::Gap(gap) => self.insert_gap(source, &batch.source, gap)?,
            }
            let time = self.written.state.last_time;
            let entry = Entry { seq, time, source: Arc::clone(&batch.source), body };
            self.written.state.size.entry_count += 1;
            self.written.state.size.bytes += entry.weight() as u64;
            self.written.entries.push(Arc::new(entry));
        }
        let position = match &batch.position {
            PositionUpdate::Keep => return Ok(()),
            PositionUpdate::Set(position) => Some(position.as_bytes()),
            PositionUpdate::Clear => None,
        };
        let checksum = checksum::of_source(source, &batch.source, position);
        self.transaction
            .prepare_cached("UPDATE source SET position = ?, checksum = ? WHERE id = ?")?
            .execute(params![position, checksum, source])?;
        Ok(())
    }

    fn insert_change(
        &mut self,
        source: i64,
        source_name: &Arc<str>,
        change: &Change,
    ) -> rusqlite::Result<()> {
        let State { tail: seq, last_time, .. } = self.written.state;
        let name = change.topic.as_str();
        let (topic, previous) = self.topic_id(name, source, source_name, seq)?;
        let row = EntryRow {
            seq,
            time: last_time.0,
            source: source_name.as_bytes(),
            kind: KIND_CHANGE,
            topic: Some(name.as_bytes()),
            op: Some(change.op.name().as_bytes()),
            key: Some(&change.key),
            payload: &change.event,
            previous,
        };
        self.insert(source, Some(topic), Some(change.op.name()), &row)
    }

    fn insert_gap(
        &mut self,
        source: i64,
        source_name: &Arc<str>,
        gap: &SourceGap,
    ) -> rusqlite::Result<()> {
        let payload = serde_json::to_vec(gap)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let State { tail: seq, last_time, last_gap, .. } = self.written.state;
        let row = EntryRow {
            seq,
            time: last_time.0,
            source: source_name.as_bytes(),
            kind: KIND_GAP,
            topic: None,
            op: None,
            key: None,
            payload: &payload,
            previous: last_gap,
        };
        self.insert(source, None, None, &row)?;
        self.written.state.last_gap = seq;
        Ok(())
    }

    fn insert(
        &mut self,
        source: i64,
        topic: Option<i64>,
        op: Option<&str>,
        row: &EntryRow<'_>,
    ) -> rusqlite::Result<()> {
        self.insert.execute(params![
            signed(row.seq.0),
            source,
            topic,
            signed(row.time),
            row.kind,
            op,
            row.key,
            row.payload,
            signed(row.previous.0),
            row.checksum(),
        ])?;
        Ok(())
    }

    fn source_id(&mut self, name: &Arc<str>) -> rusqlite::Result<i64> {
        if let Some(id) = self.sources.get(name) {
            return Ok(*id);
        }
        let known = self
            .transaction
            .prepare_cached("SELECT id FROM source WHERE name = ?")?
            .query_row(params![name], |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => self.new_source(name)?,
        };
        self.sources.insert(Arc::clone(name), id);
        Ok(id)
    }

    fn new_source(&self, name: &Arc<str>) -> rusqlite::Result<i64> {
        let mut insert = self.transaction.prepare_cached("INSERT INTO source (name) VALUES (?)")?;
        let id = insert.insert(params![name])?;
        self.transaction
            .prepare_cached("UPDATE source SET checksum = ? WHERE id = ?")?
            .execute(params![checksum::of_source(id, name, None), id])?;
        Ok(id)
    }

    /// The topic's id and the place of its last entry before `seq`, which becomes its last.
    fn topic_id(
        &mut self,
        name: &str,
        source: i64,
        source_name: &Arc<str>,
        seq: Seq,
    ) -> rusqlite::Result<(i64, Seq)> {
        if let Some((id, state)) = self.written.topics.get_mut(name) {
            let previous = std::mem::replace(&mut state.last_seq, seq.0);
            return Ok((*id, Seq(previous)));
        }
        let (id, mut state) = match self.known_topic(name) {
            Some(known) => known,
            None => self.new_topic(name, source, source_name)?,
        };
        let previous = std::mem::replace(&mut state.last_seq, seq.0);
        self.written.topics.insert(Arc::clone(&state.topic), (id, state));
        Ok((id, Seq(previous)))
    }

    pub(super) fn known_topic(&self, name: &str) -> Option<(i64, TopicState)> {
        self.shared.topics().by_name.get(name).cloned()
    }

    fn new_topic(
        &self,
        name: &str,
        source: i64,
        source_name: &Arc<str>,
    ) -> rusqlite::Result<(i64, TopicState)> {
        let id = self
            .transaction
            .prepare_cached(
                "INSERT INTO topic (name, source, last_seq, trimmed_seq) VALUES (?, ?, 0, 0)",
            )?
            .insert(params![name, source])?;
        let source = Arc::clone(source_name);
        Ok((id, TopicState { topic: name.into(), source, last_seq: 0, trimmed_seq: 0 }))
    }

    pub(super) fn finish(self) -> rusqlite::Result<Written> {
        let mut update = self.transaction.prepare_cached(
            "UPDATE topic SET last_seq = ?, trimmed_seq = ?, checksum = ? WHERE id = ?",
        )?;
        for (id, state) in self.written.topics.values() {
            update.execute(params![
                signed(state.last_seq),
                signed(state.trimmed_seq),
                checksum::of_topic(*id, state),
                id,
            ])?;
        }
        self.written.state.store(self.transaction)?;
        Ok(self.written)
    }
}
