//! What the database has committed: every write that it acknowledged, in the order of each writer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::support::soon;

/// The collections that are written; the last one hardly ever.
pub(crate) const COLLECTIONS: [&str; 4] = ["orders", "items", "users.events", "quiet"];

/// A change, as the database commits it and as a client sees it: one version of one document.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Fact {
    /// Its place in [`COLLECTIONS`].
    pub(crate) collection: u8,
    pub(crate) key: u32,
    /// Grows by one with each write of the document.
    pub(crate) version: u32,
}

impl Fact {
    /// The version of a document that is deleted, which never comes back.
    pub(crate) const DELETED: u32 = u32::MAX;

    pub(crate) fn is_delete(self) -> bool {
        self.version == Self::DELETED
    }

    pub(crate) fn id(self) -> String {
        format!("k{}", self.key)
    }

    pub(crate) fn collection_name(self) -> &'static str {
        COLLECTIONS[usize::from(self.collection)]
    }
}

impl std::fmt::Debug for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/k{}", self.collection_name(), self.key)?;
        if self.is_delete() { write!(f, " deleted") } else { write!(f, " v{}", self.version) }
    }
}

/// For each writer what it wrote, in order.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Vec<Vec<Fact>>>>);

impl Ledger {
    /// A new writer's number.
    pub(crate) fn add_writer(&self) -> usize {
        let mut writers = self.lock();
        writers.push(Vec::new());
        writers.len() - 1
    }

    /// The database has acknowledged these.
    pub(crate) fn note(&self, writer: usize, facts: impl IntoIterator<Item = Fact>) {
        self.lock()[writer].extend(facts);
    }

    pub(crate) fn writers(&self) -> Vec<Vec<Fact>> {
        self.lock().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().iter().map(Vec::len).sum()
    }

    /// Waits until so much more has been written.
    pub(crate) async fn grown_by(&self, count: usize) {
        let wanted = self.count() + count;
        let growing = async {
            while self.count() < wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        soon("writers that go on", growing).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<Fact>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
