//! What any bytes must hold, whoever sends them: one function per fuzz target.
//!
//! `fuzz/` runs these under libFuzzer, the tests here run them over its seeds. Only with the feature
//! `fuzzing`: nothing of this ships, and nothing else may name it. A broken promise is a panic.
//! Targets that look at private parts stand beside those parts and are named here.
//!
//! | target | any bytes as | must give |
//! |---|---|---|
//! | [`event_id`] | an event id | the very same text again, or an error |
//! | [`topic`] | topics and patterns, one a line | an error, or a pattern that chooses what its text says |
//! | [`filter`] | a filter, a line feed, an event | an error in words, or a verdict that its index agrees with |
//! | [`request`] | a query, a line feed, a `Last-Event-ID` | 400 with words, or a stream of the topics asked for, with a gap where the id cannot be resumed |
//! | [`websocket_command`] | commands, one a line | an answer that is true, and a stream of what is followed |
//! | [`websocket_frames`] | what a client sends after the upgrade | well-formed frames, then an end |
//! | [`bson_to_json`] | a raw document, as a value and as a change event | JSON, the same as the `bson` crate's, or an error; one frame on each transport |
//! | [`pgoutput`] | what a PostgreSQL that streams sends | an end, and before it events of JSON that name what was not sent; one frame on each transport |

pub(crate) mod stage;
#[cfg(test)]
mod tests;

use crate::filter::{Event, Filter, Index, Verdict};
use crate::model::{Epoch, EventId, Seq, Topic, TopicPattern, TopicSet};
use crate::source::{mongodb, postgres};
use crate::transport;

pub use crate::transport::fuzzing::{request, websocket_command, websocket_frames};

/// What a header safely carries, and what the promise on the wire says.
const EVENT_ID_BYTES_MAX: usize = 32;

/// An event id is read only from the text that it writes.
pub fn event_id(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(id) = text.parse::<EventId>()
    {
        assert_eq!(id.to_string(), text);
        assert!(text.len() <= EVENT_ID_BYTES_MAX);
    }
    if let Some((random, rest)) = bytes.split_first_chunk()
        && let Some(seq) = rest.first_chunk()
    {
        let epoch = Epoch::from_random(u64::from_le_bytes(*random));
        let id = EventId { epoch, seq: Seq(u64::from_le_bytes(*seq)) };
        let text = id.to_string();
        assert!(text.len() <= EVENT_ID_BYTES_MAX);
        assert!(text.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric()));
        assert_eq!(text.parse(), Ok(id));
    }
}

/// A pattern chooses what its text says, and sets of patterns do what each of them does.
pub fn topic(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Every pair is compared.
    let lines: Vec<&str> = text.split('\n').take(16).collect();
    let mut topics: Vec<Topic> = lines.iter().filter_map(|line| read_topic(line)).collect();
    let mut patterns = Vec::new();
    for line in lines {
        if let Ok(pattern) = TopicPattern::parse(line) {
            assert_eq!(pattern.to_string(), line);
            topics.push(chosen_by(&pattern));
            patterns.push(pattern);
        }
    }
    for one in &patterns {
        check_choice(one, &topics);
        for two in &patterns {
            check_overlap(one, two, &topics);
        }
    }
    check_sets(&patterns, &topics);
}

/// A filter is refused in words, or reads back as it is written and judges any event; an index never
/// hides an event from it.
pub fn filter(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let Ok(text) = std::str::from_utf8(parts.next().unwrap_or_default()) else { return };
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(Filter::parse(filter.as_str()).ok(), Some(filter.clone()), "its own text");
    let event = Event::parse(parts.next().unwrap_or_default());
    let verdict = filter.judge(&event);
    let mut index = Index::default();
    index.insert(&filter, 0);
    let mut named = Vec::new();
    index.candidates(&event, &mut named);
    assert!(verdict == Verdict::Drop || named == [0], "{filter} is not asked");
    if verdict == Verdict::Leave {
        let leave: serde_json::Value = serde_json::from_slice(&event.leave()).expect("an event");
        assert_eq!(leave.get("operationType").and_then(|op| op.as_str()), Some("leave"));
        assert!(leave.get("fullDocument").is_none());
    }
}

/// BSON becomes JSON, or an error; a change event always becomes a change, and that one frame.
pub fn bson_to_json(bytes: &[u8]) {
    mongodb::fuzzing::bson_to_json(bytes, transport::fuzzing::check_frames);
}

/// A PostgreSQL's messages become changes, or end the stream; each change is one frame.
pub fn pgoutput(bytes: &[u8]) {
    postgres::fuzzing::pgoutput(bytes, transport::fuzzing::check_frames);
}

fn read_topic(text: &str) -> Option<Topic> {
    let topic = Topic::parse(text).ok()?;
    assert_eq!(topic.as_str(), text);
    assert!(!text.contains(char::is_control));
    let (source, collection) = (topic.source(), topic.collection());
    assert!(!source.is_empty() && !source.contains('.') && !collection.is_empty());
    assert_eq!(Topic::new(source, collection).as_ref(), Ok(&topic));
    Some(topic)
}

/// A topic that `pattern` chooses: one that can choose nothing must have been refused.
fn chosen_by(pattern: &TopicPattern) -> Topic {
    let name = match pattern {
        TopicPattern::All => "any.thing".to_owned(),
        TopicPattern::Prefix(prefix) => format!("{prefix}x"),
        TopicPattern::Exact(topic) => topic.as_str().to_owned(),
    };
    let topic = Topic::parse(&name).expect("a pattern can choose a topic");
    assert!(pattern.matches(&topic), "{pattern} does not choose {topic}");
    topic
}

fn check_choice(pattern: &TopicPattern, topics: &[Topic]) {
    let text = pattern.to_string();
    assert!(!text.trim_end_matches('*').contains('*'), "{text}: a star in the midst");
    for topic in topics {
        let expected = text == "*"
            || text
                .strip_suffix('*')
                .map_or(topic.as_str() == text, |prefix| topic.as_str().starts_with(prefix));
        assert_eq!(pattern.matches(topic), expected, "{pattern} {topic}");
    }
}

fn check_overlap(one: &TopicPattern, two: &TopicPattern, topics: &[Topic]) {
    let overlap = one.overlaps(two);
    assert_eq!(overlap, two.overlaps(one), "{one} {two}");
    // Both patterns' own topics are among them: what overlaps has one in common.
    let in_common = topics.iter().any(|topic| one.matches(topic) && two.matches(topic));
    assert_eq!(overlap, in_common, "{one} {two}");
}

fn check_sets(patterns: &[TopicPattern], topics: &[Topic]) {
    let set = TopicSet::new(patterns.iter().cloned());
    let reversed = TopicSet::new(patterns.iter().rev().chain(patterns).cloned());
    assert_eq!(set, reversed, "neither order nor repetition counts");
    let (first, rest) = patterns.split_at(patterns.len() / 2);
    let built = TopicSet::all().without(&[TopicPattern::All]).with(first.to_vec());
    assert_eq!(patterns.is_empty(), built.with(rest.to_vec()).patterns().is_empty());
    for topic in topics {
        let chosen = patterns.iter().any(|pattern| pattern.matches(topic));
        assert_eq!(set.matches(topic), chosen || patterns.is_empty(), "{set} {topic}");
        assert_eq!(built.with(rest.to_vec()).matches(topic), chosen, "{built} {topic}");
        let without = set.without(first);
        assert!(!without.matches(topic) || set.matches(topic), "{without} {topic}");
    }
    assert!(!set.without(set.patterns()).overlaps(&TopicSet::all()));
}
