//! Watchers as sources of a server: one question per tick, whoever follows; when somebody follows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use changecast::source::watcher::{Failure, Watcher};
use http_body_util::BodyExt as _;
use tokio::sync::{Semaphore, watch};

use crate::support::{Served, Way, ask, builder, get, soon, text};

const MILLISECOND: Duration = Duration::from_millis(1);

/// A function that answers as often as it is allowed to, with the number of the call; and how often
/// it was called.
struct Ticks {
    allowed: Arc<Semaphore>,
    calls: Arc<AtomicUsize>,
}

impl Ticks {
    fn new() -> Self {
        Self { allowed: Arc::new(Semaphore::new(0)), calls: Arc::default() }
    }

    fn watcher(&self, name: &str) -> Watcher {
        let (allowed, calls) = (Arc::clone(&self.allowed), Arc::clone(&self.calls));
        let watcher = Watcher::poll(name, MILLISECOND, move || {
            let (allowed, calls) = (Arc::clone(&allowed), Arc::clone(&calls));
            async move {
                allowed.acquire().await?.forget();
                Ok::<_, Failure>(calls.fetch_add(1, Ordering::SeqCst) + 1)
            }
        });
        // No tick comes by itself, so none may take too long.
        watcher.unwrap().timeout(Duration::from_secs(3600))
    }

    fn count(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn until(body: &mut Body, text: &str) {
    let mut heard = String::new();
    while !heard.contains(text) {
        let frame = soon(text, body.frame()).await.expect("it goes on").unwrap();
        heard.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
}

#[tokio::test]
async fn s4_02_a_thousand_subscribers_cost_one_question_per_tick() {
    let ticks = Ticks::new();
    let watcher = ticks.watcher("score");
    let server = builder().source(Arc::new(watcher)).build().await.unwrap();
    let router = server.router();
    let mut bodies = Vec::new();
    for _ in 0..1000 {
        let mut body = ask(&router, get("/events?topic=score.current")).await.into_body();
        until(&mut body, "event: hello").await;
        bodies.push(body);
    }
    for tick in 1..=5 {
        ticks.allowed.add_permits(1);
        for body in &mut bodies {
            until(body, &format!(r#""fullDocument":{tick},"#)).await;
        }
        assert_eq!(ticks.count(), tick);
    }
}

#[tokio::test]
async fn s4_03_a_function_that_blocks_holds_up_nobody() {
    let (go, wait) = mpsc::sync_channel::<()>(8);
    let wait = Mutex::new(wait);
    let watcher = Watcher::blocking("slow", MILLISECOND, Duration::from_secs(3600), move || {
        wait.lock().unwrap().recv().map_err(|_| "the test is over")?;
        Ok(1)
    });
    // One thread for everything else, as a test has by default: it would stand still.
    let server = Served::start(builder().source(Arc::new(watcher.unwrap())), Way::Ours).await;
    let mut follower = server.get("/events?topic=slow.current").await;
    assert_eq!(server.get("/healthz").await.status(), "200");
    follower.until("hello").await;
    go.send(()).unwrap();
    follower.until(r#""fullDocument":1"#).await;
    drop(go);
}

#[tokio::test]
async fn s4_04_a_value_is_pushed_when_it_changes() {
    let values = Arc::new(Mutex::new(vec!["a", "a", "b", "a"]));
    let watcher = Watcher::poll("score", MILLISECOND, move || {
        let mut values = values.lock().unwrap();
        let value = if values.len() > 1 { values.remove(0) } else { "a" };
        std::future::ready(Ok(value))
    });
    let server = Served::start(builder().source(Arc::new(watcher.unwrap().distinct())), Way::Ours);
    let server = server.await;
    let mut follower = server.get("/events?since=earliest&format=data").await;
    follower.until("-3\n").await;
    follower.until("\n\n").await;
    let data: Vec<_> = follower.heard.lines().filter(|line| line.starts_with("data: \"")).collect();
    assert_eq!(data, [r#"data: "a""#, r#"data: "b""#, r#"data: "a""#]);
}

#[tokio::test]
async fn s4_05_a_websocket_without_a_path_is_one() {
    let ticks = Ticks::new();
    let watcher = ticks.watcher("score");
    let server = Served::start(builder().source(Arc::new(watcher)), Way::Ours).await;
    let mut client = server.open_websocket("").await.unwrap();
    assert_eq!(client.next().await["type"], "hello");
    ticks.allowed.add_permits(1);
    let mut message = client.next().await;
    while message["type"] == "source" {
        message = client.next().await;
    }
    assert_eq!(message["change"]["fullDocument"], 1);
}

#[tokio::test]
async fn one_on_demand_starts_with_the_first_subscriber_and_stops_after_the_last() {
    let working = watch::Sender::new(0_u32);
    let noted = working.clone();
    let watcher = Watcher::stream("live", move || {
        noted.send_modify(|count| *count += 1);
        let noted = noted.clone();
        let guard = Guard(noted);
        futures_util::stream::unfold(guard, |guard| async move {
            std::future::pending::<()>().await;
            Some((Ok(0), guard))
        })
    });
    let watcher = watcher.unwrap().on_demand().linger(Duration::ZERO);
    let server = builder().source(Arc::new(watcher)).build().await.unwrap();
    let router = server.router();
    let mut seen = working.subscribe();
    for _again in 0..2 {
        let other = ask(&router, get("/events?topic=other.topic")).await;
        assert_eq!(*seen.borrow(), 0, "nobody follows it");
        let first = ask(&router, get("/events?topic=live.current")).await;
        soon("start", seen.wait_for(|count| *count == 1)).await.unwrap();
        let second = ask(&router, get("/events?topic=live.*")).await;
        drop(first);
        let third = ask(&router, get("/events")).await;
        drop(second);
        assert_eq!(*seen.borrow(), 1, "somebody still follows");
        drop((third, other));
        soon("stop", seen.wait_for(|count| *count == 0)).await.unwrap();
    }
}

/// Says when it goes.
struct Guard(watch::Sender<u32>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[tokio::test]
async fn g9_a_fault_is_shown_and_heals_by_itself() {
    let is_broken = Arc::new(watch::Sender::new(true));
    let seen = Arc::clone(&is_broken);
    let watcher = Watcher::poll("score", MILLISECOND, move || {
        let is_broken = *seen.borrow();
        std::future::ready(if is_broken { Err("no score today".into()) } else { Ok(7) })
    });
    let server = builder().source(Arc::new(watcher.unwrap().distinct())).build().await.unwrap();
    let router = server.router();
    let mut follower = ask(&router, get("/events?since=earliest")).await.into_body();
    until(&mut follower, "no score today").await;
    let ready = ask(&router, get("/readyz")).await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(ready).await.contains("no score today"));
    is_broken.send_replace(false);
    until(&mut follower, r#""fullDocument":7,"#).await;
    assert_eq!(ask(&router, get("/readyz")).await.status(), StatusCode::OK);
}
