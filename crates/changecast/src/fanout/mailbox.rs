//! What other threads tell a shard. A shard that is awake is not woken again.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;

use super::connection::Key;
use super::newcomer::Newcomer;
use super::wire::Then;
use crate::hub::EncodedPage;
use crate::log::LogError;

/// A word to a shard.
pub(super) enum Letter {
    /// Serve this socket from now on.
    Adopt(Box<Newcomer>),
    /// The page that a connection, then a follower of this view, has asked for.
    Page(Key, u64, Result<Arc<EncodedPage>, LogError>),
    /// What a connection has asked somebody about its client may now be done, or answered.
    Answered(Key, Then),
    /// A connection holds too much and has to go.
    Cut(Key),
    /// Everybody look around: a source has changed, or the server is about to end.
    Look,
    /// End.
    Stop,
}

/// What has come since the shard last looked.
#[derive(Default)]
pub(super) struct Post {
    /// At most a few for each connection.
    pub(super) letters: Vec<Letter>,
    /// The views that have new frames: each once, however often it is said.
    pub(super) stirred: HashSet<u64>,
}

pub(super) struct Mailbox {
    /// A std mutex: held to put in or to take out, no more.
    post: Mutex<Post>,
    /// Whether the shard will look at its mail before it sleeps.
    is_awake: AtomicBool,
    waker: Waker,
    /// Connections that the shard has, and those on their way to it.
    connection_count: AtomicUsize,
}

impl Mailbox {
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            post: Mutex::default(),
            is_awake: AtomicBool::new(true),
            waker,
            connection_count: AtomicUsize::new(0),
        }
    }

    pub(super) fn connection_count(&self) -> usize {
        self.connection_count.load(Ordering::Relaxed)
    }

    pub(super) fn adopt(&self, newcomer: Newcomer) {
        self.connection_count.fetch_add(1, Ordering::Relaxed);
        self.post(Letter::Adopt(Box::new(newcomer)));
    }

    /// The shard has one connection less.
    pub(super) fn connection_gone(&self) {
        self.connection_count.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn post(&self, letter: Letter) {
        self.lock().letters.push(letter);
        self.wake();
    }

    pub(super) fn stir(&self, views: &[u64]) {
        self.lock().stirred.extend(views);
        self.wake();
    }

    /// Takes everything out, into `post`, whose room is used again.
    pub(super) fn take(&self, post: &mut Post) {
        std::mem::swap(&mut *self.lock(), post);
    }

    /// Whether the shard may sleep: it will be woken by whatever comes from now on.
    pub(super) fn try_sleep(&self) -> bool {
        self.is_awake.store(false, Ordering::SeqCst);
        let post = self.lock();
        let is_empty = post.letters.is_empty() && post.stirred.is_empty();
        if !is_empty {
            self.is_awake.store(true, Ordering::SeqCst);
        }
        is_empty
    }

    /// The shard will look at its mail by itself.
    pub(super) fn stay_awake(&self) {
        self.is_awake.store(true, Ordering::SeqCst);
    }

    fn wake(&self) {
        if !self.is_awake.swap(true, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "a shard cannot be woken");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Post> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
