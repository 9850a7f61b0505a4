//! The writer thread: takes what waits, commits it as one transaction, then shows it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use super::group::Group;
use super::schema::{self, unsigned};
use super::shared::Shared;
use super::state::State;
use super::work::{Done, Reply, Work};
use super::{LogOptions, open, storage};
use crate::failpoint;
use crate::limits;
use crate::log::LogError;
use crate::model::Timestamp;

pub(super) enum Command {
    Write(Work, Reply),
    Tend {
        reply: oneshot::Sender<()>,
    },
    Close {
        reply: oneshot::Sender<()>,
    },
    /// Does something to the writer's connection.
    #[cfg(test)]
    Sabotage(Box<dyn FnOnce(&mut Connection) + Send>),
}

pub(super) struct Writer {
    path: PathBuf,
    connection: Connection,
    shared: Arc<Shared>,
    options: LogOptions,
    last_time: Timestamp,
    /// When an append looks for entries that are too old, the next time.
    age_due: Timestamp,
    /// What could not be written the last time.
    failed_bytes: usize,
    /// Waits for commands up to a time: the thread has no other use for a runtime.
    timer: Runtime,
}

impl Writer {
    pub(super) fn new(
        path: &Path,
        connection: Connection,
        shared: Arc<Shared>,
        options: LogOptions,
        last_time: Timestamp,
    ) -> Result<Self, LogError> {
        let timer = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let timer = timer.map_err(|error| LogError::Storage(error.to_string()))?;
        let path = path.to_owned();
        let (age_due, failed_bytes) = (Timestamp(0), 0);
        Ok(Self { path, connection, shared, options, last_time, age_due, failed_bytes, timer })
    }

    /// Runs until it is told to close, or nobody can append any more.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let mut closing = None;
        while closing.is_none() {
            match self.wait(&mut queue) {
                Next::Command(first) => closing = self.take(first, &mut queue),
                Next::Nothing => self.tend(),
                Next::End => break,
            }
        }
        queue.close();
        if let Err(error) = open::finish(&self.connection, self.options.durability) {
            tracing::warn!(%error, "log could not be marked as closed");
        }
        drop(self.connection);
        if let Some(reply) = closing {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(());
        }
    }

    fn wait(&self, queue: &mut mpsc::Receiver<Command>) -> Next {
        let is_failing = self.shared.status().fault.is_some();
        let wait = if is_failing { limits::LOG_PROBE_EVERY } else { limits::TRIM_EVERY };
        let received =
            self.timer.block_on(async { tokio::time::timeout(wait, queue.recv()).await });
        match received {
            Ok(Some(command)) => Next::Command(command),
            Ok(None) => Next::End,
            Err(_) => Next::Nothing,
        }
    }

    /// Commits `first` with the appends that wait behind it. Returns whom to tell of the end, if
    /// that is what comes after them.
    fn take(
        &mut self,
        first: Command,
        queue: &mut mpsc::Receiver<Command>,
    ) -> Option<oneshot::Sender<()>> {
        let mut group = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        let mut other = None;
        while let Some(command) = next {
            match command {
                Command::Write(work, reply) => {
                    bytes += work.weight();
                    group.push((work, reply));
                }
                command => other = Some(command),
            }
            let is_full = bytes >= limits::COMMIT_BYTES_MAX || other.is_some();
            next = if is_full { None } else { queue.try_recv().ok() };
        }
        if !group.is_empty() {
            self.commit(group, bytes);
        }
        match other? {
            Command::Tend { reply } => {
                self.tend();
                // Whoever asked may have stopped waiting.
                let _ = reply.send(());
                None
            }
            Command::Close { reply } => Some(reply),
            #[cfg(test)]
            Command::Sabotage(act) => {
                act(&mut self.connection);
                None
            }
            Command::Write(..) => None,
        }
    }

    fn commit(&mut self, group: Vec<(Work, Reply)>, bytes: usize) {
        let (works, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let outcome = self.write(works);
        let outcome = self.note(outcome, bytes);
        for (index, reply) in replies.into_iter().enumerate() {
            reply.send(&outcome, index);
        }
    }

    /// Says what a write of `bytes` met, and sees to it that the next one can begin.
    fn note<T>(&mut self, outcome: rusqlite::Result<T>, bytes: usize) -> Result<T, LogError> {
        let error = match outcome {
            Ok(done) => {
                self.failed_bytes = 0;
                if self.shared.status().fault.take().is_some() {
                    tracing::info!("log can be written again");
                }
                return Ok(done);
            }
            Err(error) => error,
        };
        self.failed_bytes = bytes;
        self.shared.note_damage(&error);
        let error = storage(error);
        let known = self.shared.status().fault.replace(error.to_string());
        // Once for each fault, not for each attempt.
        if known != Some(error.to_string()) {
            tracing::error!(%error, "log write failed");
        }
        self.abandon();
        Err(error)
    }

    /// Leaves no transaction behind, whatever state the failed write has left the connection in.
    fn abandon(&mut self) {
        if self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok() {
            return;
        }
        let renewed = open::renew(&self.path, self.options.durability);
        match renewed {
            Ok(connection) => self.connection = connection,
            Err(error) => tracing::error!(%error, "log cannot be opened again"),
        }
    }

    /// What is to do while nobody appends.
    fn tend(&mut self) {
        if self.shared.status().fault.is_some() {
            let bytes = self.failed_bytes.max(limits::LOG_PROBE_BYTES_MIN);
            let outcome = self.probe(bytes);
            // Told in the fault itself.
            let _ = self.note(outcome, bytes);
            return;
        }
        let now = self.now();
        let outcome = match self.is_aged(now) {
            Ok(false) => return,
            Ok(true) => {
                self.age_due = Timestamp(0);
                self.write(Vec::new()).map(drop)
            }
            Err(error) => Err(error),
        };
        // Told in the fault itself.
        let _ = self.note(outcome, 0);
    }

    /// Writes as much as the last time, and takes it away again: is there room for it?
    fn probe(&self, bytes: usize) -> rusqlite::Result<()> {
        self.refuse_damaged()?;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO probe VALUES (1, zeroblob(?))")?
            .execute([bytes])?;
        self.connection.prepare_cached("DELETE FROM probe")?.execute([])?;
        Ok(())
    }

    fn refuse_damaged(&self) -> rusqlite::Result<()> {
        match &self.shared.status().damage {
            Some(damage) => Err(schema::damaged(damage)),
            None => Ok(()),
        }
    }

    fn is_aged(&self, now: Timestamp) -> rusqlite::Result<bool> {
        let oldest = self
            .connection
            .prepare_cached("SELECT time FROM entry ORDER BY seq LIMIT 1")?
            .query_row([], |row| unsigned(row, 0))
            .optional()?;
        Ok(oldest.is_some_and(|time| time < self.options.retention.oldest(now).0))
    }

    /// Times never fall, whatever the clock does.
    fn now(&self) -> Timestamp {
        self.options.clock.now().max(self.last_time)
    }

    /// Before which time entries are too old: looked at now and then, not at every append.
    fn oldest(&mut self, now: Timestamp) -> Timestamp {
        if now < self.age_due {
            return Timestamp(0);
        }
        let wait = (self.options.retention.age_max / 16).min(limits::TRIM_EVERY);
        self.age_due = later(now, wait);
        self.options.retention.oldest(now)
    }

    /// Does `works` as one transaction and, once it is durable, shows it.
    fn write(&mut self, works: Vec<Work>) -> rusqlite::Result<Done> {
        failpoint::hit("log.before_append");
        self.refuse_damaged()?;
        let now = self.now();
        let oldest = self.oldest(now);
        let transaction = self.connection.transaction()?;
        let mut state = State::load(&transaction)?;
        if state.tail != *self.shared.tail.borrow() {
            self.shared.catch_up(&transaction, &state)?;
        }
        state.last_time = now;
        let mut group = Group::new(&transaction, &self.shared, state)?;
        let mut published = Vec::with_capacity(works.len());
        for work in works {
            published.push(match work {
                Work::Append(batch) => group.append(batch).map(|()| None)?,
                Work::Publish(publication) => Some(group.publish(publication)?),
            });
        }
        group.trim(&self.options.retention, oldest)?;
        let written = group.finish()?;
        failpoint::hit("log.before_commit");
        transaction.commit()?;
        failpoint::hit("log.after_commit");
        self.last_time = now;
        let tail = self.shared.show(written);
        failpoint::hit("log.after_show");
        Ok(Done { tail, published })
    }
}

enum Next {
    Command(Command),
    /// Nobody had anything to do for a while.
    Nothing,
    /// Nobody can append any more.
    End,
}

fn later(time: Timestamp, wait: Duration) -> Timestamp {
    Timestamp(time.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
}
