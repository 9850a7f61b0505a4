//! Selections: whoever follows whatever gets what asking every filter about every entry would give.

use fastrand::Rng;

use super::support::{Subscriber, TestCodec, TestHub, change_of, topics};
use crate::filter::{Event, Filter, Verdict};
use crate::hub::{Selection, Start};
use crate::log::{Batch, Log, PositionUpdate};
use crate::model::{Body, Topic};

const TOPICS: [&str; 3] = ["a.x", "a.y", "b.z"];
const PATTERNS: [&str; 5] = ["*", "a.*", "a.x", "a.y b.z", "c.c"];

/// Some that an index finds, some that it does not, and some that it finds under several values.
fn any_filter(random: &mut Rng) -> Option<Filter> {
    let (one, two) = (random.u8(..6), random.u8(..6));
    let text = match random.u8(..7) {
        0 => return None,
        1 | 2 => format!(r#"{{"fullDocument.user":{one}}}"#),
        3 => format!(r#"{{"fullDocument.user":{{"$in":[{one},{two}]}}}}"#),
        4 => format!(r#"{{"fullDocument.user":{{"$gte":{one}}}}}"#),
        5 => format!(r#"{{"fullDocument.user":{one},"fullDocument.n":{{"$lt":{two}}}}}"#),
        _ => format!(r#"{{"operationType":"insert","fullDocument.n":{{"$ne":{one}}}}}"#),
    };
    Some(Filter::parse(&text).expect("a filter"))
}

fn any_selection(random: &mut Rng) -> Selection {
    let mut selection =
        Selection::new(topics(random.choice(PATTERNS).unwrap()), any_filter(random));
    for _ in 0..random.u8(..3) {
        let patterns = topics(random.choice(PATTERNS).unwrap()).patterns().to_vec();
        selection = selection.with(patterns, any_filter(random));
    }
    selection
}

/// An update without its document is undecidable; one with both images may leave.
fn any_change(random: &mut Rng) -> Body {
    let document =
        |random: &mut Rng| format!(r#"{{"user":{},"n":{}}}"#, random.u8(..6), random.u8(..6));
    let event = match random.u8(..4) {
        0 => r#"{"operationType":"update","documentKey":{"_id":1}}"#.to_owned(),
        1 => format!(
            r#"{{"operationType":"update","fullDocument":{},"fullDocumentBeforeChange":{}}}"#,
            document(random),
            document(random)
        ),
        _ => format!(r#"{{"operationType":"insert","fullDocument":{}}}"#, document(random)),
    };
    change_of(random.choice(TOPICS).unwrap(), event.into())
}

fn is_for(selection: &Selection, body: &Body) -> bool {
    let Body::Change(change) = body else { return false };
    let event = Event::parse(&change.event);
    let topic: &Topic = &change.topic;
    selection.parts().iter().any(|part| {
        let passes = |filter: &Filter| filter.judge(&event) != Verdict::Drop;
        part.topics.matches(topic) && part.filter.as_ref().is_none_or(passes)
    })
}

struct Follower {
    selection: Selection,
    subscriber: Subscriber,
    /// What was there before it came.
    from: usize,
}

async fn hears_what_is_for_it(mut follower: Follower, history: &[Body]) {
    follower.subscriber.listen_to_the_finish().await;
    let expected: Vec<u64> = (follower.from..history.len())
        .filter(|index| is_for(&follower.selection, &history[*index]))
        .map(|index| index as u64 + 1)
        .collect();
    assert_eq!(follower.subscriber.changes(), expected, "{}", follower.selection);
}

#[tokio::test]
async fn g1_g2_g3_whatever_is_selected_comes_and_nothing_else() {
    let mut random = Rng::with_seed(11);
    let hub = TestHub::start();
    let codec = TestCodec::new("one");
    let (mut history, mut followers) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        for _ in 0..random.usize(..8) {
            let (start, from) =
                if random.bool() { (Start::Now, history.len()) } else { (Start::Earliest, 0) };
            let selection = any_selection(&mut random);
            let subscriber = hub.subscribe_to(selection.clone(), start, &codec).await;
            followers.push(Follower { selection, subscriber, from });
        }
        // Some go again, and their views with them.
        for _ in 0..random.usize(..4).min(followers.len()) {
            followers.swap_remove(random.usize(..followers.len()));
        }
        let bodies: Vec<_> = (0..random.usize(1..10)).map(|_| any_change(&mut random)).collect();
        history.extend(bodies.iter().cloned());
        let position = PositionUpdate::Keep;
        hub.log.append(Batch { source: "s".into(), bodies, position }).await.unwrap();
        // Some listen now and then, some only at the end.
        for follower in followers.iter_mut().step_by(3) {
            let listening = follower.subscriber.listen();
            let waits = tokio::time::timeout(std::time::Duration::ZERO, listening).await;
            assert!(waits.is_err() || waits.is_ok_and(|heard| heard.is_ok()));
        }
    }
    hub.finish().await;
    assert!(followers.len() > 50);
    for follower in followers {
        hears_what_is_for_it(follower, &history).await;
    }
}
