//! One page from the file, within one snapshot of it, and what is missing in it.
//!
//! What is damaged counts as lost. Places are without holes, and each entry knows the one before it
//! in its topic: so an entry that cannot be found is missed, too. A page's loss always comes before
//! its entries: one that is met later ends the page, and is the next one's.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::entry::{COLUMNS, Decoded, Sound, decode};
use super::read::Scope;
use super::schema::{signed, unsigned};
use super::state::State;
use crate::limits;
use crate::log::Page;
use crate::log::recent::PageBuilder;
use crate::model::Seq;

/// The gaps, among the rows of the topic table.
const GAPS: i64 = 0;

/// A page, and the places of entries that were found damaged.
pub(super) struct Found {
    pub(super) page: Page,
    pub(super) damaged: Vec<Seq>,
}

pub(super) fn page(connection: &Connection, scope: &Scope) -> rusqlite::Result<Found> {
    // One snapshot for all: the trimming that took an entry from the page is the one it tells of.
    let snapshot = connection.unchecked_transaction()?;
    let state = State::load(&snapshot)?;
    let reading = Reading {
        connection: &snapshot,
        scope,
        state,
        page: PageBuilder::new(),
        covered: scope.after,
        lost_to: Seq::ZERO,
        damaged: Vec::new(),
        chains: HashMap::new(),
    };
    let is_scan = scope.topics.is_all() || scope.ids.len() > limits::MERGED_TOPICS_MAX;
    if is_scan { reading.scan() } else { reading.merge() }
}

struct Reading<'a> {
    connection: &'a Connection,
    scope: &'a Scope,
    state: State,
    page: PageBuilder,
    covered: Seq,
    lost_to: Seq,
    damaged: Vec<Seq>,
    /// Up to where each topic, and the gaps, are known, and where they end.
    chains: HashMap<i64, Chain>,
}

struct Chain {
    known_to: Seq,
    last: Seq,
}

/// Whether a page goes on.
#[derive(PartialEq)]
enum Flow {
    On,
    End,
}

impl Reading<'_> {
    fn finish(self, covered: Seq) -> Found {
        let mut page = self.page.finish(covered);
        let lost_to = self.lost_to.min(self.scope.upto);
        page.lost_to = (lost_to > self.scope.after).then_some(lost_to);
        Found { page, damaged: self.damaged }
    }

    /// What lies after `known_to`, up to `seq`, is lost as far as it concerns anybody.
    fn lose(&mut self, known_to: Seq, seq: Seq) -> Flow {
        self.damaged.push(seq);
        if self.page.has_before(known_to.next()) {
            self.page.cut(known_to.next());
            self.covered = known_to;
            return Flow::End;
        }
        self.page.skip(seq);
        self.lost_to = self.lost_to.max(seq);
        Flow::On
    }

    fn lose_one(&mut self, seq: Seq) -> Flow {
        self.lose(Seq(seq.0 - 1), seq)
    }

    /// Reads each topic by its own index.
    fn merge(mut self) -> rusqlite::Result<Found> {
        self.begin_chains()?;
        let seqs = self.merged_seqs()?;
        let mut statement =
            self.connection.prepare_cached(&format!("{COLUMNS} WHERE entry.seq = ?"))?;
        let unchecked_to = self.state.unchecked_to;
        for (seq, chain) in &seqs {
            if self.page.is_full() {
                return self.close();
            }
            let found = statement
                .query_row(params![signed(seq.0)], |row| decode(row, unchecked_to))
                .optional()?;
            let (flow, own) = match found {
                Some(Decoded::Sound(sound)) => self.take(sound),
                Some(Decoded::Damaged) | None => (self.lose_one(*seq), *chain),
            };
            if flow == Flow::End {
                return self.close();
            }
            self.covered = *seq;
            if let Some(chain) = self.chains.get_mut(&own) {
                chain.known_to = *seq;
            }
        }
        if seqs.len() <= limits::PAGE_ENTRIES_MAX {
            self.covered = self.scope.upto;
        }
        self.close()
    }

    /// Ends a merged page where it is covered, or before what is missing there: the entry after it
    /// may be the only one that tells.
    fn close(mut self) -> rusqlite::Result<Found> {
        loop {
            let mut missing = None;
            for (id, chain) in &self.chains {
                let last = self.last_before(*id, self.covered)?.unwrap_or(chain.last);
                if last.min(self.covered) > chain.known_to {
                    missing = missing.max(Some((chain.known_to, last.min(self.covered), *id)));
                }
            }
            let Some((known_to, last, id)) = missing else {
                return Ok(self.finish_at_covered());
            };
            if self.lose(known_to, last) == Flow::On
                && let Some(chain) = self.chains.get_mut(&id)
            {
                chain.known_to = last;
            }
        }
    }

    /// The last place of a chain before its next entry after `covered`, as that one says.
    fn last_before(&self, id: i64, covered: Seq) -> rusqlite::Result<Option<Seq>> {
        let condition = if id == GAPS { "kind = 1 AND ? = 0" } else { "topic = ?" };
        let previous = self
            .connection
            .prepare_cached(&format!(
                "SELECT previous FROM entry WHERE {condition} AND seq > ? ORDER BY seq LIMIT 1"
            ))?
            .query_row(params![id, signed(covered.0)], |row| row.get::<_, Option<i64>>(0))
            .optional()?;
        Ok(previous.map(|previous| Seq(previous.map_or(0, i64::unsigned_abs))))
    }

    fn finish_at_covered(self) -> Found {
        let covered = self.covered;
        self.finish(covered)
    }

    /// Looks up what of each topic is trimmed, and where it ends.
    fn begin_chains(&mut self) -> rusqlite::Result<()> {
        let mut topic = self
            .connection
            .prepare_cached("SELECT trimmed_seq, last_seq FROM topic WHERE id = ?")?;
        for id in &self.scope.ids {
            let (trimmed, last) = topic.query_row(params![id], |row| {
                Ok((Seq(unsigned(row, 0)?), Seq(unsigned(row, 1)?)))
            })?;
            self.lost_to = self.lost_to.max(trimmed);
            self.chains.insert(*id, Chain { known_to: self.scope.after.max(trimmed), last });
        }
        let trimmed = self.state.trimmed_gap;
        self.lost_to = self.lost_to.max(trimmed);
        let known_to = self.scope.after.max(trimmed);
        self.chains.insert(GAPS, Chain { known_to, last: self.state.last_gap });
        Ok(())
    }

    /// Takes an entry in, and says of which chain it is.
    fn take(&mut self, sound: Sound) -> (Flow, i64) {
        let own = sound.topic.unwrap_or(GAPS);
        let known_to = self.chains.get(&own).map(|chain| chain.known_to);
        if let (Some(previous), Some(known_to)) = (sound.previous, known_to)
            && previous > known_to
            && self.lose(known_to, previous) == Flow::End
        {
            return (Flow::End, own);
        }
        if sound.entry.concerns(&self.scope.topics) {
            self.page.push(Arc::new(sound.entry));
        }
        (Flow::On, own)
    }

    /// The places of the next entries of the scope's topics, and of all gaps: one more than a page
    /// holds, so that a full page is told from the last one.
    fn merged_seqs(&self) -> rusqlite::Result<Vec<(Seq, i64)>> {
        let count = limits::PAGE_ENTRIES_MAX + 1;
        let mut seqs = Vec::new();
        let mut of_topic = self.connection.prepare_cached(
            "SELECT seq FROM entry WHERE topic = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
        )?;
        let (after, upto) = (signed(self.scope.after.0), signed(self.scope.upto.0));
        let limit = count as i64;
        for id in &self.scope.ids {
            let rows = of_topic.query_map(params![id, after, upto, limit], |row| {
                Ok((Seq(unsigned(row, 0)?), *id))
            })?;
            seqs.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
        }
        let mut gaps = self.connection.prepare_cached(
            "SELECT seq FROM entry WHERE kind = 1 AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
        )?;
        let rows =
            gaps.query_map(params![after, upto, limit], |row| Ok((Seq(unsigned(row, 0)?), GAPS)))?;
        seqs.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
        // An index whose keys are damaged finds what was not asked for.
        seqs.retain(|(seq, _)| *seq > self.scope.after && *seq <= self.scope.upto);
        seqs.sort_unstable();
        seqs.dedup_by_key(|(seq, _)| *seq);
        seqs.truncate(count);
        Ok(seqs)
    }

    /// Reads the log in its own order and keeps what concerns the scope.
    fn scan(mut self) -> rusqlite::Result<Found> {
        let trimmed = self.scan_begin()?;
        let (after, upto) = (self.scope.after, self.scope.upto);
        let mut statement = self.connection.prepare_cached(&format!(
            "{COLUMNS} WHERE entry.seq > ? AND entry.seq <= ? ORDER BY entry.seq LIMIT ?"
        ))?;
        let limit = limits::SCAN_ROWS_MAX as i64;
        let mut rows = statement.query(params![signed(after.0), signed(upto.0), limit])?;
        self.covered = after.max(trimmed);
        let mut row_count = 0;
        while let Some(row) = rows.next()? {
            if self.page.is_full() {
                return Ok(self.finish_at_covered());
            }
            row_count += 1;
            let seq = Seq(unsigned(row, 0)?);
            if seq <= self.covered {
                continue;
            }
            let hole = Seq(seq.0 - 1);
            if hole > self.covered && self.lose(self.covered, hole) == Flow::End {
                return Ok(self.finish_at_covered());
            }
            let flow = match decode(row, self.state.unchecked_to)? {
                Decoded::Sound(sound) => {
                    if sound.entry.concerns(&self.scope.topics) {
                        self.page.push(Arc::new(sound.entry));
                    }
                    Flow::On
                }
                Decoded::Damaged => self.lose_one(seq),
            };
            if flow == Flow::End {
                return Ok(self.finish_at_covered());
            }
            self.covered = seq;
        }
        let is_last = row_count < limits::SCAN_ROWS_MAX;
        if !is_last || (self.covered < upto && self.lose(self.covered, upto) == Flow::End) {
            return Ok(self.finish_at_covered());
        }
        Ok(self.finish(upto))
    }

    /// What is lost of the scope's topics, and up to where nothing at all is kept.
    fn scan_begin(&mut self) -> rusqlite::Result<Seq> {
        self.begin_chains()?;
        let newest: Option<i64> = self
            .connection
            .prepare_cached("SELECT max(trimmed_seq) FROM topic")?
            .query_row([], |row| row.get(0))?;
        let of_topics = Seq(newest.map_or(0, i64::unsigned_abs));
        Ok(of_topics.max(self.state.trimmed_gap))
    }
}
