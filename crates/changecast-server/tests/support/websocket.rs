//! WebSocket clients: one as programs use, and one that sends and shows single frames.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::http::Head;
use super::ndjson::{query_since, selection_of};
use super::{Connection, Message, Subscriber, TestServer, soon};

/// A client of `/ws` or `/socket`.
pub(crate) struct WsClient {
    socket: WebSocketStream<TcpStream>,
    pub(crate) response: Response,
    selection: String,
    last_id: Option<String>,
    /// Why the server closed, once it has.
    pub(crate) closed: Option<CloseFrame>,
}

impl WsClient {
    pub(crate) async fn connect(
        server: &TestServer,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Self {
        let url = format!("ws://{}{path}", server.address());
        let mut request = url.into_client_request().expect("a URL");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header's value"));
        }
        let stream = TcpStream::connect(server.address()).await.expect("the server listens");
        let handshake = soon("the handshake", client_async(request, stream)).await;
        let (socket, response) = handshake.expect("the server lets it in");
        let selection =
            path.split_once('?').map_or_else(String::new, |(_, query)| selection_of(query));
        Self { socket, response, selection, last_id: None, closed: None }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        soon("room in the socket", self.socket.send(Frame::text(text))).await.expect("it is open");
    }

    /// The next text as JSON; none at the end.
    pub(crate) async fn json(&mut self) -> Option<Value> {
        loop {
            match soon("a frame", self.socket.next()).await? {
                Ok(Frame::Text(text)) => {
                    return Some(serde_json::from_str(&text).expect("every text is JSON"));
                }
                Ok(Frame::Close(frame)) => self.closed = frame,
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// The next text, which has to come.
    pub(crate) async fn next_json(&mut self) -> Value {
        self.json().await.expect("the connection goes on")
    }

    /// Reads on until the server has closed; the code it gave.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        while self.json().await.is_some() {}
        self.closed.as_ref().map(|frame| frame.code.into())
    }
}

impl Subscriber for WsClient {
    async fn follow(server: &TestServer, query: &str) -> Self {
        Self::connect(server, &format!("/ws?{query}"), &[]).await
    }

    async fn come_back(self, server: &TestServer) -> Self {
        Self::follow(server, &query_since(&self.selection, self.last_id.as_deref())).await
    }

    async fn message(&mut self) -> Option<Message> {
        let message = Message::from_json(self.json().await?);
        self.last_id = message.id().map(ToOwned::to_owned).or(self.last_id.take());
        Some(message)
    }
}

/// A frame as it is on the wire, unmasked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RawFrame {
    /// The first byte: FIN, the reserved bits, the opcode.
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl RawFrame {
    pub(crate) const TEXT: u8 = 0x81;
    pub(crate) const CLOSE: u8 = 0x88;
    pub(crate) const PING: u8 = 0x89;
    pub(crate) const PONG: u8 = 0x8A;

    /// The code of a close frame.
    pub(crate) fn close_code(&self) -> Option<u16> {
        assert_eq!(self.first, Self::CLOSE, "{self:?}");
        self.payload.first_chunk().map(|code| u16::from_be_bytes(*code))
    }
}

/// A WebSocket without a library.
pub(crate) struct RawWebSocket {
    connection: Connection,
    pub(crate) head: Head,
}

impl RawWebSocket {
    pub(crate) async fn connect(server: &TestServer, path: &str, headers: &str) -> Self {
        Self::connect_saying(server, path, headers, &[]).await
    }

    /// The same with what the client says before it knows whether it is let in.
    pub(crate) async fn connect_saying(
        server: &TestServer,
        path: &str,
        headers: &str,
        said: &[u8],
    ) -> Self {
        let mut connection = Connection::open(server.address()).await;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             {headers}\r\n",
            server.address()
        );
        connection.send(&[request.as_bytes(), said].concat()).await;
        let head = connection.head().await;
        assert_eq!(head.status, 101);
        Self { connection, head }
    }

    /// Sends a frame, masked as a client must.
    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) {
        self.send_bytes(&masked(first, payload)).await;
    }

    /// Sends what may be many frames, or none.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.connection.send(bytes).await;
    }

    /// Sends as many of these bytes as the socket has room for; how many.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> usize {
        self.connection.try_send(bytes)
    }

    /// Sends a frame as only a server may.
    pub(crate) async fn send_unmasked(&mut self, first: u8, payload: &[u8]) {
        let mut frame = header(first, payload.len(), 0);
        frame.extend(payload);
        self.connection.send(&frame).await;
    }

    pub(crate) async fn frame(&mut self) -> RawFrame {
        let start = self.exactly(2).await;
        assert_eq!(start[1] & 0x80, 0, "a server does not mask");
        let length = match start[1] {
            126 => u64::from(u16::from_be_bytes(array(&self.exactly(2).await))),
            127 => u64::from_be_bytes(array(&self.exactly(8).await)),
            length => u64::from(length),
        };
        let length = usize::try_from(length).expect("a length that fits");
        RawFrame { first: start[0], payload: self.exactly(length).await }
    }

    /// The next frame, which is a text, as JSON.
    pub(crate) async fn json(&mut self) -> Value {
        let frame = self.frame().await;
        assert_eq!(frame.first, RawFrame::TEXT, "{frame:?}");
        serde_json::from_slice(&frame.payload).expect("every text is JSON")
    }

    /// The next frame that is a close; whatever comes before is skipped.
    pub(crate) async fn close_frame(&mut self) -> RawFrame {
        loop {
            let frame = self.frame().await;
            if frame.first == RawFrame::CLOSE {
                return frame;
            }
        }
    }

    /// What comes until the server closes the connection.
    pub(crate) async fn until_closed(&mut self) -> Vec<u8> {
        self.connection.until_closed().await
    }

    /// Says that nothing more is coming, without a close.
    pub(crate) async fn finish(&mut self) {
        self.connection.finish().await;
    }

    async fn exactly(&mut self, count: usize) -> Vec<u8> {
        self.connection.exactly(count).await.expect("the connection goes on")
    }
}

/// A frame as a client sends it.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mut frame = header(first, payload.len(), 0x80);
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn header(first: u8, length: usize, mask: u8) -> Vec<u8> {
    let mut header = vec![first];
    if let Ok(short) = u8::try_from(length)
        && short < 126
    {
        header.push(mask | short);
    } else if let Ok(medium) = u16::try_from(length) {
        header.push(mask | 126);
        header.extend(medium.to_be_bytes());
    } else {
        header.push(mask | 127);
        header.extend((length as u64).to_be_bytes());
    }
    header
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().expect("so many were read")
}
