//! What a source's check found, kept for a while: `/sources` may be asked often, a database not.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::limits;
use crate::source::{Finding, Level, Source};

/// The last check of one source.
#[derive(Default)]
pub(crate) struct Checked {
    /// Async, because it is held while the database is asked: others wait for the same answer.
    last: Mutex<Option<(Instant, Brief)>>,
}

/// What of a check is told over HTTP: `changecast check` has all of it, with all commands.
#[derive(Clone, Serialize)]
pub(super) struct Brief {
    /// The worst that was found.
    level: Level,
    /// What is not as it should be.
    findings: Vec<BriefFinding>,
}

#[derive(Clone, Serialize)]
struct BriefFinding {
    level: Level,
    about: &'static str,
    detail: String,
    /// The command that mends it, where that is nobody's secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// How long a check is good for.
const FRESH: Duration = Duration::from_secs(60);

impl Checked {
    /// What was found last, or is now; none if the database takes too long to tell.
    pub(super) async fn brief(&self, source: &dyn Source) -> Option<Brief> {
        let mut last = self.last.lock().await;
        if let Some((when, brief)) = &*last
            && when.elapsed() < FRESH
        {
            return Some(brief.clone());
        }
        let findings = timeout(limits::PROBE_TIMEOUT, source.check()).await.ok()?;
        let brief = Brief::of(&findings);
        *last = Some((Instant::now(), brief.clone()));
        Some(brief)
    }
}

impl Brief {
    fn of(findings: &[Finding]) -> Self {
        let bad = findings.iter().filter(|finding| finding.level > Level::Ok);
        let findings: Vec<_> = bad
            .map(|finding| BriefFinding {
                level: finding.level,
                about: finding.about,
                detail: finding.detail.clone(),
                mend: finding.mend.clone().filter(|_| finding.is_mend_public),
            })
            .collect();
        let level = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
        Self { level, findings }
    }
}
