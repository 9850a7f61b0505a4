//! An endpoint that answers each message with itself: what a protocol is tried on.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex};

use super::super::header::Opcode;
use super::super::{Event, Receiver, accept_key, frame};

/// How many bytes an endpoint has taken in: who waits for it knows where a read ended.
#[derive(Default)]
pub(super) struct Progress {
    taken: Mutex<Taken>,
    moved: Condvar,
}

#[derive(Default)]
struct Taken {
    byte_count: usize,
    is_over: bool,
}

impl Progress {
    fn add(&self, byte_count: usize) {
        self.taken.lock().expect("no panic").byte_count += byte_count;
        self.moved.notify_all();
    }

    fn end(&self) {
        self.taken.lock().expect("no panic").is_over = true;
        self.moved.notify_all();
    }

    /// Waits until so many bytes are taken in, or no more will be.
    pub(super) fn reaches(&self, byte_count: usize) {
        let taken = self.taken.lock().expect("no panic");
        let is_short = |taken: &mut Taken| taken.byte_count < byte_count && !taken.is_over;
        drop(self.moved.wait_while(taken, is_short).expect("no panic"));
    }
}

/// Serves one connection until either end has closed it.
pub(super) fn serve(mut socket: &TcpStream, message_bytes_max: usize, progress: &Progress) {
    let mut receiver = Receiver::new(message_bytes_max);
    let mut bytes = vec![0; 64 << 10];
    while let Ok(length @ 1..) = socket.read(&mut bytes) {
        let mut input = &bytes[..length];
        let is_over = answer_all(&mut receiver, &mut input, socket);
        progress.add(length);
        if is_over {
            break;
        }
    }
    progress.end();
    // What is unread when a socket is dropped takes back what was written.
    let _ = socket.shutdown(Shutdown::Write);
    while matches!(socket.read(&mut bytes), Ok(1..)) {}
}

/// Answers what there is; whether that was the last.
fn answer_all(receiver: &mut Receiver, input: &mut &[u8], mut socket: &TcpStream) -> bool {
    loop {
        let (answer, is_last) = match receiver.receive(input) {
            Ok(None) => return false,
            Ok(Some(Event::Text(text))) => (frame::text(text.as_bytes()), false),
            Ok(Some(Event::Binary(bytes))) => (frame::data(Opcode::Binary, &bytes), false),
            Ok(Some(Event::Ping(payload))) => (frame::pong(&payload), false),
            Ok(Some(Event::Pong)) => continue,
            Ok(Some(Event::Close(close))) => (frame::close_back(close.as_ref()), true),
            Err(violation) => (frame::close(violation.code(), &violation.to_string()), true),
        };
        if socket.write_all(&answer).is_err() || is_last {
            return true;
        }
    }
}

/// Reads a client's opening handshake and grants it.
pub(super) fn grant(mut socket: &TcpStream) -> std::io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
    });
    let key = key.ok_or(ErrorKind::InvalidData)?;
    let accept = accept_key(key.as_bytes());
    socket.write_all(
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .as_bytes(),
    )
}
