//! Removing the oldest entries, within the transaction that makes it necessary.

use std::sync::Arc;

use rusqlite::params;

use super::group::Group;
use super::schema::{signed, unsigned};
use crate::log::Retention;
use crate::model::{Entry, Seq, SourceGap, Timestamp};

/// What trimming comes down to.
struct Target {
    entry_count: u64,
    bytes: u64,
    /// Nothing is kept from before.
    oldest: Timestamp,
}

impl Group<'_> {
    /// Removes the oldest entries once a cap is passed: a sixteenth more than needed, so that the
    /// work is done in batches and not at every append.
    ///
    /// Entries from before `oldest` are too old.
    pub(super) fn trim(
        &mut self,
        retention: &Retention,
        oldest: Timestamp,
    ) -> rusqlite::Result<()> {
        let size = self.written.state.size;
        let is_full = size.bytes > retention.bytes_max || size.entry_count > retention.entries_max;
        let target = if is_full {
            Target {
                entry_count: retention.entries_max - retention.entries_max / 16,
                bytes: retention.bytes_max - retention.bytes_max / 16,
                oldest,
            }
        } else {
            Target { entry_count: u64::MAX, bytes: u64::MAX, oldest }
        };
        let Some(cut) = self.cut(&target)? else {
            return Ok(());
        };
        self.forget(cut)
    }

    fn forget(&mut self, cut: Seq) -> rusqlite::Result<()> {
        self.written.cut = cut;
        for (name, trimmed) in self.newest_of_topics(cut)? {
            let known = self.written.topics.get(&*name).cloned();
            if let Some((id, mut state)) = known.or_else(|| self.known_topic(&name)) {
                state.trimmed_seq = trimmed.0;
                self.written.topics.insert(Arc::clone(&state.topic), (id, state));
            }
        }
        let newest_gap: Option<i64> = self
            .transaction
            .prepare_cached("SELECT max(seq) FROM entry WHERE kind = 1 AND seq <= ?")?
            .query_row(params![signed(cut.0)], |row| row.get(0))?;
        if let Some(seq) = newest_gap {
            self.written.state.trimmed_gap = Seq(seq.unsigned_abs());
        }
        self.transaction
            .prepare_cached("DELETE FROM publication WHERE seq <= ?")?
            .execute(params![signed(cut.0)])?;
        self.transaction
            .prepare_cached("DELETE FROM entry WHERE seq <= ?")?
            .execute(params![signed(cut.0)])?;
        Ok(())
    }

    /// The topics that have entries up to `cut`, each with its newest one there.
    fn newest_of_topics(&self, cut: Seq) -> rusqlite::Result<Vec<(String, Seq)>> {
        let mut newest = self.transaction.prepare_cached(
            "SELECT topic.name, cut.seq
             FROM (SELECT topic, max(seq) AS seq FROM entry
                   WHERE seq <= ? AND topic IS NOT NULL GROUP BY topic) AS cut
             JOIN topic ON topic.id = cut.topic",
        )?;
        let rows = newest
            .query_map(params![signed(cut.0)], |row| Ok((row.get(0)?, Seq(unsigned(row, 1)?))))?;
        rows.collect()
    }

    /// The place up to which entries go, with `written.state.size` brought down accordingly.
    fn cut(&mut self, target: &Target) -> rusqlite::Result<Option<Seq>> {
        let mut oldest = self.transaction.prepare_cached(
            "SELECT seq, coalesce(length(key), 0) + length(payload), iif(kind = 1, payload, NULL), time
             FROM entry ORDER BY seq",
        )?;
        let mut rows = oldest.query([])?;
        let size = &mut self.written.state.size;
        let mut cut = None;
        while let Some(row) = rows.next()? {
            let is_kept = size.entry_count <= target.entry_count
                && size.bytes <= target.bytes
                && unsigned(row, 3)? >= target.oldest.0;
            if is_kept {
                break;
            }
            cut = Some(Seq(unsigned(row, 0)?));
            size.entry_count = size.entry_count.saturating_sub(1);
            // A gap weighs what its reason does: what was added is what is taken away.
            let variable = match row.get::<_, Option<Vec<u8>>>(2)? {
                Some(gap) => gap_weight(&gap),
                None => unsigned(row, 1)?,
            };
            size.bytes = size.bytes.saturating_sub(variable + Entry::FIXED_WEIGHT as u64);
        }
        Ok(cut)
    }
}

/// What a gap's reason weighs; nothing if it is damaged, which must not keep it for ever.
fn gap_weight(payload: &[u8]) -> u64 {
    serde_json::from_slice(payload).map_or(0, |gap: SourceGap| gap.reason.len() as u64)
}
