//! The driver without a server.

mod config;
mod decode;
mod position;
mod values;
