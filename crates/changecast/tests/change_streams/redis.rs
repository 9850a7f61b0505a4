//! The same API on a real Redis, with what is Redis's own: streams that are trimmed.

use std::sync::Arc;
use std::time::Duration;

use changecast::source::redis::{RedisConfig, RedisSource};
use changecast::source::{ChangeStream, FullDocument, SourceError, WatchOptions};
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, cmd};
use serde_json::{Value, json};

use super::soon;

/// A test's own stream in the shared Redis.
struct Bed {
    connection: MultiplexedConnection,
    source: RedisSource,
    key: String,
}

impl Bed {
    async fn new() -> Self {
        let url = std::env::var("CHANGECAST_TEST_REDIS").expect(
            "CHANGECAST_TEST_REDIS is set: run `scripts/services up`, then `source .services/env`",
        );
        let key = format!("stream_{:016x}", fastrand::u64(..));
        let client = redis::Client::open(&*url).expect("a URL");
        let connection = client.get_multiplexed_async_connection().await.expect("a connection");
        let config = RedisConfig::from_url(&format!("{url}?name=shop&stream={key}"));
        let source = RedisSource::new(config.expect("a URL"), Arc::default()).expect("a source");
        Self { connection, source, key }
    }

    async fn run<T: FromRedisValue>(&mut self, name: &str, arguments: &[&str]) -> T {
        let mut command = cmd(name);
        command.arg(&self.key).arg(arguments);
        command.query_async(&mut self.connection).await.expect("an answer")
    }

    async fn add(&mut self, number: i64) {
        let _: String = self.run("XADD", &["*", "n", &number.to_string()]).await;
    }

    async fn watch(&self, options: WatchOptions) -> ChangeStream {
        self.source.watch(options).await.expect("a stream")
    }

    async fn end(mut self) {
        let _: i64 = self.run("DEL", &[]).await;
    }
}

async fn number(stream: &mut ChangeStream) -> i64 {
    let change = soon("a change", stream.next()).await.expect("more").expect("no error");
    let event: Value = serde_json::from_slice(&change.event).expect("JSON");
    event["fullDocument"]["n"].as_str().expect("text").parse().expect("a number")
}

#[tokio::test]
async fn s2_12_a_change_right_after_watch_is_always_seen_and_a_token_goes_on_after_it() {
    let mut bed = Bed::new().await;
    bed.add(0).await;
    let mut stream = bed.watch(WatchOptions::new()).await;
    let before = stream.resume_token().cloned().expect("known from the start");
    for n in 1..4 {
        bed.add(n).await;
    }
    assert_eq!(number(&mut stream).await, 1);
    let token = stream.resume_token().cloned().expect("a token");
    assert_eq!(number(&mut stream).await, 2);
    let mut again = bed.watch(WatchOptions::new().start_after(token)).await;
    assert_eq!((number(&mut again).await, number(&mut again).await), (2, 3));
    let mut first = bed.watch(WatchOptions::new().resume_after(before)).await;
    assert_eq!(number(&mut first).await, 1);
    bed.end().await;
}

#[tokio::test]
async fn s2_09_try_next_says_when_there_is_nothing() {
    let mut bed = Bed::new().await;
    let options = WatchOptions::new().max_await_time(Duration::from_millis(20));
    let mut stream = bed.watch(options).await;
    assert!(soon("an answer", stream.try_next()).await.expect("no error").is_none());
    bed.add(1).await;
    let change = soon("an answer", stream.try_next()).await.expect("no error").expect("a change");
    let key: Value = serde_json::from_slice(&change.key).expect("JSON");
    assert!(key["_id"].is_string(), "{key}");
    bed.end().await;
}

#[tokio::test]
async fn s2_08_a_closed_stream_ends_without_an_error() {
    let bed = Bed::new().await;
    let mut stream = bed.watch(WatchOptions::new()).await;
    stream.close_handle().close();
    assert!(soon("the end", stream.next()).await.is_none());
    bed.end().await;
}

#[tokio::test]
async fn what_redis_cannot_do_is_refused_by_name() {
    let bed = Bed::new().await;
    let options = WatchOptions::new().pipeline(json!([{"$match": {}}]));
    let refused = bed.source.watch(options).await.expect_err("it has no pipelines");
    assert!(refused.to_string().contains("pipeline"), "{refused}");
    // Every entry comes with its document anyway.
    let mut stream = bed.watch(WatchOptions::new().full_document(FullDocument::Required)).await;
    assert!(stream.is_alive());
    assert!(stream.next_ready_delivery().is_none());
    bed.end().await;
}

#[tokio::test]
async fn g2_entries_that_are_trimmed_under_a_slow_reader_are_not_skipped_in_silence() {
    let mut bed = Bed::new().await;
    let mut stream = bed.watch(WatchOptions::new()).await;
    // More than the driver reads ahead.
    let text = "for n = 0, 9999 do redis.call('XADD', KEYS[1], '*', 'n', n) end";
    let mut script = cmd("EVAL");
    script.arg(text).arg(1).arg(&bed.key);
    let adding: Result<(), _> = script.query_async(&mut bed.connection).await;
    adding.expect("they are added");
    assert_eq!(number(&mut stream).await, 0);
    let _: i64 = bed.run("XTRIM", &["MAXLEN", "10"]).await;
    let mut last = 0;
    let error = loop {
        match soon("a change or the end", stream.next()).await.expect("an error comes first") {
            Ok(change) => {
                let event: Value = serde_json::from_slice(&change.event).expect("JSON");
                let n =
                    event["fullDocument"]["n"].as_str().expect("text").parse().expect("a number");
                assert_eq!(last + 1, n, "nothing is skipped");
                last = n;
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SourceError::HistoryLost(_)), "{error}");
    assert!(last < 9989, "the driver was behind: {last}");
    bed.end().await;
}
