//! Redis Cluster: a node is watched with the streams that it has, and what is elsewhere is refused
//! in words.

use redis::from_redis_value;

use super::{check_numbers, fails, follow, only_source, source, watched_in_vain};
use crate::check::{checked, finding};
use crate::support::{RedisServer, Subscriber, TestServer, free_port, until};

const NODES: usize = 3;
const SLOTS: usize = 16_384;

/// Three nodes, each with a third of the slots.
struct Cluster([RedisServer; NODES]);

impl Cluster {
    async fn start() -> Self {
        let mut buses = Vec::new();
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let bus = free_port().to_string();
            let options = ["--cluster-enabled", "yes", "--cluster-port", &bus];
            nodes.push(RedisServer::start_with(&options).await);
            buses.push(bus);
        }
        for (index, node) in nodes.iter().enumerate() {
            let slot = |index: usize| index * SLOTS / NODES;
            let (first, last) = (slot(index).to_string(), (slot(index + 1) - 1).to_string());
            node.run(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            let port = node.address().port().to_string();
            nodes[0].run(&["CLUSTER", "MEET", "127.0.0.1", &port, &buses[index]]).await;
        }
        for node in &nodes {
            until("a cluster that works", async || {
                let info = node.run(&["CLUSTER", "INFO"]).await;
                let info: String = from_redis_value(info).expect("text");
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
            .await;
        }
        Self(nodes.try_into().unwrap_or_else(|_| unreachable!("three were started")))
    }

    /// Who has this key, and somebody who has not.
    async fn owner_and_other(&self, key: &str) -> (&RedisServer, &RedisServer) {
        let slot = self.0[0].run(&["CLUSTER", "KEYSLOT", key]).await;
        let slot: usize = from_redis_value(slot).expect("a number");
        let owner = (0..NODES).rfind(|index| index * SLOTS / NODES <= slot).expect("one");
        (&self.0[owner], &self.0[(owner + 1) % NODES])
    }
}

#[tokio::test]
async fn a_stream_on_another_node_is_refused_with_the_node_that_has_it() {
    let cluster = Cluster::start().await;
    let (owner, other) = cluster.owner_and_other("orders").await;
    let place = owner.address().to_string();
    let (server, mut client) = watched_in_vain(&other.url(), "stream=orders").await;
    fails(&mut client, "what is watched is on another", &place).await;
    let listed = only_source(&server).await;
    assert!(listed["remedy"].as_str().is_some_and(|said| said.contains(&place)), "{listed}");
    let (report, outcome) = checked(&["--source", &source(&other.url(), "stream=orders")]).await;
    let found = finding(&report, "stream");
    assert_eq!((outcome.code, &found["level"]), (Some(1), &"problem".into()), "{report}");
    assert!(found["mend"].as_str().is_some_and(|said| said.contains(&place)), "{found}");

    // What is advised works.
    let advised = source(&owner.url(), "stream=orders");
    let (report, outcome) = checked(&["--source", &advised]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"ok".into()), "{report}");
    let server = TestServer::start_with(&["--source", &advised]).await;
    let mut client = follow(&server).await;
    owner.add_all("orders", 0..3).await;
    check_numbers(&client.changes(3).await, 0..3);
}

#[tokio::test]
async fn streams_of_several_slots_are_refused_and_those_with_a_tag_in_common_are_one_source() {
    let cluster = Cluster::start().await;
    // Two of one node, in two slots.
    let (owner, _) = cluster.owner_and_other("orders").await;
    let mut second = String::new();
    for number in 0.. {
        second = format!("audit{number}");
        let (its_owner, _) = cluster.owner_and_other(&second).await;
        if its_owner.address() == owner.address() {
            break;
        }
    }
    let query = format!("stream=orders&stream={second}");
    let (_server, mut client) = watched_in_vain(&owner.url(), &query).await;
    fails(&mut client, "one slot at a time", "{tag}").await;

    let (owner, _) = cluster.owner_and_other("{shop}").await;
    let query = "stream={shop}orders&stream={shop}audit";
    let server = TestServer::start_with(&["--source", &source(&owner.url(), query)]).await;
    let mut client = follow(&server).await;
    owner.add("{shop}orders", 0).await;
    check_numbers(&client.changes(1).await, 0..1);
    owner.add("{shop}audit", 1).await;
    check_numbers(&client.changes(1).await, 1..2);
}

#[tokio::test]
async fn a_slot_that_moves_while_its_stream_is_followed_is_told_with_its_new_node() {
    let cluster = Cluster::start().await;
    let (owner, other) = cluster.owner_and_other("orders").await;
    let url = source(&owner.url(), "stream=orders");
    let server = TestServer::start_with(&["--source", &url]).await;
    let mut client = follow(&server).await;
    let slot: usize =
        from_redis_value(owner.run(&["CLUSTER", "KEYSLOT", "orders"]).await).expect("a number");
    let id: String = from_redis_value(other.run(&["CLUSTER", "MYID"]).await).expect("an id");
    for node in [other, owner] {
        node.run(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]).await;
    }
    let place = other.address().to_string();
    fails(&mut client, "what is watched is on another", &place).await;
}
