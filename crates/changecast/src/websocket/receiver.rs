//! A client's frames, put together to what they say.

use bytes::Bytes;

use super::header::{HEADER_BYTES_MAX, Header, Opcode};
use super::{Violation, close, mask};
use crate::limits;

/// Something that a client has said to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Text(String),
    Binary(Bytes),
    /// To be answered with a pong of the same payload.
    Ping(Bytes),
    Pong,
    /// To be answered with a close, unless that is what it answers. Nothing comes after it.
    Close(Option<(u16, String)>),
}

/// Reads what one client sends. Two words and a flag, unless something is half there.
#[derive(Debug)]
pub(crate) struct Receiver {
    message_bytes_max: usize,
    /// A frame that has begun, or a message that is to be continued.
    partial: Option<Box<Partial>>,
    /// A close, or a violation, was the last thing that has a meaning.
    is_over: bool,
}

const _: () = assert!(size_of::<Receiver>() <= 64, "there is one for each subscriber");

impl Receiver {
    /// A receiver that takes messages of up to so many bytes, and no more than a fitting count of
    /// fragments for one.
    pub(crate) const fn new(message_bytes_max: usize) -> Self {
        Self { message_bytes_max, partial: None, is_over: false }
    }

    /// Takes bytes off `input` up to the end of the next event; none, and no input left, where more
    /// is needed. After a close or a violation all that comes is thrown away.
    pub(crate) fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        if self.is_over || input.is_empty() {
            *input = &[];
            return Ok(None);
        }
        let mut partial = self.partial.take().unwrap_or_default();
        let outcome = partial.read(input, self.message_bytes_max);
        self.is_over = matches!(outcome, Err(_) | Ok(Some(Event::Close(_))));
        if !self.is_over && partial.is_begun() {
            self.partial = Some(partial);
        }
        outcome
    }

    /// How much memory it has beside itself.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            let message = partial.message.as_ref().map_or(0, |message| message.bytes.capacity());
            size_of::<Partial>() + partial.control.capacity() + message
        })
    }
}

/// What is half there.
#[derive(Debug, Default)]
struct Partial {
    head: Head,
    frame: Option<Frame>,
    /// The payload of a ping or a close; between a message's fragments, too.
    control: Vec<u8>,
    message: Option<Message>,
}

impl Partial {
    fn is_begun(&self) -> bool {
        self.head.length > 0 || self.frame.is_some() || self.message.is_some()
    }

    fn read(
        &mut self,
        input: &mut &[u8],
        message_bytes_max: usize,
    ) -> Result<Option<Event>, Violation> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.head.read(input)? {
                    Some(header) => self.begin(&header, message_bytes_max)?,
                    None => return Ok(None),
                },
            };
            self.take_payload(&mut frame, input)?;
            if frame.missing > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(event) = self.end(frame)? {
                return Ok(Some(event));
            }
        }
    }

    /// Decides by the header alone whether the frame may come.
    fn begin(&mut self, header: &Header, message_bytes_max: usize) -> Result<Frame, Violation> {
        let length = usize::try_from(header.length).map_err(|_| Violation::TooLarge)?;
        if !header.opcode.is_control() {
            let message = match (&mut self.message, header.opcode) {
                (Some(message), Opcode::Continuation) => message,
                (None, Opcode::Continuation) => return Err(Violation::NothingToContinue),
                (Some(_), _) => return Err(Violation::MessageInMessage),
                (none, opcode) => none.insert(Message::new(opcode == Opcode::Text)),
            };
            message.admit(length, message_bytes_max)?;
        }
        let &Header { opcode, is_final, mask, .. } = header;
        Ok(Frame { opcode, is_final, mask, missing: length })
    }

    /// Takes as much of the payload as there is.
    fn take_payload(&mut self, frame: &mut Frame, input: &mut &[u8]) -> Result<(), Violation> {
        let (payload, rest) = input.split_at(frame.missing.min(input.len()));
        *input = rest;
        frame.missing -= payload.len();
        match (frame.opcode, &mut self.message) {
            (Opcode::Pong, _) => {}
            (Opcode::Ping | Opcode::Close, _) => append(&mut self.control, payload, frame.mask),
            (_, Some(message)) => {
                append(&mut message.bytes, payload, frame.mask);
                // The last piece is judged with the whole.
                if frame.missing > 0 || !frame.is_final {
                    message.check_so_far()?;
                }
            }
            (_, None) => {}
        }
        frame.mask.rotate_left(payload.len() % 4);
        Ok(())
    }

    /// What a frame comes to that is all there.
    fn end(&mut self, frame: Frame) -> Result<Option<Event>, Violation> {
        Ok(match frame.opcode {
            Opcode::Ping => Some(Event::Ping(std::mem::take(&mut self.control).into())),
            Opcode::Pong => Some(Event::Pong),
            Opcode::Close => Some(Event::Close(close::read(&self.control)?)),
            Opcode::Continuation | Opcode::Text | Opcode::Binary if frame.is_final => {
                self.message.take().map(Message::end).transpose()?
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => None,
        })
    }
}

/// Puts a piece of a payload behind those before it, without its mask.
fn append(bytes: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    let length = bytes.len();
    bytes.extend_from_slice(payload);
    mask::apply(bytes.split_at_mut(length).1, mask);
}

/// A header, as far as it has come.
#[derive(Debug, Default)]
struct Head {
    bytes: [u8; HEADER_BYTES_MAX],
    length: usize,
}

impl Head {
    fn read(&mut self, input: &mut &[u8]) -> Result<Option<Header>, Violation> {
        while let Some((byte, rest)) = input.split_first()
            && let Some(place) = self.bytes.get_mut(self.length)
        {
            *place = *byte;
            *input = rest;
            self.length += 1;
            if let Some(header) = Header::read(self.bytes.split_at(self.length).0)? {
                self.length = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}

/// A frame whose header has come.
#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    is_final: bool,
    /// The mask of the next byte, and of those after it.
    mask: [u8; 4],
    /// Bytes of the payload that are still to come.
    missing: usize,
}

/// A message that has begun.
#[derive(Debug)]
struct Message {
    is_text: bool,
    bytes: Vec<u8>,
    /// How many bytes are known to be UTF-8.
    checked: usize,
    fragments: usize,
}

impl Message {
    fn new(is_text: bool) -> Self {
        Self { is_text, bytes: Vec::new(), checked: 0, fragments: 0 }
    }

    /// Lets another fragment in, or none of it. Empty ones count too: they are free to send.
    fn admit(&mut self, length: usize, message_bytes_max: usize) -> Result<(), Violation> {
        if length > message_bytes_max.saturating_sub(self.bytes.len()) {
            return Err(Violation::TooLarge);
        }
        self.fragments += 1;
        if self.fragments > fragments_max(message_bytes_max) {
            return Err(Violation::TooManyFragments);
        }
        Ok(())
    }

    /// Refuses text that no more bytes can put right. Each byte is looked at once, save those of a
    /// character that is not all there.
    fn check_so_far(&mut self) -> Result<(), Violation> {
        if !self.is_text {
            return Ok(());
        }
        match std::str::from_utf8(self.bytes.split_at(self.checked).1) {
            Ok(text) => self.checked += text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Violation::NotUtf8),
        }
        Ok(())
    }

    fn end(self) -> Result<Event, Violation> {
        if !self.is_text {
            return Ok(Event::Binary(self.bytes.into()));
        }
        String::from_utf8(self.bytes).map(Event::Text).map_err(|_| Violation::NotUtf8)
    }
}

fn fragments_max(message_bytes_max: usize) -> usize {
    message_bytes_max / limits::WEBSOCKET_FRAGMENT_BYTES
}
