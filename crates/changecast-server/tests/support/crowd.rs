//! Many subscribers at once.

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Entry, SseClient, Subscriber, TestServer, WsClient};

/// Lets this process have as many sockets as the system allows it.
pub(crate) fn allow_many_sockets() {
    allow_sockets(10_000);
}

/// The same, where it takes so many.
pub(crate) fn allow_sockets(count: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let is_enough = maximum.is_none_or(|maximum| maximum >= count);
    assert!(is_enough, "this test needs {count} open files: ulimit -Hn {count}");
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .expect("up to the hard limit");
}

/// A subscriber of one transport or the other.
pub(crate) enum Member {
    Sse(Box<SseClient>),
    WebSocket(Box<WsClient>),
}

impl Member {
    /// Connected, and past the hello.
    async fn follow(server: &TestServer, is_sse: bool) -> Self {
        if is_sse {
            let mut client = SseClient::follow(server, "").await;
            client.hello().await;
            Self::Sse(Box::new(client))
        } else {
            let mut client = WsClient::follow(server, "").await;
            client.hello().await;
            Self::WebSocket(Box::new(client))
        }
    }

    pub(crate) async fn change(&mut self) -> Entry {
        match self {
            Self::Sse(client) => client.change().await,
            Self::WebSocket(client) => client.change().await,
        }
    }
}

/// So many subscribers that come all at once, half of them by WebSocket.
pub(crate) async fn crowd(server: &TestServer, count: usize) -> Vec<Member> {
    allow_many_sockets();
    join_all((0..count).map(|number| Member::follow(server, number % 2 == 0))).await
}
