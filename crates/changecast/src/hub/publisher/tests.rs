//! What is published, what is refused, and what a key promises.

use super::*;
use crate::log::{MemoryLog, Retention};
use crate::model::{Body, TopicPattern};

fn publisher() -> (Arc<MemoryLog>, Publisher) {
    let log = Arc::new(MemoryLog::new(Retention::default()));
    let topics = TopicSet::new([TopicPattern::parse("cluster.orders").unwrap()]);
    let owners = [("shop".into(), TopicSet::none()), ("all".into(), topics)];
    (Arc::clone(&log), Publisher::new(log, owners, Arc::default()))
}

fn message(topic: &str, json: &str, key: Option<&str>) -> Message {
    Message { topic: Topic::parse(topic).unwrap(), json: json.into(), key: key.map(Into::into) }
}

async fn events(log: &MemoryLog) -> Vec<serde_json::Value> {
    let page = log.read(Seq::ZERO, &TopicSet::all()).await.unwrap();
    let event = |body: &Body| match body {
        Body::Change(change) => serde_json::from_slice(&change.event).unwrap(),
        Body::Gap(gap) => panic!("{gap:?}"),
    };
    page.entries.iter().map(|entry| event(&entry.body)).collect()
}

#[tokio::test]
async fn any_json_value_is_a_message() {
    let (log, publisher) = publisher();
    let values = ["null", "1", "\"x\"", "[1,{\"a\":null}]", "{ \"b\" : 9007199254740993 }"];
    for value in values {
        publisher.publish(message("news.x.y", value, None)).await.unwrap();
    }
    let events = events(&log).await;
    let documents: Vec<_> = events.iter().map(|event| event["fullDocument"].to_string()).collect();
    assert_eq!(
        documents,
        ["null", "1", "\"x\"", "[1,{\"a\":null}]", r#"{"b":{"$numberLong":"9007199254740993"}}"#]
    );
    for event in &events {
        assert_eq!(event["operationType"], "insert");
        assert_eq!(event["ns"], serde_json::json!({"db": "news", "coll": "x.y"}));
        assert_eq!(event["documentKey"]["_id"], event["_id"]["_data"]);
    }
    assert_ne!(events[0]["_id"], events[1]["_id"]);
}

#[tokio::test]
async fn what_is_no_json_or_too_deep_is_refused() {
    let (log, publisher) = publisher();
    let deep = format!("{}1{}", "[".repeat(101), "]".repeat(101));
    for json in ["", "{", "{} {}", "NaN", r#""\ud800""#, &deep] {
        let outcome = publisher.publish(message("news.x", json, None)).await;
        assert!(matches!(outcome, Err(PublishError::Invalid(_))), "{json}: {outcome:?}");
    }
    let deepest = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    publisher.publish(message("news.x", &deepest, None)).await.unwrap();
    assert_eq!(events(&log).await.len(), 1);
}

#[tokio::test]
async fn a_topic_of_a_source_is_refused() {
    let (_, publisher) = publisher();
    for topic in ["shop.orders", "shop.anything", "cluster.orders", "all.x"] {
        let outcome = publisher.publish(message(topic, "1", None)).await;
        assert!(matches!(outcome, Err(PublishError::Owned { .. })), "{topic}: {outcome:?}");
    }
    publisher.publish(message("cluster.bills", "1", None)).await.unwrap();
}

#[tokio::test]
async fn g3_a_key_takes_one_message_of_each_topic() {
    let (log, publisher) = publisher();
    let first = publisher.publish(message("a.b", "{\"n\":1}", Some("k"))).await.unwrap();
    let again = publisher.publish(message("a.b", "{ \"n\": 1 }", Some("k"))).await.unwrap();
    assert_eq!((first.id, again.is_repeated), (again.id, true));
    let other = publisher.publish(message("a.b", "{\"n\":2}", Some("k"))).await;
    assert!(matches!(other, Err(PublishError::KeyReused(id)) if id == first.id), "{other:?}");
    let elsewhere = publisher.publish(message("a.c", "{\"n\":2}", Some("k"))).await.unwrap();
    assert!(!elsewhere.is_repeated);
    assert_eq!(events(&log).await.len(), 2);
    for key in ["", &"x".repeat(limits::IDEMPOTENCY_KEY_BYTES_MAX + 1)] {
        let outcome = publisher.publish(message("a.b", "1", Some(key))).await;
        assert!(matches!(outcome, Err(PublishError::Invalid(_))), "{outcome:?}");
    }
}
