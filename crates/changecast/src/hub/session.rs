//! One subscriber's state machine: hello, replay, follow, gap, bookmark, drain.
//!
//! No I/O, no clock, no task: whoever owns a socket asks [`Session::step`] what to do next, does
//! it, and says so. So every transport behaves the same, and the tests need no network.
//!
//! ```text
//!            ┌── Say(hello) ── Say(gap)? ──┐
//!   open ────┘                             ▼
//!                    ┌────────────── behind the view's frames? ── Read ──┐
//!                    │                     │ no                          │
//!                    │                  Deliver ◀────────────────────────┘
//!                    │                     │ nothing new
//!                    └──── Wait ◀── Say(source | bookmark)?        draining: Say(bye), End
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::codec::{Action, Control, Gap, GapScope, Hello};
use crate::limits;
use crate::model::{Epoch, EventId, Seq, SourceStatus, Timestamp};

/// From where somebody wants to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// From the next entry on.
    Now,
    /// From the oldest entry that is kept.
    Earliest,
    /// The last N entries, then on.
    Last(u32),
    /// Everything from this time on.
    Since(Timestamp),
    /// Strictly after this id.
    After(EventId),
    /// A reconnecting client sent an id that nobody can read: the text, for the gap's reason.
    Unreadable,
}

/// Where the log stands when a session opens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The log's incarnation.
    pub(crate) epoch: Epoch,
    /// Its newest entry.
    pub(crate) tail: Seq,
    /// The newest trimmed entry of the session's topics.
    pub(crate) trimmed: Seq,
}

/// What a session looks at when it decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings {
    /// The time, from a clock that never goes back.
    pub(crate) now: Instant,
    /// The view has the frames of everything after this place …
    pub(crate) frames_after: Seq,
    /// … up to this one, …
    pub(crate) frames_upto: Seq,
    /// … the newest of which is this: what lies between does not concern it.
    pub(crate) frames_last: Seq,
    /// The version of the board of sources.
    pub(crate) board: u64,
    /// Whether the server is about to end.
    pub(crate) draining: bool,
}

/// What the owner of the socket does next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Write this, and step again.
    Say(Control),
    /// Tell what sources have changed since this version of the board, and step again.
    SaySources(u64),
    /// Write the view's frames after this place, and say how far with [`Session::delivered`].
    Deliver(Seq),
    /// Read a page of the log after this place; hand it to [`Session::page`], write its frames,
    /// and say how far with [`Session::delivered`].
    Read(Seq),
    /// Nothing to do until something in the surroundings changes or this time comes.
    Wait(Instant),
    /// Close the connection.
    End(Cause),
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server ends; the client should come back.
    Draining,
    /// The connection has lived long enough; the client should come back.
    Expired,
    /// A long poll has its answer.
    Answered,
}

/// How long a session goes on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// For ever.
    Endless,
    /// Until this time.
    Until(Instant),
    /// Until something has been delivered and nothing more is there, or until this time.
    Poll(Instant),
}

/// One subscriber.
#[derive(Debug)]
pub(crate) struct Session {
    epoch: Epoch,
    /// Everything up to here was handed out, does not concern the subscriber, or was announced as
    /// missing.
    cursor: Seq,
    /// What is to be said before anything else: a hello, a gap, the sources that are down.
    greeting: VecDeque<Control>,
    /// The board's version that the subscriber knows.
    told_board: u64,
    /// When the next bookmark is due, if nothing else is written before.
    bookmark_at: Instant,
    jitter: Jitter,
    span: Span,
    /// Whether anything has been delivered: what a long poll waits for.
    has_delivered: bool,
    ended: Option<Cause>,
}

/// What a session is opened with.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// From where.
    pub(crate) start: Start,
    /// Where the log stands.
    pub(crate) place: Place,
    /// The place that [`Start::Last`] or [`Start::Since`] means.
    pub(crate) cursor_of_start: Option<Seq>,
    /// Sources that have no position yet.
    pub(crate) waiting: Vec<Arc<str>>,
    /// Sources that are down now: what they have missed comes once they are back.
    pub(crate) down: Vec<SourceStatus>,
    /// The connection's own times.
    pub(crate) jitter: Jitter,
    /// How long it goes on.
    pub(crate) span: Span,
}

/// The times that differ from connection to connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jitter {
    /// How long the client waits before it reconnects.
    pub(crate) retry: Duration,
    /// The same while the server drains.
    pub(crate) retry_while_draining: Duration,
}

impl Session {
    /// Opens a session.
    #[must_use]
    pub(crate) fn open(terms: Terms, around: &Surroundings) -> Self {
        let Terms { start, place, cursor_of_start, waiting, down, jitter, span } = terms;
        let opening = Opening::find(&start, place, cursor_of_start);
        let hello = Hello {
            epoch: place.epoch,
            position: opening.position,
            tail: EventId { epoch: place.epoch, seq: place.tail },
            resumed: opening.resumed,
            waiting,
            retry: jitter.retry,
        };
        let has_delivered = opening.gap.is_some();
        let mut greeting = VecDeque::from([Control::Hello(hello)]);
        greeting.extend(opening.gap.map(Control::Gap));
        greeting.extend(down.into_iter().map(Control::Source));
        Self {
            epoch: place.epoch,
            cursor: opening.cursor,
            greeting,
            told_board: around.board,
            bookmark_at: around.now + limits::BOOKMARK_EVERY,
            jitter,
            span,
            has_delivered,
            ended: None,
        }
    }

    /// What to do next. Writing is taken as done once the next step is asked for.
    pub(crate) fn step(&mut self, around: &Surroundings) -> Step {
        if let Some(cause) = self.ended {
            return Step::End(cause);
        }
        if let Some(control) = self.greeting.pop_front() {
            if self.greeting.is_empty() {
                // It is said once, and a session may live for days: its memory goes back.
                self.greeting = VecDeque::new();
            }
            return self.say(control, around.now);
        }
        if around.draining {
            self.ended = Some(Cause::Draining);
            return self.say(Control::Bye(self.jitter.retry_while_draining), around.now);
        }
        if matches!(self.span, Span::Until(end) if around.now >= end) {
            self.ended = Some(Cause::Expired);
            return self.say(Control::Bye(self.jitter.retry), around.now);
        }
        if self.told_board < around.board {
            let since = std::mem::replace(&mut self.told_board, around.board);
            return Step::SaySources(since);
        }
        self.skip(around);
        // Before reading and delivering: neither writes anything where nothing is selected.
        if around.now >= self.bookmark_at {
            return self.say(Control::Bookmark(self.position()), around.now);
        }
        if self.cursor < around.frames_after {
            return Step::Read(self.cursor);
        }
        if self.cursor < around.frames_upto {
            return Step::Deliver(self.cursor);
        }
        match self.span {
            Span::Poll(end) if self.has_delivered || around.now >= end => {
                self.ended = Some(Cause::Answered);
                self.say(Control::Bookmark(self.position()), around.now)
            }
            Span::Poll(end) | Span::Until(end) => Step::Wait(self.bookmark_at.min(end)),
            Span::Endless => Step::Wait(self.bookmark_at),
        }
    }

    /// Moves on over what does not concern the subscriber, if nothing is waiting that does.
    pub(crate) fn skip(&mut self, around: &Surroundings) {
        if self.cursor >= around.frames_after && self.cursor >= around.frames_last {
            self.cursor = self.cursor.max(around.frames_upto);
        }
    }

    /// A page read for [`Step::Read`] lacks what was trimmed up to `lost_to`: the gap to announce
    /// before its frames.
    pub(crate) fn page(&mut self, lost_to: Option<Seq>, now: Instant) -> Option<Control> {
        let lost_to = lost_to.filter(|lost| *lost > self.cursor)?;
        let from = self.position();
        self.cursor = lost_to;
        self.has_delivered = true;
        self.bookmark_at = now + limits::BOOKMARK_EVERY;
        let reason = "the log has lost these entries, to its retention or to damage of its file; \
                      going on from the oldest it has";
        Some(Control::Gap(lost_gap(self.position(), from, reason)))
    }

    /// Everything up to `upto` has been written or does not concern the subscriber; `wrote` tells
    /// whether any frame was.
    pub(crate) fn delivered(&mut self, upto: Seq, wrote: bool, now: Instant) {
        self.cursor = self.cursor.max(upto);
        if wrote {
            self.has_delivered = true;
            self.bookmark_at = now + limits::BOOKMARK_EVERY;
        }
    }

    /// Whether the hello, or what follows it before anything else, is still to be said.
    #[must_use]
    pub(crate) fn is_greeting(&self) -> bool {
        !self.greeting.is_empty()
    }

    /// What is covered: resuming with it goes on exactly here. While it is greeting, that includes
    /// a gap not told yet.
    #[must_use]
    pub(crate) fn position(&self) -> EventId {
        EventId { epoch: self.epoch, seq: self.cursor }
    }

    fn say(&mut self, control: Control, now: Instant) -> Step {
        self.bookmark_at = now + limits::BOOKMARK_EVERY;
        Step::Say(control)
    }
}

/// Where a session starts, and what is missing before it.
struct Opening {
    cursor: Seq,
    /// What the hello says is covered. While a gap is still to be told that is no more than the
    /// client had: should the connection break between the two, the next one tells it again.
    position: EventId,
    resumed: bool,
    gap: Option<Gap>,
}

impl Opening {
    fn find(start: &Start, place: Place, cursor_of_start: Option<Seq>) -> Self {
        let fresh = |cursor| Self {
            cursor,
            position: EventId { epoch: place.epoch, seq: cursor },
            resumed: false,
            gap: None,
        };
        match start {
            Start::Now => fresh(place.tail),
            Start::Earliest => fresh(place.trimmed),
            Start::Since(_) => Self::since(cursor_of_start.unwrap_or(place.tail), place),
            Start::Last(_) => fresh(cursor_of_start.unwrap_or(place.tail).max(place.trimmed)),
            Start::After(id) => Self::after(*id, place),
            Start::Unreadable => Self::missing(
                place,
                place.tail,
                None,
                "the id to resume from is not one of this server's; going on from now",
            ),
        }
    }

    fn after(id: EventId, place: Place) -> Self {
        if id.epoch != place.epoch {
            let reason = "the id belongs to another log, whose history is gone; \
                          going on from the oldest entry of this one";
            return Self::missing(place, place.trimmed, Some(id), reason);
        }
        if id.seq > place.tail {
            let reason = "the id lies in the future of this log; going on from now";
            return Self::missing(place, place.tail, Some(id), reason);
        }
        if id.seq < place.trimmed {
            let reason = "the log no longer keeps these entries; going on from the oldest it has";
            let kept_after = EventId { epoch: place.epoch, seq: place.trimmed };
            let gap = lost_gap(kept_after, id, reason);
            return Self { cursor: place.trimmed, position: id, resumed: false, gap: Some(gap) };
        }
        Self { cursor: id.seq, position: id, resumed: true, gap: None }
    }

    /// From the first kept entry of a time on. If that is the oldest that is kept at all, entries
    /// of that time may have been trimmed.
    fn since(cursor: Seq, place: Place) -> Self {
        let cursor = cursor.max(place.trimmed);
        if place.trimmed == Seq::ZERO || cursor > place.trimmed {
            let position = EventId { epoch: place.epoch, seq: cursor };
            return Self { cursor, position, resumed: false, gap: None };
        }
        let reason = "the log may no longer keep all entries since that time; \
                      going on from the oldest it has";
        Self::missing(place, cursor, None, reason)
    }

    fn missing(place: Place, cursor: Seq, from: Option<EventId>, reason: &str) -> Self {
        let gap = Gap {
            id: EventId { epoch: place.epoch, seq: cursor },
            scope: GapScope::Log,
            source: None,
            from: from.map(|id| id.to_string()),
            to: None,
            reason: reason.to_owned(),
            action: Action::Refetch,
        };
        // An id from the future may be reached while the client is away: nothing of it is covered.
        let nothing = EventId { epoch: place.epoch, seq: Seq::ZERO };
        let position = from.filter(|id| id.epoch != place.epoch).unwrap_or(nothing);
        Self { cursor, position, resumed: false, gap: Some(gap) }
    }
}

/// What follows `from` is lost, up to `to`.
fn lost_gap(to: EventId, from: EventId, reason: &str) -> Gap {
    Gap {
        id: to,
        scope: GapScope::Log,
        source: None,
        from: Some(from.to_string()),
        to: Some(to.to_string()),
        reason: reason.to_owned(),
        action: Action::Refetch,
    }
}

#[cfg(test)]
mod tests;
