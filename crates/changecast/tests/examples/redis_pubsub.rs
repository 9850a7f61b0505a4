//! `redis_pubsub`: what it publishes itself, and what somebody else does.

use redis::cmd;

use super::support::Example;

#[tokio::test]
async fn s1_25_what_is_published_on_the_channel_comes_whoever_publishes() {
    let url = std::env::var("CHANGECAST_TEST_REDIS").expect(
        "CHANGECAST_TEST_REDIS is set: run `scripts/services up`, then `source .services/env`",
    );
    let environment = [("REDIS_URL", url.as_str())];
    let example = Example::start_with("redis_pubsub", &[], &environment).await;
    let page = example.open("/").await.text().await;
    assert!(page.contains(r#"new EventSource("/events")"#), "{page}");
    let mut stream = example.open("/events").await;
    let (first, second) = (stream.data().await, stream.data().await);
    assert_eq!(first.len(), "01234567-01234567-01234567".len(), "{first}");
    assert_ne!(first, second);

    let client = redis::Client::open(&*url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut publish = cmd("PUBLISH");
    publish.arg("tornadose").arg("from outside");
    let heard: i64 = publish.query_async(&mut connection).await.unwrap();
    assert_eq!(heard, 1);
    while stream.data().await != "from outside" {}
    example.interrupt().await;
}
