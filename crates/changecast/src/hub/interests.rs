//! Which views an entry concerns, without asking each of them: ten thousand subscribers with ten
//! thousand filters of the form "this user's orders" cost one look-up for each change.
//!
//! A view that is named may turn out not to want the entry; one that is not named certainly does
//! not.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use super::encoding::Encoding;
use super::frames::Mode;
use super::selection::Selection;
use super::view::View;
use crate::filter::Index;
use crate::model::{Topic, TopicPattern};

/// What makes a view: equal keys share one.
pub(super) type ViewKey = (Selection, (&'static str, &'static str), Mode);

/// All views, by what they select.
#[derive(Default)]
pub(super) struct Interests {
    ids: HashMap<ViewKey, u64>,
    views: HashMap<u64, Weak<View>>,
    /// Views that want all changes of a topic.
    by_topic: HashMap<Topic, Vec<u64>>,
    /// Views that want all changes of topics that a pattern chooses.
    by_pattern: Vec<(TopicPattern, u64)>,
    /// Views that want some changes.
    by_filter: Index<u64>,
    /// What the latter follow: changes of other topics need not be parsed.
    filtered: HashSet<TopicPattern>,
    /// Views that were named, and were gone.
    gone: usize,
}

impl Interests {
    pub(super) fn get(&self, key: &ViewKey) -> Option<Arc<View>> {
        self.views.get(self.ids.get(key)?)?.upgrade()
    }

    /// How many views there are, with those that have gone since the last sweep.
    pub(super) fn len(&self) -> usize {
        self.views.len()
    }

    pub(super) fn insert(&mut self, key: ViewKey, view: &Arc<View>) {
        let id = view.id();
        for part in key.0.parts() {
            let patterns = part.topics.patterns();
            match &part.filter {
                Some(filter) => {
                    self.by_filter.insert(filter, id);
                    for pattern in patterns {
                        self.filtered.insert(pattern.clone());
                    }
                }
                None => patterns.iter().for_each(|pattern| self.insert_pattern(pattern, id)),
            }
        }
        self.views.insert(id, Arc::downgrade(view));
        self.ids.insert(key, id);
    }

    fn insert_pattern(&mut self, pattern: &TopicPattern, id: u64) {
        match pattern {
            TopicPattern::Exact(topic) => self.by_topic.entry(topic.clone()).or_default().push(id),
            pattern => self.by_pattern.push((pattern.clone(), id)),
        }
    }

    /// The views that `entry` may concern, each once.
    pub(super) fn of(&mut self, entry: &Encoding<'_>) -> Vec<Arc<View>> {
        let Some(change) = entry.change() else {
            // A gap is rare, and may concern anybody.
            return self.all();
        };
        let mut ids = Vec::new();
        if self.filtered.iter().any(|pattern| pattern.matches(&change.topic)) {
            self.by_filter.candidates(entry.event(change), &mut ids);
        }
        ids.extend(self.by_topic.get(&change.topic).into_iter().flatten());
        let wide = self.by_pattern.iter().filter(|(pattern, _)| pattern.matches(&change.topic));
        ids.extend(wide.map(|(_, id)| id));
        ids.sort_unstable();
        ids.dedup();
        let views: Vec<_> =
            ids.iter().filter_map(|id| self.views.get(id).and_then(Weak::upgrade)).collect();
        self.gone += ids.len() - views.len();
        if self.gone > self.views.len() {
            self.sweep();
        }
        views
    }

    pub(super) fn all(&self) -> Vec<Arc<View>> {
        self.views.values().filter_map(Weak::upgrade).collect()
    }

    /// Forgets the views that are gone. Costs as much as building the index anew, so it is done
    /// only now and then.
    pub(super) fn sweep(&mut self) {
        let known = std::mem::take(self);
        for (key, id) in known.ids {
            if let Some(view) = known.views.get(&id).and_then(Weak::upgrade) {
                self.insert(key, &view);
            }
        }
    }
}
