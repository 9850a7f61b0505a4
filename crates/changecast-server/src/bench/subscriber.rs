//! One subscriber: its connection, and what has come on it.

use std::io::{ErrorKind, Read, Write};

use mio::event::Event;
use mio::net::TcpStream;

use super::WARM_UP;
use super::arguments::Transport;
use super::clock::Clock;
use super::framing::{Chunks, Frames, Framing, Piece, pong};
use super::head::Head;
use super::histogram::Histogram;
use super::ledger::{Arrival, Ledger};
use super::message::{Mark, Scanner, Unfinished};
use super::refusal::Refusal;

/// What all subscribers share while one of them reads.
pub(super) struct Reading {
    pub(super) scanner: Scanner,
    pub(super) clock: Clock,
    pub(super) tally: Tally,
    pub(super) request: String,
    pub(super) transport: Transport,
    pub(super) buffer: Box<[u8]>,
}

/// What all subscribers together have got.
pub(super) struct Tally {
    /// From when a message was due to when it was read: nanoseconds.
    pub(super) latency: Histogram,
    /// Messages that came, duplicates too.
    pub(super) deliveries: u64,
    /// Bytes that came, with all framing, while messages did.
    pub(super) bytes: u64,
    pub(super) duplicates: u64,
    pub(super) out_of_order: u64,
    /// When the last message came.
    pub(super) last: u64,
    /// Subscribers whom the server has let in.
    pub(super) granted: usize,
    /// Those that have got a message to warm up.
    pub(super) warm: usize,
    /// Messages to warm up that came.
    pub(super) warm_ups: u64,
    /// Those whose stream has ended.
    pub(super) ended: usize,
    /// Why the server did not let one in.
    pub(super) refusal: Option<Refusal>,
    /// How a connection failed.
    pub(super) error: Option<String>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            latency: Histogram::new(),
            deliveries: 0,
            bytes: 0,
            duplicates: 0,
            out_of_order: 0,
            last: 0,
            granted: 0,
            warm: 0,
            warm_ups: 0,
            ended: 0,
            refusal: None,
            error: None,
        }
    }
}

enum Phase {
    Connecting,
    /// The request is out; this has come of the answer.
    Asked(Vec<u8>),
    Streaming(Framing),
    Ended,
}

pub(super) struct Subscriber {
    pub(super) stream: TcpStream,
    phase: Phase,
    unfinished: Unfinished,
    received: Received,
}

/// By which it is known what is missing.
struct Received {
    /// One for each connection that publishes.
    ledgers: Box<[Ledger]>,
    /// Messages, each once.
    distinct: u64,
    is_warm: bool,
    has_faults: bool,
}

impl Subscriber {
    pub(super) fn new(stream: TcpStream, lanes: usize) -> Self {
        let ledgers = vec![Ledger::default(); lanes].into_boxed_slice();
        Self {
            stream,
            phase: Phase::Connecting,
            unfinished: Unfinished::default(),
            received: Received { ledgers, distinct: 0, is_warm: false, has_faults: false },
        }
    }

    /// How many of so many messages have not come.
    pub(super) fn missed(&self, published: u64) -> u64 {
        published.saturating_sub(self.received.distinct)
    }

    pub(super) fn has_faults(&self) -> bool {
        self.received.has_faults
    }

    /// Something has happened on the connection.
    pub(super) fn advance(&mut self, event: &Event, reading: &mut Reading) {
        if matches!(self.phase, Phase::Connecting) && !self.ask(reading) {
            return;
        }
        if !event.is_readable() && !event.is_read_closed() {
            return;
        }
        // Only one reads at a time; taken out, so that the rest can be used beside it.
        let mut buffer = std::mem::take(&mut reading.buffer);
        while !matches!(self.phase, Phase::Ended) {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.end(reading, None),
                Ok(count) => {
                    self.take_in(buffer.get(..count).unwrap_or_default(), reading);
                    // Less than there was room for is all; the next byte makes another event.
                    if count < buffer.len() && !event.is_read_closed() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.end(reading, Some(error.to_string())),
            }
        }
        reading.buffer = buffer;
    }

    /// Sends the request once the connection is there; whether it is.
    fn ask(&mut self, reading: &mut Reading) -> bool {
        let connected = match self.stream.take_error() {
            Ok(None) => self.stream.peer_addr().map(|_| ()),
            Ok(Some(error)) | Err(error) => {
                self.end(reading, Some(error.to_string()));
                return false;
            }
        };
        if connected.is_err() {
            // Not yet.
            return false;
        }
        // Delayed acknowledgements and gathering are the server's to choose, not ours.
        let sent = self
            .stream
            .set_nodelay(true)
            .and_then(|()| self.stream.write_all(reading.request.as_bytes()));
        if let Err(error) = sent {
            self.end(reading, Some(error.to_string()));
            return false;
        }
        self.phase = Phase::Asked(Vec::new());
        true
    }

    fn end(&mut self, reading: &mut Reading, error: Option<String>) {
        if let Phase::Asked(_) | Phase::Connecting = self.phase {
            let error = error.unwrap_or_else(|| "closed before an answer".to_owned());
            reading.tally.error.get_or_insert(error);
        }
        reading.tally.ended += 1;
        self.phase = Phase::Ended;
    }

    fn take_in(&mut self, bytes: &[u8], reading: &mut Reading) {
        let Phase::Asked(head) = &mut self.phase else {
            return self.read_stream(bytes, reading);
        };
        head.extend_from_slice(bytes);
        let head = std::mem::take(head);
        match Head::read(&head) {
            Ok(None) => self.phase = Phase::Asked(head),
            Ok(Some(answer)) => {
                let rest = head.get(answer.length..).unwrap_or_default();
                let Some(framing) = granted(&answer, reading.transport) else {
                    let refusal = Refusal { status: answer.status, body: rest.to_vec() };
                    reading.tally.refusal.get_or_insert(refusal);
                    return self.end(reading, None);
                };
                reading.tally.granted += 1;
                self.phase = Phase::Streaming(framing);
                self.read_stream(rest, reading);
            }
            Err(_) => self.end(reading, Some("what it answers is no HTTP".to_owned())),
        }
    }

    fn read_stream(&mut self, mut bytes: &[u8], reading: &mut Reading) {
        let Phase::Streaming(framing) = &mut self.phase else { return };
        let now = reading.clock.now();
        let Reading { scanner, tally, .. } = reading;
        tally.bytes += bytes.len() as u64;
        loop {
            match framing.next(&mut bytes) {
                Ok(None) => return,
                Ok(Some(Piece::Data(data))) => {
                    let received = &mut self.received;
                    scanner
                        .scan(&mut self.unfinished, data, |mark| received.note(mark, now, tally));
                }
                Ok(Some(Piece::Ping(payload))) => {
                    // Without room for a few bytes the server is gone, which reading will show.
                    let _ = self.stream.write_all(&pong(&payload));
                }
                Ok(Some(Piece::End)) => return self.end(reading, None),
                Err(garbled) => {
                    tally.error.get_or_insert(format!("its stream is garbled: {}", garbled.0));
                    return self.end(reading, None);
                }
            }
        }
    }
}

/// How the stream is framed that this answer begins, if it does.
fn granted(answer: &Head, transport: Transport) -> Option<Framing> {
    match (transport, answer.status) {
        (Transport::Websocket, 101) => Some(Framing::Frames(Frames::default())),
        (Transport::Sse, 200) if answer.is_chunked => Some(Framing::Chunks(Chunks::default())),
        (Transport::Sse, 200) => Some(Framing::Plain),
        _ => None,
    }
}

impl Received {
    fn note(&mut self, mark: Mark, now: u64, tally: &mut Tally) {
        if mark.seq == WARM_UP {
            tally.warm_ups += 1;
            tally.warm += usize::from(!self.is_warm);
            self.is_warm = true;
            return;
        }
        tally.deliveries += 1;
        tally.latency.record(now.saturating_sub(mark.time));
        tally.last = now;
        let (index, lanes) = (mark.seq - 1, self.ledgers.len().max(1) as u64);
        let Some(ledger) = self.ledgers.get_mut((index % lanes) as usize) else { return };
        match ledger.note(index / lanes) {
            Arrival::InOrder => self.distinct += 1,
            Arrival::OutOfOrder => {
                self.distinct += 1;
                tally.out_of_order += 1;
                self.has_faults = true;
            }
            Arrival::Duplicate => {
                tally.duplicates += 1;
                self.has_faults = true;
            }
        }
    }
}
