//! Whether anybody follows a source that works only while somebody does.
//!
//! It is a number that somebody else keeps: a source knows nothing of hubs and subscribers.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::model::Topic;

/// What tells a source how many follow its topic. Until it is connected, the source is wanted.
#[derive(Debug)]
pub struct Demand {
    topic: Topic,
    audience: OnceLock<watch::Receiver<usize>>,
}

impl Demand {
    /// The demand for `topic`.
    #[must_use]
    pub fn new(topic: Topic) -> Self {
        Self { topic, audience: OnceLock::new() }
    }

    /// What has to be followed for the source to be wanted.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// From now on, the source is wanted while `audience` is not zero. Only the first one counts. Once
    /// its sender is gone, nobody follows any more.
    pub fn connect(&self, audience: watch::Receiver<usize>) {
        // A second one would be of another hub: the source has one runner, and one hub.
        let _ = self.audience.set(audience);
    }

    /// Whether anybody was connected to say so.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.audience.get().is_some()
    }

    /// Completes as soon as somebody follows. Cancel-safe.
    pub async fn wanted(&self) {
        if let Some(audience) = self.audience.get()
            && audience.clone().wait_for(|count| *count > 0).await.is_err()
        {
            std::future::pending::<()>().await;
        }
    }

    /// Completes once nobody has followed for as long as `linger`. Cancel-safe.
    pub async fn lapsed(&self, linger: Duration) {
        let Some(audience) = self.audience.get() else {
            return std::future::pending().await;
        };
        let mut audience = audience.clone();
        loop {
            if audience.wait_for(|count| *count == 0).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(linger) => return,
                came_back = audience.wait_for(|count| *count > 0) => {
                    if came_back.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
