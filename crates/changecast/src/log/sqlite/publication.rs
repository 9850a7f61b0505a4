//! Messages under a key: the key is a row of the transaction that writes the entry.

use rusqlite::{OptionalExtension, params};

use super::checksum::Checksum;
use super::group::Group;
use super::schema::{signed, unsigned};
use crate::log::{Batch, PositionUpdate, Publication, PublicationKey, Published};
use crate::model::{Body, Seq};

impl Group<'_> {
    /// Appends the message, unless one is there under its key.
    pub(super) fn publish(&mut self, publication: Publication) -> rusqlite::Result<Published> {
        let Publication { source, change, key } = publication;
        let topic = change.topic.clone();
        if let (Some(key), Some(id)) = (&key, self.topic_in_file(topic.as_str()))
            && let Some(published) = self.published(id, key)?
        {
            return Ok(published);
        }
        let bodies = vec![Body::Change(change)];
        self.append(Batch { source, bodies, position: PositionUpdate::Keep })?;
        let seq = self.written.state.tail;
        if let (Some(key), Some(id)) = (&key, self.topic_in_file(topic.as_str())) {
            self.remember(id, key, seq)?;
        }
        Ok(Published::Appended(seq))
    }

    /// What is known under the key. A row that does not match its checksum knows nothing.
    fn published(&self, topic: i64, key: &PublicationKey) -> rusqlite::Result<Option<Published>> {
        let found: Option<(Vec<u8>, u64, i64)> = self
            .transaction
            .prepare_cached(
                "SELECT fingerprint, seq, checksum FROM publication WHERE topic = ? AND key = ?",
            )?
            .query_row(params![topic, key.text], |row| {
                Ok((row.get(0)?, unsigned(row, 1)?, row.get(2)?))
            })
            .optional()?;
        Ok(found.and_then(|(fingerprint, seq, sum)| {
            let is_sound = checksum(topic, &key.text, &fingerprint, Seq(seq)) == sum;
            is_sound.then(|| key.against(&fingerprint, Seq(seq)))
        }))
    }

    fn remember(&self, topic: i64, key: &PublicationKey, seq: Seq) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO publication VALUES (?, ?, ?, ?, ?)")?
            .execute(params![
                topic,
                key.text,
                signed(seq.0),
                key.fingerprint,
                checksum(topic, &key.text, &key.fingerprint, seq),
            ])?;
        Ok(())
    }

    fn topic_in_file(&self, name: &str) -> Option<i64> {
        let written = self.written.topics.get(name).map(|(id, _)| *id);
        written.or_else(|| self.known_topic(name).map(|(id, _)| id))
    }
}

fn checksum(topic: i64, key: &str, fingerprint: &[u8], seq: Seq) -> i64 {
    Checksum::default()
        .number(topic.unsigned_abs())
        .bytes(key.as_bytes())
        .bytes(fingerprint)
        .number(seq.0)
        .finish()
}
