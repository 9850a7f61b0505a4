//! Fan-out: a few threads that write to thousands of sockets.
//!
//! A granted stream's socket leaves its HTTP connection and comes here, to one of the shards. A shard
//! is a thread with its own epoll and its own connections; a connection is a socket, a follower (a
//! cursor) and what of a begun frame is not written yet. No task, no waker, no queue belongs to it.
//!
//! ```text
//! hub ──"these views have new frames"──▶ mailbox ─▶ shard ─▶ walks the followers of each view:
//!                                                            step, then one write of one burst
//! ```
//!
//! | invariant | what it buys |
//! |---|---|
//! | what a write takes is joined once for everybody at the same place | a delivery is a system call and little else |
//! | one that is behind gets everything in one write | the busier, the cheaper |
//! | a socket that is full is left alone until epoll says otherwise | a slow subscriber costs nothing (G8) |
//! | walks are cut into slices | a hot topic does not starve another, a newcomer waits for no walk |

mod burst;
mod connection;
mod framing;
mod group;
mod mailbox;
mod newcomer;
mod shard;
mod tally;
mod wheel;
mod wire;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio_util::sync::CancellationToken;

pub(crate) use framing::{Chunked, Framed};
pub(crate) use newcomer::{Lease, Newcomer};
pub(crate) use wire::{Answer, End, Obey, Reply, Then, WireKind, answer};

use mailbox::{Letter, Mailbox};
use shard::Shard;

use crate::board::Board;
use crate::hub::{Heard, Hub, Listener};
use crate::telemetry::Telemetry;

/// The shards; a clone is the same ones.
#[derive(Clone)]
pub(crate) struct Shards {
    mailboxes: Arc<[Arc<Mailbox>]>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
    /// Cancelled once the server is about to end.
    draining: CancellationToken,
}

impl Shards {
    /// Starts one shard per core for the followers of `hub`, to be called within a runtime.
    ///
    /// # Errors
    /// When the system gives no more descriptors or threads.
    pub(crate) fn start(hub: &Hub, board: &Board, telemetry: &Arc<Telemetry>) -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let (mut mailboxes, mut threads) = (Vec::new(), Vec::new());
        for index in 0..count {
            let (shard, mailbox) = Shard::new(Arc::clone(telemetry))?;
            let thread = thread::Builder::new().name(format!("shard-{index}"));
            threads.push(thread.spawn(move || shard.run())?);
            mailboxes.push(mailbox);
        }
        let (mailboxes, threads) = (Arc::from(mailboxes), Arc::new(Mutex::new(threads)));
        let shards = Self { mailboxes, threads, draining: hub.draining_token() };
        // A hub has one set of shards: a second would never hear of anything.
        let listener = hub.listen(Arc::new(shards.clone()));
        listener.map_err(|_| io::Error::other("the hub has its shards already"))?;
        tokio::spawn(shards.clone().keep_looking(hub.clone(), board.clone()));
        Ok(shards)
    }

    /// Whether followers of `hub` can be adopted: those of the server's own hub, and of any that no
    /// other shards serve. Such a hub drains when the server does.
    pub(crate) fn can_serve(&self, hub: &Hub) -> bool {
        if self.draining.is_cancelled() {
            return false;
        }
        match hub.is_heard_by(Arc::new(self.clone())) {
            Heard::Already => true,
            Heard::ByOthers => false,
            Heard::FromNow => {
                tokio::spawn(self.clone().keep_looking(hub.clone(), hub.board().clone()));
                let (draining, hub) = (self.draining.clone(), hub.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = draining.cancelled() => hub.drain(),
                        // Its owner has ended it before.
                        () = hub.draining() => {}
                    }
                });
                true
            }
        }
    }

    /// Cancelled once the server is about to end.
    pub(crate) fn ending(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Hands a socket to the shard that has the fewest.
    pub(crate) fn adopt(&self, newcomer: Newcomer) {
        let least = self.mailboxes.iter().min_by_key(|mailbox| mailbox.connection_count());
        if let Some(mailbox) = least {
            mailbox.adopt(newcomer);
        }
    }

    /// Ends the threads, and cuts off whoever is still connected.
    pub(crate) fn stop(&self) {
        self.post_all(|| Letter::Stop);
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a shard has panicked");
            }
        }
    }

    /// Has every follower look around when a source's state changes, and when the server ends.
    async fn keep_looking(self, hub: Hub, board: Board) {
        let mut version = board.version();
        loop {
            tokio::select! {
                changed = version.changed() => if changed.is_err() { return },
                () = hub.draining() => {
                    self.post_all(|| Letter::Look);
                    return;
                }
            }
            self.post_all(|| Letter::Look);
        }
    }

    fn post_all(&self, letter: impl Fn() -> Letter) {
        for mailbox in &*self.mailboxes {
            mailbox.post(letter());
        }
    }
}

impl Listener for Shards {
    fn id(&self) -> usize {
        Arc::as_ptr(&self.mailboxes).cast::<()>() as usize
    }

    fn stirred(&self, views: &[u64]) {
        for mailbox in &*self.mailboxes {
            mailbox.stir(views);
        }
    }
}
