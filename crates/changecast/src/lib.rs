//! changecast watches databases and pushes every change, live, to browsers and services: ordered,
//! resumable, nothing missed; and where history really is gone, it says so.

// What drivers share is not all used where only some of them are there.
#![cfg_attr(
    not(all(
        feature = "http",
        feature = "mongodb",
        feature = "postgres",
        feature = "redis",
        feature = "sqlite"
    )),
    allow(dead_code)
)]

pub mod board;
mod failpoint;
mod fanout;
pub mod filter;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod handlers;
pub mod hub;
pub mod limits;
pub mod log;
pub mod model;
pub mod server;
pub mod source;
pub mod stores;
pub mod telemetry;
mod transport;
mod websocket;
