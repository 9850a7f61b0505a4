//! A server to test, and clients that show exactly what came over the wire.

mod authority;
mod change;
mod client;
mod crowd;
mod http;
mod mend;
mod mongo_double;
mod mongod;
mod ndjson;
mod other_program;
mod ports;
mod postgres;
mod process;
#[allow(dead_code, reason = "the crash campaign uses the rest")]
mod proxy;
mod redis_server;
mod server;
mod sqlite_file;
mod sse;
mod subscriber;
mod websocket;

use std::time::Duration;

pub(crate) use authority::{Authority, Certificate};
pub(crate) use change::{Change, Entry, numbers};
pub(crate) use client::http_client;
pub(crate) use crowd::{Member, allow_many_sockets, allow_sockets, crowd};
pub(crate) use http::{Answer, Body, Connection, exchange};
pub(crate) use mend::mend;
pub(crate) use mongo_double::{At, Fault, MongoDouble, NAMESPACE, Start};
pub(crate) use mongod::{Mongod, insert_surely, shared_mongo, until};
pub(crate) use ndjson::NdjsonClient;
pub(crate) use other_program::OtherProgram;
pub(crate) use ports::free_port;
pub(crate) use postgres::{Postgres, PostgresDatabase};
pub(crate) use process::{Outcome, Process, run, run_with};
pub(crate) use proxy::Proxy;
pub(crate) use redis_server::{RedisServer, shared_redis};
pub(crate) use server::TestServer;
pub(crate) use sqlite_file::SqliteDatabase;
pub(crate) use sse::{SseBlock, SseClient};
pub(crate) use subscriber::{Control, Message, Subscriber, matching};
pub(crate) use websocket::{RawFrame, RawWebSocket, WsClient, masked};

/// How long anything may take before a test calls it missing: far more than it ever takes, so that
/// a busy machine fails nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Waits for what has to come.
pub(crate) async fn soon<T>(what: &str, coming: impl IntoFuture<Output = T>) -> T {
    let outcome = tokio::time::timeout(PATIENCE, coming).await;
    outcome.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain: {what}"))
}
