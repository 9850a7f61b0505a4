//! The hub over a log in memory: subscribers that come, follow, dawdle, break off and go.

mod audience;
mod filters;
mod follow;
mod sharing;
mod slow;
mod support;
