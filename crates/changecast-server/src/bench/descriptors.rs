//! Room for many connections: each takes a descriptor.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Failure;

/// Descriptors for all else: standard streams, polls, publishers, `/proc`.
const OTHERS: u64 = 64;

/// Raises this process's soft limit if `connections` want it.
pub(super) fn make_room(connections: usize) -> Result<(), Failure> {
    let wanted = connections as u64 + OTHERS;
    // None is no limit.
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if let Some(maximum) = maximum.filter(|maximum| *maximum < wanted) {
        return Err(Failure::Configuration(format!(
            "{connections} connections take {wanted} descriptors, and this process may have \
             {maximum}: raise the hard limit (`ulimit -Hn {wanted}` as root), or open fewer"
        )));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).map_err(|error| {
        Failure::Configuration(format!("cannot raise the descriptor limit to {wanted}: {error}"))
    })
}
