//! Whether the slot can be read, what it keeps on the server's disk, and whether one could be made.

use postgres_protocol::escape::escape_literal;
use tokio_postgres::{Error, Row};

use super::{Look, Places};
use crate::source::Finding;

/// What a slot that nobody reads may keep before it is worth a word: much more than a restart
/// takes, much less than a disk holds.
const KEPT_BYTES_MAX: i64 = 1 << 30;

/// What is proposed where nothing is set.
const KEPT_PROPOSED: &str = "50GB";

const SLOT: &str = "SELECT coalesce(plugin::text, ''), coalesce(database::text, ''), active,
        coalesce(wal_status, ''), (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
            ELSE pg_current_wal_lsn() END - restart_lsn)::int8
    FROM pg_replication_slots WHERE slot_name = $1::text";

/// The answer to [`SLOT`].
struct Slot {
    plugin: String,
    database: String,
    is_active: bool,
    wal_status: String,
    kept_bytes: Option<i64>,
}

impl Slot {
    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            plugin: row.try_get(0)?,
            database: row.try_get(1)?,
            is_active: row.try_get(2)?,
            wal_status: row.try_get(3)?,
            kept_bytes: row.try_get(4)?,
        })
    }
}

impl Look<'_> {
    pub(super) async fn slot(&self) -> Result<Vec<Finding>, Error> {
        let row = self.client.query_opt(SLOT, &[&self.config.slot]).await?;
        let slot = row.map(|row| Slot::read(&row)).transpose()?;
        let is_active = slot.as_ref().is_some_and(|slot| slot.is_active);
        let mut findings = Vec::new();
        match &slot {
            Some(slot) => findings.push(self.judge(slot)),
            None => {
                let detail = format!("{:?} is made at the first start", self.config.slot);
                findings.push(Finding::ok("slot", detail));
                findings.push(self.places(&self.server.slots, "slots", "max_replication_slots"));
            }
        }
        if !is_active {
            findings.push(self.places(&self.server.senders, "senders", "max_wal_senders"));
        }
        findings.push(self.wal_kept());
        Ok(findings)
    }

    fn judge(&self, slot: &Slot) -> Finding {
        let name = &self.config.slot;
        if slot.plugin != "pgoutput" || slot.database != self.config.database {
            let detail = format!(
                "{name:?} is of the plugin {:?} and the database {:?}",
                slot.plugin, slot.database
            );
            let mend = "choose another slot with slot= in the source's URL";
            return Finding::problem("slot", detail, mend);
        }
        let raise = || {
            let set = format!("ALTER SYSTEM SET max_slot_wal_keep_size = '{KEPT_PROPOSED}'");
            self.psql(&[&set, "SELECT pg_reload_conf()"])
        };
        match &*slot.wal_status {
            // It is made anew by itself, and the gap is told.
            "lost" => {
                let detail = format!("{name:?} was away for too long: what it missed is a gap");
                return Finding::warning("slot", detail, raise());
            }
            "unreserved" => {
                let detail = format!("{name:?} is about to lose the WAL that it has yet to read");
                return Finding::warning("slot", detail, raise());
            }
            _ => {}
        }
        let kept = slot.kept_bytes.unwrap_or_default().max(0);
        let keeps = format!("{name:?} keeps {} of WAL", size(kept));
        if slot.is_active {
            return Finding::ok("slot", format!("{keeps}, and is being read"));
        }
        if kept <= KEPT_BYTES_MAX {
            return Finding::ok("slot", format!("{keeps}, and nobody reads it now"));
        }
        let drop = format!("SELECT pg_drop_replication_slot({})", escape_literal(name));
        let mend = format!("start changecast; or, if it is not wanted any more: {}", {
            self.psql(&[&drop])
        });
        Finding::warning("slot", format!("{keeps}, and nobody reads it"), mend)
    }

    /// Whether one more of something can be had.
    fn places(&self, places: &Places, about: &'static str, setting: &str) -> Finding {
        let Places { free, max } = places;
        if *free > 0 {
            return Finding::ok(about, format!("{free} of {max} are free"));
        }
        let command = self.psql(&[&format!("ALTER SYSTEM SET {setting} = {}", max + 10)]);
        let detail = format!("none of {max} is free, and one is needed");
        Finding::problem(about, detail, format!("{command}; then restart PostgreSQL"))
    }

    /// Whether there is a limit to what the slot keeps while nobody reads it.
    fn wal_kept(&self) -> Finding {
        let max = &self.server.wal_kept_max;
        if max != "-1" {
            let detail = format!("a slot that nobody reads keeps {max} of WAL at most");
            return Finding::ok("kept WAL", detail);
        }
        let set = format!("ALTER SYSTEM SET max_slot_wal_keep_size = '{KEPT_PROPOSED}'");
        Finding::warning(
            "kept WAL",
            "while nobody reads the slot, it keeps WAL until the server's disk is full",
            self.psql(&[&set, "SELECT pg_reload_conf()"]),
        )
    }
}

fn size(bytes: i64) -> String {
    const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = UNITS.iter().find(|(_, shift)| bytes >> shift > 0);
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(name, shift)| format!("{} {name}", bytes >> shift),
    )
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_told_in_the_largest_unit_that_fits() {
        let told = [0, 1023, 1024, 16 << 20, (5 << 30) + 1].map(size);
        assert_eq!(told, ["0 bytes", "1023 bytes", "1 KiB", "16 MiB", "5 GiB"]);
    }
}
