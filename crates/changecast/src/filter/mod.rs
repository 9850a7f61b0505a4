//! MongoDB's `$match` over change events: which changes a subscriber wants.
//!
//! A [`Filter`] is parsed once and judges every [`Event`], which is parsed once for all filters.
//! Its outcome has three values, because a source does not always send what a filter asks for:
//! where that matters, the event is delivered, for dropping it would be a silent gap. An index
//! names the few filters that an event can concern. Nothing here knows topics, views or the log.
//!
//! | invariant | what it buys | test |
//! |---|---|---|
//! | on plain documents it agrees with MongoDB | people need not learn a second `$match` | `matches_what_mongodb_matches` |
//! | an undecidable event is delivered | no silent gap | `g2_what_cannot_be_decided_is_delivered` |
//! | no text panics, and what an event costs is bounded by its size and the caps | a hostile filter hurts nobody | `no_text_panics` |
//! | equal filters have equal text | their subscribers share a view | `equal_filters_are_one` |

mod compile;
mod condition;
mod decimal;
mod error;
mod evaluate;
mod event;
mod index;
mod leave;
mod number;
mod order;
mod path;
mod regex;
#[cfg(test)]
mod tests;
mod tree;
mod truth;
mod types;
mod verdict;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde_json::value::RawValue;

use self::compile::Subjects;
use self::condition::Condition;
use self::evaluate::Document;
use self::tree::Tree;
use self::truth::Truth;
use crate::limits;
use crate::model::extend_json;

pub use error::FilterError;
pub use event::Event;
pub(crate) use index::{Equality, Index};
#[cfg(test)]
use index::{Key, Keys};
#[cfg(test)]
use path::Path;
pub use verdict::Verdict;

/// A `$match` document. Filters are equal when their texts are, apart from blanks and the order of
/// the outermost conditions.
#[derive(Clone)]
pub struct Filter {
    parts: Arc<Parts>,
}

struct Parts {
    text: String,
    tree: Tree<'static>,
    condition: Condition,
    equality: Option<Equality>,
}

impl Filter {
    /// Reads a filter on change events, such as `{"fullDocument.status":"open"}`.
    ///
    /// # Errors
    /// When the text is no filter, or more than the caps in [`limits`] allow.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Self::compile(text, Subjects::Events)
    }

    /// Reads a filter on plain documents, to be used with [`Filter::matches`] only: a filter on
    /// events must name a field that events have.
    ///
    /// # Errors
    /// As for [`Filter::parse`].
    pub fn for_documents(text: &str) -> Result<Self, FilterError> {
        Self::compile(text, Subjects::Documents)
    }

    fn compile(text: &str, subjects: Subjects) -> Result<Self, FilterError> {
        if text.len() > limits::FILTER_BYTES_MAX {
            let max = limits::FILTER_BYTES_MAX;
            return Err(FilterError::TooLarge { what: "bytes", max });
        }
        let text = canonical(&extend_json(text)?).ok_or(FilterError::NotAnObject)?;
        let tree = Tree::parse(text.clone()).ok_or(FilterError::NotAnObject)?;
        let condition = compile::compile(&tree, subjects)?;
        let equality = Equality::of(&condition, &tree);
        Ok(Self { parts: Arc::new(Parts { text, tree, condition, equality }) })
    }

    /// Whether a plain document, in relaxed or canonical Extended JSON, matches. What is no
    /// document does not.
    #[must_use]
    pub fn matches(&self, document: &[u8]) -> bool {
        let tree = std::str::from_utf8(document).ok().and_then(Tree::parse).unwrap_or_default();
        event::document(&tree).is_some_and(|fields| {
            let subject = Document { fields };
            self.parts.condition.evaluate(&subject, &self.parts.tree) == Truth::True
        })
    }

    /// The condition by which an index can find the filter, if it has one.
    #[must_use]
    pub(crate) fn equality(&self) -> Option<&Equality> {
        self.parts.equality.as_ref()
    }

    /// The canonical text: two filters are equal when it is.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.parts.text
    }
}

/// The text of an object with its outermost members sorted: all of them must hold, so that their
/// order means nothing. None of what is no object.
fn canonical(text: &str) -> Option<String> {
    let Members(mut members) = serde_json::from_str(text).ok()?;
    members.sort();
    Some(format!("{{{}}}", members.join(",")))
}

/// An object's members, each as it is written.
struct Members(Vec<String>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(format!("{}:{value}", serde_json::Value::from(name)));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.text)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({self})")
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.parts.text == other.parts.text
    }
}

impl Eq for Filter {}

impl Hash for Filter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts.text.hash(state);
    }
}
