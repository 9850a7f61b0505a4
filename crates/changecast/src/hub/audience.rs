//! How many follow a topic: for those who do something only while somebody listens.
//!
//! It is counted where followers come, go, or choose anew, and never where entries are shown: a
//! delivery costs nothing more.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::model::{Topic, TopicPattern, TopicSet};

/// Who follows what, and who wants to know.
#[derive(Default)]
pub(super) struct Audiences {
    /// A std mutex: held for short, never across an await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Followers, by what they follow: for whoever asks when they are here already.
    followers: HashMap<TopicSet, usize>,
    /// The audiences that somebody watches.
    watched: HashMap<Topic, watch::Sender<usize>>,
    /// How many there were after those that nobody watches any more were last swept away.
    watched_after_sweep: usize,
}

impl Audiences {
    /// The number of those whose set of topics chooses `topic`.
    pub(super) fn of(&self, topic: &Topic) -> watch::Receiver<usize> {
        let mut state = self.lock();
        if let Some(known) = state.watched.get(topic) {
            return known.subscribe();
        }
        state.sweep();
        let of_topic = state.followers.iter().filter(|(topics, _)| topics.matches(topic));
        let count = of_topic.map(|(_, count)| count).sum();
        let (sender, receiver) = watch::channel(count);
        state.watched.insert(topic.clone(), sender);
        receiver
    }

    /// Somebody follows `topics` from here on.
    pub(super) fn join(&self, topics: &TopicSet) {
        self.turn(&TopicSet::none(), topics);
    }

    /// Somebody follows `topics` no longer.
    pub(super) fn leave(&self, topics: &TopicSet) {
        self.turn(topics, &TopicSet::none());
    }

    /// Somebody who followed `from` follows `to`. Who stays with a topic is not taken for one that
    /// has left it.
    pub(super) fn turn(&self, from: &TopicSet, to: &TopicSet) {
        let mut state = self.lock();
        state.count(from, to);
        // Most follow one topic by its name, and need no look at all that is watched.
        let named = if from.is_none() { name(to) } else { name(from).filter(|_| to.is_none()) };
        if let Some(topic) = named {
            if let Some(audience) = state.watched.get(topic) {
                tell(audience, from.matches(topic), to.matches(topic));
            }
            return;
        }
        for (topic, audience) in &state.watched {
            tell(audience, from.matches(topic), to.matches(topic));
        }
    }

    /// How many audiences are kept.
    #[cfg(test)]
    pub(super) fn watched_count(&self) -> usize {
        self.lock().watched.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, from: &TopicSet, to: &TopicSet) {
        if !to.is_none() {
            *self.followers.entry(to.clone()).or_default() += 1;
        }
        if let Some(count) = self.followers.get_mut(from) {
            *count -= 1;
            if *count == 0 {
                self.followers.remove(from);
            }
        }
    }

    /// Forgets what nobody watches any more, whenever there is twice as much as was in use.
    fn sweep(&mut self) {
        if self.watched.len() >= 2 * self.watched_after_sweep.max(16) {
            self.watched.retain(|_, audience| !audience.is_closed());
            self.watched_after_sweep = self.watched.len();
        }
    }
}

/// The topic, if the set is one by its name.
fn name(topics: &TopicSet) -> Option<&Topic> {
    match topics.patterns() {
        [TopicPattern::Exact(topic)] => Some(topic),
        _ => None,
    }
}

fn tell(audience: &watch::Sender<usize>, was_there: bool, is_there: bool) {
    match (was_there, is_there) {
        (false, true) => audience.send_modify(|count| *count += 1),
        (true, false) => audience.send_modify(|count| *count -= 1),
        _ => {}
    }
}
