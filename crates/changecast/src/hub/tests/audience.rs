//! How many follow a topic: told at once, without anything being published.

use std::sync::Arc;

use super::support::{TestCodec, TestHub, topics};
use crate::hub::{Selection, Start};
use crate::model::Topic;

fn topic(text: &str) -> Topic {
    Topic::parse(text).unwrap()
}

#[tokio::test]
async fn s1_16_an_audience_counts_who_follows_by_name_or_pattern_and_forgets_who_goes() {
    let (hub, codec) = (TestHub::start(), TestCodec::new("one"));
    let early = hub.subscribe("shop.*", Start::Now, &codec).await;
    let mut orders = hub.hub.audience(&topic("shop.orders"));
    let other = hub.hub.audience(&topic("stock.items"));
    assert_eq!(*orders.borrow_and_update(), 1, "who was there before counts");

    let named = hub.subscribe("shop.orders", Start::Now, &codec).await;
    assert!(orders.has_changed().unwrap(), "the watcher wakes");
    let twice = hub.subscribe("shop.orders shop.*", Start::Now, &codec).await;
    let all = hub.subscribe("*", Start::Now, &codec).await;
    hub.subscribe("shop.items", Start::Now, &codec).await;
    assert_eq!(*orders.borrow_and_update(), 4, "two patterns of one follower are one follower");
    assert_eq!(*other.borrow(), 1, "who follows everything");

    drop((early, named, twice, all));
    assert!(orders.has_changed().unwrap());
    assert_eq!((*orders.borrow(), *other.borrow()), (0, 0));
}

#[tokio::test]
async fn an_audience_does_not_miss_for_a_moment_who_chooses_anew_and_stays() {
    let (hub, codec) = (TestHub::start(), TestCodec::new("one"));
    let mut follower = hub.subscribe("shop.orders", Start::Now, &codec).await;
    let mut orders = hub.hub.audience(&topic("shop.orders"));
    let items = hub.hub.audience(&topic("shop.items"));
    orders.borrow_and_update();

    let both = Selection::new(topics("shop.orders shop.items"), None);
    follower.subscription.follower().follow(both).unwrap();
    assert!(!orders.has_changed().unwrap(), "it never left");
    assert_eq!((*orders.borrow(), *items.borrow()), (1, 1));

    let items_only = Selection::new(topics("shop.items"), None);
    follower.subscription.follower().follow(items_only).unwrap();
    assert_eq!((*orders.borrow(), *items.borrow()), (0, 1));
    let nothing = follower.subscription.selection().without(topics("shop.items").patterns(), None);
    follower.subscription.follower().follow(nothing).unwrap();
    drop(follower);
    assert_eq!((*orders.borrow(), *items.borrow()), (0, 0));
}

#[tokio::test]
async fn g10_audiences_that_nobody_watches_are_forgotten() {
    let (hub, codec) = (TestHub::start(), TestCodec::new("one"));
    let kept = hub.hub.audience(&topic("a.kept"));
    for index in 0..1_000 {
        drop(hub.hub.audience(&topic(&format!("a.t{index}"))));
    }
    assert!(hub.hub.shared.audiences.watched_count() < 64);
    let _follower = hub.subscribe("a.*", Start::Now, &Arc::clone(&codec)).await;
    assert_eq!(*kept.borrow(), 1, "and one that is watched is not");
}
