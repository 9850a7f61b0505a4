//! Whoever gives up waiting loses nothing: every change comes exactly once, in order.

use std::pin::pin;

use super::*;

/// Polls `next` at random times, gives up at random, and counts.
async fn check_cancelled(
    mut stream: ChangeStream,
    count: i32,
    insert: impl AsyncFn(std::ops::Range<i32>),
) {
    let mut random = fastrand::Rng::with_seed(20_261_121);
    let (mut written, mut seen, mut given_up) = (0, 0, 0);
    while seen < count {
        if written < count && random.u8(..) < 32 {
            let some = random.i32(1..4).min(count - written);
            insert(written..written + some).await;
            written += some;
        }
        let delivered = {
            let mut waiting = pin!(stream.next());
            let mut delivered = None;
            for _ in 0..random.u8(1..4) {
                if let std::task::Poll::Ready(next) = futures_util::poll!(&mut waiting) {
                    delivered = Some(next);
                    break;
                }
                tokio::task::yield_now().await;
            }
            delivered
        };
        match delivered {
            Some(next) => {
                let change = next.expect("a stream that goes on").expect("a change");
                assert_eq!(id(&change), seen, "exactly once, in order");
                seen += 1;
            }
            None => given_up += 1,
        }
    }
    assert!(given_up >= count, "{given_up} of {count}");
    assert!(stream.is_alive());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s2_14_ten_thousand_changes_survive_given_up_waits_on_the_embedded_store() {
    let store = Store::new();
    let stream = store.watch(WatchOptions::new()).await;
    check_cancelled(stream, 10_000, |ids| store.insert(ids)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s2_14_a_thousand_changes_survive_given_up_waits_on_mongodb() {
    let bed = Bed::new().await;
    let stream = bed.watch(WatchOptions::new()).await;
    check_cancelled(stream, 1_000, |ids| bed.insert(ids)).await;
}

/// A race that is lost at random: between a change and a timer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s2_14_a_select_between_two_streams_loses_nothing() {
    let store = Store::new();
    let mut one = store.watch(WatchOptions::new()).await;
    let mut two = store.watch(WatchOptions::new()).await;
    let writing = async { store.insert(0..500).await };
    let reading = async {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        while first.len() < 500 || second.len() < 500 {
            tokio::select! {
                change = one.next(), if first.len() < 500 => {
                    first.push(id(&change.expect("one").expect("a change")));
                }
                change = two.next(), if second.len() < 500 => {
                    second.push(id(&change.expect("one").expect("a change")));
                }
            }
        }
        (first, second)
    };
    let ((), (first, second)) = soon("all changes", async { tokio::join!(writing, reading) }).await;
    assert_eq!(first, (0..500).collect::<Vec<_>>());
    assert_eq!(first, second);
}
