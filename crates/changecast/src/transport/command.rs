//! What a client of `/ws` may ask for while it is connected.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::authorize::{Applicant, Wanted};
use super::frame;
use crate::fanout::{Reply, Then};
use crate::filter::Filter;
use crate::hub::{Follower, Selection};
use crate::limits;
use crate::model::{TopicPattern, TopicSet};

/// A command: `{"type": "subscribe", "topics": ["shop.orders", "stock.*"]}`, with a `match` where
/// not all changes are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command<'a> {
    #[serde(rename = "type")]
    kind: Kind,
    topics: Vec<String>,
    /// Kept as text: the order of fields matters in a filter.
    #[serde(borrow, rename = "match")]
    filter: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Follow these topics too, from here on.
    Subscribe,
    /// Follow these no longer: under this `match`, or, without one, under none and any.
    Unsubscribe,
}

/// Does what `text` asks for, once the applicant may have it, where somebody has to be asked.
pub(super) fn obey(text: &str, follower: &mut Follower, applicant: Option<&Applicant>) -> Reply {
    let edit = read(text);
    let (Some(applicant), Ok(Edit { kind: Kind::Subscribe, patterns, .. })) = (applicant, &edit)
    else {
        // Who wants less, or says nothing that can be understood, needs no permission.
        return Reply::Now(carry_out(edit, follower));
    };
    let asked = applicant.ask(Wanted::Follow(TopicSet::none().with(patterns.clone())));
    Reply::Later(Box::pin(async move {
        let answer = asked.await;
        let then: Then = Box::new(move |follower| match answer {
            Ok(()) => carry_out(edit, follower),
            Err(problem) => frame::error(problem.detail()),
        });
        then
    }))
}

fn carry_out(edit: Result<Edit, String>, follower: &mut Follower) -> String {
    let changed = edit
        .and_then(|edit| edit.of(follower.selection()))
        .and_then(|selection| follower.follow(selection).map_err(|error| error.to_string()));
    match changed {
        Ok(()) => frame::subscribed(follower.position(), follower.selection()),
        Err(problem) => frame::error(&problem),
    }
}

/// A command that has been understood.
struct Edit {
    kind: Kind,
    patterns: Vec<TopicPattern>,
    filter: Option<Filter>,
}

impl Edit {
    /// What is followed after it.
    fn of(self, followed: &Selection) -> Result<Selection, String> {
        match self.kind {
            Kind::Subscribe => subscribe(followed, self.patterns, self.filter),
            Kind::Unsubscribe => unsubscribe(followed, &self.patterns, self.filter.as_ref()),
        }
    }
}

fn read(text: &str) -> Result<Edit, String> {
    let Command { kind, topics, filter } = serde_json::from_str(text).map_err(|error| {
        format!("not a command such as {{\"type\":\"subscribe\",\"topics\":[\"a.b\"]}}: {error}")
    })?;
    let parse = |text: &String| {
        TopicPattern::parse(text).map_err(|error| format!("topic {text:?}: {error}"))
    };
    let patterns = topics.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let filter = filter.map(|filter| Filter::parse(filter.get())).transpose();
    let filter = filter.map_err(|error| error.to_string())?;
    Ok(Edit { kind, patterns, filter })
}

fn subscribe(
    followed: &Selection,
    patterns: Vec<TopicPattern>,
    filter: Option<Filter>,
) -> Result<Selection, String> {
    let edited = followed.with(patterns, filter);
    if edited.len() > limits::TOPIC_COUNT_MAX {
        return Err(format!("more than {} topics", limits::TOPIC_COUNT_MAX));
    }
    Ok(edited)
}

fn unsubscribe(
    followed: &Selection,
    patterns: &[TopicPattern],
    filter: Option<&Filter>,
) -> Result<Selection, String> {
    match patterns.iter().find(|pattern| !followed.names(pattern, filter)) {
        Some(unknown) => Err(format!("not subscribed to {unknown} so: it follows {followed}")),
        None => Ok(followed.without(patterns, filter)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(followed: &Selection, text: &str) -> Result<Selection, String> {
        read(text)?.of(followed)
    }

    fn set(patterns: &[&str]) -> Selection {
        let patterns = patterns.iter().map(|text| TopicPattern::parse(text).expect(text));
        Selection::new(TopicSet::new(patterns), None)
    }

    #[track_caller]
    fn check(followed: &Selection, command: &str, expected: Result<&str, &str>) -> Selection {
        match (edit(followed, command), expected) {
            (Ok(edited), Ok(expected)) => {
                assert_eq!(edited.to_string(), expected);
                edited
            }
            (Err(problem), Err(part)) => {
                assert!(problem.contains(part), "{problem}");
                followed.clone()
            }
            (outcome, _) => panic!("{outcome:?}"),
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
    fn a_topic_may_be_followed_under_several_filters() {
        let one = r#"{"type":"subscribe","topics":["a.b","c.d"],"match":{"ns.db":1}}"#;
        let followed = check(&set(&["e.f"]), one, Ok(r#"e.f or a.b,c.d matching {"ns.db":1}"#));
        let two = r#"{"type":"subscribe","topics":["a.b"],"match":{"ns.zone":2}}"#;
        let expected = r#"e.f or a.b,c.d matching {"ns.db":1} or a.b matching {"ns.zone":2}"#;
        let followed = check(&followed, two, Ok(expected));
        let less = r#"{"type":"unsubscribe","topics":["a.b"],"match":{"ns.db":1}}"#;
        let expected = r#"e.f or c.d matching {"ns.db":1} or a.b matching {"ns.zone":2}"#;
        let followed = check(&followed, less, Ok(expected));
        check(&followed, less, Err("not subscribed to a.b"));
        let all = r#"{"type":"unsubscribe","topics":["a.b","c.d"]}"#;
        check(&followed, all, Ok("e.f"));
        let bad = r#"{"type":"subscribe","topics":["a.b"],"match":{"ns":{"$near":1}}}"#;
        check(&followed, bad, Err("$near"));
    }

    #[test]
    fn who_follows_nothing_sees_nothing() {
        let nothing = set(&["a.b"]).without(set(&["a.b"]).topics().patterns(), None);
        assert!(nothing.is_empty() && !nothing.topics().overlaps(&TopicSet::all()));
        assert_eq!(nothing.with(set(&["a.b"]).topics().patterns().to_vec(), None), set(&["a.b"]));
    }
}
