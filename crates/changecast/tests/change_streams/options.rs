//! Where a stream starts, and how the database is asked.

use changecast::model::Position;
use changecast::source::{OperationTime, Remedy};
use mongodb::bson::Bson;
use serde_json::json;

use super::mongo_double::{MongoDouble, NAMESPACE, Start};
use super::*;

fn token(stream: &ChangeStream) -> Position {
    stream.resume_token().expect("a token").clone()
}

#[tokio::test]
async fn s2_06_a_stream_has_one_start() {
    let (bed, store) = (Bed::new().await, Store::new());
    let time = OperationTime { seconds: 1, increment: 1 };
    let position = token(&bed.watch(WatchOptions::new()).await);
    let both = WatchOptions::new().resume_after(position.clone()).start_after(position.clone());
    let error = bed.watch_error(both.clone()).await;
    assert!(error.to_string().contains("resume_after and start_after exclude each other"));
    let error = store.store.watch(both).await.expect_err("an error");
    assert_eq!(error.remedy(), Remedy::Operator);
    let all = WatchOptions::new().resume_after(position).start_at_operation_time(time);
    let error = bed.watch_error(all).await;
    assert!(error.to_string().contains("resume_after and start_at_operation_time exclude"));
}

/// [start_at_operation_time]
#[tokio::test]
async fn s2_06_the_time_to_start_at_is_included() {
    let bed = Bed::new().await;
    let mut stream = bed.watch(WatchOptions::new()).await;
    bed.insert(1..4).await;
    next(&mut stream).await;
    let second = event(&mut stream).await;
    let time = &second["clusterTime"]["$timestamp"];
    let number = |field: &str| u32::try_from(time[field].as_u64().expect("a number")).expect("32");
    let time = OperationTime { seconds: number("t"), increment: number("i") };
    let options = WatchOptions::new().start_at_operation_time(time);
    assert_eq!(ids(&mut bed.watch(options).await, 2).await, [2, 3]);
}

/// [watch_with_start_after, start_after, start_after_resume_process_with(out)_changes] A stream
/// goes on over an invalidate by itself; whoever stops there goes on with `start_after`.
#[tokio::test]
async fn s2_06_a_drop_is_followed_by_what_comes_after_it() {
    let bed = Bed::new().await;
    let mut stream = bed.watch(WatchOptions::new()).await;
    bed.insert(1..2).await;
    bed.orders().drop().await.expect("a drop");
    assert_eq!(operations(&mut stream, 3).await, ["insert", "drop", "invalidate"]);
    let invalidate = token(&stream);
    bed.insert(2..4).await;
    assert_eq!(ids(&mut stream, 2).await, [2, 3]);

    let mut after = bed.watch(WatchOptions::new().start_after(invalidate.clone())).await;
    assert_eq!(ids(&mut after, 2).await, [2, 3]);
    let error = bed.watch_error(WatchOptions::new().resume_after(invalidate)).await;
    assert_eq!(error.remedy(), Remedy::Gap, "{error}");
}

/// [watch: resume from an event's `_id`] As text, and from another driver.
#[tokio::test]
async fn s2_11_a_token_is_text_and_one_of_another_driver_is_as_good() {
    let bed = Bed::new().await;
    let mut stream = bed.watch(WatchOptions::new()).await;
    bed.insert(1..4).await;
    let first = event(&mut stream).await;
    let text = stream.resume_token().expect("a token").to_string();
    let foreign = json!({ "_data": first["_id"]["_data"] }).to_string();
    for text in [text, foreign] {
        let token: Position = text.parse().expect("text");
        for options in [
            WatchOptions::new().start_after(token.clone()),
            WatchOptions::new().resume_after(token.clone()),
        ] {
            assert_eq!(ids(&mut bed.watch(options).await, 2).await, [2, 3]);
        }
    }
}

#[tokio::test]
async fn s2_11_a_token_of_the_embedded_store_is_text_too() {
    let store = Store::new();
    let mut stream = store.watch(WatchOptions::new()).await;
    store.insert(1..4).await;
    next(&mut stream).await;
    let token: Position = token(&stream).to_string().parse().expect("text");
    let mut stream = store.watch(WatchOptions::new().resume_after(token)).await;
    assert_eq!(ids(&mut stream, 2).await, [2, 3]);
}

/// [batch_size_is_honored, max_await_time only on getMore, comments of the specification's files]
#[tokio::test]
async fn s2_07_the_database_is_asked_as_the_options_say() {
    let double = MongoDouble::start().await;
    let [database, collection] = NAMESPACE;
    let source = Mongo::new(double.uri()).collection(database, collection).expect("a source");
    let options = WatchOptions::new()
        .max_await_time(Duration::from_millis(50))
        .batch_size(7)
        .collation(json!({ "locale": "fr", "strength": 2 }))
        .comment(json!({ "who": "the test" }))
        .show_expanded_events(true);
    let mut stream = source.watch(options).await.expect("a stream");
    assert!(stream.try_next().await.expect("an answer").is_none());

    let opened = double.opened().remove(0).command;
    let stage = opened.get_array("pipeline").expect("a pipeline")[0].as_document().expect("one");
    let stage = stage.get_document("$changeStream").expect("a change stream");
    assert_eq!(stage.get_bool("showExpandedEvents").ok(), Some(true));
    assert_eq!(opened.get_document("cursor").ok(), Some(&doc! { "batchSize": 7 }));
    assert_eq!(opened.get_document("collation").and_then(|c| c.get_str("locale")).ok(), Some("fr"));
    assert!(!opened.contains_key("maxTimeMS"), "{opened}");
    for read in double.read() {
        assert_eq!(read.get("maxTimeMS").and_then(Bson::as_i32), Some(50), "{read}");
        assert_eq!(read.get("batchSize").and_then(Bson::as_i32), Some(7), "{read}");
        assert_eq!(read.get("comment"), opened.get("comment"), "{read}");
    }
    assert_eq!(opened.get_document("comment").ok(), Some(&doc! { "who": "the test" }));
}

#[tokio::test]
async fn s2_07_a_collation_decides_what_matches() {
    let bed = Bed::new().await;
    let options = WatchOptions::new()
        .pipeline(json!([{ "$match": { "fullDocument.name": "ÉTÉ" } }]))
        .collation(json!({ "locale": "fr", "strength": 1 }));
    let mut stream = bed.watch(options).await;
    for (id, name) in [(1, "hiver"), (2, "ete")] {
        bed.orders().insert_one(doc! { "_id": id, "name": name }).await.expect("an insert");
    }
    assert_eq!(ids(&mut stream, 1).await, [2]);
}

#[tokio::test]
async fn s2_07_what_cannot_be_honoured_is_refused_by_name() {
    let (bed, store) = (Bed::new().await, Store::new());
    for (options, name) in [
        (WatchOptions::new().pipeline(json!([])), "pipeline"),
        (WatchOptions::new().collation(json!({ "locale": "fr" })), "collation"),
        (WatchOptions::new().comment("hello"), "comment"),
        (WatchOptions::new().show_expanded_events(true), "show_expanded_events"),
        (
            WatchOptions::new().start_at_operation_time(OperationTime { seconds: 1, increment: 0 }),
            "start_at_operation_time",
        ),
    ] {
        let error = store.store.watch(options).await.expect_err("an error").to_string();
        let expected = format!("the embedded store cannot honour {name}: leave it out");
        assert_eq!(error, expected);
    }
    for (options, name) in [
        (WatchOptions::new().max_await_time(Duration::ZERO), "max_await_time"),
        (WatchOptions::new().collation(json!("fr")), "collation"),
        (WatchOptions::new().collation(json!({ "locale": "nowhere" })), "'locale' is invalid"),
    ] {
        let error = bed.watch_error(options).await;
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(error.remedy(), Remedy::Operator);
    }
}

/// [showExpandedEvents of the specification's files]
#[tokio::test]
async fn s2_05_expanded_events_come_if_asked_for() {
    let bed = Bed::new().await;
    bed.insert(1..2).await;
    let mut plain = bed.watch(WatchOptions::new()).await;
    let mut expanded = bed.watch(WatchOptions::new().show_expanded_events(true)).await;
    let index = mongodb::IndexModel::builder().keys(doc! { "a": 1 }).build();
    bed.orders().create_index(index).await.expect("an index");
    bed.insert(2..3).await;
    let index = event(&mut expanded).await;
    assert_eq!(index["operationType"], "createIndexes");
    assert!(index["operationDescription"]["indexes"].is_array(), "{index}");
    assert!(index["collectionUUID"].is_object(), "{index}");
    // Whoever does not ask any more goes on from there all the same.
    let token = token(&expanded);
    assert_eq!(ids(&mut bed.watch(WatchOptions::new().start_after(token)).await, 1).await, [2]);
    assert_eq!(ids(&mut plain, 1).await, [2]);
}

/// [initial_empty_batch, startafter_resume…] What is asked for first is what the user said.
#[tokio::test]
async fn s2_06_the_server_is_asked_to_start_where_the_user_says() {
    let double = MongoDouble::start().await;
    double.insert_numbers(1..=3);
    let [database, collection] = NAMESPACE;
    let source = Mongo::new(double.uri()).collection(database, collection).expect("a source");
    let foreign = json!({ "_data": double.last_token() }).to_string();
    let foreign: Position = foreign.parse().expect("text");
    source.watch(WatchOptions::new().resume_after(foreign.clone())).await.expect("a stream");
    source.watch(WatchOptions::new().start_after(foreign)).await.expect("a stream");
    for (opened, name) in double.opened().iter().zip(["resumeAfter", "startAfter"]) {
        assert_eq!(opened.start, Start::After(double.last_token()));
        let stage = opened.command.get_array("pipeline").expect("a pipeline")[0].clone();
        let stage = stage.as_document().and_then(|stage| stage.get_document("$changeStream").ok());
        assert!(stage.is_some_and(|stage| stage.contains_key(name)), "{opened:?}");
    }
}
