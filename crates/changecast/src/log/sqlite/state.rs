//! The log's own row: its epoch, its ends, its size.

use rusqlite::types::Type;
use rusqlite::{Connection, params};

use super::checksum::Checksum;
use super::schema::{damaged, signed, unsigned};
use crate::log::LogSize;
use crate::model::{Epoch, Seq, Timestamp};

/// The one row of the log table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) epoch: Epoch,
    pub(super) tail: Seq,
    pub(super) last_time: Timestamp,
    pub(super) size: LogSize,
    pub(super) trimmed_gap: Seq,
    pub(super) last_gap: Seq,
    /// Entries up to here have no checksums.
    pub(super) unchecked_to: Seq,
}

impl State {
    fn checksum(&self) -> i64 {
        Checksum::default()
            .bytes(self.epoch.as_str().as_bytes())
            .number(self.tail.0)
            .number(self.last_time.0)
            .number(self.size.entry_count)
            .number(self.size.bytes)
            .number(self.trimmed_gap.0)
            .number(self.last_gap.0)
            .number(self.unchecked_to.0)
            .finish()
    }

    pub(super) fn store(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "UPDATE log SET epoch = ?, last_seq = ?, last_time = ?, entry_count = ?, bytes = ?,
                                trimmed_gap = ?, last_gap = ?, checksum = ?",
            )?
            .execute(params![
                self.epoch.as_str(),
                signed(self.tail.0),
                signed(self.last_time.0),
                signed(self.size.entry_count),
                signed(self.size.bytes),
                signed(self.trimmed_gap.0),
                signed(self.last_gap.0),
                self.checksum(),
            ])?;
        Ok(())
    }

    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let (state, checksum) = Self::load_unchecked(connection)?;
        if state.checksum() != checksum {
            return Err(damaged("the log's state does not match its checksum"));
        }
        Ok(state)
    }

    pub(super) fn load_unchecked(connection: &Connection) -> rusqlite::Result<(Self, i64)> {
        connection
            .prepare_cached(
                "SELECT epoch, last_seq, last_time, entry_count, bytes, trimmed_gap, last_gap,
                        unchecked_to, checksum FROM log",
            )?
            .query_row([], |row| {
                let epoch: String = row.get(0)?;
                let epoch = epoch.parse().map_err(|error| {
                    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
                })?;
                let state = Self {
                    epoch,
                    tail: Seq(unsigned(row, 1)?),
                    last_time: Timestamp(unsigned(row, 2)?),
                    size: LogSize { entry_count: unsigned(row, 3)?, bytes: unsigned(row, 4)? },
                    trimmed_gap: Seq(unsigned(row, 5)?),
                    last_gap: Seq(unsigned(row, 6)?),
                    unchecked_to: Seq(unsigned(row, 7)?),
                };
                Ok((state, row.get(8)?))
            })
    }
}
