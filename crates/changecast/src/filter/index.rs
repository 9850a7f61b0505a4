//! Finding the filters that an event concerns, without asking them all.
//!
//! A filter with a condition that a path equals a value, or one of several, cannot hold for an
//! event without that value there. So filters are filed by path and value, and an event is looked
//! up by the values it has.
//!
//! | invariant | what it buys | test |
//! |---|---|---|
//! | a filter that the index does not name would drop the event | asking less loses nothing | `g2_the_index_changes_no_verdict` |
//! | values that compare as equal have one key | `1` finds `1.0` | `equal_values_have_one_key` |

mod key;

use std::collections::HashMap;

pub(crate) use key::Key;

use super::condition::{Comparison, Condition, Test};
use super::event::{Event, Image, Scene};
use super::path::{Found, Path};
use super::tree::{Tree, Value};
use super::{Filter, event};
use crate::limits;

/// The condition that the value at a path is one of some: every event that a filter does not drop
/// meets it, or cannot be decided.
#[derive(Clone, Debug)]
pub(crate) struct Equality {
    path: Path,
    keys: Box<[Key]>,
}

/// Index keys of the values at a path of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Not known, or too many: every filter on this path must be asked.
    All,
    /// Filters with none of these drop the event.
    Of(Vec<Key>),
}

impl Equality {
    /// What the condition is about.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The values, each by its key.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The condition that tells most events apart, of those that must hold all.
    pub(super) fn of(condition: &Condition, operands: &Tree<'_>) -> Option<Self> {
        let mut best: Option<Self> = None;
        let mut left = vec![condition];
        while let Some(condition) = left.pop() {
            match condition {
                Condition::All(conditions) => left.extend(conditions.iter().rev()),
                Condition::Field(path, test) => {
                    let equality = keys_of(test, operands)
                        .map(|keys| Self { path: path.clone(), keys: keys.into() });
                    if equality.as_ref().is_some_and(|new| new.is_better_than(best.as_ref())) {
                        best = equality;
                    }
                }
                _ => {}
            }
        }
        best
    }

    /// Values of documents are more varied than those of the event around them.
    fn is_better_than(&self, other: Option<&Self>) -> bool {
        let cost = |equality: &Self| {
            let is_common = !matches!(equality.path.root(), event::AFTER | "documentKey");
            (is_common, equality.keys.len())
        };
        other.is_none_or(|other| cost(self) < cost(other))
    }
}

/// The keys of all values that pass the test, if it is an equality that keys can tell. One that
/// nothing can pass has none to be filed under.
fn keys_of(test: &Test, operands: &Tree<'_>) -> Option<Vec<Key>> {
    let mut keys: Vec<Key> = match test {
        Test::Compare(Comparison::Equal, operand) => {
            vec![Key::of(operands.at(*operand).value())?]
        }
        Test::In(list) if list.patterns.is_empty() => {
            let values = list.values.iter().map(|index| operands.at(*index).value());
            values.map(Key::of).collect::<Option<_>>()?
        }
        _ => return None,
    };
    keys.sort_unstable();
    keys.dedup();
    (!keys.is_empty()).then_some(keys)
}

impl Event<'_> {
    /// The keys of what stands at `path`, in this event and in the state before it.
    #[must_use]
    pub(crate) fn keys(&self, path: &Path) -> Keys {
        if !self.is_event() {
            return Keys::All;
        }
        let is_image = path.root() == event::AFTER;
        let mut keys = Vec::new();
        // A deleted document is its before image, if that is known.
        let is_known = is_image && !self.has_after() && self.is_delete() && self.has_before();
        if !is_known && !self.collect(path, Image::After, &mut keys) {
            return Keys::All;
        }
        if is_image && self.has_before() && !self.collect(path, Image::Before, &mut keys) {
            return Keys::All;
        }
        keys.sort_unstable();
        keys.dedup();
        Keys::Of(keys)
    }

    /// Whether all keys could be told.
    fn collect(&self, path: &Path, image: Image, keys: &mut Vec<Key>) -> bool {
        let scene = Scene { event: self, image };
        let mut is_over = false;
        let mut take = |found: Found<'_>| {
            keys.extend(Key::of(found.unwrap_or(Value::Undefined)));
            is_over = keys.len() > limits::EVENT_KEYS_MAX;
            is_over
        };
        // Any test will do that looks into arrays as equality does.
        scene.any(path, &Test::Exists, &mut take).is_some() && !is_over
    }
}

/// Filters by what they equal, each under an id of the caller's.
#[derive(Debug)]
pub(crate) struct Index<T> {
    by_path: HashMap<Path, HashMap<Key, Vec<T>>>,
    /// Those that must always be asked.
    others: Vec<T>,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self { by_path: HashMap::new(), others: Vec::new() }
    }
}

impl<T: Copy + Ord> Index<T> {
    /// Files a filter. An id stands for one filter.
    pub(crate) fn insert(&mut self, filter: &Filter, id: T) {
        let Some(equality) = filter.equality() else {
            self.others.push(id);
            return;
        };
        let by_key = self.by_path.entry(equality.path.clone()).or_default();
        for key in &equality.keys {
            by_key.entry(*key).or_default().push(id);
        }
    }

    /// Appends the ids of the filters to ask about the event, ascending and each once. Those not
    /// named would drop it.
    pub(crate) fn candidates(&self, event: &Event<'_>, ids: &mut Vec<T>) {
        let start = ids.len();
        ids.extend_from_slice(&self.others);
        for (path, by_key) in &self.by_path {
            match event.keys(path) {
                Keys::All => ids.extend(by_key.values().flatten()),
                Keys::Of(keys) => {
                    ids.extend(keys.iter().filter_map(|key| by_key.get(key)).flatten());
                }
            }
        }
        let mut found = ids.split_off(start);
        found.sort_unstable();
        found.dedup();
        ids.append(&mut found);
    }
}
