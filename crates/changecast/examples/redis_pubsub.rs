//! What is published on a Redis channel, on a page: by this program each half second, and by anybody.
//!
//! Run `cargo run --features redis --example redis_pubsub`, open <http://127.0.0.1:8765/>, and publish
//! something yourself: `redis-cli PUBLISH tornadose hello`. The environment's `REDIS_URL` is another
//! Redis than the one of this machine, `PORT` another port.

#![allow(clippy::print_stdout, reason = "a program says where it is")]

use std::future::IntoFuture;
use std::time::Duration;
use std::{env, error::Error};

use axum::{Router, response::Html, routing::get};
use changecast::handlers::{EventSource, WebSocketSubscriber};
use changecast::stores::{RedisStore, Store, StoreError};
use tokio::{net::TcpListener, signal::ctrl_c, time::interval};

const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>Redis</title>
<h1>On the channel tornadose</h1>
<pre id="messages"></pre>
<script>
  new EventSource("/events").onmessage = ({ data }) => {
    document.getElementById("messages").prepend(data + "\n");
  };
</script>
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let store = RedisStore::connect(&url, ["tornadose"]).await?;
    let app = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/events", get(EventSource::new(&store)))
        .route("/socket", get(WebSocketSubscriber::new(&store)));
    let port = env::var("PORT").unwrap_or_else(|_| "8765".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}/", listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, app).into_future() => Ok(served?),
        failed = publish(&store) => Ok(failed?),
        interrupted = ctrl_c() => Ok(interrupted?),
    }
}

async fn publish(store: &RedisStore) -> Result<(), StoreError> {
    let mut half_seconds = interval(Duration::from_millis(500));
    loop {
        half_seconds.tick().await;
        let [a, b, c] = [fastrand::u32(..), fastrand::u32(..), fastrand::u32(..)];
        store.submit(format!("{a:08x}-{b:08x}-{c:08x}").into()).await?;
    }
}
