//! A score that is looked up each second by one function, and pushed to everybody when it changes.
//!
//! Run `cargo run --example watcher`, open <http://127.0.0.1:8888/> to see it, or paste this into the
//! console of that page, or of any page of a program on this machine that you serve yourself:
//!
//! ```js
//! new WebSocket('ws://localhost:8888').onmessage = event => console.log(event.data)
//! ```
//!
//! First comes a `hello`, then `{"id":…,"topic":"score.current","change":{…"fullDocument":{"home":1,…`
//! whenever somebody scores. However many follow, the score is looked up once a second; when nobody
//! does, not at all. The environment's `PORT` is another port.

#![allow(clippy::print_stdout, reason = "a program says where it is")]

use std::sync::Arc;
use std::time::Duration;

use changecast::server::Server;
use changecast::source::watcher::{Failure, Watcher};
use serde::Serialize;
use tokio::net::TcpListener;

#[derive(Clone, Default, Serialize)]
struct Score {
    home: u32,
    guests: u32,
}

/// Stands for whatever has no other way to tell than being asked: a page, a sensor, an old library.
fn look_up() -> Result<Score, Failure> {
    static SCORE: std::sync::Mutex<Score> = std::sync::Mutex::new(Score { home: 0, guests: 0 });
    let mut score = SCORE.lock().map_err(|_| "the scoreboard has fallen down")?;
    match fastrand::u8(0..4) {
        0 => score.home += 1,
        1 => score.guests += 1,
        _ => {}
    }
    Ok(score.clone())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // It blocks, so it runs on a thread that may; `Watcher::poll` is for async functions.
    let second = Duration::from_secs(1);
    let score = Watcher::blocking("score", second, 10 * second, look_up)?.distinct().on_demand();
    let server = Server::builder().source(Arc::new(score)).build().await?;
    let port = std::env::var("PORT").map_or(Ok(8888), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);
    let ctrl_c = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    Ok(server.serve(listener, ctrl_c).await?)
}
