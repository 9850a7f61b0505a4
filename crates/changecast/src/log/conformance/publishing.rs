//! Messages under a key: once, for as long as the entry is kept.

use std::sync::Arc;

use super::support::{Kind, batch, changes, tail_of};
use crate::log::{Log, Publication, PublicationKey, Published, Retention};
use crate::model::{Change, Op, Seq, Topic};

fn publication(topic: &str, key: &str, content: u8) -> Publication {
    let change = Change {
        topic: Topic::parse(topic).unwrap(),
        op: Op::Insert,
        key: "{}".into(),
        event: format!("{{\"n\":{content}}}").into(),
    };
    let key =
        (!key.is_empty()).then(|| PublicationKey { text: key.into(), fingerprint: [content; 32] });
    Publication { source: "news".into(), change, key }
}

async fn publish(log: &Arc<dyn Log>, topic: &str, key: &str, content: u8) -> Published {
    log.publish(publication(topic, key, content)).await.unwrap()
}

pub(super) async fn once(kind: &Kind) {
    let log = kind.open(Retention::default());
    assert_eq!(publish(&log, "news.a", "k", 1).await, Published::Appended(Seq(1)));
    assert_eq!(publish(&log, "news.a", "k", 1).await, Published::Repeated(Seq(1)));
    assert_eq!(publish(&log, "news.a", "", 1).await, Published::Appended(Seq(2)));
    let log = kind.settle(log, Retention::default()).await;
    assert_eq!(publish(&log, "news.a", "k", 1).await, Published::Repeated(Seq(1)));
    assert_eq!(publish(&log, "news.a", "k", 2).await, Published::Conflicting(Seq(1)));
    assert_eq!(publish(&log, "news.b", "k", 2).await, Published::Appended(Seq(3)));
    assert_eq!(publish(&log, "news.a", "other", 2).await, Published::Appended(Seq(4)));
    assert_eq!(tail_of(&*log), Seq(4));
}

pub(super) async fn twins(kind: &Kind) {
    let log = kind.open(Retention::default());
    let twins = (0..50).map(|n| log.publish(publication("news.a", "k", n % 2)));
    let outcomes = futures_util::future::join_all(twins).await;
    let mut appended = 0;
    for outcome in outcomes {
        match outcome.unwrap() {
            Published::Appended(seq) => {
                appended += 1;
                assert_eq!(seq, Seq(1));
            }
            Published::Repeated(seq) | Published::Conflicting(seq) => assert_eq!(seq, Seq(1)),
        }
    }
    assert_eq!((appended, tail_of(&*log)), (1, Seq(1)));
}

pub(super) async fn forgotten(kind: &Kind) {
    let retention = Retention { entries_max: 16, ..Retention::default() };
    let log = kind.open(retention);
    publish(&log, "news.a", "k", 1).await;
    log.append(batch("news", changes("news.a", 15))).await.unwrap();
    assert_eq!(publish(&log, "news.a", "k", 1).await, Published::Repeated(Seq(1)));
    log.append(batch("news", changes("news.a", 16))).await.unwrap();
    let log = kind.settle(log, retention).await;
    assert_eq!(publish(&log, "news.a", "k", 2).await, Published::Appended(Seq(33)));
    log.close().await;
    assert!(log.publish(publication("news.a", "k", 2)).await.is_err());
}
