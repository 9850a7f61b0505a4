//! The product as its users meet it: every test starts the real binary on a free port with a data
//! directory of its own, and talks to it over the network.
//!
//! Tests are named after the behaviour; a leading `s0_14` or `g5` cites the row of the original's
//! behaviour or the guarantee that it shows. Nobody sleeps to wait: a test waits for an event, and
//! only a fault runs into [`support::PATIENCE`].

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

mod support;

mod bench;
mod burst;
mod caps;
mod check;
mod cli;
mod config;
mod conformance;
mod documents;
mod drain;
mod fairness;
mod filters;
mod follow;
mod formats;
mod guard;
mod health;
mod hostile;
mod http_source;
mod isolation;
mod lists;
mod logging;
mod loss;
mod mongodb;
mod page;
mod parsers;
mod postgres;
mod publish;
mod redis;
mod restart;
mod resume;
mod retention;
mod settings;
mod since;
mod socket;
mod sqlite_documents;
mod sqlite_files;
mod stores;
mod sub;
mod takeover;
mod together;
mod topics;
mod watchers;
mod websocket;
mod wire;
