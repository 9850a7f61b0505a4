//! Follows streams on a connection of its own.
//!
//! | invariant | what it buys | test |
//! |---|---|---|
//! | every entry carries how many had been added up to it | a position can be held against the stream's own count | `g2_a_place_knows_what_is_missing` |
//! | what is read and what the stream counts are asked at one moment | what was trimmed unread is told, never skipped in silence | `g2_what_was_trimmed_while_away_is_a_gap` |
//! | a stream that is not there yet is read from its first entry | its creation misses nothing | `a_stream_that_comes_later_is_read_from_its_first_entry` |

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value, cmd};

use super::config::invalid;
use super::events;
use super::position::{Place, Stored};
use super::reply::{self, Entry, NoState, StreamState};
use super::server::{Link, Server};
use crate::limits;
use crate::model::{Position, Topic};
use crate::source::{Delivery, DeliverySender, SourceError, WatchOptions};
use crate::telemetry::Telemetry;

/// One stream, and where it has been read to.
struct Stream {
    key: String,
    topic: Topic,
    place: Place,
}

/// Reads all streams of one source.
pub(super) struct Follower {
    name: Arc<str>,
    link: Link,
    streams: Vec<Stream>,
    /// The server's replication id, if it tells.
    server: Option<String>,
    /// How many entries of each stream are read at once; the more the smaller they are.
    count: usize,
    count_max: usize,
    /// How long the server waits for an entry before it answers that there is none.
    pause: Duration,
}

impl Follower {
    /// Fixes the place where each stream is read from.
    pub(super) async fn open(
        server: &Server,
        name: &Arc<str>,
        keys: &[String],
        options: &WatchOptions,
    ) -> Result<Self, SourceError> {
        let mut link = server.connect().await?;
        let stored = options.token().map(Stored::read).transpose()?;
        let identity = Identity::ask(&mut link).await?;
        let mut streams = Vec::new();
        for (key, (stored_place, state, is_there)) in
            keys.iter().zip(ask_places(&mut link, keys, stored.as_ref()).await?)
        {
            let place = match stored_place {
                Some(place) => {
                    let server = stored.as_ref().and_then(|stored| stored.server.as_deref());
                    let checked = place.check(state, None).and_then(|()| {
                        if is_there { Ok(()) } else { check_absent(state, identity.is(server)) }
                    });
                    checked.map_err(|why| lost(key, &why))?;
                    place
                }
                None => Place::after_all(state),
            };
            let topic = Topic::new(name, key).map_err(|error| invalid(error.to_string()))?;
            streams.push(Stream { key: key.clone(), topic, place });
        }
        let count_max =
            options.batch_size.map_or(limits::BATCH_CHANGES_MAX, |count| count as usize);
        let count_max = count_max.clamp(1, limits::BATCH_CHANGES_MAX);
        Ok(Self {
            name: Arc::clone(name),
            link,
            streams,
            server: identity.now,
            count: limits::REDIS_FIRST_COUNT.min(count_max),
            count_max,
            pause: options.max_await_time.unwrap_or(limits::REDIS_PAUSE).min(limits::REDIS_PAUSE),
        })
    }

    /// Where all streams stand.
    pub(super) fn position(&self) -> Position {
        let places = self.streams.iter().map(|stream| (&*stream.key, stream.place));
        Stored::write(self.server.as_deref(), places)
    }

    /// Ends when nobody listens any more, or after an error.
    pub(super) async fn run(mut self, sender: DeliverySender, telemetry: Arc<Telemetry>) {
        sender.run(self.follow(&sender, &telemetry)).await;
    }

    async fn follow(
        &mut self,
        sender: &DeliverySender,
        telemetry: &Telemetry,
    ) -> Result<(), SourceError> {
        loop {
            let question = sender.question();
            let found = self.read_checked().await?;
            if !found.is_empty() {
                self.deliver(found, sender, telemetry).await;
                continue;
            }
            if let Some(question) = question {
                sender.answer_nothing(question).await;
            }
            self.wait().await?;
        }
    }

    /// What there is now, if nothing is missing before it.
    async fn read_checked(&mut self) -> Result<Vec<(usize, Vec<Entry>)>, SourceError> {
        let infos = self.streams.iter().map(|stream| stream_info(&stream.key));
        let commands: Vec<Cmd> = std::iter::once(self.read(None)).chain(infos).collect();
        let mut answers = self.link.ask_at_once(commands).await?.into_iter();
        let found = answers.next().unwrap_or_default();
        let found =
            found.extract_error().map_err(|error| self.link.server.explainer.explain(&error))?;
        let found = self.found(found)?;
        for ((index, stream), answer) in self.streams.iter().enumerate().zip(answers) {
            let entries = found.iter().find(|(of, _)| *of == index).map(|(_, entries)| entries);
            let count = entries.map_or(0, Vec::len);
            // A full batch may not be all.
            let unread = (count < self.count).then_some(count as u64);
            let state = state_of(&self.link, answer)?;
            stream.place.check(state, unread).map_err(|why| lost(&stream.key, &why))?;
        }
        Ok(found)
    }

    /// Waits until there is something. What it is, is read once more with the counts: an entry that
    /// was added and trimmed meanwhile would be skipped otherwise.
    async fn wait(&mut self) -> Result<(), SourceError> {
        let limit = self.pause + limits::REDIS_READ_TIMEOUT;
        self.link.ask(&self.read(Some(self.pause)), limit).await.map(drop)
    }

    fn read(&self, pause: Option<Duration>) -> Cmd {
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(if pause.is_some() { 1 } else { self.count });
        if let Some(pause) = pause {
            // Zero would be for ever.
            read.arg("BLOCK").arg(pause.as_millis().max(1) as u64);
        }
        read.arg("STREAMS");
        for stream in &self.streams {
            read.arg(&stream.key);
        }
        for stream in &self.streams {
            read.arg(stream.place.id.to_string());
        }
        read
    }

    fn found(&self, answer: Value) -> Result<Vec<(usize, Vec<Entry>)>, SourceError> {
        let senseless = || self.link.server.explainer.senseless("XREAD");
        let by_key = reply::entries_by_stream(answer).ok_or_else(senseless)?;
        let index =
            |key: &[u8]| self.streams.iter().position(|stream| stream.key.as_bytes() == key);
        let by_index = by_key.into_iter().map(|(key, entries)| Some((index(&key)?, entries)));
        by_index.collect::<Option<_>>().ok_or_else(senseless)
    }

    async fn deliver(
        &mut self,
        found: Vec<(usize, Vec<Entry>)>,
        sender: &DeliverySender,
        telemetry: &Telemetry,
    ) {
        let weight = found.iter().flat_map(|(_, entries)| entries).map(Entry::weight).sum();
        self.adapt_count(weight);
        for (index, entries) in found {
            for entry in entries {
                let Some(stream) = self.streams.get_mut(index) else { continue };
                let encoded = events::of_entry(&self.name, &stream.topic, &entry);
                stream.place = Place { id: entry.id, added: stream.place.added + 1 };
                if encoded.replacements > 0 {
                    telemetry.text_replaced(&self.name, encoded.replacements);
                }
                let position = Some(self.position());
                sender.send(Ok(Delivery { change: Some(encoded.change), position })).await;
            }
        }
    }

    /// Redis counts entries and not bytes, so a batch is kept small by what the last one weighed.
    fn adapt_count(&mut self, weight: usize) {
        if weight > limits::BATCH_BYTES_MAX {
            self.count = (self.count / 2).max(1);
        } else if weight < limits::BATCH_BYTES_MAX / 4 {
            self.count = (self.count * 2).min(self.count_max);
        }
    }
}

/// Who answers: the replication id of now, and that of before the last failover or restart.
struct Identity {
    now: Option<String>,
    before: Option<String>,
}

impl Identity {
    /// A user who may not ask learns nothing of the server's past, but can watch.
    async fn ask(link: &mut Link) -> Result<Self, SourceError> {
        let info = cmd("INFO").arg("replication").to_owned();
        let answer = match link.ask(&info, limits::REDIS_ANSWER_TIMEOUT).await {
            Ok(answer) => answer,
            Err(SourceError::Operator { .. }) => Value::Nil,
            Err(error) => return Err(error),
        };
        let line = |name| reply::info_line(&answer, name);
        Ok(Self { now: line("master_replid"), before: line("master_replid2") })
    }

    fn is(&self, stored: Option<&str>) -> bool {
        stored.is_none() || [self.now.as_deref(), self.before.as_deref()].contains(&stored)
    }
}

pub(super) fn stream_info(key: &str) -> Cmd {
    cmd("XINFO").arg("STREAM").arg(key).to_owned()
}

/// The state that an answer tells; none for a stream that is not there.
pub(super) fn state_of(link: &Link, answer: Value) -> Result<Option<StreamState>, SourceError> {
    let explainer = &link.server.explainer;
    if let Value::ServerError(error) = &answer
        && error.details().is_some_and(|words| words.contains("no such key"))
    {
        return Ok(None);
    }
    let answer = answer.extract_error().map_err(|error| explainer.explain(&error))?;
    reply::stream_state(&answer).map(Some).map_err(|why| match why {
        NoState::Senseless => explainer.senseless("XINFO STREAM"),
        NoState::Uncounted => SourceError::Operator {
            problem: format!("{} does not count what was added to a stream", explainer.address),
            remedy: "use Redis 7.0 or later, or Valkey: an older one cannot tell what it trimmed"
                .into(),
        },
    })
}

/// What is known of a stream: where it has been read to, how it stands, and whether the entry that
/// was read last is still there.
type Known = (Option<Place>, Option<StreamState>, bool);

async fn ask_places(
    link: &mut Link,
    keys: &[String],
    stored: Option<&Stored>,
) -> Result<Vec<Known>, SourceError> {
    let place = |key: &String| stored.map(|stored| stored.place(key)).transpose();
    let places: Vec<_> = keys.iter().map(place).collect::<Result<_, _>>()?;
    let places: Vec<_> = places.into_iter().map(Option::flatten).collect();
    let commands = keys.iter().zip(&places).flat_map(|(key, place)| {
        let id = place.unwrap_or_default().id.to_string();
        [stream_info(key), cmd("XRANGE").arg(key).arg(&id).arg(&id).to_owned()]
    });
    let mut answers = link.ask_at_once(commands).await?.into_iter();
    let mut known = Vec::new();
    for place in places {
        let state = state_of(link, answers.next().unwrap_or_default())?;
        let entries = reply::entries_of(answers.next().unwrap_or_default());
        let is_there = place.unwrap_or_default() == Place::default()
            || entries.is_some_and(|entries| !entries.is_empty());
        known.push((place, state, is_there));
    }
    Ok(known)
}

/// What was read last may have been trimmed or deleted since; then something is gone.
fn check_absent(state: Option<StreamState>, is_same_server: bool) -> Result<(), String> {
    if state.is_none_or(|state| state.added == state.length) {
        return Err("it took another course: made anew, restored, or another server's".into());
    }
    if !is_same_server {
        return Err("another server answers, and what was read last is not there".into());
    }
    Ok(())
}

fn lost(key: &str, why: &str) -> SourceError {
    SourceError::HistoryLost(format!("stream {key:?}: {why}"))
}
