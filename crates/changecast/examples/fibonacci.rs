//! Fibonacci's numbers on a page, one a second, the newest on top.
//!
//! Run `cargo run --example fibonacci` (`-- --port 9001` for another port than 9000) and open
//! <http://127.0.0.1:9000/>. A page that is opened later begins with the number of the moment; one
//! that loses the connection misses none. `curl http://127.0.0.1:9000/fibonacci` shows the stream.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program says where it is")]

use std::future::IntoFuture;
use std::time::Duration;
use std::{env, io};

use axum::{Router, response::Html, routing::get};
use changecast::handlers::EventSource;
use changecast::stores::{QueueStore, Store};
use tokio::{net::TcpListener, signal::ctrl_c, time::interval};

const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>Fibonacci</title>
<h1>Fibonacci's numbers</h1>
<ol id="numbers" reversed></ol>
<script>
  new EventSource("/fibonacci").onmessage = ({ data }) => {
    const item = document.createElement("li");
    item.textContent = data;
    document.getElementById("numbers").prepend(item);
  };
</script>
"#;

#[tokio::main]
async fn main() -> io::Result<()> {
    let store = QueueStore::new();
    let stream = EventSource::new(&store).with_history(1);
    let app = Router::new().route("/", get(async || Html(PAGE))).route("/fibonacci", get(stream));
    let listener = TcpListener::bind(format!("127.0.0.1:{}", port())).await?;
    println!("http://{}/", listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, app).into_future() => served,
        () = generate(store) => Ok(()),
        interrupted = ctrl_c() => interrupted,
    }
}

async fn generate(store: QueueStore<u128>) {
    let (mut number, mut next) = (0_u128, 1_u128);
    let mut seconds = interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        if let Err(error) = store.submit(number).await {
            eprintln!("{error}");
            return;
        }
        // After 187 of them, 128 bits are not enough: it begins anew.
        (number, next) = number.checked_add(next).map_or((0, 1), |sum| (next, sum));
    }
}

fn port() -> String {
    let mut arguments = env::args().skip_while(|argument| argument != "--port").skip(1);
    arguments.next().or_else(|| env::var("PORT").ok()).unwrap_or_else(|| "9000".to_owned())
}
