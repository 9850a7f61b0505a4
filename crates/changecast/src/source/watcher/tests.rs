//! Watchers by themselves, by a paused clock: what they tell, and when they work.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use futures_util::stream;
use serde_json::value::RawValue;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::{Failure, Watcher};
use crate::model::{Change, Position};
use crate::source::{ChangeStream, Source, SourceError, WatchOptions};

const SECOND: Duration = Duration::from_secs(1);

/// The values in turn, then the last one for ever.
fn script(values: &[i32]) -> impl Fn() -> std::future::Ready<Result<i32, Failure>> + use<> {
    let (values, next) = (values.to_vec(), AtomicUsize::new(0));
    move || {
        let index = next.fetch_add(1, Ordering::Relaxed).min(values.len() - 1);
        std::future::ready(Ok(values[index]))
    }
}

fn document(change: &Change) -> serde_json::Value {
    let event: serde_json::Value = serde_json::from_slice(&change.event).unwrap();
    event["fullDocument"].clone()
}

async fn next(stream: &mut ChangeStream) -> serde_json::Value {
    document(&stream.next().await.unwrap().unwrap())
}

async fn open(watcher: &Watcher) -> ChangeStream {
    watcher.watch(WatchOptions::new()).await.unwrap()
}

async fn reopen(watcher: &Watcher, token: Option<&Position>) -> Result<ChangeStream, SourceError> {
    let options = WatchOptions { start_after: token.cloned(), ..WatchOptions::default() };
    watcher.watch(options).await
}

/// A stream of the numbers that are sent, and whether it is listened to.
fn numbers() -> (watch::Sender<i32>, Watcher) {
    let (sender, numbers) = watch::channel(0);
    let watcher = Watcher::stream("live", move || {
        stream::unfold(numbers.clone(), |mut numbers| async move {
            numbers.changed().await.ok()?;
            let number = *numbers.borrow_and_update();
            Some((Ok(number), numbers))
        })
    });
    (sender, watcher.unwrap())
}

#[test]
fn a_name_that_would_be_a_pattern_is_refused() {
    for name in ["shop.*", "a*", "*", "", "a.", ".b"] {
        let refused = Watcher::poll(name, SECOND, script(&[1])).err().expect(name);
        assert!(refused.to_string().contains("cannot be named"), "{name}: {refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_is_asked_each_time_that_its_time_has_come() {
    let watcher = Watcher::poll("score", SECOND, script(&[1, 1, 2])).unwrap();
    let began = Instant::now();
    let mut stream = open(&watcher).await;
    for (value, seconds) in [(1, 0), (1, 1), (2, 2), (2, 3)] {
        assert_eq!(next(&mut stream).await, value);
        assert_eq!(began.elapsed().as_secs(), seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn s4_04_equal_values_are_told_once_if_that_is_asked_for() {
    let watcher = Watcher::poll("score", SECOND, script(&[1, 1, 2, 1])).unwrap().distinct();
    let began = Instant::now();
    let mut stream = open(&watcher).await;
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!((first.op.name(), document(&first)), ("insert", 1.into()));
    let second = stream.next().await.unwrap().unwrap();
    assert_eq!((second.op.name(), document(&second)), ("replace", 2.into()));
    assert_eq!((first.key.clone(), &*first.key), (second.key, &br#"{"_id":"current"}"#[..]));
    assert_eq!(next(&mut stream).await, 1, "A, B and A again are three changes");
    assert_eq!(began.elapsed().as_secs(), 3);
    // Whoever goes on later is told only what is new.
    let token = stream.resume_token().cloned();
    let mut stream = reopen(&watcher, token.as_ref()).await.unwrap();
    assert!(timeout(10 * SECOND, stream.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn values_are_compared_by_what_they_mean() {
    let texts = Mutex::new(vec![
        r#"{"b":2,"a":18446744073709551617}"#,
        r#"{"b":3,"a":1}"#,
        r#"{"a":1,"b":3}"#,
    ]);
    let watcher = Watcher::poll("score", SECOND, move || {
        let text = texts.lock().unwrap().pop();
        let value = text.ok_or(Failure::from("none"));
        std::future::ready(value.map(|text| RawValue::from_string(text.into()).unwrap()))
    });
    let mut stream = open(&watcher.unwrap().distinct()).await;
    assert_eq!(next(&mut stream).await["b"], 3);
    assert_eq!(next(&mut stream).await["a"]["$numberDecimal"], "18446744073709551617");
    assert!(
        matches!(stream.next().await, Some(Err(SourceError::Unavailable(why))) if why == "none")
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_is_the_streams_last_word_and_keeps_its_meaning() {
    let watcher = Watcher::poll("score", SECOND, || async {
        let remedy = "log in".to_owned();
        Err::<(), _>(SourceError::Operator { problem: "locked".into(), remedy }.into())
    });
    let error = watcher.unwrap().watch(WatchOptions::new()).await.unwrap_err();
    assert_eq!((error.to_string(), error.advice()), ("locked".into(), Some("log in")));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_fault_and_not_the_end() {
    let panics: [fn() -> Watcher; 4] = [
        || Watcher::poll("p", SECOND, || async { panic!("oh {}", "no") as Result<(), _> }).unwrap(),
        || Watcher::poll("p", SECOND, call_panics).unwrap(),
        || Watcher::blocking("p", SECOND, SECOND, || panic!("oh no") as Result<(), _>).unwrap(),
        || {
            let open = || stream::poll_fn(|_| panic!("oh no")) as stream::PollFn<_>;
            Watcher::stream("p", move || -> stream::BoxStream<'static, Result<(), Failure>> {
                Box::pin(open())
            })
            .unwrap()
        },
    ];
    for watcher in panics {
        let watcher = watcher();
        for _again in 0..2 {
            let error = match watcher.watch(WatchOptions::new()).await {
                Ok(mut stream) => stream.next().await.unwrap().unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.to_string(), "the watcher has panicked: oh no");
        }
    }
}

fn call_panics() -> std::future::Ready<Result<(), Failure>> {
    panic!("oh no")
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_too_long_is_a_fault() {
    let watcher = Watcher::poll("score", SECOND, std::future::pending::<Result<(), Failure>>);
    let error = watcher.unwrap().timeout(SECOND).watch(WatchOptions::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "the watcher has no answer within 1s");
}

#[tokio::test]
async fn s4_03_a_blocking_function_is_never_called_twice_at_once() {
    let (go, wait) = mpsc::sync_channel::<()>(8);
    let (wait, calls) = (Mutex::new(wait), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&calls);
    let millisecond = Duration::from_millis(1);
    let watcher = Watcher::blocking("slow", millisecond, millisecond, move || {
        let call = counted.fetch_add(1, Ordering::SeqCst) + 1;
        wait.lock().unwrap().recv().map_err(|_| "the test is over")?;
        Ok(call)
    });
    let watcher = watcher.unwrap();
    for _late in 0..3 {
        let error = watcher.watch(WatchOptions::new()).await.unwrap_err();
        assert!(error.to_string().contains("no answer within"), "{error}");
    }
    assert!(calls.load(Ordering::SeqCst) <= 1);
    // The late call returns, to nobody; the next one is another.
    go.send(()).unwrap();
    go.send(()).unwrap();
    let mut stream = open(&watcher.timeout(30 * SECOND)).await;
    assert_eq!(next(&mut stream).await, 2);
    drop(go);
}

#[tokio::test(start_paused = true)]
async fn g2_a_stream_that_nobody_has_listened_to_is_lost_history() {
    let (sender, watcher) = numbers();
    let mut stream = open(&watcher).await;
    for number in 1..=3 {
        sender.send(number).unwrap();
        assert_eq!(next(&mut stream).await, number);
    }
    let token = stream.resume_token().cloned();
    assert!(matches!(reopen(&watcher, token.as_ref()).await, Err(SourceError::HistoryLost(_))));
    drop(sender);
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the watcher's stream has ended");
}

#[tokio::test(start_paused = true)]
async fn one_on_demand_works_from_the_first_follower_until_after_the_last() {
    let watcher = Watcher::poll("score", SECOND, script(&[1, 2, 3, 4])).unwrap();
    let watcher = watcher.on_demand().linger(10 * SECOND);
    let (audience, followers) = watch::channel(0);
    watcher.demand().unwrap().connect(followers);
    let mut stream = open(&watcher).await;
    assert!(timeout(100 * SECOND, stream.next()).await.is_err(), "nobody follows");
    audience.send(1).unwrap();
    assert_eq!(next(&mut stream).await, 1);
    assert_eq!(next(&mut stream).await, 2);
    // One that only reconnects starts nothing anew.
    audience.send(0).unwrap();
    assert_eq!(next(&mut stream).await, 3);
    audience.send(2).unwrap();
    assert!(timeout(20 * SECOND, next(&mut stream)).await.is_ok());
    audience.send(0).unwrap();
    while timeout(11 * SECOND, stream.next()).await.is_ok() {}
    assert!(timeout(100 * SECOND, stream.next()).await.is_err(), "it still works");
    assert!(stream.is_alive());
    audience.send(1).unwrap();
    assert_eq!(next(&mut stream).await, 4);
}

#[tokio::test(start_paused = true)]
async fn g2_a_stream_on_demand_says_so_when_it_stops_listening() {
    let (sender, watcher) = numbers();
    let watcher = watcher.on_demand().linger(SECOND);
    let (audience, followers) = watch::channel(1);
    watcher.demand().unwrap().connect(followers);
    let mut stream = open(&watcher).await;
    assert!(stream.resume_token().is_none(), "nobody has listened yet");
    assert!(timeout(SECOND, stream.next()).await.is_err());
    sender.send(1).unwrap();
    assert_eq!(next(&mut stream).await, 1);
    audience.send(0).unwrap();
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(matches!(error, SourceError::HistoryLost(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_question_is_answered_between_two_ticks() {
    let watcher = Watcher::poll("score", 100 * SECOND, script(&[1, 2])).unwrap();
    let mut stream = open(&watcher).await;
    assert_eq!(next(&mut stream).await, 1);
    let began = Instant::now();
    assert!(stream.try_next().await.unwrap().is_none());
    assert!(began.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_closed_stream_drops_what_is_awaited() {
    struct Dropped(Arc<Notify>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let dropped = Arc::new(Notify::new());
    let (noted, count) = (Arc::clone(&dropped), AtomicUsize::new(0));
    let watcher = Watcher::poll("score", SECOND, move || {
        let (guard, call) = (Dropped(Arc::clone(&noted)), count.fetch_add(1, Ordering::Relaxed));
        async move {
            if call > 0 {
                std::future::pending::<()>().await;
            }
            std::mem::forget(guard);
            Ok(call)
        }
    });
    let mut stream = open(&watcher.unwrap()).await;
    assert_eq!(next(&mut stream).await, 0);
    assert!(timeout(2 * SECOND, stream.next()).await.is_err());
    drop(stream);
    dropped.notified().await;
}

#[test]
fn a_name_that_is_no_topic_is_refused() {
    for name in ["", "a.", ".b", "a\n"] {
        let watcher = Watcher::poll(name, SECOND, || async { Ok(1) });
        assert!(matches!(watcher, Err(SourceError::Unsupported(_))), "{name:?}");
    }
    let watcher = Watcher::poll("game.score.home", SECOND, || async { Ok(1) }).unwrap();
    assert_eq!(
        (&**watcher.name(), watcher.topics().to_string()),
        ("game", "game.score.home".into())
    );
}
