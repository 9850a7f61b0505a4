//! Closing from elsewhere ends whoever waits with `None`, never with an error.

use changecast::source::Delivery;

use super::*;

/// Somebody waits while somebody else closes, each in a task of its own.
async fn close_under_the_reader(mut stream: ChangeStream, delay: u8) {
    let handle = stream.close_handle();
    let reader = tokio::spawn(async move {
        let end = stream.next().await;
        (end.is_none(), stream.is_alive(), stream.resume_token().is_some())
    });
    for _ in 0..delay {
        tokio::task::yield_now().await;
    }
    handle.close();
    handle.clone().close();
    let (is_clean, is_alive, has_token) = soon("the end", reader).await.expect("no panic");
    assert!(is_clean, "no change and no error");
    assert!(!is_alive);
    assert!(has_token);
}

/// [concurrent_close, close]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s2_13_ten_thousand_closes_end_the_reader_with_none_on_the_embedded_store() {
    let store = Store::new();
    for round in 0..10_000 {
        let stream = store.watch(WatchOptions::new()).await;
        close_under_the_reader(stream, (round % 4) as u8).await;
    }
}

/// [concurrent_close, close, kill_cursors]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s2_13_a_thousand_closes_end_the_reader_with_none_on_mongodb() {
    let bed = Bed::new().await;
    for round in 0..1_000 {
        let stream = bed.watch(WatchOptions::new()).await;
        close_under_the_reader(stream, (round % 4) as u8).await;
    }
    soon("no cursor is left", async { while cursor_count(&bed).await > 0 {} }).await;
}

async fn cursor_count(bed: &Bed) -> usize {
    let stages = [
        doc! { "$currentOp": { "allUsers": true, "idleCursors": true } },
        doc! { "$match": {
            "ns": format!("{}.orders", bed.name()),
            "cursor": { "$exists": true },
        } },
    ];
    let admin = bed.database.client().database("admin");
    let mut found = admin.aggregate(stages).await.expect("an answer");
    let mut count = 0;
    while found.advance().await.expect("an answer") {
        count += 1;
    }
    count
}

/// What waits unread at a close is not read any more, by any way of reading, and is not lost: the
/// token stands before it.
#[tokio::test]
async fn s2_13_what_is_unread_at_a_close_comes_after_the_token() {
    let store = Store::new();
    let mut stream = store.watch(WatchOptions::new()).await;
    store.insert(1..4).await;
    assert_eq!(ids(&mut stream, 1).await, [1]);
    stream.close();
    assert!(stream.try_next().await.expect("no error").is_none());
    assert!(stream.next().await.is_none());
    let token = stream.resume_token().expect("a token").clone();
    let mut stream = store.watch(WatchOptions::new().start_after(token)).await;
    assert_eq!(ids(&mut stream, 2).await, [2, 3]);
}

/// Ten thousand races between a driver that fails and a reader that closes: whoever closed first
/// hears of no error.
#[tokio::test]
async fn s2_13_a_close_wins_over_an_error_that_waits() {
    for round in 0..10_000 {
        let (sender, mut stream) = ChangeStream::new(None);
        let delivery = Delivery { change: None, position: None };
        assert!(sender.send(Ok(delivery)).await);
        let failure = SourceError::Unavailable("the cursor was killed".into());
        assert!(sender.send(Err(failure)).await);
        if round % 2 == 0 {
            stream.close();
            assert!(stream.next().await.is_none());
        } else {
            assert!(matches!(stream.next().await, Some(Err(_))));
            assert!(!stream.is_alive(), "an error is the last word");
            stream.close();
            assert!(stream.next().await.is_none());
        }
        assert!(sender.is_closed());
    }
}
