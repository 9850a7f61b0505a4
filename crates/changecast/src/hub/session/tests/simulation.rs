//! A log, a view and a client, as far as a session can tell: places and whether an entry concerns
//! the session's topics. The client keeps what it was told, may lose the connection at any word,
//! and comes back with the id of that word.

use std::time::Duration;

use tokio::time::Instant;

use super::{epoch, foreign_epoch, jitter};
use crate::hub::Control;
use crate::hub::session::{Place, Session, Span, Start, Step, Surroundings, Terms};
use crate::limits::BOOKMARK_EVERY;
use crate::model::{EventId, Seq};

/// What the client was told, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Hello(EventId),
    Gap(EventId),
    Change(u64),
    Bookmark(EventId),
    Sources,
    Bye,
}

impl Word {
    fn id(&self) -> Option<EventId> {
        match self {
            Self::Hello(id) | Self::Gap(id) | Self::Bookmark(id) => Some(*id),
            Self::Change(seq) => Some(EventId { epoch: epoch(), seq: Seq(*seq) }),
            Self::Sources | Self::Bye => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct World {
    /// Whether the entry concerns the session's topics; its place is its index plus one.
    entries: Vec<bool>,
    /// Everything up to here is trimmed.
    cut: u64,
    frames_after: u64,
    frames_upto: u64,
    now: Instant,
    board: u64,
    draining: bool,
}

impl World {
    pub(super) fn new(entries: Vec<bool>, cut: u64) -> Self {
        let tail = entries.len() as u64;
        Self {
            entries,
            cut: cut.min(tail),
            frames_after: tail,
            frames_upto: tail,
            now: Instant::now(),
            board: 0,
            draining: false,
        }
    }

    fn tail(&self) -> u64 {
        self.entries.len() as u64
    }

    fn concerns(&self, seq: u64) -> bool {
        self.entries[seq as usize - 1]
    }

    fn concerned(&self, after: u64, upto: u64) -> impl Iterator<Item = u64> + '_ {
        (after + 1..=upto).filter(|seq| self.concerns(*seq))
    }

    fn trimmed(&self) -> u64 {
        self.concerned(0, self.cut).last().unwrap_or(0)
    }

    pub(super) fn append(&mut self, entries: &[bool]) {
        self.entries.extend(entries);
    }

    pub(super) fn trim(&mut self, count: u64) {
        self.cut = (self.cut + count).min(self.tail());
    }

    /// The feed takes `count` entries into the view's ring.
    pub(super) fn feed(&mut self, count: u64) {
        self.frames_upto = (self.frames_upto + count).min(self.tail());
    }

    /// The ring forgets `count` places; like the real one it may forget what it has just got.
    pub(super) fn shrink(&mut self, count: u64) {
        self.frames_after = (self.frames_after + count).min(self.frames_upto);
    }

    pub(super) fn tick(&mut self, time: Duration) {
        self.now += time;
    }

    pub(super) fn change_board(&mut self) {
        self.board += 1;
    }

    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    fn around(&self) -> Surroundings {
        Surroundings {
            now: self.now,
            frames_after: Seq(self.frames_after),
            frames_upto: Seq(self.frames_upto),
            frames_last: Seq(self.frames_last()),
            board: self.board,
            draining: self.draining,
        }
    }

    fn frames_last(&self) -> u64 {
        self.concerned(self.frames_after, self.frames_upto).last().unwrap_or(self.frames_after)
    }

    fn place(&self) -> Place {
        Place { epoch: epoch(), tail: Seq(self.tail()), trimmed: Seq(self.trimmed()) }
    }

    /// Up to `take` of what concerns the session, and how far that covers.
    fn page(&self, after: u64, upto: u64, take: usize) -> (Vec<u64>, u64) {
        let seqs: Vec<u64> = self.concerned(after, upto).take(take + 1).collect();
        match seqs.get(..take) {
            Some(page) if seqs.len() > take => {
                (page.to_vec(), page.last().copied().unwrap_or(after))
            }
            _ => (seqs, upto),
        }
    }
}

/// A client with one session after another.
pub(super) struct Client {
    session: Session,
    words: Vec<Word>,
    /// Where this chain of sessions began: what follows concerns the client.
    start: u64,
    /// Where the session in use began in `words`.
    opened_at: usize,
    last_written: Instant,
    said_bye: bool,
}

impl Client {
    pub(super) fn open(world: &World, start: &Start) -> Self {
        let cursor_of_last = match start {
            Start::Last(count) => {
                let kept: Vec<u64> = world.concerned(world.cut, world.tail()).collect();
                let last = kept.get(kept.len().saturating_sub(*count as usize)..);
                let first = last.and_then(<[u64]>::first);
                Some(Seq(first.map_or(world.tail(), |seq| seq - 1)))
            }
            _ => None,
        };
        let start_seq = match start {
            Start::Now => world.tail(),
            Start::Earliest => world.trimmed(),
            Start::Last(_) => cursor_of_last.unwrap_or_default().0.max(world.trimmed()),
            Start::After(id) if id.epoch == epoch() && id.seq.0 <= world.tail() => id.seq.0,
            // Nothing of this log is known to the client.
            Start::After(_) | Start::Unreadable | Start::Since(_) => 0,
        };
        let session = open(world, start, cursor_of_last);
        let (words, last_written) = (Vec::new(), world.now);
        Self { session, words, start: start_seq, opened_at: 0, last_written, said_bye: false }
    }

    /// One step of the session, and what its owner does about it; `take` caps pages and runs, and
    /// `race` changes the world between the step and the doing. Whether there was anything to do.
    pub(super) fn step(
        &mut self,
        world: &mut World,
        take: usize,
        race: impl FnOnce(&mut World),
    ) -> bool {
        let around = world.around();
        let bookmark_is_due = self.bookmark_is_due(world);
        let step = self.session.step(&around);
        if bookmark_is_due {
            let is_bookmark = matches!(step, Step::Say(Control::Bookmark(_)));
            assert!(is_bookmark, "G6: nothing was written for long, but {step:?}");
        }
        match step {
            Step::Say(control) => self.hear(world, control, bookmark_is_due),
            Step::SaySources(since) => {
                assert!(since < world.board);
                self.words.push(Word::Sources);
            }
            Step::Deliver(after) => {
                race(world);
                self.deliver(world, after.0, take);
            }
            Step::Read(after) => {
                race(world);
                self.read(world, after.0, take);
            }
            Step::Wait(until) => {
                assert!(until > world.now, "G9: a wait leads somewhere");
                assert_eq!(until, self.last_written + BOOKMARK_EVERY);
                assert!(self.session.position().seq.0 >= world.frames_upto, "nothing is left over");
                return false;
            }
            Step::End(_) => {
                assert!(self.said_bye, "bye comes before the end");
                return false;
            }
        }
        self.check(world);
        true
    }

    fn bookmark_is_due(&self, world: &World) -> bool {
        let is_greeted = self.is_greeted();
        let silence = world.now - self.last_written;
        let others_first = world.draining || self.said_bye || self.session.told_board < world.board;
        is_greeted && !others_first && silence >= BOOKMARK_EVERY
    }

    fn is_greeted(&self) -> bool {
        self.session.greeting.is_empty()
    }

    fn hear(&mut self, world: &World, control: Control, bookmark_is_due: bool) {
        self.last_written = world.now;
        let word = match control {
            Control::Hello(hello) => {
                assert_eq!(self.words.len(), self.opened_at, "hello is the first word, once");
                Word::Hello(hello.position)
            }
            Control::Gap(gap) => Word::Gap(gap.id),
            Control::Bookmark(id) => {
                assert!(bookmark_is_due, "a bookmark comes only into a silence");
                assert_eq!(id, self.session.position(), "G6: it carries the cursor");
                Word::Bookmark(id)
            }
            Control::Bye(_) => {
                assert!(world.draining && !self.said_bye, "bye is said once, while draining");
                self.said_bye = true;
                Word::Bye
            }
            Control::Source(status) => panic!("a session does not say this itself: {status:?}"),
        };
        assert!(self.words.len() > self.opened_at || matches!(word, Word::Hello(_)));
        self.words.push(word);
    }

    fn deliver(&mut self, world: &World, after: u64, take: usize) {
        if after < world.frames_after {
            // The ring has moved on since: nothing is written, the next step reads the log.
            return;
        }
        let (frames, upto) = world.page(after, world.frames_upto, take);
        self.hand_out(world, &frames, upto);
    }

    fn read(&mut self, world: &World, after: u64, take: usize) {
        let lost_to = Some(world.trimmed()).filter(|lost| *lost > after);
        let (frames, covered) = world.page(after.max(world.cut), world.tail(), take);
        if let Some(control) = self.session.page(lost_to.map(Seq), world.now) {
            let Control::Gap(gap) = &control else { panic!("a page says a gap or nothing") };
            assert!(world.concerned(after, world.cut).next().is_some(), "G2: a gap is a loss");
            assert_eq!(Some(gap.id.seq.0), lost_to);
            self.hear(world, control, false);
        } else {
            assert_eq!(lost_to, None, "G2: a loss is said");
        }
        self.hand_out(world, &frames, covered.max(after));
    }

    fn hand_out(&mut self, world: &World, frames: &[u64], upto: u64) {
        self.words.extend(frames.iter().map(|seq| Word::Change(*seq)));
        if !frames.is_empty() {
            self.last_written = world.now;
        }
        self.session.delivered(Seq(upto), !frames.is_empty(), world.now);
    }

    /// The connection breaks after the word at `index`, which is the last that the client got; it
    /// comes back with the newest id it has.
    pub(super) fn reconnect(&mut self, world: &mut World, index: usize) {
        self.words.truncate(index + 1);
        let Some(id) = self.words.iter().rev().find_map(Word::id) else {
            self.words.clear();
            return;
        };
        world.draining = false;
        self.session = open(world, &Start::After(id), None);
        self.opened_at = self.words.len();
        self.last_written = world.now;
        self.said_bye = false;
    }

    pub(super) fn word_count(&self) -> usize {
        self.words.len()
    }

    /// What holds of everything the client has been told, over all of its connections.
    pub(super) fn check(&self, world: &World) {
        let mut covered = self.start;
        for word in &self.words {
            match word {
                Word::Change(seq) => {
                    assert!(
                        *seq > covered,
                        "G1, G3: {seq} comes after {covered}: {:?}",
                        self.words
                    );
                    self.check_skipped(world, covered, seq - 1);
                    covered = *seq;
                }
                Word::Gap(id) => covered = covered.max(id.seq.0),
                Word::Hello(id) | Word::Bookmark(id) if id.epoch == epoch() => {
                    self.check_skipped(world, covered, id.seq.0);
                    covered = covered.max(id.seq.0);
                }
                Word::Hello(_) | Word::Bookmark(_) | Word::Sources | Word::Bye => {}
            }
        }
        if self.is_greeted() && self.words.len() > self.opened_at {
            self.check_skipped(world, covered, self.session.position().seq.0);
        }
    }

    #[track_caller]
    fn check_skipped(&self, world: &World, covered: u64, upto: u64) {
        let skipped: Vec<u64> = world.concerned(covered, upto).collect();
        assert!(
            skipped.is_empty(),
            "{skipped:?} G2: neither delivered nor told as missing: {:?}",
            self.words
        );
    }

    /// With the world at rest: everything is caught up in a bounded number of steps (G9).
    pub(super) fn settle(&mut self, world: &mut World) {
        world.feed(u64::MAX - world.frames_upto);
        let bound = 2 * world.entries.len() + 10;
        for _ in 0..bound {
            if !self.step(world, 1, |_| {}) {
                if !self.said_bye {
                    assert_eq!(self.session.position().seq.0, world.tail(), "G9: caught up");
                }
                return;
            }
        }
        panic!("G9: still not at rest after {bound} steps: {:?}", self.words);
    }
}

fn open(world: &World, start: &Start, cursor_of_last: Option<Seq>) -> Session {
    let around = world.around();
    Session::open(
        Terms {
            start: start.clone(),
            place: world.place(),
            cursor_of_start: cursor_of_last,
            waiting: Vec::new(),
            down: Vec::new(),
            jitter: jitter(),
            span: Span::Endless,
        },
        &around,
    )
}

/// An id that this log never gave.
pub(super) fn foreign(seq: u64) -> EventId {
    EventId { epoch: foreign_epoch(), seq: Seq(seq) }
}
