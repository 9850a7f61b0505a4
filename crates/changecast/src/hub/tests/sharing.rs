//! Views: what is alike is encoded once, and what nobody follows is not encoded at all.

use std::sync::Arc;

use super::support::{TestCodec, TestHub, topics};
use crate::hub::{Codec, HubError, Mode, Selection, Span, Start, Subscribe};
use crate::limits;

#[tokio::test]
async fn an_entry_is_encoded_once_for_each_format_not_for_each_view_or_subscriber() {
    let hub = TestHub::start();
    let (one, other) = (TestCodec::new("one"), TestCodec::new("other"));
    let mut subscribers = Vec::new();
    for _ in 0..50 {
        subscribers.push(hub.subscribe("a.x a.y", Start::Now, &one).await);
        // The same set, in another order and with a repeat.
        subscribers.push(hub.subscribe("a.y a.x a.y", Start::Now, &one).await);
        subscribers.push(hub.subscribe("a.x", Start::Now, &other).await);
        subscribers.push(hub.subscribe("*", Start::Now, &other).await);
    }
    for _ in 0..20 {
        hub.append(&["a.x", "a.y", "b.x"]).await;
    }
    hub.finish().await;
    for subscriber in &mut subscribers {
        subscriber.listen_to_the_finish().await;
    }
    assert_eq!(one.encoded(), 20 * 2, "x and y, for one view");
    assert_eq!(other.encoded(), 20 * 3, "x, y and b, for two views: x, and everything");
}

#[tokio::test]
async fn a_view_goes_with_its_last_subscriber_and_is_encoded_no_more() {
    let hub = TestHub::start();
    let (gone, stays) = (TestCodec::new("gone"), TestCodec::new("stays"));
    let first = hub.subscribe("*", Start::Now, &gone).await;
    let second = hub.subscribe("*", Start::Now, &gone).await;
    let mut follower = hub.subscribe("*", Start::Now, &stays).await;
    drop(first);
    assert_eq!(Arc::strong_count(&gone), 2, "the view holds its format");
    drop(second);
    assert_eq!(Arc::strong_count(&gone), 1, "and is gone with its last subscriber");
    hub.append(&["a.x"]).await;
    hub.finish().await;
    follower.listen_to_the_finish().await;
    assert_eq!((gone.encoded(), stays.encoded()), (0, 1));

    let mut again = hub.subscribe("*", Start::Earliest, &gone).await;
    again.listen_to_the_finish().await;
    assert_eq!(again.changes(), [1], "whoever comes later starts a new view");
}

#[tokio::test]
async fn g10_there_are_only_so_many_views_and_a_known_one_is_still_granted() {
    let hub = TestHub::start();
    let codec = TestCodec::new("one");
    let mut subscribers = Vec::new();
    for index in 0..limits::VIEW_COUNT_MAX {
        subscribers.push(hub.subscribe(&format!("a.t{index}"), Start::Now, &codec).await);
    }
    let wanted = |patterns: &str| {
        let codec: Arc<dyn Codec> = Arc::<TestCodec>::clone(&codec);
        Subscribe {
            selection: Selection::new(topics(patterns), None),
            start: Start::Now,
            codec,
            mode: Mode::Queue,
            span: Span::Endless,
        }
    };
    let refused = hub.hub.follow(wanted("one.more")).await.map(|_| ());
    assert!(matches!(refused, Err(HubError::TooManyViews)), "{refused:?}");
    assert!(hub.hub.follow(wanted("a.t7")).await.is_ok());
    subscribers.pop();
    assert!(hub.hub.follow(wanted("one.more")).await.is_ok(), "a place has become free");
}
