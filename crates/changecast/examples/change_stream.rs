//! The page that shows what changes in a MongoDB collection, live: page, socket and server in one file.
//!
//! Run `cargo run --features mongodb --example change_stream`, open <http://127.0.0.1:8888/>, and change
//! something: `mongosh --eval 'db.test.insertOne({hello: "world"})' test`. The last five changes are
//! there at once, and what happens while the page has no connection comes when it has one again.
//!
//! `--mongo URI` (mongodb://localhost) is the server, a replica set; `--ns DATABASE.COLLECTION`
//! (test.test) what is watched; `--port` (8888, or the environment's `PORT`) where the page is.

#![allow(clippy::print_stdout, reason = "a program says where it is")]

use std::error::Error;
use std::sync::Arc;
use std::{env, fmt::Display, str::FromStr};

use axum::{Router, response::Html, routing::get};
use changecast::server::Server;
use changecast::source::mongodb::{MongoConfig, MongoSource, Scope};
use changecast::telemetry::Telemetry;
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;

const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>Changes</title>
<h4>Changes</h4>
<div id="changes"></div>
<script>
  const changes = document.getElementById("changes");
  function listen() {
    const url = new URL("/socket?since=last:5", location);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    socket.onmessage = ({ data }) => {
      const { html, html_id } = JSON.parse(data);
      if (document.getElementById("change-" + html_id)) return;
      changes.insertAdjacentHTML("beforeend", html);
      if (changes.children.length > 5) changes.firstChild.remove();
    };
    socket.onclose = () => setTimeout(listen, 1000);
  }
  listen();
</script>
"#;

/// The value of `--name=value` or `--name value`.
fn option<T: FromStr<Err: Display>>(name: &str, default: &str) -> Result<T, String> {
    let mut arguments = env::args().skip(1);
    let mut found = default.to_owned();
    while let Some(argument) = arguments.next() {
        if argument == name {
            found = arguments.next().ok_or_else(|| format!("{name} takes a value"))?;
        } else if let Some(value) =
            argument.strip_prefix(name).and_then(|rest| rest.strip_prefix('='))
        {
            found = value.to_owned();
        }
    }
    found.parse().map_err(|error| format!("{name}={found}: {error}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mongo: String = option("--mongo", "mongodb://localhost")?;
    let namespace: String = option("--ns", "test.test")?;
    let port = option::<u16>("--port", &env::var("PORT").unwrap_or("8888".into()))?;
    let (database, collection) = namespace
        .split_once('.')
        .ok_or_else(|| format!("Invalid ns {namespace:?}, must contain a \".\""))?;

    let telemetry = Arc::new(Telemetry::new());
    let config = MongoConfig::new(mongo, database, Scope::Collection(collection.to_owned()));
    let source = MongoSource::new(config, Arc::clone(&telemetry))?;
    let server = Server::builder()
        .source(Arc::new(source))
        .routes(Router::new().route("/", get(async || Html(PAGE))))
        .telemetry(telemetry)
        .build()
        .await?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);
    let ended = async {
        let _ = ctrl_c().await;
    };
    Ok(server.serve(listener, ended).await?)
}
