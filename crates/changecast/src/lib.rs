//! changecast watches databases and pushes every change, live.

pub mod board;
pub mod hub;
pub mod limits;
pub mod log;
pub mod model;
pub mod source;
pub mod telemetry;
