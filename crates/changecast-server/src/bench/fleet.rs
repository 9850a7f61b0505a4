//! All subscribers, read by one thread: an event loop that allocates nothing for a delivery.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::arguments::BenchArguments;
use super::clock::Clock;
use super::message::Run;
use super::subscriber::{Reading, Subscriber, Tally};
use super::target::Target;
use super::{LOOK_EVERY, PATIENCE, WARM_UP_EVERY, unreachable};
use crate::Failure;

/// Bytes read at once: many messages, where a subscriber is behind.
const READ_BYTES: usize = 64 << 10;

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;

pub(super) struct Fleet {
    poll: Poll,
    events: Events,
    subscribers: Vec<Subscriber>,
    reading: Reading,
}

impl Fleet {
    pub(super) fn new(target: &Target, run: &Run, clock: Clock) -> Result<Self, Failure> {
        let poll = Poll::new().map_err(|error| Failure::Run(format!("cannot poll: {error}")))?;
        let reading = Reading {
            scanner: run.scanner(),
            clock,
            tally: Tally::new(),
            request: target.subscription(),
            transport: target.transport,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
        };
        let events = Events::with_capacity(EVENTS);
        Ok(Self { poll, events, subscribers: Vec::new(), reading })
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.reading.tally
    }

    /// From here on, what comes counts.
    pub(super) fn begin(&mut self) {
        let Tally { granted, warm, ended, .. } = self.reading.tally;
        self.reading.tally = Tally { granted, warm, ended, ..Tally::new() };
    }

    /// Messages that did not come, over all subscribers.
    pub(super) fn missed(&self, published: u64) -> u64 {
        self.subscribers.iter().map(|subscriber| subscriber.missed(published)).sum()
    }

    /// Subscribers for whom anything was wrong.
    pub(super) fn faulty(&self, published: u64) -> usize {
        let is_faulty =
            |subscriber: &&Subscriber| subscriber.has_faults() || subscriber.missed(published) > 0;
        self.subscribers.iter().filter(is_faulty).count()
    }

    /// Opens all subscribers, and waits until the server has let them in.
    pub(super) fn connect(
        &mut self,
        target: &Target,
        arguments: &BenchArguments,
    ) -> Result<(), Failure> {
        let wanted = arguments.subscribers;
        let (mut granted, mut last) = (0, Instant::now());
        while self.tally().granted < wanted {
            while self.subscribers.len() < wanted
                && self.subscribers.len() - self.tally().granted < arguments.connecting as usize
            {
                self.open(target, usize::from(arguments.publishers))?;
            }
            self.turn(Some(Duration::from_millis(100)))?;
            if self.tally().granted > granted {
                (granted, last) = (self.tally().granted, Instant::now());
            }
            if self.tally().ended > 0 || last.elapsed() > PATIENCE {
                return Err(self.not_let_in(target, wanted));
            }
        }
        Ok(())
    }

    fn open(&mut self, target: &Target, lanes: usize) -> Result<(), Failure> {
        let mut stream =
            TcpStream::connect(target.address).map_err(|error| unreachable(target, &error))?;
        let token = Token(self.subscribers.len());
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut stream, token, both);
        registered.map_err(|error| Failure::Run(format!("cannot watch a connection: {error}")))?;
        self.subscribers.push(Subscriber::new(stream, lanes));
        Ok(())
    }

    fn not_let_in(&self, target: &Target, wanted: usize) -> Failure {
        let tally = self.tally();
        if let Some(refusal) = &tally.refusal {
            return refusal.of_subscribing(target);
        }
        let (granted, ended) = (tally.granted, tally.ended);
        let why = match &tally.error {
            Some(error) => error.clone(),
            None if ended > 0 => format!("it ended {ended} streams at once: is it full?"),
            None => format!("no answer for {PATIENCE:?}"),
        };
        Failure::Run(format!("{} has let in {granted} of {wanted} subscribers: {why}", target.url))
    }

    /// Waits for something to come, and reads it; whether there was anything.
    pub(super) fn turn(&mut self, timeout: Option<Duration>) -> Result<bool, Failure> {
        let Self { poll, events, subscribers, reading, .. } = self;
        match poll.poll(events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(Failure::Run(format!("cannot poll: {error}"))),
        }
        for event in &*events {
            if let Some(subscriber) = subscribers.get_mut(event.token().0) {
                subscriber.advance(event, reading);
            }
        }
        Ok(!events.is_empty())
    }

    /// How many messages that count for nothing will have come once everybody has got the next.
    pub(super) fn warm_ups_after_next(&self) -> u64 {
        self.tally().warm_ups + self.subscribers.len() as u64
    }

    /// Reads until so many of them have come; not for ever, since a server may lose some.
    pub(super) fn read_warm_ups(&mut self, count: u64) -> Result<(), Failure> {
        let started = Instant::now();
        while self.tally().warm_ups < count && started.elapsed() < WARM_UP_EVERY {
            self.turn(Some(LOOK_EVERY))?;
        }
        Ok(())
    }

    /// Reads all that has come, without waiting.
    pub(super) fn sweep(&mut self) -> Result<(), Failure> {
        while self.turn(Some(Duration::ZERO))? {}
        Ok(())
    }
}
