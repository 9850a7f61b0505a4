//! The bytes that subscribers hold and have not read yet, with one cap for all of them.
//!
//! A subscriber holds what it was last handed: less than a write's worth of its own, or one large
//! frame that it shares with others. Beyond the cap, whoever holds most is cut off, and resumes:
//! its cursor is all that it loses, and nobody else notices.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::limits;

/// What all subscribers hold.
#[derive(Default)]
pub(super) struct Ledger {
    total: AtomicUsize,
    /// A std mutex: held for look-ups only; small writes do not touch it.
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    next_id: u64,
    holders: HashMap<u64, Arc<Holder>>,
    /// Large frames by their address: how many hold each.
    frames: HashMap<usize, usize>,
}

struct Holder {
    bytes: AtomicUsize,
    is_cut: AtomicBool,
    cut: Cut,
}

/// Has the owner of an account go.
pub(crate) type Cut = Box<dyn Fn() + Send + Sync>;

/// One subscriber's account; dropping it gives everything back.
pub(crate) struct Account {
    ledger: Arc<Ledger>,
    id: u64,
    holder: Arc<Holder>,
    frame: Option<Bytes>,
}

impl Ledger {
    /// Opens an account; `cut` is called, once, if its owner has to go.
    pub(super) fn open(self: &Arc<Self>, cut: Cut) -> Account {
        let holder = Holder { bytes: AtomicUsize::new(0), is_cut: AtomicBool::new(false), cut };
        let holder = Arc::new(holder);
        let mut shared = self.lock();
        let id = shared.next_id;
        shared.next_id += 1;
        shared.holders.insert(id, Arc::clone(&holder));
        Account { ledger: Arc::clone(self), id, holder, frame: None }
    }

    /// What is held, in bytes.
    pub(super) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts off whoever holds most; tells whether there was anybody.
    fn cut_worst(&self) -> bool {
        let shared = self.lock();
        let live = shared.holders.values().filter(|holder| !holder.is_cut.load(Ordering::Relaxed));
        let worst = live.max_by_key(|holder| holder.bytes.load(Ordering::Relaxed)).cloned();
        drop(shared);
        if let Some(worst) = &worst {
            worst.is_cut.store(true, Ordering::Relaxed);
            (worst.cut)();
        }
        worst.is_some()
    }
}

impl Account {
    /// The owner has read what it had, and is handed `messages`. Returns whether somebody had to
    /// be cut off for it.
    pub(super) fn hold(&mut self, messages: &[Bytes]) -> bool {
        self.release();
        let bytes = messages.iter().map(Bytes::len).sum();
        self.holder.bytes.store(bytes, Ordering::Relaxed);
        let added = match messages {
            [frame] if frame.len() > limits::WRITE_BYTES_MAX => self.share(frame),
            _ => bytes,
        };
        let total = self.ledger.total.fetch_add(added, Ordering::Relaxed) + added;
        total > limits::HELD_BYTES_MAX && self.ledger.cut_worst()
    }

    /// A large frame weighs once, however many hold it.
    fn share(&mut self, frame: &Bytes) -> usize {
        self.frame = Some(frame.clone());
        let mut shared = self.ledger.lock();
        let holder_count = shared.frames.entry(frame.as_ptr().addr()).or_insert(0);
        *holder_count += 1;
        if *holder_count == 1 { frame.len() } else { 0 }
    }

    fn release(&mut self) {
        let bytes = self.holder.bytes.swap(0, Ordering::Relaxed);
        let freed = match self.frame.take() {
            Some(frame) => self.unshare(&frame),
            None => bytes,
        };
        self.ledger.total.fetch_sub(freed, Ordering::Relaxed);
    }

    fn unshare(&self, frame: &Bytes) -> usize {
        let mut shared = self.ledger.lock();
        let address = frame.as_ptr().addr();
        let Some(holder_count) = shared.frames.get_mut(&address) else { return 0 };
        *holder_count -= 1;
        if *holder_count > 0 {
            return 0;
        }
        shared.frames.remove(&address);
        frame.len()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.release();
        self.ledger.lock().holders.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[test]
    fn g10_beyond_the_cap_whoever_holds_most_is_cut_off() {
        let ledger = Arc::<Ledger>::default();
        let tokens = [(); 3].map(|()| CancellationToken::new());
        let mut accounts = tokens.clone().map(|cut| ledger.open(Box::new(move || cut.cancel())));
        let [small, large, last] = &mut accounts;
        small.hold(&[Bytes::from(vec![0; 10])]);
        large.hold(&[Bytes::from(vec![0; limits::HELD_BYTES_MAX - 10])]);
        assert_eq!(ledger.total(), limits::HELD_BYTES_MAX);
        assert!(last.hold(&[Bytes::from_static(b"x")]));
        assert_eq!(tokens.map(|cut| cut.is_cancelled()), [false, true, false]);
        drop(accounts);
        assert_eq!(ledger.total(), 0);
    }

    #[test]
    fn a_large_frame_weighs_once_however_many_hold_it() {
        let ledger = Arc::<Ledger>::default();
        let frame = Bytes::from(vec![0; limits::WRITE_BYTES_MAX + 1]);
        let mut accounts: Vec<_> = (0..1000).map(|_| ledger.open(Box::new(|| {}))).collect();
        for account in &mut accounts {
            assert!(!account.hold(std::slice::from_ref(&frame)));
        }
        assert_eq!(ledger.total(), frame.len());
        for account in &mut accounts {
            account.hold(&[]);
        }
        assert_eq!(ledger.total(), 0);
    }
}
