//! A random number each second, pushed to whoever looks: tornadose's first example.
//!
//! Run `cargo run --example random`, then `curl http://localhost:9000/` in another terminal: a line
//! `data: 0.5170` comes each second, the newest at once.

use axum::{Router, routing::get};
use changecast::{handlers::EventSource, stores::DataStore};
use tokio::net::TcpListener;
use tokio::time::{Duration, sleep};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = DataStore::new(fastrand::f64());
    let app = Router::new().route("/", get(EventSource::new(&store)));
    let listener = TcpListener::bind("localhost:9000").await?;
    tokio::spawn(axum::serve(listener, app).into_future());
    loop {
        sleep(Duration::from_secs(1)).await;
        store.set(fastrand::f64()).await?;
    }
}
