//! The yardstick of `scripts/bench fanout`: an event loop that writes the same bytes to every
//! socket, one write each, and does nothing else.
//!
//! It answers `GET` with an SSE stream, or with a WebSocket where one is asked for, and whatever is
//! posted goes to everybody, padded so that a delivery is as many bytes as changecast's. No log, no
//! topics, no resuming; a subscriber that cannot take a message at once is dropped.
//!
//! Arguments: the port, and the bytes of a delivery with all framing (0 for as few as it takes).

use std::collections::HashMap;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const LISTENER: Token = Token(usize::MAX);
const SSE_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 204 No Content\r\n\r\n";

fn main() -> Result<()> {
    let numbers: Vec<usize> =
        std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    // Cargo passes `--bench`, too: then there is nothing to do.
    let [port, delivery_bytes] = numbers.as_slice() else { return Ok(()) };
    let mut listener = listen(u16::try_from(*port)?)?;
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    Server {
        poll,
        listener,
        requests: HashMap::new(),
        subscribers: Vec::new(),
        free: Vec::new(),
        delivery_bytes: *delivery_bytes,
    }
    .run()
}

/// With room for a burst of connections: the usual 128 are soon taken.
fn listen(port: u16) -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    /// What has come of a connection's requests, until it turns out to be a subscriber.
    requests: HashMap<usize, Vec<u8>>,
    /// By their tokens: all connections.
    subscribers: Vec<Option<Connection>>,
    free: Vec<usize>,
    delivery_bytes: usize,
}

struct Connection {
    stream: TcpStream,
    /// What it has subscribed to; none as long as it has not.
    transport: Option<Transport>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Sse,
    WebSocket,
}

impl Server {
    fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(index) => self.read(index)?,
                }
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or(self.subscribers.len());
            self.poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            if index == self.subscribers.len() {
                self.subscribers.push(None);
            }
            if let Some(place) = self.subscribers.get_mut(index) {
                *place = Some(Connection { stream, transport: None });
            }
            self.requests.insert(index, Vec::new());
        }
    }

    fn read(&mut self, index: usize) -> Result<()> {
        let mut buffer = [0; 16 << 10];
        loop {
            let Some(Some(connection)) = self.subscribers.get_mut(index) else { return Ok(()) };
            let count = match connection.stream.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => 0,
            };
            if count == 0 {
                self.close(index);
                return Ok(());
            }
            // What a subscriber sends is of no interest.
            if let Some(request) = self.requests.get_mut(&index) {
                request.extend_from_slice(buffer.get(..count).unwrap_or_default());
                self.answer(index)?;
            }
        }
    }

    fn close(&mut self, index: usize) {
        if let Some(place) = self.subscribers.get_mut(index) {
            *place = None;
        }
        self.requests.remove(&index);
        self.free.push(index);
    }

    /// Answers all requests that are there as a whole.
    fn answer(&mut self, index: usize) -> Result<()> {
        while let Some(request) = self.requests.get_mut(&index) {
            let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else {
                return Ok(());
            };
            let head = String::from_utf8_lossy(request.get(..end).unwrap_or_default()).into_owned();
            let field = |name: &str| {
                let mut lines = head.lines().filter_map(|line| line.split_once(": "));
                lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
            };
            let length: usize = field("content-length").unwrap_or("0").parse()?;
            if request.len() < end + 4 + length {
                return Ok(());
            }
            let body: Vec<u8> = request.drain(..end + 4 + length).skip(end + 4).collect();
            if head.starts_with("POST") {
                self.deliver(&body);
                self.write(index, ANSWER.as_bytes());
            } else {
                self.subscribe(index, field("sec-websocket-key"));
            }
        }
        Ok(())
    }

    fn subscribe(&mut self, index: usize, key: Option<&str>) {
        self.requests.remove(&index);
        let (transport, head) = match key {
            None => (Transport::Sse, SSE_HEAD.to_owned()),
            Some(key) => (Transport::WebSocket, switching(key)),
        };
        if let Some(Some(connection)) = self.subscribers.get_mut(index) {
            connection.transport = Some(transport);
        }
        self.write(index, head.as_bytes());
    }

    /// What this is about.
    fn deliver(&mut self, body: &[u8]) {
        let sse = sse_event(body, self.delivery_bytes);
        let frame = websocket_frame(body, self.delivery_bytes);
        for index in 0..self.subscribers.len() {
            let Some(Some(connection)) = self.subscribers.get(index) else { continue };
            match connection.transport {
                Some(Transport::Sse) => self.write(index, &sse),
                Some(Transport::WebSocket) => self.write(index, &frame),
                None => {}
            }
        }
    }

    fn write(&mut self, index: usize, bytes: &[u8]) {
        let Some(Some(connection)) = self.subscribers.get_mut(index) else { return };
        if !matches!(connection.stream.write(bytes), Ok(count) if count == bytes.len()) {
            self.close(index);
        }
    }
}

fn switching(key: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    )
}

/// One chunk with one event, whose id is as long as it takes.
fn sse_event(body: &[u8], wanted: usize) -> Vec<u8> {
    grown(wanted, |padding| {
        let length = "id: \ndata: \n\n".len() + padding + body.len();
        let mut chunk = format!("{length:X}\r\nid: {}\ndata: ", "x".repeat(padding)).into_bytes();
        chunk.extend_from_slice(body);
        chunk.extend_from_slice(b"\n\n\r\n");
        chunk
    })
}

/// One text frame, with an id that is as long as it takes.
fn websocket_frame(body: &[u8], wanted: usize) -> Vec<u8> {
    grown(wanted, |padding| {
        let mut text = format!("{{\"id\":\"{}\",\"change\":", "x".repeat(padding)).into_bytes();
        text.extend_from_slice(body);
        text.push(b'}');
        let mut frame = vec![0x81];
        match u8::try_from(text.len()) {
            Ok(length @ 0..126) => frame.push(length),
            _ => {
                frame.push(126);
                frame.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
            }
        }
        frame.extend_from_slice(&text);
        frame
    })
}

/// With as much padding as makes it `wanted` bytes.
fn grown(wanted: usize, frame: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let bare = frame(0);
    let missing = wanted.saturating_sub(bare.len());
    let grown = frame(missing);
    // The length itself may take a byte or two more.
    let excess = grown.len().saturating_sub(wanted.max(bare.len()));
    if excess == 0 { grown } else { frame(missing.saturating_sub(excess)) }
}
