//! Programs that never stop writing to the database, and write everything exactly once, whatever
//! happens to the database meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::ledger::{Fact, Ledger};
use super::script::Script;
use super::store::Store;

const POLL_EVERY: Duration = Duration::from_millis(2);

/// All writers of a campaign; ended when dropped.
pub(crate) struct Writers {
    control: Arc<Control>,
    tasks: Vec<AbortHandle>,
}

#[derive(Default)]
struct Control {
    is_paused: AtomicBool,
    /// Writers that have heard of it.
    idle: AtomicUsize,
}

impl Writers {
    pub(crate) fn start(writers: Vec<(Script, Store)>, ledger: &Ledger) -> Self {
        let control = Arc::new(Control::default());
        let tasks = writers.into_iter().map(|(script, store)| {
            let (control, ledger) = (Arc::clone(&control), ledger.clone());
            let number = ledger.add_writer();
            let writer = Writer { script, store, ledger, number };
            tokio::spawn(writer.run(control)).abort_handle()
        });
        Self { tasks: tasks.collect(), control }
    }

    /// Returns once everything is committed, and nothing more will be until [`Self::go_on`]. Each
    /// writer ends with a write to each of its collections.
    pub(crate) async fn pause(&self) {
        self.control.is_paused.store(true, Ordering::SeqCst);
        while self.control.idle.load(Ordering::SeqCst) < self.tasks.len() {
            assert!(!self.tasks.iter().any(AbortHandle::is_finished), "a writer has failed");
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    pub(crate) async fn go_on(&self) {
        self.control.is_paused.store(false, Ordering::SeqCst);
        while self.control.idle.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(POLL_EVERY).await;
        }
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

struct Writer {
    script: Script,
    store: Store,
    ledger: Ledger,
    number: usize,
}

impl Writer {
    async fn run(mut self, control: Arc<Control>) {
        loop {
            if control.is_paused.load(Ordering::SeqCst) {
                for fact in self.script.last_words() {
                    self.write(&[fact]).await;
                }
                control.idle.fetch_add(1, Ordering::SeqCst);
                while control.is_paused.load(Ordering::SeqCst) {
                    tokio::time::sleep(POLL_EVERY).await;
                }
                control.idle.fetch_sub(1, Ordering::SeqCst);
            }
            let batch = self.script.batch();
            if self.store.takes_transactions() {
                self.write(&batch).await;
            } else {
                for fact in batch {
                    self.write(&[fact]).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(self.script.pause())).await;
        }
    }

    async fn write(&mut self, batch: &[Fact]) {
        let padding = self.script.padding();
        self.store.write_surely(batch, &padding).await;
        self.ledger.note(self.number, batch.iter().copied());
    }
}

/// What the collections hold by the ledger: documents with their versions, sorted.
pub(crate) fn live_documents(writers: &[Vec<Fact>]) -> Vec<Fact> {
    let mut live = std::collections::BTreeMap::new();
    for fact in writers.iter().flatten() {
        let document = (fact.collection, fact.key);
        if fact.is_delete() {
            live.remove(&document);
        } else {
            live.insert(document, *fact);
        }
    }
    live.into_values().collect()
}
