//! The writer thread: takes what waits, commits it as one transaction, then shows it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use rusqlite::types::Type;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};
use tokio::sync::{mpsc, oneshot};

use super::schema::{KIND_CHANGE, KIND_GAP, signed, unsigned};
use super::{Shared, storage};
use crate::log::{Batch, LogError, LogSize, PositionUpdate, Retention, TopicState};
use crate::model::{Body, Change, Entry, Seq, SourceGap, Timestamp};
use crate::{failpoint, limits};

pub(super) enum Command {
    Append { batch: Batch, reply: oneshot::Sender<Result<Seq, LogError>> },
    Close { reply: oneshot::Sender<()> },
}

type Waiting = (Batch, oneshot::Sender<Result<Seq, LogError>>);

pub(super) struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    retention: Retention,
    last_time: Timestamp,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        shared: Arc<Shared>,
        retention: Retention,
        last_time: Timestamp,
    ) -> Self {
        Self { connection, shared, retention, last_time }
    }

    /// Runs until it is told to close, or nobody can append any more.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = queue.blocking_recv() else {
                break;
            };
            let mut group = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(command) = next {
                match command {
                    Command::Append { batch, reply } => {
                        bytes += weight(&batch);
                        group.push((batch, reply));
                    }
                    Command::Close { reply } => closing = Some(reply),
                }
                let is_full = bytes >= limits::COMMIT_BYTES_MAX || closing.is_some();
                next = if is_full { None } else { queue.try_recv().ok() };
            }
            self.commit(group);
        }
        queue.close();
        drop(self.connection);
        if let Some(reply) = closing {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(());
        }
    }

    fn commit(&mut self, group: Vec<Waiting>) {
        let (batches, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let outcome = self.write(batches).map_err(storage);
        self.shared.status().fault = outcome.as_ref().err().map(ToString::to_string);
        if let Err(error) = &outcome {
            tracing::error!(%error, "log write failed");
        }
        for reply in replies {
            // A source that gave up waiting reads its stored position when it starts again.
            let _ = reply.send(outcome.clone());
        }
    }

    /// Writes `batches` as one transaction and, once it is durable, shows it.
    fn write(&mut self, batches: Vec<Batch>) -> rusqlite::Result<Seq> {
        failpoint::hit("log.before_append");
        let tail = *self.shared.tail.borrow();
        let now = Timestamp::from(SystemTime::now()).max(self.last_time);
        let size = self.shared.status().size;
        let transaction = self.connection.transaction()?;
        let mut group = Group::new(&transaction, &self.shared, tail, now, size)?;
        for batch in batches {
            group.append(batch)?;
        }
        group.trim(&self.retention)?;
        let written = group.finish()?;
        failpoint::hit("log.before_commit");
        transaction.commit()?;
        failpoint::hit("log.after_commit");
        self.last_time = now;
        let tail = self.show(written);
        failpoint::hit("log.after_show");
        Ok(tail)
    }

    fn show(&self, written: Written) -> Seq {
        self.shared.status().size = written.size;
        {
            let mut topics = self.shared.topics.write().unwrap_or_else(PoisonError::into_inner);
            topics.by_name.extend(written.topics);
            for (name, seq) in written.trimmed {
                if let Some((_, state)) = topics.by_name.get_mut(&*name) {
                    state.trimmed_seq = seq.0;
                }
            }
            topics.trimmed_gap = topics.trimmed_gap.max(written.trimmed_gap);
        }
        let mut recent = self.shared.recent.write().unwrap_or_else(PoisonError::into_inner);
        for entry in written.entries {
            recent.push(entry);
        }
        recent.shrink(limits::RECENT_BYTES_MAX);
        // What the file no longer has must not be read either, or a restart would change history.
        recent.forget(written.cut);
        let tail = recent.tail();
        // Sent under the lock: nobody reads an entry that lies beyond the tail.
        self.shared.tail.send_if_modified(|known| std::mem::replace(known, tail) != tail);
        tail
    }
}

fn weight(batch: &Batch) -> usize {
    batch
        .bodies
        .iter()
        .map(|body| match body {
            Body::Change(change) => change.key.len() + change.event.len(),
            Body::Gap(gap) => gap.reason.len(),
        })
        .sum()
}

fn gap_weight(payload: &[u8]) -> rusqlite::Result<u64> {
    let gap: SourceGap = serde_json::from_slice(payload)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, Type::Blob, error.into()))?;
    Ok(gap.reason.len() as u64)
}

/// One transaction in the making.
struct Group<'a> {
    transaction: &'a Transaction<'a>,
    shared: &'a Shared,
    insert: CachedStatement<'a>,
    tail: Seq,
    now: Timestamp,
    written: Written,
    sources: HashMap<Arc<str>, i64>,
}

/// What a transaction wrote, to be shown once it is durable.
struct Written {
    entries: Vec<Arc<Entry>>,
    topics: HashMap<Arc<str>, (i64, TopicState)>,
    /// Everything up to here is trimmed, as far as this transaction trimmed anything.
    cut: Seq,
    trimmed: Vec<(String, Seq)>,
    trimmed_gap: Seq,
    size: LogSize,
}

impl<'a> Group<'a> {
    fn new(
        transaction: &'a Transaction<'a>,
        shared: &'a Shared,
        tail: Seq,
        now: Timestamp,
        size: LogSize,
    ) -> rusqlite::Result<Self> {
        let insert = transaction.prepare_cached(
            "INSERT INTO entry (seq, source, topic, time, kind, op, key, payload)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let written = Written {
            entries: Vec::new(),
            topics: HashMap::new(),
            cut: Seq::ZERO,
            trimmed: Vec::new(),
            trimmed_gap: Seq::ZERO,
            size,
        };
        let sources = HashMap::new();
        Ok(Self { transaction, shared, insert, tail, now, written, sources })
    }

    fn append(&mut self, batch: Batch) -> rusqlite::Result<()> {
        let source = self.source_id(&batch.source)?;
        for body in batch.bodies {
            let seq = self.tail.next();
            match &body {
                Body::Change(change) => self.insert_change(seq, source, &batch.source, change)?,
                Body::Gap(gap) => self.insert_gap(seq, source, gap)?,
            }
            self.tail = seq;
            let entry = Entry { seq, time: self.now, source: Arc::clone(&batch.source), body };
            self.written.size.entry_count += 1;
            self.written.size.bytes += entry.weight() as u64;
            self.written.entries.push(Arc::new(entry));
        }
        let position = match &batch.position {
            PositionUpdate::Keep => return Ok(()),
            PositionUpdate::Set(position) => Some(position.as_bytes()),
            PositionUpdate::Clear => None,
        };
        self.transaction
            .prepare_cached("UPDATE source SET position = ? WHERE id = ?")?
            .execute(params![position, source])?;
        Ok(())
    }

    fn insert_change(
        &mut self,
        seq: Seq,
        source: i64,
        source_name: &Arc<str>,
        change: &Change,
    ) -> rusqlite::Result<()> {
        let topic = self.topic_id(change.topic.as_str(), source, source_name, seq)?;
        self.insert.execute(params![
            signed(seq.0),
            source,
            topic,
            signed(self.now.0),
            KIND_CHANGE,
            change.op.name(),
            &*change.key,
            &*change.event,
        ])?;
        Ok(())
    }

    fn insert_gap(&mut self, seq: Seq, source: i64, gap: &SourceGap) -> rusqlite::Result<()> {
        let payload = serde_json::to_vec(gap)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        self.insert.execute(params![
            signed(seq.0),
            source,
            None::<i64>,
            signed(self.now.0),
            KIND_GAP,
            None::<&str>,
            None::<&[u8]>,
            payload,
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
            None => self
                .transaction
                .prepare_cached("INSERT INTO source (name) VALUES (?)")?
                .insert(params![name])?,
        };
        self.sources.insert(Arc::clone(name), id);
        Ok(id)
    }

    fn topic_id(
        &mut self,
        name: &str,
        source: i64,
        source_name: &Arc<str>,
        seq: Seq,
    ) -> rusqlite::Result<i64> {
        if let Some((id, state)) = self.written.topics.get_mut(name) {
            state.last_seq = seq.0;
            return Ok(*id);
        }
        let known = self
            .shared
            .topics()
            .by_name
            .get_key_value(name)
            .map(|(name, topic)| (Arc::clone(name), topic.clone()));
        let (name, (id, mut state)) = match known {
            Some(known) => known,
            None => {
                let id = self
                    .transaction
                    .prepare_cached("INSERT INTO topic (name, source, last_seq, trimmed_seq) VALUES (?, ?, 0, 0)")?
                    .insert(params![name, source])?;
                let topic: Arc<str> = name.into();
                let state = TopicState {
                    topic: Arc::clone(&topic),
                    source: Arc::clone(source_name),
                    last_seq: 0,
                    trimmed_seq: 0,
                };
                (topic, (id, state))
            }
        };
        state.last_seq = seq.0;
        self.written.topics.insert(name, (id, state));
        Ok(id)
    }

    /// Removes the oldest entries once a cap is passed: a sixteenth more than needed, so that the
    /// work is done in batches and not at every append.
    fn trim(&mut self, retention: &Retention) -> rusqlite::Result<()> {
        let size = self.written.size;
        if size.bytes <= retention.bytes_max && size.entry_count <= retention.entries_max {
            return Ok(());
        }
        let entries_target = retention.entries_max - retention.entries_max / 16;
        let bytes_target = retention.bytes_max - retention.bytes_max / 16;
        let Some(cut) = self.cut(entries_target, bytes_target)? else {
            return Ok(());
        };
        self.written.cut = cut;
        let mut per_topic = self.transaction.prepare_cached(
            "UPDATE topic SET trimmed_seq = cut.seq
             FROM (SELECT topic, max(seq) AS seq FROM entry
                   WHERE seq <= ?1 AND topic IS NOT NULL GROUP BY topic) AS cut
             WHERE topic.id = cut.topic
             RETURNING name, trimmed_seq",
        )?;
        let rows = per_topic
            .query_map(params![signed(cut.0)], |row| Ok((row.get(0)?, Seq(unsigned(row, 1)?))))?;
        self.written.trimmed = rows.collect::<rusqlite::Result<_>>()?;
        let newest_gap: Option<i64> = self
            .transaction
            .prepare_cached("SELECT max(seq) FROM entry WHERE kind = 1 AND seq <= ?")?
            .query_row(params![signed(cut.0)], |row| row.get(0))?;
        self.written.trimmed_gap = Seq(newest_gap.map_or(0, i64::unsigned_abs));
        self.transaction
            .prepare_cached("DELETE FROM entry WHERE seq <= ?")?
            .execute(params![signed(cut.0)])?;
        Ok(())
    }

    /// The place up to which entries go, with `written.size` brought down accordingly.
    fn cut(&mut self, entries_target: u64, bytes_target: u64) -> rusqlite::Result<Option<Seq>> {
        let mut oldest = self.transaction.prepare_cached(
            "SELECT seq, coalesce(length(key), 0) + length(payload), iif(kind = 1, payload, NULL)
             FROM entry ORDER BY seq",
        )?;
        let mut rows = oldest.query([])?;
        let size = &mut self.written.size;
        let mut cut = None;
        while size.entry_count > entries_target || size.bytes > bytes_target {
            let Some(row) = rows.next()? else { break };
            cut = Some(Seq(unsigned(row, 0)?));
            size.entry_count = size.entry_count.saturating_sub(1);
            // A gap weighs what its reason does: what was added is what is taken away.
            let variable = match row.get::<_, Option<Vec<u8>>>(2)? {
                Some(gap) => gap_weight(&gap)?,
                None => unsigned(row, 1)?,
            };
            size.bytes = size.bytes.saturating_sub(variable + Entry::FIXED_WEIGHT as u64);
        }
        Ok(cut)
    }

    fn finish(self) -> rusqlite::Result<Written> {
        let mut last_seq =
            self.transaction.prepare_cached("UPDATE topic SET last_seq = ? WHERE id = ?")?;
        for (id, state) in self.written.topics.values() {
            last_seq.execute(params![signed(state.last_seq), id])?;
        }
        self.transaction
            .prepare_cached(
                "UPDATE log SET last_seq = ?, last_time = ?, entry_count = ?, bytes = ?,
                                trimmed_gap = max(trimmed_gap, ?)",
            )?
            .execute(params![
                signed(self.tail.0),
                signed(self.now.0),
                signed(self.written.size.entry_count),
                signed(self.written.size.bytes),
                signed(self.written.trimmed_gap.0),
            ])?;
        Ok(self.written)
    }
}
