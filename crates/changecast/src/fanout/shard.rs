//! One shard: a thread, its epoll, and its connections.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::burst::Bursts;
use super::connection::{Connection, Key, Next, Turn};
use super::group::Groups;
use super::mailbox::{Letter, Mailbox, Post};
use super::newcomer::Newcomer;
use super::tally::Tally;
use super::wheel::Wheel;
use super::wire::End;
use crate::hub::EncodedPage;
use crate::limits;
use crate::log::LogError;
use crate::model::Seq;
use crate::telemetry::Telemetry;

/// The token of the mailbox; connections have their slot.
const MAILBOX: Token = Token(usize::MAX);

pub(super) struct Shard {
    poll: Poll,
    mailbox: Arc<Mailbox>,
    telemetry: Arc<Telemetry>,
    /// Reads pages of the log for those that are behind.
    runtime: Handle,
    connections: Slab<Connection>,
    /// Tells one connection of a slot from the next.
    serial: u32,
    groups: Groups,
    /// Room for the slots that are walked to at once.
    slice: Vec<u32>,
    bursts: Bursts,
    wheel: Wheel,
    /// Connections with more to do than one turn takes.
    turns: VecDeque<Key>,
    /// What clients say is read into this.
    scratch: Box<[u8]>,
    tally: Tally,
}

impl Shard {
    /// A shard, to be run on a thread of its own, and where to write to it.
    pub(super) fn new(telemetry: Arc<Telemetry>) -> io::Result<(Self, Arc<Mailbox>)> {
        let poll = Poll::new()?;
        let mailbox = Arc::new(Mailbox::new(Waker::new(poll.registry(), MAILBOX)?));
        let shard = Self {
            poll,
            mailbox: Arc::clone(&mailbox),
            telemetry,
            runtime: Handle::current(),
            connections: Slab::new(),
            serial: 0,
            groups: Groups::default(),
            slice: Vec::new(),
            bursts: Bursts::default(),
            wheel: Wheel::new(Instant::now()),
            turns: VecDeque::new(),
            scratch: vec![0; limits::READ_BYTES].into_boxed_slice(),
            tally: Tally::default(),
        };
        Ok((shard, mailbox))
    }

    /// Serves until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(limits::SHARD_EVENTS);
        let (mut post, mut due) = (Post::default(), Vec::new());
        loop {
            self.mailbox.take(&mut post);
            if self.read_post(&mut post) {
                return;
            }
            self.wheel.due(Instant::now(), &mut due);
            due.drain(..).for_each(|key| self.remind(key));
            self.take_turns();
            self.walk_slice();
            self.tally.count(&self.telemetry);
            if let Err(error) = self.wait(&mut events) {
                tracing::error!(%error, "a shard cannot wait for its sockets");
                return;
            }
            events.iter().for_each(|event| self.react(event));
        }
    }

    /// Waits for events: not at all while there is something to do.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let is_idle = self.turns.is_empty() && !self.groups.is_due() && self.mailbox.try_sleep();
        let timeout = if is_idle {
            // What was joined for the last walk holds memory that nobody needs.
            self.bursts.clear();
            let now = Instant::now();
            self.wheel.next().map(|next| next.saturating_duration_since(now))
        } else {
            Some(Duration::ZERO)
        };
        let outcome = self.poll.poll(events, timeout);
        self.mailbox.stay_awake();
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            outcome => outcome,
        }
    }

    /// Does what was asked for; whether that is to stop.
    fn read_post(&mut self, post: &mut Post) -> bool {
        for letter in post.letters.drain(..) {
            match letter {
                Letter::Adopt(newcomer) => self.adopt(*newcomer),
                Letter::Page(key, view, page) => self.hand_page(key, view, page),
                Letter::Answered(key, then) => {
                    self.with(key, |connection, turn, scratch| {
                        connection.answered(then, turn, scratch)
                    });
                }
                Letter::Cut(key) => {
                    self.with(key, |_, _, _| Ok(Next::Gone));
                }
                Letter::Look => self.groups.stir_all(),
                Letter::Stop => return true,
            }
        }
        post.stirred.drain().for_each(|view| self.groups.stir(view));
        false
    }

    fn adopt(&mut self, newcomer: Newcomer) {
        self.serial = self.serial.wrapping_add(1);
        let entry = self.connections.vacant_entry();
        let slot = entry.key();
        let key = Key { slot: slot as u32, serial: self.serial };
        let mut connection = Connection::new(newcomer, key);
        let interests = Interest::READABLE | Interest::WRITABLE;
        let socket = &mut connection.socket;
        if let Err(error) = self.poll.registry().register(socket, Token(slot), interests) {
            tracing::warn!(%error, "a socket cannot be watched");
            self.mailbox.connection_gone();
            return;
        }
        entry.insert(connection);
        self.with(key, |connection, turn, _| connection.go_on(connection.follower.look(), turn));
        if self.get(key).is_some_and(|connection| connection.has_unread()) {
            self.turns.push_back(key);
        }
    }

    fn hand_page(&mut self, key: Key, view: u64, page: Result<Arc<EncodedPage>, LogError>) {
        self.with(key, |connection, turn, _| match page {
            Ok(page) => {
                let is_its = connection.follower.view_id() == view;
                connection.page_read(is_its.then_some(&page), turn)
            }
            Err(error) => {
                tracing::error!(%error, "subscription failed");
                connection.end(End::Failure, turn, Instant::now())
            }
        });
    }

    /// What epoll says of a socket.
    fn react(&mut self, event: &Event) {
        let Some(connection) = self.connections.get_mut(event.token().0) else { return };
        if event.is_writable() || event.is_write_closed() {
            connection.writable();
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            connection.readable();
        }
        let key = connection.key;
        self.with(key, Connection::serve);
    }

    fn remind(&mut self, key: Key) {
        self.with(key, |connection, turn, _| {
            connection.reminder = None;
            connection.go_on(connection.follower.look(), turn)
        });
    }

    /// Gives each of those who asked for it one turn.
    fn take_turns(&mut self) {
        for _ in 0..self.turns.len() {
            let Some(key) = self.turns.pop_front() else { return };
            self.with(key, Connection::serve);
        }
    }

    /// Walks on through the followers of the view whose turn it is.
    fn walk_slice(&mut self) {
        let Some(view) = self.groups.begin_slice() else { return };
        let mut slice = std::mem::take(&mut self.slice);
        self.groups.take_slice(view, limits::SHARD_SLICE, &mut slice);
        let mut around = None;
        for slot in slice.drain(..) {
            let Some(connection) = self.connections.get(slot as usize) else { continue };
            if connection.is_following() {
                let key = connection.key;
                // One look is enough for all: what comes meanwhile stirs the view again.
                let around = *around.get_or_insert_with(|| connection.follower.look());
                self.with(key, |connection, turn, _| connection.go_on(around, turn));
            }
        }
        self.slice = slice;
        self.groups.end_slice(view);
    }

    /// Has a connection do something, and sees to what it then waits for.
    fn with(
        &mut self,
        key: Key,
        act: impl FnOnce(&mut Connection, &mut Turn<'_>, &mut [u8]) -> io::Result<Next>,
    ) {
        let mailbox = &self.mailbox;
        let connection = self.connections.get_mut(key.slot as usize);
        let Some(connection) = connection.filter(|connection| connection.key == key) else {
            return;
        };
        let cut = |key| {
            let mailbox = Arc::clone(mailbox);
            Box::new(move || mailbox.post(Letter::Cut(key))) as Box<dyn Fn() + Send + Sync>
        };
        let mut turn = Turn { bursts: &mut self.bursts, count: 0, cut: &cut };
        let view = connection.follower.view_id();
        let next = act(connection, &mut turn, &mut self.scratch).unwrap_or_else(|error| {
            // A client that went away or does not read: nobody's fault here.
            tracing::debug!(%error, "connection ended early");
            Next::Gone
        });
        if turn.count > 0 {
            self.tally.add(view, turn.count, || connection.follower.codec().name());
        }
        if let Some(question) = connection.take_question() {
            let mailbox = Arc::clone(mailbox);
            self.runtime.spawn(async move { mailbox.post(Letter::Answered(key, question.await)) });
        }
        let is_same = connection.follower.view_id() == view;
        if !is_same || connection.is_following() != connection.seat.is_some() {
            self.change_seat(key, view);
        }
        self.settle(key, next);
    }

    fn settle(&mut self, key: Key, next: Next) {
        match next {
            Next::Wait(until) => self.remind_at(key, until),
            Next::Turn => self.turns.push_back(key),
            Next::Page(after) => self.read_page(key, after),
            Next::Gone => self.remove(key),
        }
    }

    fn remind_at(&mut self, key: Key, until: Instant) {
        let Some(connection) = self.connections.get_mut(key.slot as usize) else { return };
        if connection.reminder.is_none_or(|reminder| until < reminder) {
            connection.reminder = Some(until);
            self.wheel.remind(key, until);
        }
    }

    fn read_page(&mut self, key: Key, after: Seq) {
        let Some(connection) = self.get(key) else { return };
        let (view, mailbox) = (connection.follower.view_id(), Arc::clone(&self.mailbox));
        let reading = connection.follower.read_page(after);
        self.runtime.spawn(async move { mailbox.post(Letter::Page(key, view, reading.await)) });
    }

    /// Has walks meet a connection among the followers of its view, and no longer of the one that it
    /// `left`; or not at all while it takes nothing: those that are stuck cost the others nothing.
    fn change_seat(&mut self, key: Key, left: u64) {
        let Some(connection) = self.connections.get_mut(key.slot as usize) else { return };
        let view = connection.follower.view_id();
        let seat = connection.is_following().then(|| self.groups.join(view, key.slot));
        let seat = std::mem::replace(&mut connection.seat, seat);
        self.leave(left, seat);
    }

    fn leave(&mut self, view: u64, seat: Option<u32>) {
        let Some(seat) = seat else { return };
        for (slot, seat) in self.groups.leave(view, seat).into_iter().flatten() {
            if let Some(moved) = self.connections.get_mut(slot as usize) {
                moved.seat = Some(seat);
            }
        }
    }

    fn remove(&mut self, key: Key) {
        let Some(mut connection) = self.connections.try_remove(key.slot as usize) else { return };
        // Closing the descriptor would do, but costs the kernel more if it is still watched.
        let _ = self.poll.registry().deregister(&mut connection.socket);
        self.leave(connection.follower.view_id(), connection.seat);
        self.mailbox.connection_gone();
    }

    fn get(&self, key: Key) -> Option<&Connection> {
        self.connections.get(key.slot as usize).filter(|connection| connection.key == key)
    }
}
