//! A chat: what one says over a WebSocket, everybody hears.
//!
//! Run `cargo run --example chat` and open <http://127.0.0.1:8888/> twice. Whoever comes hears the last
//! ten messages first. The environment's `PORT` is another port.

#![allow(clippy::print_stdout, reason = "a program says where it is")]

use std::future::IntoFuture;
use std::{env, io};

use async_trait::async_trait;
use axum::http::request::Parts;
use axum::response::{Html, Response};
use axum::{Router, routing::get};
use changecast::handlers::{Incoming, Subscriber, WebSocketSubscriber};
use changecast::stores::{QueueStore, Store};
use tokio::{net::TcpListener, signal::ctrl_c};

const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>Chat</title>
<form id="form"><input id="text" autofocus autocomplete="off"> <button>Say</button></form>
<pre id="said"></pre>
<script>
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/chat`);
  const said = (line) => document.getElementById("said").prepend(line + "\n");
  socket.onmessage = ({ data }) => said(JSON.parse(data).data);
  socket.onclose = () => said("(the connection is closed: reload)");
  document.getElementById("form").onsubmit = (event) => {
    event.preventDefault();
    const text = document.getElementById("text");
    socket.send(text.value);
    text.value = "";
  };
</script>
"#;

/// Hands on what anybody says.
struct Room {
    said: QueueStore<String>,
}

impl Room {
    async fn tell(&self, line: String) -> Option<String> {
        let told = self.said.submit(line).await;
        told.err().map(|error| format!(r#"{{"data": "nobody heard that: {error}"}}"#))
    }
}

#[async_trait]
impl Subscriber for Room {
    /// A client's name.
    type Client = String;

    async fn open(&self, _: &Parts) -> Result<String, Response> {
        let name = format!("guest {:04}", fastrand::u16(..10_000));
        self.tell(format!("{name} has come")).await;
        Ok(name)
    }

    async fn message(&self, name: &mut String, message: Incoming) -> Option<String> {
        match message {
            Incoming::Text(text) => self.tell(format!("{name}: {text}")).await,
            Incoming::Binary(_) => Some(r#"{"data": "this chat is for words"}"#.to_owned()),
        }
    }

    async fn close(&self, name: String) {
        self.tell(format!("{name} has gone")).await;
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let said = QueueStore::new();
    let room = Room { said: said.clone() };
    let chat = WebSocketSubscriber::new(&said).with_history(10).with_subscriber(room);
    let app = Router::new().route("/", get(async || Html(PAGE))).route("/chat", get(chat));
    let port = env::var("PORT").unwrap_or_else(|_| "8888".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}/", listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, app).into_future() => served,
        interrupted = ctrl_c() => interrupted,
    }
}
