//! changecast within a program: what the builder puts together, who is let in, watchers, and the end.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

mod authorization;
mod building;
mod ending;
mod support;
mod watchers;
