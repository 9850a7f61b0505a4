//! Takes the framing off what a server sends, piece by piece, without copying: HTTP chunks, and
//! WebSocket frames.

/// The largest control frame's payload.
const CONTROL_BYTES_MAX: u64 = 125;

/// The longest line that begins a chunk.
const CHUNK_LINE_BYTES_MAX: u8 = 128;

/// Where a stream is.
#[derive(Debug)]
pub(super) enum Framing {
    /// None, up to the connection's end.
    Plain,
    Chunks(Chunks),
    Frames(Frames),
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Data(&'a [u8]),
    /// To be answered with this.
    Ping(Vec<u8>),
    /// The server has ended the stream.
    End,
}

/// Bytes that are no such framing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbled(pub(super) &'static str);

impl Framing {
    /// The next piece; none when all of `input` has been used.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Garbled> {
        match self {
            Self::Plain if input.is_empty() => Ok(None),
            Self::Plain => Ok(Some(Piece::Data(std::mem::take(input)))),
            Self::Chunks(chunks) => chunks.next(input),
            Self::Frames(frames) => frames.next(input),
        }
    }
}

/// Takes up to `left` bytes of `input`.
fn take<'a>(input: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    let (taken, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
    *input = rest;
    *left -= taken.len() as u64;
    taken
}

/// RFC 9112, section 7.1.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// Bytes of the chunk that have not come.
    left: u64,
    state: ChunkState,
    /// Bytes of the line that begins the chunk.
    line_length: u8,
}

#[derive(Clone, Copy, Debug, Default)]
enum ChunkState {
    #[default]
    Size,
    /// What a size may be followed by, up to the line's end.
    Extension,
    Data,
    /// The line's end after the data.
    AfterData,
    End,
}

impl Chunks {
    fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Garbled> {
        loop {
            if let ChunkState::End = self.state {
                // Trailers, if there are any, are of no interest.
                *input = &[];
                return Ok(Some(Piece::End));
            }
            if let ChunkState::Data = self.state {
                let data = take(input, &mut self.left);
                if self.left == 0 {
                    self.state = ChunkState::AfterData;
                }
                if !data.is_empty() {
                    return Ok(Some(Piece::Data(data)));
                }
            }
            let Some((byte, rest)) = input.split_first() else { return Ok(None) };
            *input = rest;
            self.step(*byte)?;
        }
    }

    fn step(&mut self, byte: u8) -> Result<(), Garbled> {
        self.state = match (self.state, byte) {
            (ChunkState::Size | ChunkState::Extension, b'\n') if self.left == 0 => ChunkState::End,
            (ChunkState::Size | ChunkState::Extension, b'\n') => ChunkState::Data,
            (ChunkState::Size, b'\r' | b';' | b' ') => ChunkState::Extension,
            (ChunkState::Size, _) => {
                let digit = char::from(byte).to_digit(16).ok_or(Garbled("a chunk's size"))?;
                self.left = self.left << 4 | u64::from(digit);
                ChunkState::Size
            }
            (ChunkState::AfterData, b'\n') => {
                *self = Self::default();
                return Ok(());
            }
            (ChunkState::AfterData, b'\r') | (ChunkState::Extension, _) => self.state,
            _ => return Err(Garbled("a chunk's end")),
        };
        self.line_length += 1;
        if self.line_length > CHUNK_LINE_BYTES_MAX {
            return Err(Garbled("the line that begins a chunk"));
        }
        Ok(())
    }
}

/// RFC 6455, from a server: no frame is masked.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; 10],
    head_length: u8,
    /// Bytes of the payload that have not come.
    left: u64,
    /// Of a control frame, what has come.
    control: Vec<u8>,
}

const PING: u8 = 9;
const CLOSE: u8 = 8;

impl Frames {
    fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Garbled> {
        loop {
            if !self.has_head() && !self.read_head(input)? {
                return Ok(None);
            }
            let payload = take(input, &mut self.left);
            let is_over = self.left == 0;
            let opcode = self.opcode();
            if opcode >= CLOSE {
                self.control.extend_from_slice(payload);
            }
            if is_over {
                self.head_length = 0;
            }
            match opcode {
                CLOSE if is_over => return Ok(Some(Piece::End)),
                PING if is_over => return Ok(Some(Piece::Ping(std::mem::take(&mut self.control)))),
                CLOSE.. if is_over => self.control.clear(),
                CLOSE.. => return Ok(None),
                _ if !payload.is_empty() => return Ok(Some(Piece::Data(payload))),
                _ if input.is_empty() => return Ok(None),
                _ => {}
            }
        }
    }

    fn opcode(&self) -> u8 {
        let [first, ..] = self.head;
        first & 0x0f
    }

    /// Bytes of the head, as far as they tell.
    fn head_bytes(&self) -> u8 {
        let [_, second, ..] = self.head;
        match second {
            _ if self.head_length < 2 => 2,
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    fn has_head(&self) -> bool {
        self.head_length > 0 && self.head_length == self.head_bytes()
    }

    /// Whether the head is there.
    fn read_head(&mut self, input: &mut &[u8]) -> Result<bool, Garbled> {
        while !self.has_head() {
            let Some((byte, rest)) = input.split_first() else { return Ok(false) };
            *input = rest;
            if let Some(place) = self.head.get_mut(usize::from(self.head_length)) {
                *place = *byte;
            }
            self.head_length += 1;
        }
        let [_, second, a, b, rest @ ..] = self.head;
        self.left = match second {
            126 => u64::from(u16::from_be_bytes([a, b])),
            127 => {
                let [c, d, e, f, g, h] = rest;
                u64::from_be_bytes([a, b, c, d, e, f, g, h])
            }
            0..126 => u64::from(second),
            _ => return Err(Garbled("a masked frame")),
        };
        if self.opcode() >= CLOSE && self.left > CONTROL_BYTES_MAX {
            return Err(Garbled("a control frame that is too large"));
        }
        Ok(true)
    }
}

/// A frame from a client. The mask is all zeros, which leaves the payload as it is.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(0);
    let mut frame = vec![0x8a, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data, and what else came.
    fn read(mut framing: Framing, pieces: &[&[u8]]) -> Result<(Vec<u8>, Vec<String>), Garbled> {
        let (mut data, mut others) = (Vec::new(), Vec::new());
        for mut input in pieces.iter().copied() {
            while let Some(piece) = framing.next(&mut input)? {
                match piece {
                    Piece::Data(bytes) => data.extend_from_slice(bytes),
                    Piece::Ping(bytes) => others.push(format!("ping {bytes:?}")),
                    Piece::End => {
                        others.push("end".to_owned());
                        return Ok((data, others));
                    }
                }
            }
        }
        Ok((data, others))
    }

    #[track_caller]
    fn reads(framing: fn() -> Framing, wire: &[u8], data: &[u8], others: &[&str]) {
        let expected =
            Ok((data.to_vec(), others.iter().map(ToString::to_string).collect::<Vec<_>>()));
        for at in 0..=wire.len() {
            assert_eq!(read(framing(), &[&wire[..at], &wire[at..]]), expected, "split at {at}");
        }
        let bytes: Vec<_> = wire.chunks(1).collect();
        assert_eq!(read(framing(), &bytes), expected, "byte by byte");
    }

    fn chunks() -> Framing {
        Framing::Chunks(Chunks::default())
    }

    fn frames() -> Framing {
        Framing::Frames(Frames::default())
    }

    #[test]
    fn chunks_are_taken_apart_wherever_they_are_split() {
        reads(chunks, b"5\r\nhello\r\n1A;x=y\r\n", b"hello", &[]);
        let long = [b"00c8\r\n".as_slice(), &[b'x'; 200], b"\r\n0\r\n\r\n"].concat();
        reads(chunks, &long, &[b'x'; 200], &["end"]);
        reads(|| Framing::Plain, b"5\r\nhello", b"5\r\nhello", &[]);
    }

    #[test]
    fn frames_are_taken_apart_wherever_they_are_split() {
        let large = [b"\x82\x7f\0\0\0\0\0\x01\0\0".as_slice(), &[b'y'; 65_536]].concat();
        let (data, _) = read(frames(), &[&large]).expect("a frame");
        assert_eq!(data.len(), 65_536);
        let wire = [
            b"\x81\x02hi\x89\0\x89\x03abc\x8a\x01z\x81\0".as_slice(),
            b"\x81\x7e\0\x80",
            &[b'x'; 128],
            b"\x88\x02\x03\xe8",
        ]
        .concat();
        let data = [b"hi".as_slice(), &[b'x'; 128]].concat();
        reads(frames, &wire, &data, &["ping []", "ping [97, 98, 99]", "end"]);
    }

    #[test]
    fn what_is_no_framing_is_refused() {
        for wire in ["x\r\n", "2\r\nabc", "1\r\na0", &"0".repeat(200)] {
            assert!(read(chunks(), &[wire.as_bytes()]).is_err(), "{wire}");
        }
        for wire in [b"\x81\x81abcd".as_slice(), b"\x89\x7e\0\xff"] {
            assert!(read(frames(), &[wire]).is_err(), "{wire:?}");
        }
    }

    #[test]
    fn a_pong_is_masked_and_carries_the_pings_payload() {
        assert_eq!(pong(b"ab"), b"\x8a\x82\0\0\0\0ab");
    }
}
