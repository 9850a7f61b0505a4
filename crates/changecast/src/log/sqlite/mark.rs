//! `log.mark`: how far the log has come, kept beside it. An older `log.db` that somebody restored
//! from a backup is told by it, and must not give its ids out a second time.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::model::{Epoch, Seq};

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) epoch: Epoch,
    pub(super) seq: Seq,
    /// The log was found damaged while it was in use.
    pub(super) is_damaged: bool,
}

/// The file, written after each commit but not synced: it tells of what was shown, and a power
/// failure that takes it back is what the log's own durability is for.
pub(super) struct Mark {
    file: Option<File>,
    is_failing: bool,
}

impl Mark {
    fn path(log: &Path) -> PathBuf {
        log.with_extension("mark")
    }

    /// What is marked for the log at `log`; nothing if there is no mark or it cannot be read.
    pub(super) fn read(log: &Path) -> Option<Marked> {
        let mut text = String::new();
        File::open(Self::path(log)).and_then(|mut file| file.read_to_string(&mut text)).ok()?;
        let mut words = text.split_whitespace();
        let epoch = words.next()?.parse().ok()?;
        let seq = Seq(words.next()?.parse().ok()?);
        let is_damaged = words.next()? == "damaged";
        Some(Marked { epoch, seq, is_damaged })
    }

    /// Opens or creates the mark of the log at `log`; without one the log works all the same.
    pub(super) fn open(log: &Path) -> Self {
        let path = Self::path(log);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        if let Err(error) = &file {
            tracing::warn!(path = %path.display(), %error, "log mark cannot be written");
        }
        Self { file: file.ok(), is_failing: false }
    }

    pub(super) fn write(&mut self, marked: &Marked) {
        let Some(file) = &mut self.file else { return };
        let state = if marked.is_damaged { "damaged" } else { "sound" };
        // Always of the same length: written over the last one, in one piece.
        let line = format!("{} {:020} {state:<7}\n", marked.epoch, marked.seq.0);
        let outcome = overwrite(file, line.as_bytes());
        if let (Err(error), false) = (&outcome, self.is_failing) {
            tracing::warn!(%error, "log mark cannot be written");
        }
        self.is_failing = outcome.is_err();
    }
}

fn overwrite(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)
}
