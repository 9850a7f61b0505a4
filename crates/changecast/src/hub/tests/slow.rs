//! Subscribers that dawdle: they cost the others nothing, and catch up or are told (G8, G2).

use std::sync::Arc;

use super::support::{TestCodec, TestHub, Word, append};
use crate::hub::{Codec, HubError, Mode, Selection, Span, Start, Subscribe};
use crate::limits;
use crate::log::Retention;
use crate::model::TopicSet;

const SIZE: usize = 64 << 10;
/// Half as much again as a view's ring holds.
const COUNT: u64 = (limits::VIEW_BYTES_MAX / SIZE * 3 / 2) as u64;

async fn append_all(hub: &TestHub) {
    for _ in 0..COUNT {
        append(&hub.log, &["a.x"], SIZE).await;
    }
    hub.finish().await;
}

#[tokio::test]
async fn g8_who_falls_out_of_the_ring_catches_up_from_the_log_and_the_others_do_not_wait() {
    let hub = TestHub::start();
    let codec = TestCodec::new("one");
    let mut slow = hub.subscribe("*", Start::Now, &codec).await;
    slow.listen().await.unwrap();
    let mut fast = hub.subscribe("*", Start::Now, &codec).await;
    append_all(&hub).await;
    fast.listen_to_the_finish().await;
    let all: Vec<u64> = (1..=COUNT).collect();
    assert_eq!(fast.changes(), all);

    let encoded_live = codec.encoded();
    slow.listen_to_the_finish().await;
    assert_eq!(slow.changes(), all);
    assert!(codec.encoded() > encoded_live, "what it missed was read from the log");
}

#[tokio::test]
async fn g2_who_falls_behind_what_is_kept_gets_one_gap_and_then_all_that_is_left() {
    const KEPT: u64 = 10;
    let retention = Retention { entries_max: KEPT, ..Retention::default() };
    let hub = TestHub::keeping(retention);
    let codec = TestCodec::new("one");
    let mut slow = hub.subscribe("*", Start::Now, &codec).await;
    slow.listen().await.unwrap();
    // Follows all along, so that the feed keeps up with the writer.
    let mut fast = hub.subscribe("*", Start::Now, &codec).await;
    for seq in 1..=COUNT {
        append(&hub.log, &["a.x"], SIZE).await;
        fast.listen_until(&Word::Change(seq)).await;
    }
    hub.finish().await;
    fast.listen_to_the_finish().await;
    assert_eq!(fast.changes(), (1..=COUNT).collect::<Vec<_>>());

    slow.listen_to_the_finish().await;
    let lost_to = COUNT + 1 - KEPT;
    let mut expected = vec![Word::Hello(0), Word::Gap(lost_to)];
    expected.extend((lost_to + 1..=COUNT).map(Word::Change));
    expected.push(Word::Finish);
    assert_eq!(slow.heard, expected);
}

#[tokio::test]
async fn g2_where_the_feed_itself_is_overtaken_every_follower_gets_a_gap() {
    let retention = Retention { entries_max: 5, ..Retention::default() };
    let hub = TestHub::keeping(retention);
    let codec = TestCodec::new("one");
    let mut subscriber = hub.subscribe("*", Start::Now, &codec).await;
    subscriber.listen().await.unwrap();
    // One batch, of which most is trimmed before anybody can read it.
    hub.append(&["a.x"; 50]).await;
    hub.finish().await;
    subscriber.listen_to_the_finish().await;
    let mut expected = vec![Word::Hello(0), Word::Gap(46)];
    expected.extend((47..=50).map(Word::Change));
    expected.push(Word::Finish);
    assert_eq!(subscriber.heard, expected);
}

#[tokio::test]
async fn draining_says_bye_to_everybody_ends_them_and_lets_no_other_in() {
    let hub = TestHub::start();
    let codec = TestCodec::new("one");
    let mut waiting = hub.subscribe("*", Start::Now, &codec).await;
    waiting.listen().await.unwrap();
    let mut fresh = hub.subscribe("*", Start::Now, &codec).await;
    // Registered before it drains: it is woken, not polled.
    let waiter = tokio::spawn(async move {
        for _ in 0..3 {
            waiting.listen().await.unwrap();
        }
        waiting.heard
    });
    tokio::task::yield_now().await;
    hub.hub.drain();
    let expected = [Word::Hello(0), Word::Bye, Word::End, Word::End];
    assert_eq!(waiter.await.unwrap(), expected);
    for _ in 0..4 {
        fresh.listen().await.unwrap();
    }
    assert_eq!(fresh.heard, expected);

    let codec: Arc<dyn Codec> = codec;
    let wanted = Subscribe {
        selection: Selection::new(TopicSet::all(), None),
        start: Start::Now,
        codec,
        mode: Mode::Queue,
        span: Span::Endless,
    };
    let refused = hub.hub.follow(wanted).await.map(|_| ());
    assert!(matches!(refused, Err(HubError::Draining)), "{refused:?}");
}
