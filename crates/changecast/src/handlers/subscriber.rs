//! What a program does about a WebSocket's client.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::request::Parts;
use axum::response::Response;
use tokio::runtime::Handle;

use crate::transport::{Attend, Said};

/// Attends to the clients of a [`WebSocketSubscriber`](super::WebSocketSubscriber): as they come, say
/// something, and go. What is not overridden does nothing.
///
/// The calls for one client come one after the other; those for different clients at the same time.
/// While one of a client's is under way, nothing is delivered to that client, and nothing that it
/// sends is read: whoever sends faster than it is answered waits for itself, and for nobody else.
#[async_trait]
pub trait Subscriber: Send + Sync + 'static {
    /// What is known of one client: its name, say.
    type Client: Send + 'static;

    /// A client wants to follow; its handshake has been checked, its origin too. An error is the
    /// answer that it gets instead, such as `StatusCode::FORBIDDEN.into_response()`.
    async fn open(&self, request: &Parts) -> Result<Self::Client, Response>;

    /// The client has said something. What this returns is sent to that client alone, as a text.
    /// Dropped half-way if the server ends, or the store.
    async fn message(&self, client: &mut Self::Client, message: Incoming) -> Option<String> {
        let (_, _) = (client, message);
        None
    }

    /// The client is gone, however it went: for each that was opened, once, as long as the runtime
    /// lives.
    async fn close(&self, client: Self::Client) {
        let _ = client;
    }
}

/// What a client has sent: at most [`limits::WEBSOCKET_MESSAGE_BYTES_MAX`](crate::limits) bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

/// One client, and who attends to it. Dropped when the client is gone.
struct Attending<A: Subscriber> {
    subscriber: Arc<A>,
    /// There until then.
    client: Option<A::Client>,
}

impl<A: Subscriber> Drop for Attending<A> {
    fn drop(&mut self) {
        // Without a runtime, the program is at its end.
        if let (Some(client), Ok(runtime)) = (self.client.take(), Handle::try_current()) {
            let subscriber = Arc::clone(&self.subscriber);
            runtime.spawn(async move { subscriber.close(client).await });
        }
    }
}

#[async_trait]
impl<A: Subscriber> Attend for Attending<A> {
    async fn hear(&mut self, said: Said) -> Option<String> {
        let message = match said {
            Said::Text(text) => Incoming::Text(text),
            Said::Binary(bytes) => Incoming::Binary(bytes.into()),
        };
        self.subscriber.message(self.client.as_mut()?, message).await
    }
}

/// The same for clients of any kind.
#[async_trait]
pub(super) trait Welcome: Send + Sync {
    async fn welcome(&self, request: &Parts) -> Result<Box<dyn Attend>, Response>;
}

pub(super) struct Host<A>(pub(super) Arc<A>);

#[async_trait]
impl<A: Subscriber> Welcome for Host<A> {
    async fn welcome(&self, request: &Parts) -> Result<Box<dyn Attend>, Response> {
        let client = Some(self.0.open(request).await?);
        Ok(Box::new(Attending { subscriber: Arc::clone(&self.0), client }))
    }
}
