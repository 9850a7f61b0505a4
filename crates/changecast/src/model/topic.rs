//! Topics, and the patterns that choose among them.

use std::fmt;
use std::sync::Arc;

use crate::limits;

/// Where a change belongs: `<source>.<collection>`. The collection part may hold dots.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// Joins a source's name and a collection's.
    ///
    /// # Errors
    /// When a part is empty, the source's name holds a dot, or the whole is too long or holds a
    /// control character.
    pub fn new(source: &str, collection: &str) -> Result<Self, InvalidTopic> {
        if source.contains('.') {
            return Err(InvalidTopic::DotInSource);
        }
        Self::parse(&format!("{source}.{collection}"))
    }

    /// Reads `<source>.<collection>`; the first dot divides the two.
    ///
    /// # Errors
    /// As [`Topic::new`].
    pub fn parse(text: &str) -> Result<Self, InvalidTopic> {
        let (source, collection) = text.split_once('.').ok_or(InvalidTopic::NoDot)?;
        if source.is_empty() {
            return Err(InvalidTopic::EmptySource);
        }
        if collection.is_empty() {
            return Err(InvalidTopic::EmptyCollection);
        }
        check_text(text)?;
        Ok(Self(text.into()))
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first dot.
    #[must_use]
    pub fn source(&self) -> &str {
        self.0.split_once('.').map_or(&self.0, |(source, _)| source)
    }

    /// The part after the first dot.
    #[must_use]
    pub fn collection(&self) -> &str {
        self.0.split_once('.').map_or("", |(_, collection)| collection)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({})", self.0)
    }
}

/// Why a text is no topic and no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTopic {
    /// No dot, and not `*`.
    #[error("a topic is <source>.<collection>, such as shop.orders, shop.* or *: there is no dot")]
    NoDot,
    /// Nothing before the dot.
    #[error("the part before the dot (the source's name) is empty")]
    EmptySource,
    /// Nothing after the dot.
    #[error("the part after the dot (the collection's name) is empty")]
    EmptyCollection,
    /// A source's name with a dot would make its topics ambiguous.
    #[error("a source's name must not contain a dot")]
    DotInSource,
    /// A star somewhere else than patterns have it.
    #[error("a star stands alone (*) or after the last dot (shop.*)")]
    Wildcard,
    /// Too long.
    #[error("longer than {} bytes", limits::TOPIC_BYTES_MAX)]
    TooLong,
    /// A control character.
    #[error("contains a control character")]
    ControlCharacter,
}

fn check_text(text: &str) -> Result<(), InvalidTopic> {
    if text.len() > limits::TOPIC_BYTES_MAX {
        return Err(InvalidTopic::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidTopic::ControlCharacter);
    }
    Ok(())
}

/// Chooses topics: one by its name, all of a prefix (`shop.*`), or all (`*`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicPattern {
    /// `*`
    All,
    /// `shop.*`: every topic that starts with `shop.`; the text is kept with its dot.
    Prefix(Arc<str>),
    /// One topic.
    Exact(Topic),
}

impl TopicPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When the text is neither `*` nor `<prefix>.*` nor a topic.
    pub fn parse(text: &str) -> Result<Self, InvalidTopic> {
        if text == "*" {
            return Ok(Self::All);
        }
        match text.strip_suffix('*') {
            // A collection may have a star in its name, but who writes one means a pattern.
            Some(rest) if !rest.ends_with('.') || rest.contains('*') => Err(InvalidTopic::Wildcard),
            Some(prefix) => {
                // It has to be the beginning of a topic: one that chooses nothing is a mistake.
                Topic::parse(text)?;
                Ok(Self::Prefix(prefix.into()))
            }
            None if text.contains('*') => Err(InvalidTopic::Wildcard),
            None => Topic::parse(text).map(Self::Exact),
        }
    }

    /// Whether the pattern chooses `topic`.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => topic.as_str().starts_with(&**prefix),
            Self::Exact(exact) => exact == topic,
        }
    }

    /// Whether some topic could be chosen by both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => true,
            (Self::Exact(topic), pattern) | (pattern, Self::Exact(topic)) => pattern.matches(topic),
            (Self::Prefix(one), Self::Prefix(two)) => {
                one.starts_with(&**two) || two.starts_with(&**one)
            }
        }
    }

    /// Whether every topic that the pattern chooses is chosen by `other`, too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, _) | (Self::Prefix(_), Self::Exact(_)) => false,
            (Self::Prefix(part), Self::Prefix(whole)) => part.starts_with(&**whole),
            (Self::Exact(topic), whole) => whole.matches(topic),
        }
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Exact(topic) => topic.fmt(f),
        }
    }
}

/// A set of patterns, in canonical order: equal sets are equal values, so they share a view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicSet(Arc<[TopicPattern]>);

impl TopicSet {
    /// Every topic.
    #[must_use]
    pub fn all() -> Self {
        Self([TopicPattern::All].into())
    }

    /// No topic.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::default())
    }

    /// What any of `patterns` chooses; no pattern at all chooses everything.
    #[must_use]
    pub fn new(patterns: impl IntoIterator<Item = TopicPattern>) -> Self {
        let mut patterns: Vec<_> = patterns.into_iter().collect();
        if patterns.is_empty() || patterns.contains(&TopicPattern::All) {
            return Self::all();
        }
        patterns.sort();
        patterns.dedup();
        Self(patterns.into())
    }

    /// What this set or any of `patterns` chooses.
    #[must_use]
    pub fn with(&self, patterns: Vec<TopicPattern>) -> Self {
        let all: Vec<_> = self.0.iter().cloned().chain(patterns).collect();
        if all.is_empty() { self.clone() } else { Self::new(all) }
    }

    /// What the set chooses by other patterns than these; nothing, where none is left.
    #[must_use]
    pub fn without(&self, patterns: &[TopicPattern]) -> Self {
        Self(self.0.iter().filter(|known| !patterns.contains(known)).cloned().collect())
    }

    /// The patterns.
    #[must_use]
    pub fn patterns(&self) -> &[TopicPattern] {
        &self.0
    }

    /// Whether the set chooses no topic.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the set chooses every topic.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.contains(&TopicPattern::All)
    }

    /// Whether the set chooses `topic`.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        self.0.iter().any(|pattern| pattern.matches(topic))
    }

    /// Whether some topic could be chosen by both sets.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().any(|one| other.0.iter().any(|two| one.overlaps(two)))
    }

    /// Whether one pattern of `other` or another chooses all that each pattern of this set does: what
    /// to ask of those who want to follow, as [`matches`](Self::matches) is true of `*`, too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|part| other.0.iter().any(|whole| part.is_within(whole)))
    }
}

impl fmt::Display for TopicSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pattern) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            pattern.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> TopicPattern {
        TopicPattern::parse(text).expect(text)
    }

    #[test]
    fn the_first_dot_divides_source_and_collection() {
        let topic = Topic::parse("db.a.b").expect("a topic");
        assert_eq!((topic.source(), topic.collection()), ("db", "a.b"));
    }

    #[test]
    fn a_malformed_topic_is_refused_with_its_reason() {
        let long = format!("a.{}", "b".repeat(limits::TOPIC_BYTES_MAX));
        let long_prefix = format!("a.{}.*", "b".repeat(limits::TOPIC_BYTES_MAX - 3));
        for (text, expected) in [
            ("nodots", InvalidTopic::NoDot),
            ("", InvalidTopic::NoDot),
            (".x", InvalidTopic::EmptySource),
            ("x.", InvalidTopic::EmptyCollection),
            (".*", InvalidTopic::EmptySource),
            ("a.b*", InvalidTopic::Wildcard),
            ("a.*.b", InvalidTopic::Wildcard),
            ("*.*", InvalidTopic::Wildcard),
            ("*.orders.*", InvalidTopic::Wildcard),
            (".a.*", InvalidTopic::EmptySource),
            ("a.\n", InvalidTopic::ControlCharacter),
            (&long, InvalidTopic::TooLong),
            (&long_prefix, InvalidTopic::TooLong),
        ] {
            assert_eq!(TopicPattern::parse(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn patterns_match_by_prefix() {
        let topic = Topic::parse("shop.orders.eu").expect("a topic");
        for text in ["*", "shop.*", "shop.orders.*", "shop.orders.eu"] {
            assert!(pattern(text).matches(&topic), "{text}");
        }
        for text in ["shop.orders", "sho.*", "shop.orders.eu.*", "other.*"] {
            assert!(!pattern(text).matches(&topic), "{text}");
        }
    }

    #[test]
    fn overlap_is_symmetric() {
        for (one, two, expected) in [
            ("shop.*", "shop.orders", true),
            ("shop.*", "shop.orders.*", true),
            ("shop.*", "stock.*", false),
            ("*", "a.b", true),
            ("a.b", "a.c", false),
        ] {
            assert_eq!(pattern(one).overlaps(&pattern(two)), expected, "{one} {two}");
            assert_eq!(pattern(two).overlaps(&pattern(one)), expected, "{two} {one}");
        }
    }

    #[test]
    fn a_set_is_within_another_that_chooses_all_of_it() {
        let set = |texts: &[&str]| TopicSet::new(texts.iter().copied().map(pattern));
        let public = set(&["shop.*", "news.weather"]);
        for within in [&["shop.orders"][..], &["shop.orders.*", "news.weather"], &["shop.*"]] {
            assert!(set(within).is_within(&public), "{within:?}");
        }
        for beyond in [&["*"][..], &["news.*"], &["shop.orders", "other.x"], &["shopping.*"]] {
            assert!(!set(beyond).is_within(&public), "{beyond:?}");
        }
        assert!(public.is_within(&TopicSet::all()) && public.is_within(&public));
    }

    #[test]
    fn equal_sets_are_equal_values() {
        let one = TopicSet::new([pattern("b.c"), pattern("a.*"), pattern("b.c")]);
        let two = TopicSet::new([pattern("a.*"), pattern("b.c")]);
        assert_eq!(one, two);
        assert_eq!(TopicSet::new([pattern("a.b"), pattern("*")]), TopicSet::all());
        assert_eq!(TopicSet::new([]), TopicSet::all());
    }
}
