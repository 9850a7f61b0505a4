//! The driver without a server.
