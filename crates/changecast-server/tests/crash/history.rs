//! What one client was told, in the order in which it was.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use super::ledger::{COLLECTIONS, Fact};

/// A message that counts. Ids are of the form `<epoch>-<seq>`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Change {
        seq: u64,
        /// Stands for the change's own `_id`.
        change: u64,
        fact: Fact,
    },
    /// Something is missing.
    Gap { reason: String },
    /// Everything up to here has been served.
    Bookmark { seq: u64 },
    /// It reconnected with an id, and the server does not go on from just there.
    NotResumed { problem: String },
    /// Something that no client must ever meet.
    Nonsense { problem: String },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The client's name.
    pub(crate) name: String,
    /// The collections that it follows, by their place in [`COLLECTIONS`].
    pub(crate) follows: Vec<u8>,
    pub(crate) told: Vec<Told>,
    /// What it resumes with.
    pub(crate) last_id: Option<String>,
    /// The log's incarnation; there is one for the whole campaign.
    epoch: Option<String>,
    pub(crate) connections: usize,
}

impl History {
    pub(crate) fn new(name: &str, follows: &[u8]) -> Self {
        Self { name: name.to_owned(), follows: follows.to_vec(), ..Self::default() }
    }

    /// The first message of a connection that was opened with `sent`.
    pub(crate) fn hello(&mut self, hello: &Value, id: Option<&str>, sent: Option<&str>) {
        self.connections += 1;
        if let Some(sent) = sent
            && (hello["resumed"] != true || hello["position"] != sent || id != Some(sent))
        {
            let problem = format!("asked for {sent}, and got {hello}");
            self.told.push(Told::NotResumed { problem });
        }
        self.covered(id);
    }

    pub(crate) fn change(&mut self, id: &str, event: &Value) {
        match (fact_of(event), self.seq_of(id)) {
            (Some(fact), Some(seq)) => {
                let mut hasher = DefaultHasher::new();
                event["_id"]["_data"].as_str().unwrap_or_default().hash(&mut hasher);
                self.told.push(Told::Change { seq, change: hasher.finish(), fact });
            }
            _ => self.nonsense(format!("{id}: a change that nobody made: {event}")),
        }
        self.last_id = Some(id.to_owned());
    }

    pub(crate) fn control(&mut self, kind: &str, id: Option<&str>, data: &Value) {
        match kind {
            "gap" => self.told.push(Told::Gap { reason: data.to_string() }),
            "bookmark" | "source" => {}
            _ => self.nonsense(format!("an unknown message: {kind} {data}")),
        }
        self.covered(id);
    }

    pub(crate) fn nonsense(&mut self, problem: String) {
        self.told.push(Told::Nonsense { problem });
    }

    pub(crate) fn change_count(&self) -> usize {
        self.told.iter().filter(|told| matches!(told, Told::Change { .. })).count()
    }

    fn covered(&mut self, id: Option<&str>) {
        if let Some(id) = id {
            if let Some(seq) = self.seq_of(id) {
                self.told.push(Told::Bookmark { seq });
            }
            self.last_id = Some(id.to_owned());
        }
    }

    /// The place in the log, whose epoch must stay the same.
    fn seq_of(&mut self, id: &str) -> Option<u64> {
        let Some((epoch, seq)) = id.split_once('-') else {
            self.nonsense(format!("{id:?} is no id"));
            return None;
        };
        let known = self.epoch.get_or_insert_with(|| epoch.to_owned());
        if known != epoch {
            let problem = format!("{id} is of another epoch than {known}");
            self.nonsense(problem);
        }
        seq.parse().ok()
    }
}

/// What `event` tells of, whatever the source.
fn fact_of(event: &Value) -> Option<Fact> {
    let name = event["ns"]["coll"].as_str()?;
    let collection = COLLECTIONS.iter().position(|known| *known == name)?;
    let document = &event["fullDocument"];
    // An entry of a stream has a key of its own, and tells of the document in its fields.
    let key = document["key"].as_str().or(event["documentKey"]["_id"].as_str())?;
    let key = key.strip_prefix('k')?.parse().ok()?;
    let version = match event["operationType"].as_str()? {
        "delete" => Fact::DELETED,
        "insert" | "update" | "replace" => {
            let part = &event["updateDescription"]["updatedFields"]["v"];
            let whole =
                document["v"].as_u64().or(document["v"].as_str().and_then(|v| v.parse().ok()));
            u32::try_from(whole.or(part.as_u64())?).ok()?
        }
        _ => return None,
    };
    Some(Fact { collection: u8::try_from(collection).ok()?, key, version })
}
