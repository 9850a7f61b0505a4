//! A socket that comes to the shards, and what it brings.

use std::net::TcpStream;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::wire::WireKind;
use crate::hub::Follower;
use crate::telemetry::Telemetry;

/// A socket on its way to a shard.
pub(crate) struct Newcomer {
    /// Non-blocking.
    pub(crate) socket: TcpStream,
    /// What comes before the first frame: the head of the response.
    pub(crate) head: Bytes,
    pub(crate) follower: Follower,
    pub(crate) wire: WireKind,
    /// What the client has sent beyond its request.
    pub(crate) unread: Bytes,
    pub(crate) lease: Lease,
}

/// The right to be connected, given back in the end.
pub(crate) struct Lease {
    telemetry: Arc<Telemetry>,
    /// One of the connections that there may be.
    _permit: OwnedSemaphorePermit,
    /// The server waits for it when it ends.
    _token: TaskTrackerToken,
}

impl Lease {
    pub(crate) fn new(
        telemetry: Arc<Telemetry>,
        permit: OwnedSemaphorePermit,
        token: TaskTrackerToken,
    ) -> Self {
        telemetry.connection_opened();
        Self { telemetry, _permit: permit, _token: token }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.telemetry.connection_closed();
    }
}
