//! Stores and their handlers, through what a program sees of them: in Rust, and over real sockets,
//! in a plain `axum::serve` as well as under changecast's own server.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

mod api;
mod clients;
mod events;
mod hooks;
mod isolation;
#[cfg(feature = "redis")]
mod redis;
mod server;
mod shared;
mod websocket;

#[path = "../examples/support.rs"]
mod support;

use changecast::stores::Store;
use support::soon;

/// Waits until so many follow the store, without anything being published.
async fn until_followed_by(store: &impl Store, count: usize) {
    let mut audience = store.feed().audience();
    let waiting = audience.wait_for(|now| *now == count);
    soon("other number of subscribers", waiting).await.unwrap();
}
