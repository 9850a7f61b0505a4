//! What a publisher appends: one message, at most once under its key.
//!
//! The log keeps a key in the same write as the entry that it stands for, and forgets it with that
//! entry. It compares fingerprints and knows nothing of what they are of.

use std::sync::Arc;

use crate::model::{Change, Seq};

/// One message.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Who writes, for the entry.
    pub source: Arc<str>,
    /// What.
    pub change: Change,
    /// Under which key, if it is to be there once however often it is sent.
    pub key: Option<PublicationKey>,
}

/// What makes two messages of one topic the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicationKey {
    /// Its text.
    pub text: Arc<str>,
    /// Of what is sent under it: another one under the same key is a mistake.
    pub fingerprint: [u8; 32],
}

/// What became of a [`Publication`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is in the log, at this place.
    Appended(Seq),
    /// It had been, at this place, and nothing was written.
    Repeated(Seq),
    /// Something else is there under its key, at this place; nothing was written.
    Conflicting(Seq),
}

impl PublicationKey {
    /// What becomes of a message under this key where a `known` one is at `seq`.
    pub(super) fn against(&self, known: &[u8], seq: Seq) -> Published {
        if self.fingerprint == known {
            Published::Repeated(seq)
        } else {
            Published::Conflicting(seq)
        }
    }
}
