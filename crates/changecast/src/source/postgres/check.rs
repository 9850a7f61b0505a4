//! What of a PostgreSQL works, and the command that mends what does not.
//!
//! Everything is asked with the source's own user, on the connection beside the stream: no slot is
//! touched, and the stream is not disturbed.

mod slot;
mod tables;

use std::sync::Arc;

use tokio_postgres::{Client, Error, Row};

use super::catalog::Control;
use super::config::PostgresConfig;
use super::errors::explain;
use super::prepare::VERSION_MIN;
use crate::source::Finding;
use crate::source::check::shell_word;

/// What the server says of itself, and of the user who asks.
const SERVER: &str = "SELECT current_setting('server_version'),
        current_setting('server_version_num')::int4,
        current_setting('wal_level'),
        current_setting('max_slot_wal_keep_size'),
        current_setting('max_replication_slots')::int8
            - (SELECT count(*) FROM pg_replication_slots),
        current_setting('max_replication_slots')::int8,
        current_setting('max_wal_senders')::int8 - (SELECT count(*) FROM pg_stat_replication),
        current_setting('max_wal_senders')::int8,
        rolsuper,
        rolsuper OR rolreplication OR EXISTS (
            -- Where nobody is a superuser, this membership stands for the attribute.
            SELECT 1 FROM pg_roles AS granted WHERE granted.rolname = 'rds_replication'
            AND pg_has_role(current_user, granted.oid, 'MEMBER'))
    FROM pg_roles WHERE rolname = current_user";

/// Looks at one server.
struct Look<'a> {
    config: &'a PostgresConfig,
    client: Arc<Client>,
    server: Server,
}

/// The answer to [`SERVER`].
struct Server {
    version_text: String,
    version: u32,
    wal_level: String,
    wal_kept_max: String,
    slots: Places,
    senders: Places,
    is_superuser: bool,
    may_replicate: bool,
}

/// How many there may be of something, and how many more.
struct Places {
    free: i64,
    max: i64,
}

pub(super) async fn findings(control: &Control) -> Vec<Finding> {
    let config = &control.config;
    let client = match control.client().await {
        Ok(client) => client,
        Err(error) => return vec![Finding::failed("reachable", &error)],
    };
    let answer = client.query_one(SERVER, &[]).await;
    let server = match answer.and_then(|row| Server::read(&row)) {
        Ok(server) => server,
        Err(error) => return vec![Finding::failed("reachable", &explain(config, error.into()))],
    };
    let look = Look { config, client, server };
    let mut findings = look.settings();
    for (about, looked) in [("tables", look.tables().await), ("slot", look.slot().await)] {
        match looked {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(Finding::failed(about, &explain(config, error.into()))),
        }
    }
    findings
}

impl Server {
    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            version_text: row.try_get(0)?,
            version: row.try_get::<_, i32>(1)?.unsigned_abs(),
            wal_level: row.try_get(2)?,
            wal_kept_max: row.try_get(3)?,
            slots: Places { free: row.try_get(4)?, max: row.try_get(5)? },
            senders: Places { free: row.try_get(6)?, max: row.try_get(7)? },
            is_superuser: row.try_get(8)?,
            may_replicate: row.try_get(9)?,
        })
    }
}

impl Look<'_> {
    /// What is of the server, whatever is watched.
    fn settings(&self) -> Vec<Finding> {
        let place = self.config.place();
        vec![
            Finding::ok("reachable", format!("{place} answers")),
            self.version(),
            self.wal_level(),
            self.rights(),
        ]
    }

    fn version(&self) -> Finding {
        let version = format!("PostgreSQL {}", self.server.version_text);
        if self.server.version < VERSION_MIN {
            let mend = "upgrade it: PostgreSQL 14 or newer is needed";
            return Finding::problem("version", version, mend);
        }
        Finding::ok("version", version)
    }

    fn wal_level(&self) -> Finding {
        let level = format!("wal_level is {}", self.server.wal_level);
        if self.server.wal_level == "logical" {
            return Finding::ok("wal_level", level);
        }
        let command = self.psql(&["ALTER SYSTEM SET wal_level = logical"]);
        let detail = format!("{level}, not logical");
        Finding::problem("wal_level", detail, format!("{command}; then restart PostgreSQL"))
    }

    fn rights(&self) -> Finding {
        if self.server.may_replicate {
            return Finding::ok("rights", "the user may replicate");
        }
        let user = postgres_protocol::escape::escape_identifier(&self.config.user);
        let command = self.psql(&[&format!("ALTER ROLE {user} REPLICATION")]);
        Finding::problem("rights", "the user may not replicate", command)
    }

    /// A command line that runs this SQL; who runs it adds a login that may.
    fn psql(&self, statements: &[&str]) -> String {
        let PostgresConfig { host, port, database, .. } = self.config;
        let mut command =
            format!("psql -h {} -p {port} -d {}", shell_word(host), shell_word(database));
        for sql in statements {
            command.push_str(" -c ");
            command.push_str(&shell_word(sql));
        }
        command
    }
}
