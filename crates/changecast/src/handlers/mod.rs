//! Handlers that serve one store, in any axum router: [`EventSource`] over server-sent events,
//! [`WebSocketSubscriber`] over WebSocket.
//!
//! ```
//! use axum::{Router, routing::get};
//! use changecast::handlers::{EventSource, WebSocketSubscriber};
//! use changecast::stores::DataStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let store = DataStore::new(20.5);
//! let app: Router = Router::new()
//!     .route("/events", get(EventSource::new(&store)))
//!     .route("/socket", get(WebSocketSubscriber::new(&store)));
//! # }
//! ```
//!
//! ```text
//! $ curl http://localhost:9000/events          new WebSocket("ws://localhost:9000/socket")
//! : changecast                                 {"data": 20.5}
//! retry: 1718
//! id: qzokhbaa-0
//!
//! id: qzokhbaa-1
//! data: 20.5
//! ```
//!
//! What is no store is refused by the compiler:
//!
//! ```compile_fail,E0277
//! changecast::handlers::EventSource::new(&"no store");
//! ```
//!
//! They work in a plain `axum::serve`, where a task serves each connection, and at full speed under
//! changecast's own server, where the connection's socket leaves HTTP and joins thousands of others
//! in a thread. They know stores, and how a transport makes a stream; they must not know a source.
//!
//! What both hold to:
//!
//! | invariant | what it buys |
//! |---|---|
//! | nobody is a subscriber before the request is accepted | a failed handshake, a `HEAD` or a `POST` leaves nothing behind |
//! | the connection's end is the subscription's | a client that goes is noticed at once |
//! | a message is one event, whatever characters it has | nothing that is submitted forges an event |
//!
//! Requests that are to be refused are refused by what axum has for that: a middleware before the
//! handler, or [`Subscriber::open`]. So are CORS headers added: by a layer, or by changecast's server.

mod event_source;
mod subscriber;
mod websocket;
mod wire;

pub use event_source::EventSource;
pub use subscriber::{Incoming, Subscriber};
pub use websocket::WebSocketSubscriber;

use axum::response::{IntoResponse, Response};

use crate::hub::HubError;
use crate::stores::StoreError;
use crate::transport::refuse;

/// What tells axum's `Handler` apart from those of functions.
#[derive(Clone, Copy, Debug)]
pub struct OfStore(());

/// The answer where a store cannot be followed now.
fn unavailable(error: StoreError) -> Response {
    match error {
        StoreError::Subscribe(error) => refuse(&error),
        error => {
            tracing::error!(%error, "a store cannot be followed");
            refuse(&HubError::Draining)
        }
    }
    .into_response()
}
