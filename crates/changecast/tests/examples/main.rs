//! Every example, run as its first lines say, against what they say there is to see.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

#[cfg(feature = "mongodb")]
mod change_stream;
mod chat;
mod fibonacci;
mod random;
#[cfg(feature = "redis")]
mod redis_pubsub;
mod support;
mod watcher;
