//! The crash campaign: programs write without a pause, the real binary and its database are killed,
//! ended, paused and cut off at random, clients come back again and again; in the end every client's
//! history must be what was committed, in order, nothing missing and nothing twice.
//!
//! `scripts/crash-test` runs it for as long as one likes; as a test it is short and always the same.
//! All that is planned follows from the seed, which is printed first. When things happen does not:
//! the same seed brings the same faults, not the same interleaving.
//!
//! | file | is |
//! |---|---|
//! | `plan` | what happens in which round |
//! | `rig`, `setup`, `server`, `database` | all that runs, and the faults |
//! | `script`, `store`, `writers`, `ledger` | who writes what where, and what has been committed |
//! | `client`, `history` | who follows, and what they were told |
//! | `checker`, `campaign` | the verdict |

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

mod campaign;
mod checker;
mod checker_tests;
mod client;
mod database;
mod history;
mod ledger;
mod plan;
mod rig;
mod script;
mod server;
mod setup;
mod store;
mod support;
mod writers;

use campaign::{Options, run};
use rig::Source;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded() {
    run(Source::Embedded, Options::from_env(40)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb() {
    run(Source::MongoDb, Options::from_env(25)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    run(Source::Postgres, Options::from_env(25)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    run(Source::SqliteFile, Options::from_env(25)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis() {
    run(Source::Redis, Options::from_env(25)).await;
}
