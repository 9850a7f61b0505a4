//! Carries one source into the log, for ever: open, append, acknowledge; on any fault say so, wait
//! and go on from the stored position.
//!
//! | invariant | what it buys |
//! |---|---|
//! | a position is stored with the entries that lead up to it, never before them | nothing lost, nothing twice (G4, G7) |
//! | the source is acknowledged only after the append is durable | a crash finds the database still knowing (G7) |
//! | lost history becomes a gap entry, once the stream from now on is open | who loads the state anew on being told misses nothing (G2) |

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::{ChangeStream, Delivery, Remedy, Source, SourceError, WatchOptions};
use crate::board::Board;
use crate::failpoint;
use crate::limits;
use crate::log::{Batch, Log, LogError, PositionUpdate};
use crate::model::{
    Body, Change, Position, SourceGap, SourceState, SourceStatus, Timestamp, TopicPattern, TopicSet,
};
use crate::telemetry::Telemetry;

/// Puts `source` on the board; the future that this returns runs it until `stop` is cancelled.
/// Nothing else ends it.
pub(crate) async fn start(
    source: Arc<dyn Source>,
    log: Arc<dyn Log>,
    board: Board,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send {
    // Known before anybody looks: a source that has a position misses nothing while it is away. A
    // log that cannot be read now is the runner's to report.
    let is_positioned = matches!(log.position(source.name()).await, Ok(Some(_)));
    let runner = Runner { source, log, board, telemetry };
    runner.register(is_positioned);
    async move {
        // The runner's own awaits are all safe to drop: an append under way is stored or not, and
        // the stored position says which.
        stop.run_until_cancelled(runner.keep_going()).await;
    }
}

struct Runner {
    source: Arc<dyn Source>,
    log: Arc<dyn Log>,
    board: Board,
    telemetry: Arc<Telemetry>,
}

/// Why a round ended.
enum Fault {
    Source(SourceError),
    Log(LogError),
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<LogError> for Fault {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl Runner {
    fn register(&self, positioned: bool) {
        self.board.add(SourceStatus {
            name: Arc::clone(self.source.name()),
            kind: self.source.kind(),
            topics: self.source.topics(),
            replayable: self.source.is_replayable(),
            state: SourceState::Connecting,
            positioned,
            error: None,
            remedy: None,
            since: now(),
            last_change: None,
            gap_count: 0,
        });
    }

    async fn keep_going(&self) {
        let mut backoff = Backoff::default();
        let mut lost = None;
        loop {
            let Err(fault) = self.round(&mut lost, &mut backoff).await else {
                continue;
            };
            self.say(&fault);
            let wait = match fault {
                Fault::Source(error) if error.remedy() == Remedy::Operator => {
                    limits::OPERATOR_RETRY
                }
                Fault::Source(error) if error.remedy() == Remedy::Gap => {
                    lost = Some(error);
                    backoff.next()
                }
                _ => backoff.next(),
            };
            sleep(wait).await;
        }
    }

    /// Opens the stream and follows it until something goes wrong. What has been `lost` is written
    /// down as soon as the stream is open again, which then starts from now.
    async fn round(
        &self,
        lost: &mut Option<SourceError>,
        backoff: &mut Backoff,
    ) -> Result<(), Fault> {
        let stored = self.log.position(self.source.name()).await?;
        self.note_positioned(stored.is_some());
        let start_after = match lost {
            Some(_) => None,
            None => stored.clone().or_else(|| self.source.beginning()),
        };
        let options = WatchOptions { start_after, ..WatchOptions::default() };
        let mut stream = self.source.watch(options).await?;
        let position = stream.resume_token().cloned();
        if let Some(error) = &*lost {
            self.append_gap(error, position).await?;
            *lost = None;
        } else if let (None, Some(position)) = (stored, position) {
            // Saved at once: a crash before the first change must not skip it.
            self.append(Vec::new(), PositionUpdate::Set(position)).await?;
        }
        self.say_live();
        let opened = Instant::now();
        let outcome = self.follow(&mut stream, backoff).await;
        if opened.elapsed() >= limits::BACKOFF_MAX {
            backoff.reset();
        }
        outcome
    }

    /// Only a change, or time that passes, shows that the stream is well: one that breaks as soon as
    /// it is open, with a gap each time, must come ever less often.
    async fn follow(&self, stream: &mut ChangeStream, backoff: &mut Backoff) -> Result<(), Fault> {
        let mut idle = IdlePosition::default();
        loop {
            let first = tokio::select! {
                delivery = stream.next_delivery() => delivery,
                () = idle.due() => {
                    self.append(Vec::new(), idle.take()).await?;
                    continue;
                }
            };
            let Some(first) = first else {
                return Err(SourceError::Unavailable("the stream ended".into()).into());
            };
            let (batch, error) = self.fill(first?, stream);
            if batch.bodies.is_empty() {
                idle.note(batch.position);
            } else {
                idle.clear();
                let update = batch.position.map_or(PositionUpdate::Keep, PositionUpdate::Set);
                self.append(batch.bodies, update).await?;
                self.note_change();
                backoff.reset();
            }
            if let Some(error) = error {
                return Err(error.into());
            }
        }
    }

    async fn append(&self, bodies: Vec<Body>, position: PositionUpdate) -> Result<(), LogError> {
        let is_change = |body: &&Body| matches!(body, Body::Change(_));
        let change_count = bodies.iter().filter(is_change).count() as u64;
        let source = Arc::clone(self.source.name());
        self.log.append(Batch { source, bodies, position: position.clone() }).await?;
        self.telemetry.changes_appended(self.source.name(), change_count);
        failpoint::hit("runner.after_append");
        if let PositionUpdate::Set(position) = &position {
            self.source.acknowledge(position).await;
        }
        failpoint::hit("runner.after_acknowledge");
        Ok(())
    }

    /// Writes down that history is missing, and where the source goes on, as one append.
    async fn append_gap(
        &self,
        error: &SourceError,
        position: Option<Position>,
    ) -> Result<(), LogError> {
        let gap = SourceGap::new(error.to_string(), &self.source.topics());
        let update = position.map_or(PositionUpdate::Clear, PositionUpdate::Set);
        self.append(vec![Body::Gap(gap)], update).await?;
        self.note_gap(error);
        Ok(())
    }

    /// Takes what the stream has ready, from `first` on, up to a batch's caps; an error that comes
    /// after changes is handed back beside them, so that they are stored first.
    fn fill(&self, first: Delivery, stream: &mut ChangeStream) -> (Filled, Option<SourceError>) {
        let mut filled = Filled { bodies: Vec::new(), position: None };
        let mut bytes = 0;
        let mut next = Some(Ok(first));
        while let Some(delivery) = next {
            let delivery = match delivery {
                Ok(delivery) => delivery,
                Err(error) => return (filled, Some(error)),
            };
            if let Some(change) = delivery.change {
                bytes += change.event.len() + change.key.len();
                filled.bodies.push(self.storable(change));
            }
            filled.position = delivery.position.or(filled.position);
            let is_full = filled.bodies.len() >= limits::BATCH_CHANGES_MAX
                || bytes >= limits::BATCH_BYTES_MAX;
            next = if is_full { None } else { stream.next_ready_delivery() };
        }
        (filled, None)
    }

    /// The change, or a gap in its place if the log would refuse it: refused again at every
    /// attempt, it would hold up everything behind it for ever.
    fn storable(&self, change: Change) -> Body {
        let bytes = change.key.len() + change.event.len();
        if bytes <= limits::ENTRY_BYTES_MAX {
            return Body::Change(change);
        }
        let error = SourceError::HistoryLost(LogError::EntryTooLarge { bytes }.to_string());
        self.note_gap(&error);
        let topic = TopicSet::new([TopicPattern::Exact(change.topic)]);
        Body::Gap(SourceGap::new(error.to_string(), &topic))
    }

    fn say(&self, fault: &Fault) {
        match fault {
            Fault::Log(error) => {
                self.say_down(SourceState::Connecting, &error.to_string(), None);
            }
            Fault::Source(error) => {
                let state = match error.remedy() {
                    Remedy::Operator => SourceState::Failed,
                    Remedy::Retry | Remedy::Gap => SourceState::Connecting,
                };
                self.say_down(state, &error.to_string(), error.advice());
            }
        }
    }

    fn say_live(&self) {
        self.telemetry.source_live(self.source.name());
        self.board.update(self.source.name(), |status| {
            status.since = if status.state == SourceState::Live { status.since } else { now() };
            status.state = SourceState::Live;
            status.positioned = true;
            status.error = None;
            status.remedy = None;
        });
    }

    fn say_down(&self, state: SourceState, error: &str, remedy: Option<&str>) {
        self.telemetry.source_down(self.source.name(), state, error, remedy);
        self.board.update(self.source.name(), |status| {
            status.since = if status.state == state { status.since } else { now() };
            status.state = state;
            status.error = Some(error.to_owned());
            status.remedy = remedy.map(ToOwned::to_owned);
        });
    }

    fn note_positioned(&self, positioned: bool) {
        self.board.update(self.source.name(), |status| status.positioned |= positioned);
    }

    fn note_gap(&self, error: &SourceError) {
        self.telemetry.source_gap(self.source.name(), error);
        self.board.update(self.source.name(), |status| status.gap_count += 1);
    }

    fn note_change(&self) {
        self.board.update(self.source.name(), |status| status.last_change = Some(now()));
    }
}

struct Filled {
    bodies: Vec<Body>,
    position: Option<Position>,
}

/// A position that moved although nothing changed: saved now and then, not each time.
#[derive(Default)]
struct IdlePosition {
    position: Option<Position>,
    due: Option<Instant>,
}

impl IdlePosition {
    fn note(&mut self, position: Option<Position>) {
        if position.is_some() {
            self.position = position;
            self.due.get_or_insert_with(|| Instant::now() + limits::IDLE_POSITION_EVERY);
        }
    }

    /// Completes when it is time to save; never while there is nothing to save.
    async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    fn take(&mut self) -> PositionUpdate {
        self.due = None;
        self.position.take().map_or(PositionUpdate::Keep, PositionUpdate::Set)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests;
