//! What it shares with the other tests.

#[path = "../support/client.rs"]
mod client;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../support/mongod.rs"]
mod mongod;
#[path = "../support/ports.rs"]
mod ports;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../support/postgres.rs"]
mod postgres;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../support/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../support/redis_server.rs"]
mod redis_server;

use std::time::Duration;

pub(crate) use client::http_client;
pub(crate) use mongod::Mongod;
pub(crate) use ports::free_port;
pub(crate) use postgres::Postgres;
pub(crate) use proxy::{Flow, Proxy};
pub(crate) use redis_server::RedisServer;

/// How long anything may take before it is called missing: far more than it ever takes, so that a
/// busy machine fails nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for what has to come.
pub(crate) async fn soon<T>(what: &str, coming: impl IntoFuture<Output = T>) -> T {
    let outcome = tokio::time::timeout(PATIENCE, coming).await;
    outcome.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain: {what}"))
}
