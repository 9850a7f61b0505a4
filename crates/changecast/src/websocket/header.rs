//! The header of a client's frame.

use super::Violation;

/// Two bytes, eight of the length, four of the mask.
pub(super) const HEADER_BYTES_MAX: usize = 14;

/// Bytes in a control frame, as RFC 6455 has it.
pub(super) const CONTROL_BYTES_MAX: u8 = 125;

pub(super) const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;

/// A length of 16 bits follows, or one of 64.
pub(super) const MEDIUM: u8 = 126;
pub(super) const LONG: u8 = 127;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl Opcode {
    fn read(first: u8) -> Result<Self, Violation> {
        Ok(match first & OPCODE {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return Err(Violation::ReservedOpcode),
        })
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// All that stands before a frame's payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

impl Header {
    /// Reads a header; none where `bytes` are only its beginning. What is wrong with it is said at
    /// the first byte that shows it.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(Violation::ReservedBits);
        }
        let (opcode, is_final) = (Opcode::read(*first)?, first & FINAL != 0);
        if opcode.is_control() && !is_final {
            return Err(Violation::FragmentedControl);
        }
        let Some((second, rest)) = rest.split_first() else { return Ok(None) };
        if second & MASKED == 0 {
            return Err(Violation::Unmasked);
        }
        let short = second & !MASKED;
        if opcode.is_control() && short > CONTROL_BYTES_MAX {
            return Err(Violation::LongControl);
        }
        let Some((length, rest)) = read_length(short, rest)? else { return Ok(None) };
        let Some(mask) = rest.first_chunk() else { return Ok(None) };
        Ok(Some(Self { opcode, is_final, length, mask: *mask }))
    }
}

/// The length, and what follows it.
fn read_length(short: u8, bytes: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    let (length, rest, least) = match short {
        MEDIUM => {
            let Some((length, rest)) = bytes.split_first_chunk() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*length)), rest, u64::from(MEDIUM))
        }
        LONG => {
            let Some((length, rest)) = bytes.split_first_chunk() else { return Ok(None) };
            (u64::from_be_bytes(*length), rest, 1 << 16)
        }
        short => (u64::from(short), bytes, 0),
    };
    if length < least {
        return Err(Violation::LongForm);
    }
    if length >> 63 != 0 {
        return Err(Violation::HighestBit);
    }
    Ok(Some((length, rest)))
}
