//! File descriptors: each connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Failure;

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

/// Descriptors for all but connections: standard streams, polls, publishers, `/proc`.
const OTHERS: u64 = 64;

/// Makes room for so many connections, or says what is missing.
pub(crate) fn make_room(connections: usize) -> Result<(), Failure> {
    raise_limit();
    let wanted = connections as u64 + OTHERS;
    // None is no limit.
    match getrlimit(Resource::Nofile).current {
        Some(room) if room < wanted => Err(Failure::Configuration(format!(
            "{connections} connections take {wanted} descriptors, and this process may have \
             {room}: raise the hard limit (`ulimit -Hn {wanted}` as root), or open fewer"
        ))),
        _ => Ok(()),
    }
}
