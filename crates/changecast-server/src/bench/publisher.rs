//! Publishes on a schedule that no answer holds up, or as fast as the subscribers take it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::clock::{Clock, nanos};
use super::histogram::Histogram;
use super::lane::Lane;
use super::message::{Mark, Run};
use super::refusal::Refusal;
use super::target::Target;
use super::{PATIENCE, WARM_UP};
use crate::Failure;

/// How long to wait before it is looked again whether an answer has come, or room is there.
const LOOK_EVERY: Duration = Duration::from_micros(100);

/// When messages are due, and how many.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) pace: Pace,
    /// Messages in all; none where the time decides.
    pub(super) count: Option<u64>,
    pub(super) duration: Duration,
}

#[derive(Clone, Debug)]
pub(super) enum Pace {
    /// Messages a second.
    Rate(f64),
    /// As fast as they are delivered, with so many on their way.
    Window { messages: u64, subscribers: u64, delivered: Arc<AtomicU64> },
}

/// What became of it.
pub(super) struct Published {
    /// Messages that the server took.
    pub(super) count: u64,
    pub(super) refused: u64,
    /// Why, of one of those.
    pub(super) refusal: Option<Refusal>,
    /// From when a message was due to when it was answered: nanoseconds.
    pub(super) latency: Histogram,
    /// When the first was due.
    pub(super) started: u64,
}

/// The connections that publish.
pub(super) struct Publisher {
    pub(super) target: Target,
    pub(super) run: Run,
    pub(super) clock: Clock,
    pub(super) payload_bytes: usize,
    pub(super) lanes_max: usize,
    lanes: Vec<Lane>,
    published: Published,
    last_answer: u64,
}

impl Publisher {
    pub(super) fn new(target: Target, run: Run, clock: Clock) -> Self {
        let latency = Histogram::new();
        let published =
            Published { count: 0, refused: 0, refusal: None, latency, started: clock.now() };
        Self {
            target,
            run,
            clock,
            payload_bytes: 0,
            lanes_max: 1,
            lanes: Vec::new(),
            published,
            last_answer: 0,
        }
    }

    /// Publishes a message of so many bytes that counts for nothing, and waits until the server has
    /// taken it.
    pub(super) fn warm_up(&mut self, bytes: usize) -> Result<(), Failure> {
        self.last_answer = self.clock.now();
        let lane = self.pick()?.ok_or_else(|| Failure::Run("no connection is free".to_owned()))?;
        self.put(lane, Mark { seq: WARM_UP, time: self.clock.now() }, bytes)?;
        while self.waiting() > 0 {
            self.advance()?;
            thread::sleep(LOOK_EVERY);
        }
        let target = &self.target;
        match self.published.refusal.take() {
            Some(refusal) => Err(refusal.of_publishing(target)),
            None => Ok(()),
        }
    }

    /// Publishes all that the schedule wants, and waits for the answers.
    pub(super) fn publish(mut self, schedule: &Schedule) -> Result<Published, Failure> {
        let started = self.clock.now();
        let latency = Histogram::new();
        self.published = Published { count: 0, refused: 0, refusal: None, latency, started };
        self.last_answer = started;
        let mut sent = 0;
        let mut last_sent = started;
        loop {
            let next = schedule.next(sent, started, self.clock.now());
            if let Next::Due(due) = next
                && let Some(lane) = self.pick()?
            {
                let number = self.lanes.get(lane).map_or(0, |lane| lane.count);
                // Numbers are given out by connection, in whose order they arrive.
                let seq = 1 + number * self.lanes_max as u64 + lane as u64;
                self.put(lane, Mark { seq, time: due }, self.payload_bytes)?;
                (sent, last_sent) = (sent + 1, self.clock.now());
                continue;
            }
            self.advance()?;
            let pause = match next {
                Next::Never if self.waiting() == 0 => return Ok(self.published),
                // Nobody takes any more.
                Next::Unknown if self.clock.now() - last_sent > nanos(PATIENCE) => {
                    return Ok(self.published);
                }
                Next::At(due) if self.waiting() == 0 => {
                    Duration::from_nanos(due.saturating_sub(self.clock.now()))
                }
                _ => LOOK_EVERY,
            };
            thread::sleep(pause);
        }
    }

    /// The connection with least to wait for; another one if all have something. None if all are
    /// full.
    fn pick(&mut self) -> Result<Option<usize>, Failure> {
        let free = self.lanes.iter().enumerate().filter(|(_, lane)| lane.has_room());
        let best = free.min_by_key(|(_, lane)| lane.waiting());
        let best = best.map(|(at, lane)| (at, lane.waiting()));
        if best.is_none_or(|(_, waiting)| waiting > 0) && self.lanes.len() < self.lanes_max {
            self.lanes.push(Lane::open(&self.target)?);
            return Ok(Some(self.lanes.len() - 1));
        }
        let Some((at, _)) = best else { return Ok(None) };
        if let Some(lane) = self.lanes.get_mut(at) {
            lane.revive(&self.target)?;
        }
        Ok(Some(at))
    }

    fn put(&mut self, lane: usize, mark: Mark, bytes: usize) -> Result<(), Failure> {
        let Some(lane) = self.lanes.get_mut(lane) else { return Ok(()) };
        lane.count += u64::from(mark.seq != WARM_UP);
        lane.send(&self.target, &self.run, mark, bytes).map_err(broken_off)
    }

    fn waiting(&self) -> usize {
        self.lanes.iter().map(Lane::waiting).sum()
    }

    fn advance(&mut self) -> Result<(), Failure> {
        let now = self.clock.now();
        let Self { lanes, published, last_answer, .. } = self;
        for lane in lanes.iter_mut().filter(|lane| lane.waiting() > 0) {
            let advanced = lane.advance(|due, answer| {
                published.latency.record(now.saturating_sub(due));
                *last_answer = now;
                match answer {
                    Ok(()) => published.count += 1,
                    Err(refusal) => {
                        published.refused += 1;
                        published.refusal = Some(refusal);
                    }
                }
            });
            advanced.map_err(broken_off)?;
        }
        if self.waiting() > 0 && now.saturating_sub(self.last_answer) > nanos(PATIENCE) {
            let (path, address) = (self.target.publish_path(), self.target.address);
            return Err(Failure::Run(format!(
                "POST {path} at {address} has not been answered for {PATIENCE:?}"
            )));
        }
        Ok(())
    }
}

fn broken_off(error: io::Error) -> Failure {
    Failure::Run(format!("the connection that publishes broke off: {error}"))
}

/// What the schedule says of the next message.
enum Next {
    /// It has been due since.
    Due(u64),
    /// It will be due then.
    At(u64),
    /// It waits for others to be delivered.
    Unknown,
    /// There is none.
    Never,
}

impl Schedule {
    fn next(&self, sent: u64, started: u64, now: u64) -> Next {
        let time_is_over = now.saturating_sub(started) >= nanos(self.duration);
        match (&self.pace, self.count) {
            (_, Some(count)) if sent >= count => Next::Never,
            (Pace::Rate(rate), _) => {
                let offset = (sent as f64 / rate * 1e9) as u64;
                match started + offset {
                    _ if self.count.is_none() && offset >= nanos(self.duration) => Next::Never,
                    due if due <= now => Next::Due(due),
                    due => Next::At(due),
                }
            }
            (Pace::Window { .. }, None) if time_is_over => Next::Never,
            (Pace::Window { messages, subscribers, delivered }, _) => {
                let through = delivered.load(Ordering::Relaxed) / (*subscribers).max(1);
                if sent < through + messages { Next::Due(now) } else { Next::Unknown }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schedule: &Schedule, sent: u64, now: u64) -> Option<Result<u64, u64>> {
        match schedule.next(sent, 1_000, now) {
            Next::Due(due) => Some(Ok(due)),
            Next::At(due) => Some(Err(due)),
            Next::Unknown | Next::Never => None,
        }
    }

    #[test]
    fn a_message_that_is_late_keeps_the_time_when_it_was_due() {
        let duration = Duration::from_micros(3);
        let mut schedule = Schedule { pace: Pace::Rate(1e6), count: None, duration };
        assert_eq!(told(&schedule, 0, 1_000), Some(Ok(1_000)));
        assert_eq!(told(&schedule, 1, 1_500), Some(Err(2_000)));
        assert_eq!(told(&schedule, 1, 9_999), Some(Ok(2_000)));
        assert_eq!(told(&schedule, 2, 9_999), Some(Ok(3_000)), "also after the end");
        assert_eq!(told(&schedule, 3, 9_999), None);
        schedule.count = Some(5);
        assert_eq!(told(&schedule, 4, 9_999), Some(Ok(5_000)), "a number wins");
        assert_eq!(told(&schedule, 5, 9_999), None);
    }

    #[test]
    fn a_window_waits_until_all_have_got_what_is_older() {
        let delivered = Arc::new(AtomicU64::new(0));
        let pace = Pace::Window { messages: 2, subscribers: 10, delivered: Arc::clone(&delivered) };
        let schedule = Schedule { pace, count: None, duration: Duration::from_secs(1) };
        assert_eq!(told(&schedule, 1, 1_007), Some(Ok(1_007)));
        assert_eq!(told(&schedule, 2, 1_007), None);
        delivered.store(9, Ordering::Relaxed);
        assert_eq!(told(&schedule, 2, 1_007), None);
        delivered.store(10, Ordering::Relaxed);
        assert_eq!(told(&schedule, 2, 1_007), Some(Ok(1_007)));
        assert_eq!(told(&schedule, 2, 2_000_000_000), None);
    }
}
