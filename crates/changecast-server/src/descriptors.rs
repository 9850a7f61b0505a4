//! File descriptors: each connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows this process as many open files as it may have. Shells and service managers start programs
/// with a soft limit of 1,024, for the sake of `select`, which nothing here uses.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => tracing::info!(from = current, to = maximum, "limit of open files raised"),
        Err(error) => {
            tracing::warn!(%error, limit = current, "limit of open files cannot be raised");
        }
    }
}
