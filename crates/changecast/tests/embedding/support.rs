//! Servers within the test, served by ourselves or by a plain `axum::serve`, and their clients.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use changecast::hub::{Message, Publisher};
use changecast::model::Topic;
use changecast::server::{Handle, Server, ServerBuilder};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tower_service::Service as _;

/// Waits, so that what never comes fails the test rather than hangs it.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let patience = tokio::time::timeout(Duration::from_secs(60), future).await;
    patience.unwrap_or_else(|_| panic!("no {what}"))
}

/// How a server is served.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// By ourselves.
    Ours,
    /// By a plain `axum::serve`.
    Plain,
}

pub(crate) const BOTH: [Way; 2] = [Way::Ours, Way::Plain];

/// A server that is served.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) publisher: Publisher,
    pub(crate) handle: Handle,
    pub(crate) serving: JoinHandle<std::io::Result<()>>,
}

impl Served {
    pub(crate) async fn start(builder: ServerBuilder, way: Way) -> Self {
        let server = builder.build().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (publisher, handle) = (server.publisher(), server.handle());
        let serving = match way {
            Way::Ours => tokio::spawn(server.serve(listener, std::future::pending())),
            Way::Plain => tokio::spawn(async move { axum::serve(listener, server.router()).await }),
        };
        Self { address, publisher, handle, serving }
    }

    pub(crate) async fn publish(&self, topic: &str, json: &str) {
        let topic = Topic::parse(topic).unwrap();
        self.publisher.publish(Message { topic, json: json.into(), key: None }).await.unwrap();
    }

    /// Sends a request, with the head as it is.
    pub(crate) async fn ask(&self, line: &str, headers: &str, body: &str) -> Client {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        Client { stream, heard: String::new() }
    }

    /// The status and everything up to the end of the answer's head, or of its body if it is short.
    pub(crate) async fn get(&self, path: &str) -> Client {
        let mut client = self.ask(&format!("GET {path}"), "", "").await;
        client.until("\r\n\r\n").await;
        client
    }

    pub(crate) async fn open_websocket(&self, path: &str) -> Result<WebSocket, tungstenite::Error> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://localhost{path}");
        let connecting = tokio_tungstenite::client_async(url, stream);
        Ok(WebSocket(soon("handshake", connecting).await?.0))
    }
}

/// What a raw connection has heard.
pub(crate) struct Client {
    stream: TcpStream,
    pub(crate) heard: String,
}

impl Client {
    /// Reads until `text` is there.
    pub(crate) async fn until(&mut self, text: &str) {
        while !self.heard.contains(text) {
            assert!(self.more().await, "it ends without {text:?}: {}", self.heard);
        }
    }

    /// Reads to the end of the connection.
    pub(crate) async fn rest(&mut self) -> &str {
        while self.more().await {}
        &self.heard
    }

    pub(crate) fn status(&self) -> &str {
        self.heard.split(' ').nth(1).unwrap_or_default()
    }

    async fn more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = soon("bytes", self.stream.read(&mut bytes)).await.unwrap();
        self.heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
        count > 0
    }
}

pub(crate) struct WebSocket(WebSocketStream<TcpStream>);

impl WebSocket {
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(text.into()).await.unwrap();
    }

    /// The next text.
    pub(crate) async fn next(&mut self) -> Value {
        match self.message().await {
            tungstenite::Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn message(&mut self) -> tungstenite::Message {
        loop {
            match soon("message", self.0.next()).await.unwrap().unwrap() {
                tungstenite::Message::Ping(_) => {}
                message => return message,
            }
        }
    }
}

/// Asks a router, without any network.
pub(crate) async fn ask(router: &Router, request: Request<Body>) -> Response<Body> {
    router.clone().call(request).await.unwrap()
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "localhost").body(Body::empty()).unwrap()
}

pub(crate) async fn text(response: Response<Body>) -> String {
    let body = soon("body", response.into_body().collect()).await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

/// A builder without anything.
pub(crate) fn builder() -> ServerBuilder {
    Server::builder()
}
