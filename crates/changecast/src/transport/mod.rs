//! HTTP: the accept loop, the routes, and one file per way of following.
//!
//! The transport knows the hub and the traits of sources and documents, never a driver. Whatever a
//! subscriber is told is decided by its session; a transport only puts it on the wire.

mod accept;
mod access;
mod authorize;
mod checked;
mod cloud_event;
mod command;
mod documents;
mod format;
mod frame;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod guard;
mod health;
mod ndjson;
mod origin_frame;
mod page;
mod problem;
mod publish;
mod request;
mod router;
mod sse;
mod stall;
mod stream;
mod takeover;
mod websocket;

pub(crate) use accept::{Connections, accept};
pub(crate) use authorize::Authorizer;
pub use authorize::{Refusal, Wanted};
pub(crate) use checked::Checked;
pub use documents::DocumentsMode;
pub use guard::Policy;
pub use page::PageConfig;
pub(crate) use router::{App, Served, router};

// What handlers for one store, above, make their streams of.
pub(crate) use frame::control;
pub(crate) use guard::is_foreign;
pub(crate) use problem::Problem;
pub(crate) use request::read_start;
pub(crate) use sse::{CONTENT_TYPE as EVENT_STREAM, come_back, head};
pub(crate) use stream::{body, one_life, refuse, websocket};
pub(crate) use websocket::{Attend, Commands, Handshake, Said};
