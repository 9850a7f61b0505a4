//! What somebody follows: topics, and the filters that their changes have to pass.

use std::fmt;
use std::sync::Arc;

use crate::filter::{Filter, Verdict};
use crate::model::{TopicPattern, TopicSet};

use super::encoding::Encoding;

/// Topics, each with the filter that its changes have to pass, or with none. In canonical order:
/// equal selections are equal values, so they share a view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    /// The topics of all parts.
    topics: TopicSet,
    /// By the filter's text; the one without a filter comes first.
    parts: Arc<[Part]>,
}

/// The topics that one filter is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// None lets everything pass.
    pub filter: Option<Filter>,
    /// Never empty.
    pub topics: TopicSet,
}

impl Selection {
    /// The changes of `topics` that pass `filter`.
    #[must_use]
    pub fn new(topics: TopicSet, filter: Option<Filter>) -> Self {
        Self::of(vec![Part { filter, topics }])
    }

    fn of(mut parts: Vec<Part>) -> Self {
        parts.retain(|part| !part.topics.patterns().is_empty());
        parts.sort_by_cached_key(|part| part.filter.as_ref().map(ToString::to_string));
        let patterns = parts.iter().flat_map(|part| part.topics.patterns()).cloned().collect();
        Self { topics: TopicSet::none().with(patterns), parts: parts.into() }
    }

    /// Every topic of it, whatever its filter.
    #[must_use]
    pub fn topics(&self) -> &TopicSet {
        &self.topics
    }

    /// Its topics by filter.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What is selected by this, or by `patterns` under `filter`.
    #[must_use]
    pub fn with(&self, patterns: Vec<TopicPattern>, filter: Option<Filter>) -> Self {
        let mut parts = self.parts.to_vec();
        match parts.iter_mut().find(|part| part.filter == filter) {
            Some(part) => part.topics = part.topics.with(patterns),
            None => parts.push(Part { filter, topics: TopicSet::none().with(patterns) }),
        }
        Self::of(parts)
    }

    /// What is selected without `patterns`: under `filter` alone where one is given, else under any.
    #[must_use]
    pub fn without(&self, patterns: &[TopicPattern], filter: Option<&Filter>) -> Self {
        let mut parts = self.parts.to_vec();
        for part in &mut parts {
            if filter.is_none() || part.filter.as_ref() == filter {
                part.topics = part.topics.without(patterns);
            }
        }
        Self::of(parts)
    }

    /// Whether any part under `filter` (under any, if none is given) names `pattern`.
    #[must_use]
    pub fn names(&self, pattern: &TopicPattern, filter: Option<&Filter>) -> bool {
        self.parts.iter().any(|part| {
            (filter.is_none() || part.filter.as_ref() == filter)
                && part.topics.patterns().contains(pattern)
        })
    }

    /// How many pairs of a topic and a filter it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.topics.patterns().len()).sum()
    }

    /// Whether nothing is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// What its followers get of an entry: the most that any part gives them.
    pub(super) fn judge(&self, entry: &Encoding<'_>) -> Verdict {
        let Some(change) = entry.change() else {
            let concerns = entry.entry().concerns(&self.topics);
            return if concerns { Verdict::Deliver } else { Verdict::Drop };
        };
        let mut most = Verdict::Drop;
        for part in self.parts.iter().filter(|part| part.topics.matches(&change.topic)) {
            let verdict = match &part.filter {
                Some(filter) => filter.judge(entry.event(change)),
                None => Verdict::Deliver,
            };
            match verdict {
                Verdict::Deliver => return Verdict::Deliver,
                Verdict::Leave => most = Verdict::Leave,
                Verdict::Drop => {}
            }
        }
        most
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Part { filter, topics }) in self.parts.iter().enumerate() {
            if index > 0 {
                f.write_str(" or ")?;
            }
            topics.fmt(f)?;
            if let Some(filter) = filter {
                write!(f, " matching {filter}")?;
            }
        }
        Ok(())
    }
}
