//! The cases of the Autobahn test suite, sections 1 to 7, 9 and 10, each by its number: what the
//! client sends, and what it has to get back. Sections 12 and 13 are about compression, which we do
//! not offer.
//!
//! Each case goes over a real socket to the echo endpoint: at once, and cut in two at every byte
//! (where it is long, at some). The endpoint has read the first part before the second is sent, so
//! that where a case ends with a violation, the end was decided by the bytes of the case alone.
//! `scripts/autobahn` runs the suite itself.

mod cases;
mod closing;
mod limits;
mod utf8;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};

use super::client::{ClientFrame, MASK, wire};
use super::echo::{Progress, serve};

/// What the endpoint takes here: the suite sends messages of 16 MiB.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// A case that is longer is not cut at every byte.
const CUT_EVERYWHERE_BYTES_MAX: usize = 512;

/// How often one that is longer is cut, at random.
const CUTS: usize = 8;

/// One case: its number in the suite, what is sent, and the frames that have to come back.
struct Case {
    number: String,
    sent: Vec<ClientFrame>,
    /// The first byte and the payload of each; a close's without its reason.
    answers: Vec<(u8, Vec<u8>)>,
}

impl Case {
    fn new(number: impl Into<String>, sent: impl IntoIterator<Item = ClientFrame>) -> Self {
        Self { number: number.into(), sent: sent.into_iter().collect(), answers: Vec::new() }
    }

    fn echoes(self, payload: impl AsRef<[u8]>) -> Self {
        self.answered(0x81, payload)
    }

    fn echoes_binary(self, payload: impl AsRef<[u8]>) -> Self {
        self.answered(0x82, payload)
    }

    fn pongs(self, payload: impl AsRef<[u8]>) -> Self {
        self.answered(0x8A, payload)
    }

    fn answered(mut self, first: u8, payload: impl AsRef<[u8]>) -> Self {
        self.answers.push((first, payload.as_ref().to_vec()));
        self
    }

    /// The client closes at the end, and is answered with the same code.
    fn then_closes(mut self) -> Self {
        self.sent.push(super::client::close(1000, ""));
        self.closed(1000)
    }

    /// The endpoint has closed with this code.
    fn closed(self, code: u16) -> Self {
        self.answered(0x88, code.to_be_bytes())
    }

    fn closed_without_a_code(self) -> Self {
        self.answered(0x88, "")
    }

    /// Sends the case, and checks every frame of the answer up to the end of the connection.
    fn check(&self, bytes: &[u8], cut: usize) {
        let (first, second) = bytes.split_at(cut);
        self.check_pieces([first, second], &format!("cut at {cut}"));
    }

    fn check_in_pieces(&self, size: usize) {
        self.check_pieces(wire(&self.sent).chunks(size), &format!("in pieces of {size}"));
    }

    fn check_pieces<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>, how: &str) {
        let received = converse(&pieces.into_iter().collect::<Vec<_>>());
        let answers = read_answers(&received);
        assert!(
            answers == self.answers,
            "case {} {how}: {} instead of {}",
            self.number,
            shown(&answers),
            shown(&self.answers)
        );
    }

    fn check_all(&self) {
        let bytes = wire(&self.sent);
        self.check(&bytes, bytes.len());
        if bytes.len() <= CUT_EVERYWHERE_BYTES_MAX {
            (1..bytes.len()).for_each(|cut| self.check(&bytes, cut));
        } else {
            (0..CUTS).for_each(|_| self.check(&bytes, fastrand::usize(1..bytes.len())));
        }
    }
}

/// Sends pieces, each after the one before it was read, and gives what comes back.
fn converse(pieces: &[&[u8]]) -> Vec<u8> {
    let (client, server) = pair();
    let progress = Progress::default();
    let mut received = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&server, MESSAGE_BYTES_MAX, &progress));
        scope.spawn(|| {
            let mut sent = 0;
            for piece in pieces {
                progress.reaches(sent);
                sent += piece.len();
                // An endpoint that has closed need not take the rest.
                let _ = (&client).write_all(piece);
            }
        });
        // The client never ends first: the end is the endpoint's answer to what it got.
        (&client).read_to_end(&mut received).expect("the answer arrives whole");
        client.shutdown(Shutdown::Both).or_else(ended).expect("a socket");
    });
    received
}

/// What is closed already need not be closed.
fn ended(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotConnected { Ok(()) } else { Err(error) }
}

thread_local! {
    /// One for each test: a port of its own for each of thousands of cuts would be too many.
    static LISTENER: TcpListener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
}

fn pair() -> (TcpStream, TcpStream) {
    let (client, server) = LISTENER.with(|listener| {
        let address = listener.local_addr().expect("it listens");
        let client = TcpStream::connect(address).expect("it listens");
        (client, listener.accept().expect("a client").0)
    });
    for socket in [&client, &server] {
        socket.set_nodelay(true).expect("a socket");
    }
    (client, server)
}

/// The frames that a server sent: whole, unmasked, in the shortest form; of a close, the code.
fn read_answers(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut answers = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match length {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => {
                let length = u64::from_be_bytes(*rest.first_chunk().expect("eight bytes"));
                (usize::try_from(length).expect("it fits"), &rest[8..])
            }
            short => (usize::from(*short), rest),
        };
        let (payload, rest) = rest.split_at(length);
        let is_close = *first == 0x88;
        let shown = if is_close { length.min(2) } else { length };
        answers.push((*first, payload[..shown].to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a frame: {bytes:?}");
    answers
}

fn shown(answers: &[(u8, Vec<u8>)]) -> String {
    let frames = answers.iter().take(12).map(|(first, payload)| {
        let begin = &payload[..payload.len().min(20)];
        format!("{first:#x} of {} bytes {begin:?}", payload.len())
    });
    frames.collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn check(cases: Vec<Case>, expected_count: usize) {
    assert_eq!(cases.len(), expected_count, "cases of the suite");
    cases.iter().for_each(Case::check_all);
}

#[test]
fn the_mask_is_one_that_shows() {
    assert!(MASK.iter().all(|byte| *byte != 0));
}
