//! A replica takes over, with or without what had been read.

use super::losses::check_gap;
use super::{check_numbers, follow, only_source, source};
use crate::support::{Proxy, RedisServer, SseClient, Subscriber, TestServer, until};

/// A primary with a replica, and a changecast that watches whoever the proxy leads to.
struct Pair {
    primary: RedisServer,
    replica: RedisServer,
    proxy: Proxy,
    server: TestServer,
    client: SseClient,
}

impl Pair {
    async fn start() -> Self {
        let (primary, replica) = (RedisServer::start().await, RedisServer::start().await);
        let port = primary.address().port().to_string();
        replica.run(&["REPLICAOF", "127.0.0.1", &port]).await;
        let proxy = Proxy::to(primary.address()).await;
        let url = format!("redis://{}/0", proxy.address());
        let server = TestServer::start_with(&["--source", &source(&url, "stream=orders")]).await;
        let client = follow(&server).await;
        Self { primary, replica, proxy, server, client }
    }

    /// Six entries have been read, of which the replica has three, and gets no more.
    async fn start_with_replica_behind() -> Self {
        let mut pair = Self::start().await;
        pair.primary.add_all("orders", 0..3).await;
        pair.replica_has(3).await;
        pair.cut_off().await;
        pair.primary.add_all("orders", 3..6).await;
        check_numbers(&pair.client.changes(6).await, 0..6);
        pair
    }

    async fn replica_has(&self, count: i64) {
        until("a replica that has caught up", async || {
            let length = self.replica.run(&["XLEN", "orders"]).await;
            redis::from_redis_value::<i64>(length).expect("a number") == count
        })
        .await;
    }

    /// From now on the replica learns of nothing any more.
    async fn cut_off(&self) {
        self.replica.run(&["REPLICAOF", "NO", "ONE"]).await;
    }

    fn fail_over(&mut self) {
        self.primary.kill();
        self.proxy.lead_to(Some(self.replica.address()));
    }
}

#[tokio::test]
async fn g9_a_replica_that_has_all_that_was_read_takes_over_without_a_gap() {
    let mut pair = Pair::start().await;
    pair.primary.add_all("orders", 0..3).await;
    check_numbers(&pair.client.changes(3).await, 0..3);
    pair.replica_has(3).await;
    pair.cut_off().await;
    pair.fail_over();
    pair.replica.add_all("orders", 3..6).await;
    check_numbers(&pair.client.changes(3).await, 3..6);
    assert_eq!(only_source(&pair.server).await["gap_count"], 0);
}

#[tokio::test]
async fn g2_a_replica_that_lacks_what_was_read_is_a_gap() {
    let mut pair = Pair::start_with_replica_behind().await;
    pair.fail_over();
    check_gap(&pair.replica, &pair.server, &mut pair.client, "older than what was read").await;
}

#[tokio::test]
async fn g2_a_replica_that_lacks_what_was_read_and_has_grown_past_it_is_a_gap() {
    let mut pair = Pair::start_with_replica_behind().await;
    pair.replica.add_all("orders", 100..110).await;
    pair.fail_over();
    check_gap(&pair.replica, &pair.server, &mut pair.client, "another course").await;
}
