//! A random number each second, pushed to whoever looks: tornadose's first example.
//!
//! Run `cargo run --example random`, then `curl http://127.0.0.1:9000/` in another terminal: a line
//! `data: 0.5170` comes each second, the newest at once. The environment's `PORT` is another port.

#![allow(clippy::print_stdout, reason = "a program says where it is")]

use std::{env, future::IntoFuture, io, time::Duration};

use axum::{Router, routing::get};
use changecast::{handlers::EventSource, stores::DataStore};
use tokio::{net::TcpListener, signal::ctrl_c, time::sleep};

#[tokio::main]
async fn main() -> io::Result<()> {
    let store = DataStore::new(fastrand::f64());
    let app = Router::new().route("/", get(EventSource::new(&store)));
    tokio::spawn(async move {
        while store.set(fastrand::f64()).await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    });
    let port = env::var("PORT").unwrap_or("9000".into());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}/", listener.local_addr()?);
    tokio::select! { served = axum::serve(listener, app).into_future() => served, end = ctrl_c() => end }
}
