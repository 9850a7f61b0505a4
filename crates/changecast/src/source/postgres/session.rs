//! A replication connection: ask, stream, acknowledge; `login` opens it.
//!
//! The published drivers have no mode for it that fits: `tokio-postgres` none, others bring a
//! second TLS stack or answer keepalives out of our sight. The protocol is small. This module
//! knows messages, and nothing of what they tell of.
//!
//! | invariant | what it buys |
//! |---|---|
//! | a message is taken as a whole or stays in the buffer | a dropped `receive` loses nothing |
//! | only the caller says what is acknowledged | the server forgets nothing that is not durable |

mod login;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::dial::Socket;
use super::errors::Failure;
use crate::limits;

/// Bytes read from the socket at once.
const READ_BYTES: usize = 128 << 10;

/// Microseconds from 1970 to 2000, where PostgreSQL's clock begins.
pub(super) const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// One logged-in connection.
pub(super) struct Session {
    socket: Box<dyn Socket>,
    buffer: BytesMut,
}

/// What the server sends while it streams.
#[derive(Debug)]
pub(super) enum Streamed {
    /// A message of the output plugin.
    Data(Bytes),
    /// The server has decoded everything up to here.
    Keepalive { wal_end: u64, wants_reply: bool },
}

/// A row of an answer, as text.
pub(super) type Row = Vec<Option<String>>;

struct Frame {
    tag: u8,
    body: Bytes,
}

impl Session {
    /// One whose server has begun to stream.
    #[cfg(feature = "fuzzing")]
    pub(super) fn streaming(socket: Box<dyn Socket>) -> Self {
        Self { socket, buffer: BytesMut::new() }
    }

    /// Runs SQL, or a command of the replication protocol, that holds no outsider's text unquoted.
    pub(super) async fn query(&mut self, sql: &str) -> Result<Vec<Row>, Failure> {
        let asking = timeout(limits::POSTGRES_QUERY_TIMEOUT, self.ask(sql));
        asking.await.unwrap_or_else(|_| Err(Failure::Broken("no answer".into())))
    }

    async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, Failure> {
        self.write(text_message(b'Q', sql)).await?;
        let (mut rows, mut error) = (Vec::new(), None);
        loop {
            let frame = self.frame().await?;
            match frame.tag {
                b'D' => rows.push(read_row(frame.body).ok_or_else(malformed)?),
                b'E' => error = Some(server_error(&frame.body)),
                b'Z' => return error.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    /// Starts streaming; the slot is this session's from then on.
    pub(super) async fn start_replication(&mut self, command: &str) -> Result<(), Failure> {
        let starting = async {
            self.write(text_message(b'Q', command)).await?;
            loop {
                let frame = self.frame().await?;
                match frame.tag {
                    b'W' => return Ok(()),
                    b'E' => return Err(server_error(&frame.body)),
                    _ => {}
                }
            }
        };
        let starting = timeout(limits::POSTGRES_QUERY_TIMEOUT, starting);
        starting.await.unwrap_or_else(|_| Err(Failure::Broken("no answer".into())))
    }

    /// The next message of the stream, if all of it has come.
    pub(super) fn next_received(&mut self) -> Result<Option<Streamed>, Failure> {
        while let Some(mut frame) = take_frame(&mut self.buffer)? {
            match frame.tag {
                b'd' => {
                    if let Some(streamed) = read_streamed(&mut frame.body)? {
                        return Ok(Some(streamed));
                    }
                }
                b'E' => return Err(server_error(&frame.body)),
                b'c' | b'C' | b'Z' => {
                    return Err(Failure::Broken("the server ended the stream".into()));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Waits until more has come. Safe to drop: what has come stays in the buffer.
    pub(super) async fn receive(&mut self) -> Result<(), Failure> {
        self.buffer.reserve(READ_BYTES);
        match self.socket.read_buf(&mut self.buffer).await? {
            0 => Err(Failure::Broken("the server closed it".into())),
            _ => Ok(()),
        }
    }

    /// Tells the server that everything up to `durable` need not be kept for us.
    pub(super) async fn acknowledge(&mut self, durable: u64, asks: bool) -> Result<(), Failure> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let micros = i64::try_from(now.unwrap_or_default().as_micros()).unwrap_or(i64::MAX);
        let mut status = BytesMut::new();
        status.put_u8(b'r');
        // Written, flushed and applied are one to us.
        for _ in 0..3 {
            status.put_u64(durable);
        }
        status.put_i64(micros - EPOCH_MICROS);
        status.put_u8(u8::from(asks));
        self.write(message(b'd', &status)).await
    }

    async fn write(&mut self, bytes: BytesMut) -> Result<(), Failure> {
        self.socket.write_all(&bytes).await?;
        Ok(self.socket.flush().await?)
    }

    /// The next message. Safe to drop: a part of one stays in the buffer.
    async fn frame(&mut self) -> Result<Frame, Failure> {
        loop {
            if let Some(frame) = take_frame(&mut self.buffer)? {
                return Ok(frame);
            }
            self.receive().await?;
        }
    }
}

fn take_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, Failure> {
    let Some(mut head) = buffer.get(..5) else {
        return Ok(None);
    };
    let (tag, length) = (head.get_u8(), head.get_i32());
    let length = usize::try_from(length).ok().filter(|length| *length >= 4);
    let length = length.ok_or_else(malformed)?;
    if length > limits::POSTGRES_MESSAGE_BYTES_MAX {
        return Err(Failure::Broken(format!("a message of {length} bytes is too large")));
    }
    if buffer.len() <= length {
        return Ok(None);
    }
    let mut body = buffer.split_to(length + 1);
    body.advance(5);
    Ok(Some(Frame { tag, body: body.freeze() }))
}

fn read_streamed(body: &mut Bytes) -> Result<Option<Streamed>, Failure> {
    match body.try_get_u8() {
        Ok(b'w') if body.len() >= 24 => {
            // Where it stands in the WAL, how far that goes, and the server's time.
            body.advance(24);
            Ok(Some(Streamed::Data(body.clone())))
        }
        Ok(b'k') if body.len() >= 17 => {
            let wal_end = body.get_u64();
            body.advance(8);
            Ok(Some(Streamed::Keepalive { wal_end, wants_reply: body.get_u8() != 0 }))
        }
        Ok(b'w' | b'k') | Err(_) => Err(malformed()),
        Ok(_) => Ok(None),
    }
}

fn read_row(mut body: Bytes) -> Option<Row> {
    let count = body.try_get_u16().ok()?;
    let mut row = Row::new();
    for _ in 0..count {
        let length = body.try_get_i32().ok()?;
        row.push(match usize::try_from(length) {
            Err(_) => None,
            Ok(length) if length <= body.len() => {
                Some(String::from_utf8_lossy(&body.split_to(length)).into_owned())
            }
            Ok(_) => return None,
        });
    }
    Some(row)
}

/// The code and the message of an error; all else in it may quote values.
fn server_error(body: &[u8]) -> Failure {
    let (mut code, mut message) = (String::new(), String::new());
    for field in body.split(|byte| *byte == 0) {
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        match field.split_first() {
            Some((b'C', value)) => code = text(value),
            Some((b'M', value)) => message = text(value),
            _ => {}
        }
    }
    Failure::Server { code, message }
}

fn malformed() -> Failure {
    Failure::Broken("the server sent something that is not PostgreSQL's protocol".into())
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_slice(text.as_bytes());
    out.put_u8(0);
}

fn text_message(tag: u8, text: &str) -> BytesMut {
    let mut body = BytesMut::new();
    put_text(&mut body, text);
    message(tag, &body)
}

fn message(tag: u8, body: &[u8]) -> BytesMut {
    let mut message = BytesMut::with_capacity(body.len() + 5);
    message.put_u8(tag);
    message.put_u32(u32::try_from(body.len() + 4).unwrap_or(u32::MAX));
    message.put_slice(body);
    message
}
