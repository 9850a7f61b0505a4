//! What is published, and how it is found again in whatever a server wraps around it.
//!
//! A message is JSON of a fixed length with its number and its time early on. A reader looks for
//! these alone: it neither parses the event nor knows its format. A message may come in pieces that
//! are split anywhere.

use std::fmt::Write as _;

use memchr::memmem::Finder;

/// Bytes of a name that tells this run from all others.
const RUN_BYTES: usize = 8;

/// What stands between the number and the time.
const TIME: &[u8] = b",\"time\":";

/// What stands after the time.
const FILL: &str = ",\"with\":\"";

/// Bytes of the longest mark: two numbers of 20 digits, and the byte that ends the second.
const MARK_BYTES_MAX: usize = "\"run\":\"\",\"seq\":".len() + RUN_BYTES + TIME.len() + 41;

/// Bytes of the shortest message that has room for all.
pub(super) const MESSAGE_BYTES_MIN: usize = 2 + MARK_BYTES_MAX + FILL.len();

/// What a message says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) seq: u64,
    /// Nanoseconds of the publisher's clock.
    pub(super) time: u64,
}

/// The messages of one run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The bytes before the number.
    needle: String,
}

impl Run {
    pub(super) fn new() -> Self {
        let name: String = std::iter::repeat_with(fastrand::lowercase).take(RUN_BYTES).collect();
        Self { needle: format!("\"run\":\"{name}\",\"seq\":") }
    }

    /// Writes a message of `size` bytes.
    pub(super) fn write(&self, mark: Mark, size: usize, text: &mut String) {
        let start = text.len();
        // Writing to a String cannot fail.
        let _ = write!(text, "{{{}{}", self.needle, mark.seq);
        let _ = write!(text, ",\"time\":{}{FILL}", mark.time);
        let missing = size.saturating_sub(text.len() - start + 2);
        text.extend(std::iter::repeat_n('x', missing));
        text.push_str("\"}");
    }

    pub(super) fn scanner(&self) -> Scanner {
        let finder = Finder::new(self.needle.as_bytes()).into_owned();
        Scanner { finder, joined: Vec::new() }
    }
}

/// Finds the marks in many streams.
pub(super) struct Scanner {
    finder: Finder<'static>,
    /// Where a stream's unfinished mark and its next piece are put together.
    joined: Vec<u8>,
}

/// The beginning of a mark at the end of what has come of a stream; mostly nothing.
#[derive(Debug, Default)]
pub(super) struct Unfinished(Vec<u8>);

impl Scanner {
    /// Looks through the next piece of a stream.
    pub(super) fn scan(
        &mut self,
        unfinished: &mut Unfinished,
        piece: &[u8],
        mut found: impl FnMut(Mark),
    ) {
        if unfinished.0.is_empty() {
            let rest = find_all(&self.finder, piece, &mut found);
            unfinished.0.extend_from_slice(rest);
            return;
        }
        self.joined.clear();
        self.joined.extend_from_slice(&unfinished.0);
        self.joined.extend_from_slice(piece);
        let rest = find_all(&self.finder, &self.joined, &mut found);
        unfinished.0.clear();
        unfinished.0.extend_from_slice(rest);
    }
}

/// Gives back what may be the beginning of another mark.
fn find_all<'a>(finder: &Finder, bytes: &'a [u8], found: &mut impl FnMut(Mark)) -> &'a [u8] {
    let needle = finder.needle();
    let mut rest = bytes;
    while let Some(at) = finder.find(rest) {
        let from_mark = rest.get(at..).unwrap_or_default();
        let after_needle = from_mark.get(needle.len()..).unwrap_or_default();
        match read_mark(after_needle) {
            Some((mark, after)) => {
                found(mark);
                rest = after;
            }
            None if from_mark.len() < MARK_BYTES_MAX => return from_mark,
            // No mark of ours after all.
            None => rest = after_needle,
        }
    }
    let longest = rest.len().min(needle.len() - 1);
    let mut tails = (1..=longest).rev().filter_map(|length| rest.get(rest.len() - length..));
    tails.find(|tail| needle.starts_with(tail)).unwrap_or_default()
}

/// Reads what follows the needle, and gives what comes then; nothing if it is not all there.
fn read_mark(bytes: &[u8]) -> Option<(Mark, &[u8])> {
    let (seq, rest) = read_number(bytes)?;
    let (time, rest) = read_number(rest.strip_prefix(TIME)?)?;
    Some((Mark { seq, time }, rest))
}

/// A number ends before another byte: where there is none, more digits may come.
fn read_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = bytes.split_at_checked(length)?;
    let mut number = 0_u64;
    for digit in digits {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    (length > 0).then_some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(run: &Run, pieces: &[&[u8]]) -> Vec<Mark> {
        let (mut scanner, mut unfinished) = (run.scanner(), Unfinished::default());
        let mut marks = Vec::new();
        for piece in pieces {
            scanner.scan(&mut unfinished, piece, |mark| marks.push(mark));
            assert!(unfinished.0.len() < MARK_BYTES_MAX, "no more than a mark is kept");
        }
        marks
    }

    fn message(run: &Run, mark: Mark, size: usize) -> String {
        let mut text = String::new();
        run.write(mark, size, &mut text);
        text
    }

    #[test]
    fn a_message_is_json_of_the_size_that_was_asked_for() {
        let run = Run::new();
        for mark in [Mark { seq: 0, time: 0 }, Mark { seq: u64::MAX, time: u64::MAX }] {
            for size in [MESSAGE_BYTES_MIN, 200, 5_000] {
                let text = message(&run, mark, size);
                assert_eq!(text.len(), size);
                let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                assert_eq!(value["seq"], mark.seq);
                assert_eq!(value["time"], mark.time);
            }
        }
    }

    #[test]
    fn marks_are_found_wherever_the_bytes_are_split() {
        let run = Run::new();
        let marks =
            [Mark { seq: 7, time: 1_234 }, Mark { seq: 8, time: 0 }, Mark { seq: 9, time: 99 }];
        let mut wire = b"id: a\ndata: {\"run\":\"\"run\":".to_vec();
        for mark in marks {
            wire.extend_from_slice(message(&run, mark, 150).as_bytes());
            wire.extend_from_slice(b"}\n\nid: \"\"run");
        }
        assert_eq!(scan(&run, &[&wire]), marks);
        for at in 0..=wire.len() {
            assert_eq!(scan(&run, &[&wire[..at], &wire[at..]]), marks, "split at {at}");
        }
        for size in 1..60 {
            let pieces: Vec<_> = wire.chunks(size).collect();
            assert_eq!(scan(&run, &pieces), marks, "pieces of {size}");
        }
    }

    #[test]
    fn another_runs_messages_and_broken_ones_are_not_ours() {
        let (run, other) = (Run::new(), Run::new());
        let mark = Mark { seq: 1, time: 2 };
        assert_eq!(scan(&run, &[message(&other, mark, 200).as_bytes()]), []);
        let (too_long, ours) = ("9".repeat(60), message(&run, mark, 200));
        let text = format!("{}{too_long} {}x{ours}", run.needle, run.needle);
        assert_eq!(scan(&run, &[text.as_bytes()]), [mark]);
    }
}
