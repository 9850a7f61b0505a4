//! What can be shown without a server: names, places, events.

use proptest::prelude::*;
use redis::Value;

use super::config::{RedisConfig, Watched};
use super::live::key_collection;
use super::position::{Place, Stored};
use super::reply::{EntryId, StreamState, entries_by_stream, stream_state};
use super::{events, reply};
use crate::model::Topic;

fn id(millis: u64) -> EntryId {
    EntryId { millis, number: 0 }
}

/// A stream as Redis keeps it, and which of its entries somebody has read.
#[derive(Default)]
struct Model {
    entries: Vec<u64>,
    added: u64,
    read: Place,
    /// Whether an entry went away unread.
    is_missing: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Add,
    /// Keeps so many of the newest.
    Trim(usize),
    /// Removes the entry in this place.
    Delete(usize),
    /// Reads so many.
    Read(usize),
}

impl Model {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Add => {
                self.added += 1;
                self.entries.push(self.added);
            }
            Step::Trim(keep) => {
                let gone = self.entries.len().saturating_sub(keep);
                let gone: Vec<_> = self.entries.drain(..gone).collect();
                self.is_missing |= gone.iter().any(|&entry| id(entry) > self.read.id);
            }
            Step::Delete(index) => {
                if index < self.entries.len() {
                    let gone = self.entries.remove(index);
                    self.is_missing |= id(gone) > self.read.id;
                }
            }
            Step::Read(count) => {
                let unread = self.unread();
                for &entry in unread.iter().take(count) {
                    self.read = Place { id: id(entry), added: self.read.added + 1 };
                }
            }
        }
    }

    fn unread(&self) -> Vec<u64> {
        self.entries.iter().copied().filter(|&entry| id(entry) > self.read.id).collect()
    }

    fn state(&self) -> Option<StreamState> {
        let length = self.entries.len() as u64;
        Some(StreamState { last: id(self.added), added: self.added, length })
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Add),
        1 => (0_usize..6).prop_map(Step::Trim),
        1 => (0_usize..6).prop_map(Step::Delete),
        3 => (0_usize..4).prop_map(Step::Read),
    ]
}

proptest! {
    #[test]
    fn g2_a_place_knows_what_is_missing(steps in prop::collection::vec(any_step(), 0..40)) {
        let mut model = Model::default();
        for step in &steps {
            model.step(step);
            let unread = model.unread().len() as u64;
            let seen_to_the_end = model.read.check(model.state(), Some(unread));
            prop_assert_eq!(seen_to_the_end.is_err(), model.is_missing);
            // Without having seen the end it may be late, but never wrong.
            prop_assert!(model.read.check(model.state(), None).is_ok() || model.is_missing);
            if model.is_missing {
                return Ok(());
            }
        }
    }

    #[test]
    fn a_position_is_read_back(millis in any::<u64>(), number in any::<u64>(), added in any::<u64>()) {
        let place = Place { id: EntryId { millis, number }, added };
        let position = Stored::write(Some("abc"), [("orders:\"1\"", place), ("b", Place::default())]);
        let stored = Stored::read(&position).expect("it is ours");
        prop_assert_eq!(stored.place("orders:\"1\"").expect("it is ours"), Some(place));
        prop_assert_eq!(stored.place("other").expect("it is ours"), None);
        prop_assert_eq!(stored.server.as_deref(), Some("abc"));
    }
}

#[test]
fn g2_what_is_not_the_stream_that_was_read_is_refused() {
    let place = Place { id: id(10), added: 10 };
    let state = |last, added, length| Some(StreamState { last: id(last), added, length });
    assert!(place.check(None, None).is_err(), "deleted");
    assert!(place.check(state(9, 10, 10), None).is_err(), "its newest id went back");
    assert!(place.check(state(20, 9, 9), None).is_err(), "its count went back");
    assert!(place.check(state(20, 12, 12), Some(5)).is_err(), "more follows than was added");
    assert!(place.check(state(12, 12, 2), Some(2)).is_ok());
    assert!(Place::default().check(None, None).is_ok(), "it has yet to come");
    for garbage in ["", "{}", r#"{"version":2,"streams":{}}"#, r#"{"version":1,"live":true}"#] {
        assert!(Stored::read(&garbage.parse().expect("text")).is_err(), "{garbage}");
    }
}

fn bulk(text: &str) -> Value {
    Value::BulkString(text.into())
}

#[test]
fn both_protocols_are_read() {
    let fields = Value::Array(vec![bulk("n"), bulk("1")]);
    let entries = Value::Array(vec![Value::Array(vec![bulk("1-2"), fields])]);
    let older = Value::Array(vec![Value::Array(vec![bulk("orders"), entries.clone()])]);
    let newer = Value::Map(vec![(bulk("orders"), entries)]);
    let expected = entries_by_stream(older).expect("it is known");
    assert_eq!(expected[0].1[0].id, EntryId { millis: 1, number: 2 });
    assert_eq!(entries_by_stream(newer).expect("it is known"), expected);

    let mut flat = vec![bulk("length"), Value::Int(1), bulk("last-generated-id"), bulk("1-2")];
    assert_eq!(stream_state(&Value::Array(flat.clone())), Err(reply::NoState::Uncounted));
    flat.extend([bulk("entries-added"), Value::Int(5)]);
    let state = StreamState { last: EntryId { millis: 1, number: 2 }, added: 5, length: 1 };
    assert_eq!(stream_state(&Value::Array(flat)), Ok(state));
    for senseless in [Value::Nil, Value::Int(1), Value::Array(vec![Value::Nil])] {
        assert!(stream_state(&senseless).is_err());
        assert!(entries_by_stream(Value::Array(vec![senseless])).is_none());
    }
}

#[test]
fn a_url_is_read_and_its_password_never_shown() {
    let url =
        "redis://ada:s3%23cret@host:7000/3?stream=a%3Ab&stream=c&stream=c&name=shop&protocol=resp3";
    let config = RedisConfig::from_url(url).expect("a URL");
    assert_eq!(config.watched, Watched::Streams(vec!["a:b".into(), "c".into()]));
    assert_eq!((&*config.name, config.database()), ("shop", 3));
    assert_eq!(config.connection.redis_settings().password(), Some("s3#cret"));
    let shown = format!("{config:?} {}", config.address());
    assert!(shown.contains("host:7000") && !shown.contains("cret"), "{shown}");
    let socket =
        RedisConfig::from_url("redis+unix:///run/redis.sock?db=2&channel=a").expect("a URL");
    assert_eq!((socket.address(), socket.database()), ("/run/redis.sock".into(), 2));
}

#[test]
fn keys_are_called_by_what_they_share() {
    for (pattern, name) in [
        ("orders:*", "orders"),
        ("shop:orders:?", "shop:orders"),
        ("*", "keys"),
        ("[ab]*", "keys"),
        ("one", "one"),
    ] {
        assert_eq!(key_collection(pattern), name);
    }
}

proptest! {
    #[test]
    fn any_entry_and_any_message_is_json_on_one_line(
        fields in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..5),
        payload in any::<Vec<u8>>(),
        millis in any::<u64>(),
    ) {
        let topic = Topic::new("shop", "orders").expect("a topic");
        let entry = reply::Entry { id: id(millis), fields };
        let live = events::LiveId::new(crate::model::Timestamp(millis), 1);
        for change in [
            events::of_entry("shop", &topic, &entry).change,
            events::of_message("shop", &topic, &live, &payload),
            events::of_key("shop", &topic, &live, &payload, "hset"),
        ] {
            prop_assert!(!change.event.contains(&b'\n'));
            let event: serde_json::Value = serde_json::from_slice(&change.event).expect("JSON");
            prop_assert_eq!(&event["ns"]["coll"], "orders");
        }
    }
}
