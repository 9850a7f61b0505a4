//! What a browser is to the handlers.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::support::{Answer, soon};

/// Asks for a stream of events with these further header lines.
pub(crate) async fn events(address: SocketAddr, path: &str, headers: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
    Answer::to(address, &request).await
}

/// An event as a browser makes it of a block that has data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) retry: Option<String>,
    pub(crate) data: String,
}

/// The next event, by the rules for parsing (WHATWG HTML, section 9.2.6): with CR, LF and CRLF as ends
/// of lines.
pub(crate) async fn event(answer: &mut Answer) -> Event {
    loop {
        let block = answer.block().await.replace("\r\n", "\n").replace('\r', "\n");
        let mut event = Event::default();
        let mut data = Vec::new();
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "id" => event.id = Some(value),
                "event" => event.name = Some(value),
                "retry" => event.retry = Some(value),
                "data" => data.push(value),
                _ => {}
            }
        }
        if !data.is_empty() {
            event.data = data.join("\n");
            return event;
        }
    }
}

/// A WebSocket.
pub(crate) struct Socket(pub(crate) WebSocketStream<TcpStream>);

impl Socket {
    pub(crate) async fn open(address: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(stream, address, path, None).await.expect("a handshake")
    }

    /// One with a small buffer for what it does not read.
    pub(crate) async fn open_small(address: SocketAddr, path: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(address).await.unwrap();
        Self::over(stream, address, path, None).await.expect("a handshake")
    }

    /// As a page of this origin.
    pub(crate) async fn from_origin(
        address: SocketAddr,
        path: &str,
        origin: &str,
    ) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(stream, address, path, Some(origin)).await
    }

    async fn over(
        stream: TcpStream,
        address: SocketAddr,
        path: &str,
        origin: Option<&str>,
    ) -> Result<Self, u16> {
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        match soon("handshake", client_async(request, stream)).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn say(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    /// The next message of any kind; none once the connection has ended.
    pub(crate) async fn hear(&mut self) -> Option<Message> {
        soon("message", self.0.next()).await.map(|message| message.expect("no error"))
    }

    /// The next text.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.hear().await.expect("it goes on") {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?} is no text"),
            }
        }
    }
}
