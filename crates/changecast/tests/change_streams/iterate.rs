//! `next`, `try_next`, the token that moves, and the end.

use futures_util::StreamExt;
use serde_json::json;

use super::mongo_double::{MongoDouble, NAMESPACE};
use super::*;

/// A stream that says quickly that there is nothing.
fn brisk() -> WatchOptions {
    WatchOptions::new().max_await_time(Duration::from_millis(10))
}

async fn try_next(stream: &mut ChangeStream) -> Option<Change> {
    soon("an answer", stream.try_next()).await.expect("no error")
}

/// [async_for, iteration, next_blocks, async_with, async_with_creates_cursor] It waits, and what
/// comes right after `watch` is seen.
async fn check_next(mut stream: ChangeStream, insert: impl AsyncFn(std::ops::Range<i32>)) {
    assert!(stream.is_alive());
    {
        let mut waiting = std::pin::pin!(stream.next());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        insert(1..2).await;
        let change = soon("a change", waiting).await.expect("one").expect("a change");
        assert_eq!(id(&change), 1);
    }
    insert(2..4).await;
    // As a stream of the futures crate, too.
    let rest: Vec<_> = soon("two changes", StreamExt::take(&mut stream, 2).collect()).await;
    let rest: Vec<_> = rest.into_iter().map(|change| id(&change.expect("a change"))).collect();
    assert_eq!(rest, [2, 3]);

    let token = stream.resume_token().cloned();
    stream.close();
    stream.close();
    assert!(!stream.is_alive());
    assert!(soon("the end", stream.next()).await.is_none());
    assert!(try_next(&mut stream).await.is_none());
    assert!(soon("the end", stream.next_delivery()).await.is_none());
    assert!(soon("the end", StreamExt::next(&mut stream)).await.is_none());
    assert_eq!(stream.resume_token().cloned(), token, "it survives the end");
    assert!(token.is_some());
}

#[tokio::test]
async fn s2_08_s2_10_s2_12_next_waits_and_ends_with_none_on_mongodb() {
    let bed = Bed::new().await;
    check_next(bed.watch(WatchOptions::new()).await, |ids| bed.insert(ids)).await;
}

#[tokio::test]
async fn s2_08_s2_10_s2_12_next_waits_and_ends_with_none_on_the_embedded_store() {
    let store = Store::new();
    check_next(store.watch(WatchOptions::new()).await, |ids| store.insert(ids)).await;
}

/// [try_next, async_try_next]
async fn check_try_next(mut stream: ChangeStream, insert: impl AsyncFn(std::ops::Range<i32>)) {
    for round in 0..20 {
        assert!(try_next(&mut stream).await.is_none());
        insert(round * 2..round * 2 + 2).await;
        for id_wanted in [round * 2, round * 2 + 1] {
            let change = try_next(&mut stream).await.expect("what is there is found");
            assert_eq!(id(&change), id_wanted);
        }
    }
    // One that is given up asks for nothing that is missed later.
    drop(tokio::time::timeout(Duration::ZERO, stream.try_next()).await);
    insert(100..101).await;
    assert_eq!(id(&try_next(&mut stream).await.expect("it is there")), 100);
    assert!(try_next(&mut stream).await.is_none());
    assert!(stream.is_alive());
}

#[tokio::test]
async fn s2_09_try_next_tells_what_is_there_on_mongodb() {
    let bed = Bed::new().await;
    check_try_next(bed.watch(brisk()).await, |ids| bed.insert(ids)).await;
}

#[tokio::test]
async fn s2_09_try_next_tells_what_is_there_on_the_embedded_store() {
    let store = Store::new();
    check_try_next(store.watch(brisk()).await, |ids| store.insert(ids)).await;
}

/// [try_next_runs_one_getmore] One question that is answered empty is enough: the one that was under
/// way when it was called does not count.
#[tokio::test]
async fn s2_09_try_next_asks_once() {
    let double = MongoDouble::start().await;
    let [database, collection] = NAMESPACE;
    let source = Mongo::new(double.uri()).collection(database, collection).expect("a source");
    let options = WatchOptions::new().max_await_time(Duration::from_millis(200));
    let mut stream = source.watch(options).await.expect("a stream");
    for _ in 0..3 {
        let before = double.read().len();
        assert!(try_next(&mut stream).await.is_none());
        let asked = double.read().len() - before;
        assert!((1..=3).contains(&asked), "asked {asked} times");
    }
}

/// [async_try_next_updates_resume_token, update_resume_token, resumetoken_empty_batch]
#[tokio::test]
async fn s2_11_the_token_moves_although_nothing_matches() {
    let bed = Bed::new().await;
    let nothing = json!([{ "$match": { "operationType": "no such" } }]);
    let mut stream = bed.watch(brisk().pipeline(nothing)).await;
    let mut seen = stream.resume_token().expect("known from the start").clone();
    for round in 0..3 {
        bed.insert(round..round + 1).await;
        let items = bed.database.collection("items");
        items.insert_one(doc! { "_id": round }).await.expect("an insert");
        // Asked after that, the database answers from behind the order.
        assert!(try_next(&mut stream).await.is_none());
        let now = stream.resume_token().expect("a token").clone();
        assert_ne!(now, seen);
        seen = now;
    }
    bed.insert(3..4).await;
    let mut stream = bed.watch(WatchOptions::new().start_after(seen)).await;
    assert_eq!(ids(&mut stream, 1).await, [3]);
}

/// [resumetoken_partially_iterated_nonempty_batch, resumetoken_exhausted_nonempty_batch,
/// resumetoken_uniterated_nonempty_batch] However far one has read, the token is that of the last
/// change that was read, or lies behind it.
#[tokio::test]
async fn s2_11_the_token_is_that_of_what_was_read() {
    let bed = Bed::new().await;
    let mut stream = bed.watch(WatchOptions::new()).await;
    let mut tokens = vec![stream.resume_token().expect("a token").clone()];
    bed.insert(1..9).await;
    for _ in 1..9 {
        next(&mut stream).await;
        tokens.push(stream.resume_token().expect("a token").clone());
    }
    for (read, token) in tokens.into_iter().enumerate() {
        let mut stream = bed.watch(WatchOptions::new().start_after(token)).await;
        let first = i32::try_from(read).expect("small") + 1;
        let expected: Vec<_> = (first..9).collect();
        assert_eq!(ids(&mut stream, expected.len()).await, expected);
    }
}
