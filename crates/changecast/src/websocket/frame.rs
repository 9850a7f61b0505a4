//! The server's frames: whole, unmasked, ready for the socket.

use bytes::Bytes;

use super::header::{CONTROL_BYTES_MAX, FINAL, LONG, MEDIUM, Opcode};

/// Bytes of the longest header: two, and eight of the length.
const HEADER_BYTES_MAX: usize = 10;

/// A text message as one frame, in one allocation. That it is UTF-8 is known to who encoded it.
pub(crate) fn text(payload: &[u8]) -> Bytes {
    data(Opcode::Text, payload)
}

/// Begins a text message of `length` bytes; the payload itself comes next.
pub(crate) fn begin_text(frame: &mut Vec<u8>, length: usize) {
    put_header(frame, Opcode::Text, length);
}

/// Asks whether the client is there.
pub(crate) fn ping() -> Bytes {
    const PING: [u8; 2] = [FINAL | Opcode::Ping as u8, 0];
    Bytes::from_static(&PING)
}

/// Answers a ping with its own payload.
pub(crate) fn pong(payload: &[u8]) -> Bytes {
    control(Opcode::Pong, payload)
}

/// Says that the connection ends, and why: as much of the reason as fits.
pub(crate) fn close(code: u16, reason: &str) -> Bytes {
    let room = usize::from(CONTROL_BYTES_MAX) - size_of_val(&code);
    let reason = reason.split_at(reason.floor_char_boundary(room)).0;
    control(Opcode::Close, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// Answers a close with the same again.
pub(crate) fn close_back(close: Option<&(u16, String)>) -> Bytes {
    match close {
        Some((code, reason)) => self::close(*code, reason),
        None => control(Opcode::Close, &[]),
    }
}

pub(super) fn data(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(payload.len().saturating_add(HEADER_BYTES_MAX));
    put_header(&mut frame, opcode, payload.len());
    frame.extend_from_slice(payload);
    frame.into()
}

/// Never more than a control frame may hold.
fn control(opcode: Opcode, payload: &[u8]) -> Bytes {
    let length = payload.len().min(usize::from(CONTROL_BYTES_MAX));
    data(opcode, payload.split_at(length).0)
}

fn put_header(frame: &mut Vec<u8>, opcode: Opcode, length: usize) {
    frame.push(FINAL | opcode as u8);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < MEDIUM => frame.push(short),
        (_, Ok(medium)) => {
            frame.push(MEDIUM);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            frame.push(LONG);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}
