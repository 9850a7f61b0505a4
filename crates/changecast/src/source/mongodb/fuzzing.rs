//! The fuzz target of what a database may send.

use std::sync::Arc;

use super::decode::Decoder;
use super::extended_json::reference::{check_document, check_json};
use super::scope::{Scope, Watched};
use crate::model::Change;

/// A raw document: written as the `bson` crate writes it, or refused; and as a change event, of
/// which always a change is made: `check_change` looks at what is made of that.
pub(crate) fn bson_to_json(bytes: &[u8], check_change: fn(&Change)) {
    check_document(bytes);
    let few = vec!["x".to_owned(), "y".to_owned()];
    for scope in [Scope::Database, Scope::Collections(few), Scope::Collection("x".to_owned())] {
        check_change(&event(bytes, &scope));
    }
}

fn event(event: &[u8], scope: &Scope) -> Change {
    let watched = Watched::new(&Arc::from("a"), "a", scope).expect("a scope");
    let announced = watched.topics();
    let mut decoder = Decoder::new(Arc::new(watched));
    let decoded = decoder.decode(event);
    let change = decoded.change;
    assert!(announced.matches(&change.topic), "{} is not announced", change.topic);
    check_json(&change.event);
    assert!(change.event.starts_with(b"{"));
    if !change.key.is_empty() {
        check_json(&change.key);
    }
    let again = decoder.decode(event).change;
    assert_eq!(again, change, "what it remembers changes nothing");
    change
}
