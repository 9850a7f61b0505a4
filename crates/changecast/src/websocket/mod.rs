//! The WebSocket protocol (RFC 6455) from the server's side, without I/O: bytes in, events out.
//!
//! It knows neither sockets nor a runtime, so that whoever owns a socket can drive it: a task, or a
//! thread that owns thousands. No extensions: a reserved bit is an error.
//!
//! | invariant | what it buys | guarded by |
//! |---|---|---|
//! | what came is judged the same however it was cut | no seam between two reads | `tests/autobahn`, `tests/differential` |
//! | too much is refused by the header that announces it | no buffer of a client's choosing | `tests/receiver` |
//! | nothing is kept while nothing is half there | an idle client costs a few bytes | `tests/receiver` |
//! | wrong text fails at the byte that makes it wrong | no wait for the rest of it | `tests/autobahn` 6.4 |

mod close;
pub(crate) mod frame;
mod handshake;
mod header;
mod mask;
mod receiver;
#[cfg(test)]
mod tests;
mod violation;

pub(crate) use handshake::accept_key;
pub(crate) use receiver::{Event, Receiver};
pub(crate) use violation::Violation;
