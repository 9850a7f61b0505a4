//! The runner between a scripted source and a log that keeps a journal. The clock is paused: it
//! moves only once everybody waits, so backoff and idle times cost nothing and race with nothing.

mod faults;
mod positions;
mod support;
