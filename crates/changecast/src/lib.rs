//! changecast watches databases and pushes every change, live, to browsers and services: ordered,
//! resumable, nothing missed; and where history really is gone, it says so.
//!
//! ```text
//!            position stored with the changes
//!          ┌──────────────────────────────────┐
//!          ▼                                  │
//! source ──Change──▶ runner ────────────────▶ log ──Entry──▶ hub ──▶ SSE, NDJSON, WebSocket
//!  database, function,        publisher ──▶    │               └───▶ stores, handlers
//!  stream, URL                                 one order, one id that resumes everything
//! ```
//!
//! This is the library: a server within your program, or the parts that you need of it. The command
//! `changecast` is a program around it.
//!
//! # Quick start
//!
//! ```toml
//! [dependencies]
//! changecast = "0.1"      # features = ["mongodb"], …: see below
//! tokio = { version = "1", features = ["rt-multi-thread", "macros", "net", "signal"] }
//! ```
//!
//! A function that is asked each second, pushed to everybody when its value changes:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use changecast::server::Server;
//! use changecast::source::watcher::Watcher;
//! use tokio::net::TcpListener;
//!
//! # async fn look_up() -> Result<[u32; 2], std::io::Error> { Ok([2, 1]) }
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let second = Duration::from_secs(1);
//!     let score = Watcher::poll("score", second, || async { Ok(look_up().await?) })?;
//!     let server = Server::builder().source(Arc::new(score.distinct())).build().await?;
//! #   let port = 0;
//! #   #[cfg(any())]
//!     let port = 8888;
//!     let listener = TcpListener::bind(("127.0.0.1", port)).await?;
//! #   let ctrl_c = async {};
//! #   #[cfg(any())]
//!     let ctrl_c = async { tokio::signal::ctrl_c().await.unwrap_or(()) };
//!     Ok(server.serve(listener, ctrl_c).await?)
//! }
//! ```
//!
//! Then, in a browser, `new EventSource("/events?topic=score.current").onmessage = …`; or
//! `curl -N http://localhost:8888/events`; or the page at <http://localhost:8888/>.
//!
//! # Concepts
//!
//! A [**change**](model::Change) is one change of one row, document or value. Its *event* is JSON in the
//! form of MongoDB's change events, whatever it comes from, and is encoded once. It belongs to a
//! [**topic**](model::Topic), `<source>.<collection>`; a [pattern](model::TopicPattern) such as `shop.*`
//! chooses several.
//!
//! A [**source**](source::Source) is one watched database, URL, function or stream. Its
//! [`watch`](source::Source::watch) gives a [**change stream**](source::ChangeStream), which works without
//! anything else of this crate: cancel-safe, and gone on with by its
//! [resume token](source::ChangeStream::resume_token). Drivers are behind features; a
//! [**watcher**](source::watcher::Watcher) is always there. What a database cannot tell any more becomes
//! a *gap*, never silence.
//!
//! The [**log**](log::Log) is the one order of everything: an entry's place and the log's epoch are its
//! [**event id**](model::EventId), from which any client resumes any set of topics. In
//! [memory](log::MemoryLog), or in a file (`SqliteLog`), where a change is durable before anybody sees it.
//! A [**publisher**](hub::Publisher) appends messages that come from no source.
//!
//! The [**hub**](hub::Hub) serves subscribers, each at its own pace: a slow one costs a cursor, and nobody
//! else anything. A [**filter**](filter::Filter) is MongoDB's `$match` over change events.
//!
//! A [**store**](stores) is a topic that a program holds in its hand: [the newest
//! value](stores::DataStore) or [every message](stores::QueueStore), with [**handlers**](handlers) that
//! serve it in any axum router.
//!
//! The [**server**](server::Server) is all of it, by itself or within yours, with your
//! [routes](server::ServerBuilder::routes) and your [say](server::ServerBuilder::authorize) in who may do
//! what. Every cap that it keeps is in [`limits`]. What it counts and logs is [`telemetry`]'s; it logs by
//! the crate `tracing`, so nothing of it is seen before the program has installed a subscriber
//! (`tracing_subscriber::fmt::init()`).
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `http` | [`source::http`]: a JSON value behind an address |
//! | `mongodb` | [`source::mongodb`]: MongoDB's change streams, and documents by key |
//! | `postgres` | [`source::postgres`]: PostgreSQL by logical replication, and rows by key |
//! | `redis` | [`source::redis`]: streams, channels and keys; [`stores::RedisStore`] |
//! | `sqlite` | [`source::sqlite`]: the embedded document store, and other programs' files; [`log::SqliteLog`]. Compiles SQLite |
//!
//! None is on by default. Tested on Linux.
//!
//! # What is promised
//!
//! A subscriber sees the entries of its topics in the log's order (G1), is told of what is missing (G2),
//! and sees nothing twice within a connection (G3). Every id that was ever sent resumes exactly, until the
//! log's [retention](log::Retention) says otherwise (G5). Across a crash a change may come again, under the
//! same id: at least once, in order, with a stable id.
//!
//! Everything here runs in a tokio runtime with I/O and time enabled. Futures may be dropped at any await;
//! where that leaves something undone or in doubt, the method says so.

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
