//! Filters against tables of what they mean, and under random ones. That they agree with MongoDB
//! is shown where MongoDB is: `source/mongodb/tests/filters.rs`.

mod events;
mod laws;
mod leaving;
mod lookups;
mod operators;
mod refusals;
mod regexes;
mod speed;
mod strategies;
mod trees;

use super::*;

#[track_caller]
fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn plain(text: &str) -> Filter {
    Filter::for_documents(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn judge(text: &str, event: &str) -> Verdict {
    filter(text).judge(&Event::parse(event.as_bytes()))
}
