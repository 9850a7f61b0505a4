//! What of a Redis works, and the command that mends what does not.
//!
//! It asks on a connection of its own, and reads no entry.

use redis::{ConnectionAddr, cmd};

use super::server::Link;
use super::streams::{state_of, stream_info};
use super::{RedisSource, Watched, live, reply};
use crate::limits;
use crate::source::check::shell_word;
use crate::source::{Finding, SourceError};

/// The first release that counts what was ever added to a stream.
const VERSION_MIN: u64 = 7;

impl RedisSource {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let mut link = match self.server.connect().await {
            Ok(link) => link,
            Err(error) => return vec![Finding::failed("reachable", &error)],
        };
        if let Err(error) = link.ask(&cmd("PING"), limits::REDIS_ANSWER_TIMEOUT).await {
            return vec![Finding::failed("reachable", &error)];
        }
        let mut findings =
            vec![Finding::ok("reachable", format!("{} answers", self.config.address()))];
        findings.push(self.version(&mut link).await);
        match &self.config.watched {
            Watched::Streams(keys) => {
                for key in keys {
                    let found = self.stream(&mut link, key).await;
                    findings.push(found.unwrap_or_else(|error| Finding::failed("stream", &error)));
                }
            }
            Watched::Live { keys, .. } => {
                let detail = "channels and keys are told of while it runs; what passes while it \
                              does not is a gap";
                findings.push(Finding::ok("live only", detail));
                if !keys.is_empty() {
                    findings.push(self.notifications(&mut link).await);
                }
            }
        }
        findings
    }

    async fn version(&self, link: &mut Link) -> Finding {
        let info = cmd("INFO").arg("server").to_owned();
        let answer = match link.ask(&info, limits::REDIS_ANSWER_TIMEOUT).await {
            Ok(answer) => answer,
            // It need not know: whether entries are counted shows at the streams.
            Err(SourceError::Operator { .. }) => {
                return Finding::ok("version", "the user may not ask it");
            }
            Err(error) => return Finding::failed("version", &error),
        };
        let Some(version) = reply::info_line(&answer, "redis_version") else {
            return Finding::ok("version", "the server does not tell it");
        };
        let major = version.split('.').next().and_then(|major| major.parse::<u64>().ok());
        let needs_counts = matches!(self.config.watched, Watched::Streams(_));
        if needs_counts && major.is_some_and(|major| major < VERSION_MIN) {
            let detail = format!("{version}: it does not count what was added to a stream");
            let mend = "upgrade it: Redis 7.0 or later, or Valkey, is needed";
            return Finding::problem("version", detail, mend);
        }
        Finding::ok("version", version)
    }

    /// Whether it is a stream, and how much of it can still be read.
    async fn stream(&self, link: &mut Link, key: &str) -> Result<Finding, SourceError> {
        let kind = cmd("TYPE").arg(key).to_owned();
        let mut answers = link.ask_at_once([kind, stream_info(key)]).await?.into_iter();
        let kind = answers.next().unwrap_or_default();
        match reply::text(&kind) {
            Some("stream") => {}
            Some("none") => {
                let detail = format!("{key:?} is not there yet: it is read from its first entry");
                return Ok(Finding::ok("stream", detail));
            }
            // A right may be missing, or there may be no such thing.
            None => {
                kind.extract_error().map_err(|error| self.server.explainer.explain(&error))?;
                return Err(self.server.explainer.senseless("TYPE"));
            }
            Some(kind) => {
                let detail = format!("{key:?} is a {kind}, and not a stream");
                let away = self.redis_cli(&["RENAMENX", key, &format!("{key}.old")]);
                let mend = format!("correct stream= in the source's URL, or move it away: {away}");
                return Ok(Finding::problem("stream", detail, mend));
            }
        }
        let state = state_of(link, answers.next().unwrap_or_default())?.unwrap_or_default();
        let gone = state.added.saturating_sub(state.length);
        let added = format!("{key:?} has {} of {} entries", state.length, state.added);
        let detail = match gone {
            0 => format!("{added}: nothing was trimmed"),
            _ => format!("{added}: an outage that misses more than that is a gap"),
        };
        Ok(Finding::ok("stream", detail))
    }

    /// Whether the server tells of changes to keys.
    async fn notifications(&self, link: &mut Link) -> Finding {
        const ABOUT: &str = "notify";
        let set = || self.redis_cli(&["CONFIG", "SET", "notify-keyspace-events", "KA"]);
        match live::tells_of_keys(link).await {
            Some(true) => Finding::ok(ABOUT, "it tells of changes to keys"),
            Some(false) => Finding::problem(
                ABOUT,
                "it does not tell of changes to keys",
                format!("{}; and set it in redis.conf", set()),
            ),
            None => Finding::warning(
                ABOUT,
                "whether it tells of changes to keys is unknown: the user may not ask it",
                format!("have it set: {}", set()),
            ),
        }
    }

    /// A command line that runs this; who runs it adds a login that may.
    fn redis_cli(&self, words: &[&str]) -> String {
        let mut command = "redis-cli".to_owned();
        match self.config.connection.addr() {
            ConnectionAddr::Tcp(host, port) => {
                command.push_str(&format!(" -h {} -p {port}", shell_word(host)));
            }
            ConnectionAddr::TcpTls { host, port, .. } => {
                command.push_str(&format!(" --tls -h {} -p {port}", shell_word(host)));
            }
            _ => command.push_str(&format!(" -s {}", shell_word(&self.config.address()))),
        }
        if self.config.database() != 0 {
            command.push_str(&format!(" -n {}", self.config.database()));
        }
        for word in words {
            command.push(' ');
            command.push_str(&shell_word(word));
        }
        command
    }
}
