//! What Redis answers, read into words of ours. It must not ask anything.
//!
//! Both of Redis's protocols are read: the older has lists where the newer has maps. What has an
//! unknown form is `None`, never a panic: the bytes come from elsewhere.

use std::fmt;
use std::str::FromStr;

use redis::Value;

/// The id of a stream's entry: milliseconds, and a number within them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId {
    pub(super) millis: u64,
    pub(super) number: u64,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.number)
    }
}

impl FromStr for EntryId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (millis, number) = text.split_once('-').ok_or(())?;
        let number_of = |text: &str| text.parse().map_err(drop);
        Ok(Self { millis: number_of(millis)?, number: number_of(number)? })
    }
}

/// One entry, as it was added.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: EntryId,
    /// Names and values in their order; a name may stand twice.
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// Bytes of it.
    pub(super) fn weight(&self) -> usize {
        self.fields.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

/// What a stream tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamState {
    /// The newest id that it ever gave.
    pub(super) last: EntryId,
    /// How many entries were ever added, those that are gone included.
    pub(super) added: u64,
    /// How many there are.
    pub(super) length: u64,
}

/// Why a stream's state is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoState {
    /// A server before 7.0 does not count what was added.
    Uncounted,
    /// The answer has an unknown form.
    Senseless,
}

/// The answer to `XINFO STREAM` about a key that is there.
pub(super) fn stream_state(answer: &Value) -> Result<StreamState, NoState> {
    let number = |name| field(answer, name).and_then(integer);
    let last = field(answer, "last-generated-id").and_then(text).and_then(|id| id.parse().ok());
    let (last, length) = last.zip(number("length")).ok_or(NoState::Senseless)?;
    let added = number("entries-added").ok_or(NoState::Uncounted)?;
    Ok(StreamState { last, added, length })
}

/// The answer to `XREAD`: each stream that has something, with its entries.
pub(super) fn entries_by_stream(answer: Value) -> Option<Vec<(Vec<u8>, Vec<Entry>)>> {
    let streams = match answer {
        Value::Nil => return Some(Vec::new()),
        Value::Map(streams) => streams,
        Value::Array(streams) => streams.into_iter().map(pair).collect::<Option<_>>()?,
        _ => return None,
    };
    let read = |(key, entries)| Some((owned_bytes(key)?, entries_of(entries)?));
    streams.into_iter().map(read).collect()
}

/// The answer to `XRANGE`.
pub(super) fn entries_of(answer: Value) -> Option<Vec<Entry>> {
    let Value::Array(entries) = answer else { return None };
    entries.into_iter().map(entry).collect()
}

fn entry(value: Value) -> Option<Entry> {
    let (id, fields) = pair(value)?;
    let id = text(&id)?.parse().ok()?;
    Some(Entry { id, fields: pairs(fields)? })
}

/// Names and values, from a flat list or a map.
pub(super) fn pairs(value: Value) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let read = |(name, value)| Some((owned_bytes(name)?, owned_bytes(value)?));
    match value {
        Value::Map(members) => members.into_iter().map(read).collect(),
        Value::Array(flat) => {
            let mut flat = flat.into_iter();
            let mut members = Vec::with_capacity(flat.len() / 2);
            while let Some(name) = flat.next() {
                members.push(read((name, flat.next()?))?);
            }
            Some(members)
        }
        _ => None,
    }
}

/// A list of byte strings.
pub(super) fn list(value: Value) -> Option<Vec<Vec<u8>>> {
    match value {
        Value::Array(items) | Value::Set(items) => items.into_iter().map(owned_bytes).collect(),
        _ => None,
    }
}

/// The value of `name` in the text that `INFO` answers.
pub(super) fn info_line(answer: &Value, name: &str) -> Option<String> {
    let lines = text(answer)?.lines();
    let mut pairs = lines.filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned())
}

fn pair(value: Value) -> Option<(Value, Value)> {
    let Value::Array(items) = value else { return None };
    let [one, two] = <[Value; 2]>::try_from(items).ok()?;
    Some((one, two))
}

fn field<'a>(answer: &'a Value, name: &str) -> Option<&'a Value> {
    match answer {
        Value::Map(members) => {
            members.iter().find(|(key, _)| text(key) == Some(name)).map(|(_, value)| value)
        }
        Value::Array(flat) => {
            let mut pairs = flat.chunks_exact(2).filter_map(|pair| pair.first().zip(pair.last()));
            pairs.find(|(key, _)| text(key) == Some(name)).map(|(_, value)| value)
        }
        _ => None,
    }
}

pub(super) fn integer(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

pub(super) fn owned_bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.into_bytes()),
        Value::Okay => Some(b"OK".to_vec()),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        Value::Double(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}
