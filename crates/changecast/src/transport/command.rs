//! What a client of `/ws` may ask for while it is connected.

use serde::Deserialize;

use super::frame;
use crate::hub::Subscription;
use crate::limits;
use crate::model::{TopicPattern, TopicSet};

/// A command: `{"type": "subscribe", "topics": ["shop.orders", "stock.*"]}`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Command {
    /// Follow these topics too, from here on.
    Subscribe { topics: Vec<String> },
    /// Follow these no longer.
    Unsubscribe { topics: Vec<String> },
}

/// Does what `text` asks for, and returns the answer.
pub(super) fn obey(text: &str, subscription: &mut Subscription) -> String {
    let changed = serde_json::from_str(text)
        .map_err(|error| {
            format!(
                "not a command such as {{\"type\":\"subscribe\",\"topics\":[\"a.b\"]}}: {error}"
            )
        })
        .and_then(|command| edit(subscription.topics(), command))
        .and_then(|topics| subscription.follow(topics).map_err(|error| error.to_string()));
    match changed {
        Ok(()) => frame::subscribed(subscription.position(), subscription.topics()),
        Err(problem) => frame::error(&problem),
    }
}

fn edit(followed: &TopicSet, command: Command) -> Result<TopicSet, String> {
    let (topics, is_more) = match command {
        Command::Subscribe { topics } => (topics, true),
        Command::Unsubscribe { topics } => (topics, false),
    };
    let parse = |text: &String| {
        TopicPattern::parse(text).map_err(|error| format!("topic {text:?}: {error}"))
    };
    let patterns = topics.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    if is_more {
        let edited = followed.with(patterns);
        if edited.patterns().len() > limits::TOPIC_COUNT_MAX {
            return Err(format!("more than {} topics", limits::TOPIC_COUNT_MAX));
        }
        return Ok(edited);
    }
    match patterns.iter().find(|pattern| !followed.patterns().contains(pattern)) {
        Some(unknown) => Err(format!("not subscribed to {unknown}: it follows {followed}")),
        None => Ok(followed.without(&patterns)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str]) -> TopicSet {
        TopicSet::new(patterns.iter().map(|text| TopicPattern::parse(text).expect(text)))
    }

    #[track_caller]
    fn check(followed: &TopicSet, command: &str, expected: Result<&str, &str>) {
        let command = serde_json::from_str(command).expect(command);
        let edited = edit(followed, command).map(|topics| topics.to_string());
        match expected {
            Ok(topics) => assert_eq!(edited.as_deref(), Ok(topics)),
            Err(part) => assert!(edited.expect_err("refused").contains(part)),
        }
    }

    #[test]
    fn topics_come_and_go() {
        let followed = set(&["a.b"]);
        check(&followed, r#"{"type":"subscribe","topics":["c.*"]}"#, Ok("c.*,a.b"));
        check(&followed, r#"{"type":"subscribe","topics":["*"]}"#, Ok("*"));
        check(&followed, r#"{"type":"unsubscribe","topics":["a.b"]}"#, Ok(""));
        check(&followed, r#"{"type":"unsubscribe","topics":["x.y"]}"#, Err("not subscribed"));
        check(&followed, r#"{"type":"subscribe","topics":["nodot"]}"#, Err("nodot"));
    }

    #[test]
    fn who_follows_nothing_sees_nothing() {
        let nothing = set(&["a.b"]).without(set(&["a.b"]).patterns());
        assert!(!nothing.is_all() && !nothing.overlaps(&TopicSet::all()));
        assert_eq!(nothing.with(set(&["a.b"]).patterns().to_vec()), set(&["a.b"]));
    }
}
