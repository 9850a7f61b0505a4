//! Encoded frames, and how many of them go out at once.

use std::collections::HashSet;

use bytes::Bytes;

use crate::limits;
use crate::model::{Seq, Topic};

/// What a subscriber gets of what is waiting for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Everything, in order.
    #[default]
    Queue,
    /// Of the changes that tell a document's whole state, only the newest of each document.
    /// Everything else comes as in a queue: gaps, drops, and updates without the document.
    Latest,
}

/// One encoded entry.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) seq: Seq,
    pub(super) bytes: Bytes,
    /// The document whose whole state it tells, where the mode asks for it.
    pub(super) state_of: Option<(Topic, Bytes)>,
}

/// Frames to be written at once, and how far they lead.
#[derive(Debug)]
pub(crate) struct Run {
    /// With the place of each.
    pub(crate) frames: Vec<(Seq, Bytes)>,
    pub(crate) upto: Seq,
}

impl Run {
    /// As many of `waiting` as one write takes, the way to `upto` if all fit. A frame that is
    /// larger than a write goes alone.
    pub(super) fn of<'a>(
        waiting: impl DoubleEndedIterator<Item = &'a Frame>,
        upto: Seq,
        mode: Mode,
    ) -> Self {
        match mode {
            Mode::Queue => Self::fill(waiting, upto),
            Mode::Latest => Self::fill(newest_states(waiting).into_iter(), upto),
        }
    }

    fn fill<'a>(waiting: impl Iterator<Item = &'a Frame>, upto: Seq) -> Self {
        let mut run = Self { frames: Vec::new(), upto };
        let (mut bytes, mut last) = (0, None);
        for frame in waiting {
            let is_full = bytes + frame.bytes.len() > limits::WRITE_BYTES_MAX;
            if let Some(last) = last.filter(|_| is_full) {
                run.upto = last;
                break;
            }
            bytes += frame.bytes.len();
            last = Some(frame.seq);
            run.frames.push((frame.seq, frame.bytes.clone()));
        }
        run
    }
}

/// Leaves out each state that a later one of the same document replaces.
fn newest_states<'a>(waiting: impl DoubleEndedIterator<Item = &'a Frame>) -> Vec<&'a Frame> {
    let mut told = HashSet::new();
    let mut kept: Vec<_> = waiting
        .rev()
        .filter(|frame| frame.state_of.as_ref().is_none_or(|document| told.insert(document)))
        .collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: u64, size: usize, document: Option<&'static str>) -> Frame {
        let topic = Topic::parse("a.b").expect("a topic");
        let state_of = document.map(|key| (topic, Bytes::from_static(key.as_bytes())));
        Frame { seq: Seq(seq), bytes: Bytes::from(vec![b'x'; size]), state_of }
    }

    #[track_caller]
    fn check(frames: &[Frame], mode: Mode, expected_count: usize, expected_upto: u64) {
        let run = Run::of(frames.iter(), Seq(99), mode);
        assert_eq!((run.frames.len(), run.upto), (expected_count, Seq(expected_upto)));
    }

    #[test]
    fn g10_a_write_has_a_cap_and_a_larger_frame_goes_alone() {
        let large = limits::WRITE_BYTES_MAX + 1;
        check(&[frame(1, 10, None), frame(2, 10, None)], Mode::Queue, 2, 99);
        check(&[frame(1, 10, None), frame(2, large, None)], Mode::Queue, 1, 1);
        check(&[frame(1, large, None), frame(2, 1, None)], Mode::Queue, 1, 1);
        check(&[frame(1, large, None)], Mode::Queue, 1, 99);
        check(&[], Mode::Queue, 0, 99);
    }

    #[test]
    fn latest_keeps_the_newest_state_of_each_document_and_all_else() {
        let frames = [
            frame(1, 1, Some("a")),
            frame(2, 1, Some("b")),
            frame(3, 1, None),
            frame(4, 1, Some("a")),
        ];
        check(&frames, Mode::Queue, 4, 99);
        check(&frames, Mode::Latest, 3, 99);
    }
}
