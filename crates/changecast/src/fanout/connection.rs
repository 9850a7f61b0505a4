//! One connection of a shard: what it is told, as far as its socket takes it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use mio::net::TcpStream;
use tokio::time::Instant;

use super::burst::{Burst, Bursts};
use super::newcomer::{Lease, Newcomer};
use super::wire::{End, Then, Wire};
use crate::hub::{Account, EncodedPage, Follower, Step, Surroundings};
use crate::limits;
use crate::model::Seq;

/// Which connection: a slot may have another one later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) slot: u32,
    pub(super) serial: u32,
}

/// A socket of the shard's, and who follows by it.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    pub(super) follower: Follower,
    wire: Wire,
    phase: Phase,
    /// What of a begun frame, and of words after it, is still to be written.
    rest: Bytes,
    /// Counts what `rest` keeps alive, while the socket does not take it.
    account: Option<Box<Account>>,
    /// Since when the socket takes no more. It says when it does again.
    stuck_since: Option<Instant>,
    /// Whether there may be something to read.
    is_readable: bool,
    pub(super) key: Key,
    /// Its place among those of its view that a walk meets; none while it takes nothing.
    pub(super) seat: Option<u32>,
    /// The reminder that it has asked for.
    pub(super) reminder: Option<Instant>,
    _lease: Lease,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Following,
    /// A page is being read for it.
    Reading,
    /// The last words are said; until then, the peer may say its own.
    Ending(Instant),
}

/// What a connection waits for.
pub(super) enum Next {
    /// New frames, something to read, or this time.
    Wait(Instant),
    /// Its turn: there is more to write or to read than one turn takes.
    Turn,
    /// The page that holds what follows this place.
    Page(Seq),
    /// Nothing: it has ended.
    Gone,
}

/// What connections share while they are served one after the other.
pub(super) struct Turn<'a> {
    pub(super) bursts: &'a mut Bursts,
    /// Frames delivered.
    pub(super) count: u64,
    /// Has the connection go if it holds too much.
    pub(super) cut: &'a dyn Fn(Key) -> Box<dyn Fn() + Send + Sync>,
}

impl Connection {
    pub(super) fn new(newcomer: Newcomer, key: Key) -> Self {
        Self {
            socket: TcpStream::from_std(newcomer.socket),
            follower: newcomer.follower,
            wire: Wire::new(newcomer.wire, &newcomer.unread),
            phase: Phase::Following,
            rest: newcomer.head,
            account: None,
            stuck_since: None,
            is_readable: false,
            key,
            seat: None,
            reminder: None,
            _lease: newcomer.lease,
        }
    }

    /// Whether there is something that it can do at once.
    pub(super) fn has_unread(&self) -> bool {
        self.wire.has_unread()
    }

    /// Whether new frames concern it now; if not, it looks for them by itself later.
    pub(super) fn is_following(&self) -> bool {
        self.phase == Phase::Following && self.stuck_since.is_none()
    }

    /// The socket takes bytes again.
    pub(super) fn writable(&mut self) {
        self.stuck_since = None;
    }

    /// There is something to read, or the peer has gone.
    pub(super) fn readable(&mut self) {
        self.is_readable = true;
    }

    /// Hears what the peer says, and says what is to be said, as far as the socket takes it.
    pub(super) fn serve(&mut self, turn: &mut Turn<'_>, scratch: &mut [u8]) -> io::Result<Next> {
        let now = Instant::now();
        if self.flush(turn, now)?
            && let Some(next) = self.listen(turn, scratch, now)?
        {
            return Ok(next);
        }
        self.go_on(self.follower.look(), turn)
    }

    /// What has to be asked before its client is heard any further.
    pub(super) fn take_question(&mut self) -> Option<BoxFuture<'static, Then>> {
        self.wire.take_question()
    }

    /// Does what its client wanted, or says why not, and hears on.
    pub(super) fn answered(
        &mut self,
        then: Then,
        turn: &mut Turn<'_>,
        scratch: &mut [u8],
    ) -> io::Result<Next> {
        let words = self.wire.answer_later(then, &mut self.follower);
        if !matches!(self.phase, Phase::Ending(_)) {
            self.say(&words);
        }
        self.serve(turn, scratch)
    }

    /// Says what is to be said, as far as the socket takes it.
    pub(super) fn go_on(&mut self, around: Surroundings, turn: &mut Turn<'_>) -> io::Result<Next> {
        match self.phase {
            Phase::Following => self.step(around, turn),
            Phase::Reading => Ok(Next::Wait(self.deadline(None, around.now)?)),
            Phase::Ending(_) => self.end_on(turn, around.now),
        }
    }

    fn step(&mut self, mut around: Surroundings, turn: &mut Turn<'_>) -> io::Result<Next> {
        if let Some(ping) = self.wire.ping(around.now) {
            self.say(&ping);
        }
        let mut bytes = 0;
        loop {
            let step = self.follower.step(&around);
            let is_word = matches!(step, Step::Say(_) | Step::SaySources(_));
            // Words gather, so that the first write holds the head, the hello and what follows it.
            if !is_word && !self.flush(turn, around.now)? {
                return Ok(Next::Wait(self.deadline(None, around.now)?));
            }
            match step {
                Step::Say(control) => {
                    if let Some(frame) = self.follower.encode(&control) {
                        self.say(&frame);
                    }
                }
                Step::SaySources(since) => {
                    self.follower.encode_sources(since).iter().for_each(|frame| self.say(frame));
                }
                Step::Deliver(_) | Step::Read(_) if bytes >= limits::TURN_BYTES_MAX => {
                    return Ok(Next::Turn);
                }
                Step::Deliver(after) => {
                    match turn.bursts.of_view(&self.follower, after, around.frames_upto) {
                        Some(burst) => {
                            bytes += burst.bytes.len();
                            self.deliver(&burst, turn, around.now)?;
                        }
                        // The ring has moved on: the log has it.
                        None => around = self.follower.look(),
                    }
                }
                Step::Read(after) => match self.follower.cached_page(after) {
                    Some(page) => bytes += self.take_page(&page, turn, around.now)?,
                    None => {
                        self.phase = Phase::Reading;
                        return Ok(Next::Page(after));
                    }
                },
                Step::Wait(until) => {
                    return Ok(Next::Wait(self.deadline(Some(until), around.now)?));
                }
                Step::End(_) => return self.end(End::Session, turn, around.now),
            }
        }
    }

    /// Goes on with the page that it has asked for, unless it follows something else by now.
    pub(super) fn page_read(
        &mut self,
        page: Option<&EncodedPage>,
        turn: &mut Turn<'_>,
    ) -> io::Result<Next> {
        if self.phase == Phase::Reading {
            self.phase = Phase::Following;
            let around = self.follower.look();
            if let Some(page) = page {
                self.take_page(page, turn, around.now)?;
            }
            return self.step(around, turn);
        }
        Ok(Next::Wait(self.deadline(None, Instant::now())?))
    }

    fn take_page(
        &mut self,
        page: &EncodedPage,
        turn: &mut Turn<'_>,
        now: Instant,
    ) -> io::Result<usize> {
        if let Some(gap) = self.follower.open_page(page, now) {
            self.say(&gap);
            if !self.flush(turn, now)? {
                return Ok(0);
            }
        }
        let burst = turn.bursts.of_page(&self.follower, page);
        self.deliver(&burst, turn, now)?;
        Ok(burst.bytes.len())
    }

    /// Ends it with the last words, and waits a little for the peer's.
    pub(super) fn end(&mut self, end: End, turn: &mut Turn<'_>, now: Instant) -> io::Result<Next> {
        match self.wire.farewell(end) {
            Some(words) => self.say(&words),
            None if end == End::Failure => return Ok(Next::Gone),
            None => {}
        }
        self.phase = Phase::Ending(now + limits::CLOSE_TIMEOUT);
        self.end_on(turn, now)
    }

    fn end_on(&mut self, turn: &mut Turn<'_>, now: Instant) -> io::Result<Next> {
        if self.flush(turn, now)? && !self.wire.awaits_close() {
            // The peer sees the end, and what it has not read yet is not cut off.
            self.socket.shutdown(Shutdown::Write)?;
        }
        Ok(Next::Wait(self.deadline(None, now)?))
    }

    /// When it has to be looked at, if nothing happens before; an error if it is to be given up.
    fn deadline(&self, session: Option<Instant>, now: Instant) -> io::Result<Instant> {
        let timed_out = |why| Err(io::Error::new(ErrorKind::TimedOut, why));
        if let Phase::Ending(deadline) = self.phase {
            return if now < deadline {
                Ok(deadline)
            } else {
                timed_out("the peer does not close")
            };
        }
        if let Some(since) = self.stuck_since {
            let deadline = since + limits::WRITE_TIMEOUT;
            return if now < deadline { Ok(deadline) } else { timed_out("the peer does not read") };
        }
        let session = session.unwrap_or(now + limits::BOOKMARK_EVERY);
        Ok(self.wire.ping_at().map_or(session, |ping| ping.min(session)))
    }

    /// Hears what the peer has sent, and answers; what comes next, if that is all for this turn.
    fn listen(
        &mut self,
        turn: &mut Turn<'_>,
        scratch: &mut [u8],
        now: Instant,
    ) -> io::Result<Option<Next>> {
        for _ in 0..limits::TURN_READS_MAX {
            if self.wire.is_asking() {
                return Ok(None);
            }
            let is_ending = matches!(self.phase, Phase::Ending(_));
            if self.wire.has_unread() {
                let mut answers = Vec::new();
                let is_over = self.wire.converse(&mut self.follower, is_ending, &mut answers);
                if is_over && is_ending {
                    return Ok(Some(Next::Gone));
                }
                self.say(&Bytes::from(answers));
                if is_over {
                    self.phase = Phase::Ending(now + limits::CLOSE_TIMEOUT);
                }
                // Who does not read its answers is not asked for more questions.
                if !self.flush(turn, now)? {
                    return Ok(None);
                }
                continue;
            }
            if !self.is_readable {
                return Ok(None);
            }
            match self.socket.read(scratch) {
                Ok(0) => return Ok(Some(Next::Gone)),
                Ok(count) => self.wire.take_in(scratch.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Next::Turn))
    }

    /// Has this written after what is still to be written.
    fn say(&mut self, words: &Bytes) {
        if self.rest.is_empty() {
            self.rest = words.clone();
        } else {
            let mut both = BytesMut::with_capacity(self.rest.len() + words.len());
            both.extend_from_slice(&self.rest);
            both.extend_from_slice(words);
            self.rest = both.freeze();
        }
    }

    /// Writes what is still to be written; whether that is all, and the socket may take more.
    fn flush(&mut self, turn: &Turn<'_>, now: Instant) -> io::Result<bool> {
        if self.stuck_since.is_some() {
            return Ok(false);
        }
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            let count = self.write(&rest, now)?;
            if count < rest.len() {
                self.rest = rest.slice(count..);
                self.hold(rest, turn);
                return Ok(false);
            }
        }
        self.account = None;
        Ok(true)
    }

    /// Writes a burst in one call. What the socket does not take of a begun frame is kept; of the
    /// other frames, nothing: the view, or the log, has them.
    fn deliver(&mut self, burst: &Burst, turn: &mut Turn<'_>, now: Instant) -> io::Result<()> {
        let written = self.write(&burst.bytes, now)?;
        if written == burst.bytes.len() {
            self.follower.delivered(burst.upto, burst.count(), now);
            turn.count += burst.count();
        } else if let Some(cut) = burst.cut_at(written) {
            self.follower.delivered(cut.upto, cut.count, now);
            turn.count += cut.count;
            self.rest = cut.rest;
            self.hold(cut.frame, turn);
        }
        Ok(())
    }

    /// Counts what a connection that is stuck keeps alive.
    fn hold(&mut self, frame: Bytes, turn: &Turn<'_>) {
        if self.rest.is_empty() {
            return;
        }
        let open = || Box::new(self.follower.account((turn.cut)(self.key)));
        let account = self.account.get_or_insert_with(open);
        self.follower.hold(account, &[frame]);
    }

    /// One system call; how much of `bytes` the socket has taken. If not all, it is stuck.
    fn write(&mut self, bytes: &[u8], now: Instant) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let count = loop {
            match self.socket.write(bytes) {
                Ok(count) => break count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break 0,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        if count < bytes.len() {
            self.stuck_since = Some(now);
        }
        Ok(count)
    }
}
