//! Which tables a source watches, and what they are called in topics and events.

use std::fmt;
use std::sync::Arc;

use super::errors::invalid;
use crate::limits;
use crate::model::{Topic, TopicPattern, TopicSet};
use crate::source::SourceError;

/// The schema whose tables go by their bare names.
const PUBLIC: &str = "public";

/// The tables of a database that are watched; none named is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope(pub(super) Vec<Tables>);

/// One table, or all of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) schema: String,
    /// None for all.
    pub(super) table: Option<String>,
}

impl Scope {
    /// Reads `orders`, `audit.log`, `audit.*` and `*`.
    pub(super) fn parse(patterns: &[String]) -> Result<Self, SourceError> {
        let mut tables = Vec::new();
        for pattern in patterns {
            if pattern == "*" {
                return Ok(Self::default());
            }
            let (schema, table) = pattern.split_once('.').unwrap_or((PUBLIC, pattern));
            let is_star = table == "*";
            let is_bad = |part: &str| part.is_empty() || part.contains(['*', '\0']);
            if is_bad(schema) || (!is_star && is_bad(table)) {
                return Err(invalid(format!(
                    "table={pattern:?}: write orders, audit.log, audit.* for a schema, or *"
                )));
            }
            let table = (!is_star).then(|| table.to_owned());
            tables.push(Tables { schema: schema.to_owned(), table });
        }
        Ok(Self(tables))
    }

    /// Whether every table is watched.
    pub(super) fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn holds(&self, schema: &str, table: &str) -> bool {
        let fits = |tables: &Tables| {
            tables.schema == schema && tables.table.as_deref().is_none_or(|name| name == table)
        };
        self.is_all() || self.0.iter().any(fits)
    }

    /// The topics that the tables of the source `name` have.
    pub(super) fn topics(&self, name: &str) -> TopicSet {
        let all = || TopicPattern::Prefix(format!("{name}.").into());
        if self.is_all() {
            return TopicSet::new([all()]);
        }
        TopicSet::new(self.0.iter().map(|tables| match &tables.table {
            Some(table) => TopicPattern::Exact(topic(name, &tables.schema, table)),
            // Those of `public` go by their bare names: nothing tells them from others.
            None if tables.schema == PUBLIC => all(),
            None => TopicPattern::Prefix(Arc::from(format!("{name}.{}.", tables.schema))),
        }))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("*");
        }
        for (index, tables) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let table = tables.table.as_deref().unwrap_or("*");
            write!(f, "{comma}{}", collection(&tables.schema, table))?;
        }
        Ok(())
    }
}

/// What a table is called in events: its bare name in `public`, `schema.table` elsewhere.
pub(super) fn collection(schema: &str, table: &str) -> String {
    if schema == PUBLIC { table.to_owned() } else { format!("{schema}.{table}") }
}

/// The schema and the table that a collection's name means.
pub(super) fn split_collection(collection: &str) -> (&str, &str) {
    collection.split_once('.').unwrap_or((PUBLIC, collection))
}

pub(super) fn topic(name: &str, schema: &str, table: &str) -> Topic {
    let collection = collection(schema, table);
    Topic::new(name, &collection).unwrap_or_else(|_| {
        let mut text = collection.replace(char::is_control, "\u{fffd}");
        text.truncate(text.floor_char_boundary(limits::COLLECTION_BYTES_MAX));
        if text.is_empty() {
            // No table has such a name, whatever a server says.
            text.push('\u{fffd}');
        }
        Topic::new(name, &text).expect("the name was checked, the collection is clean")
    })
}
