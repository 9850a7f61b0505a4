//! One connection that publishes: requests go out in order, whether or not the ones before have
//! been answered, and the answers come in that order too.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use super::framing::{Chunks, Framing, Piece};
use super::head::Head;
use super::message::{Mark, Run};
use super::refusal::Refusal;
use super::target::Target;
use super::{PATIENCE, unreachable};
use crate::Failure;

/// Requests that may wait for their answers on one connection.
const PIPELINED_MAX: usize = 256;

/// A connection, and what is under way on it.
pub(super) struct Lane {
    stream: TcpStream,
    request: String,
    /// Bytes of the request that are out.
    written: usize,
    body: String,
    /// When each message was due whose answer is still to come.
    waiting: VecDeque<u64>,
    /// What has come of the next answer.
    answer: Vec<u8>,
    /// Messages sent, without those that are for warming up.
    pub(super) count: u64,
}

impl Lane {
    pub(super) fn open(target: &Target) -> Result<Self, Failure> {
        Ok(Self {
            stream: connect(target)?,
            request: String::new(),
            written: 0,
            body: String::new(),
            waiting: VecDeque::new(),
            answer: Vec::new(),
            count: 0,
        })
    }

    /// A server may close a connection that was idle: this opens another.
    pub(super) fn revive(&mut self, target: &Target) -> Result<(), Failure> {
        let mut byte = [0];
        let is_open = matches!(self.stream.peek(&mut byte), Err(error) if error.kind() == ErrorKind::WouldBlock);
        if !is_open && self.waiting.is_empty() {
            self.stream = connect(target)?;
        }
        Ok(())
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.written == self.request.len() && self.waiting.len() < PIPELINED_MAX
    }

    /// Takes the message that `mark` begins: there must be room.
    pub(super) fn send(
        &mut self,
        target: &Target,
        run: &Run,
        mark: Mark,
        size: usize,
    ) -> io::Result<()> {
        self.body.clear();
        run.write(mark, size, &mut self.body);
        self.request.clear();
        target.write_publication(self.body.len(), &mut self.request);
        self.request.push_str(&self.body);
        self.written = 0;
        self.waiting.push_back(mark.time);
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        while let Some(rest @ [_, ..]) = self.request.as_bytes().get(self.written..) {
            match self.stream.write(rest) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes what is left, and hands each answer that has come to `answered`, with the time when
    /// its message was due.
    pub(super) fn advance(
        &mut self,
        mut answered: impl FnMut(u64, Result<(), Refusal>),
    ) -> io::Result<()> {
        self.write()?;
        let mut buffer = [0; 4096];
        while !self.waiting.is_empty() {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
                    self.read_answers(&mut answered)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read_answers(
        &mut self,
        answered: &mut impl FnMut(u64, Result<(), Refusal>),
    ) -> io::Result<()> {
        while let Some((status, body, length)) = read_answer(&self.answer)? {
            self.answer.drain(..length);
            let due = self.waiting.pop_front().ok_or(ErrorKind::InvalidData)?;
            let is_taken = (200..300).contains(&status);
            answered(due, if is_taken { Ok(()) } else { Err(Refusal { status, body }) });
        }
        Ok(())
    }
}

fn connect(target: &Target) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect_timeout(&target.address, PATIENCE)
        .map_err(|error| unreachable(target, &error))?;
    let prepared = stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true));
    prepared.map_err(|error| Failure::Run(format!("cannot set up a connection: {error}")))?;
    Ok(stream)
}

/// The status and body of the answer that `bytes` begin with, and its length.
fn read_answer(bytes: &[u8]) -> io::Result<Option<(u16, Vec<u8>, usize)>> {
    let Some(head) = Head::read(bytes).map_err(|_| ErrorKind::InvalidData)? else {
        return Ok(None);
    };
    let mut rest = bytes.get(head.length..).unwrap_or_default();
    let mut body = Vec::new();
    if head.is_chunked {
        let mut framing = Framing::Chunks(Chunks::default());
        // The last chunk and no trailers; what publishing is answered with holds no such line.
        let Some(end) = memchr::memmem::find(rest, b"0\r\n\r\n") else { return Ok(None) };
        let length = head.length + end + 5;
        while let Some(Piece::Data(data)) =
            framing.next(&mut rest).map_err(|_| ErrorKind::InvalidData)?
        {
            body.extend_from_slice(data);
        }
        return Ok(Some((head.status, body, length)));
    }
    let length = usize::try_from(head.content_length.unwrap_or(0)).unwrap_or(usize::MAX);
    let Some(body) = rest.get(..length) else { return Ok(None) };
    Ok(Some((head.status, body.to_vec(), head.length + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_all_of_it_is_there() {
        for (wire, status, body) in [
            ("HTTP/1.1 202 A\r\nContent-Length: 5\r\n\r\nhello", 202, "hello"),
            ("HTTP/1.1 204 N\r\n\r\n", 204, ""),
            (
                "HTTP/1.1 403 F\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
                403,
                "hello",
            ),
        ] {
            for end in 0..wire.len() {
                assert_eq!(read_answer(&wire.as_bytes()[..end]).expect("a beginning"), None);
            }
            let twice = wire.repeat(2);
            let expected = (status, body.as_bytes().to_vec(), wire.len());
            assert_eq!(read_answer(twice.as_bytes()).expect("an answer"), Some(expected));
        }
        assert!(read_answer(b"SSH-2.0\r\n\r\n").is_err());
    }
}
