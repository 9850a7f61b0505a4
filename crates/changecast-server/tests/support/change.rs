//! A change as a client sees it.

use serde_json::Value;

/// The change event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change(pub(crate) Value);

impl Change {
    pub(crate) fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    /// The change's own id, the same for every client and across restarts.
    pub(crate) fn change_id(&self) -> &str {
        self.0["_id"]["_data"].as_str().expect("a change has an _id")
    }

    pub(crate) fn document(&self) -> &Value {
        &self.0["fullDocument"]
    }

    /// The number of a numbered document; Redis keeps it as text.
    pub(crate) fn number(&self) -> Option<i64> {
        let number = &self.document()["n"];
        number.as_i64().or_else(|| number.as_str()?.parse().ok())
    }

    /// The topic that its namespace makes.
    pub(crate) fn topic(&self) -> String {
        let ns = |part| self.0["ns"][part].as_str().expect("a change has a namespace");
        format!("{}.{}", ns("db"), ns("coll"))
    }
}

/// A change in its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) change: Change,
}

/// What `insert_numbers` inserted, in the order in which it came.
pub(crate) fn numbers(entries: &[Entry]) -> Vec<i64> {
    let number = |entry: &Entry| entry.change.number();
    entries.iter().map(|entry| number(entry).expect("a numbered document")).collect()
}
