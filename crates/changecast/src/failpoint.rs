//! Named places where a test lets the process die, as a power cut would: nothing is cleaned up.
//!
//! `CHANGECAST_FAILPOINT=<name>:<n>` kills it when the place is reached for the n-th time. Only
//! with the feature `failpoints`: without it nothing of this is compiled in.
//!
//! | name | at that moment |
//! |---|---|
//! | `log.before_append` | the log has taken a batch and written none of it |
//! | `log.before_commit` | entries and position are written, none of it is durable |
//! | `log.after_commit` | durable, but nobody has seen it |
//! | `log.after_show` | subscribers see it, the runner does not know yet |
//! | `runner.after_append` | the runner knows, the source has not been acknowledged |
//! | `runner.after_acknowledge` | the source has been acknowledged |
//! | `store.before_commit` | the embedded store has written, and nothing of it is durable |
//! | `store.after_commit` | durable, but whoever wrote has no answer |

#[cfg(feature = "failpoints")]
pub(crate) use armed::hit;

/// Does nothing.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn hit(_name: &'static str) {}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    const VARIABLE: &str = "CHANGECAST_FAILPOINT";

    const NAMES: [&str; 8] = [
        "log.before_append",
        "log.before_commit",
        "log.after_commit",
        "log.after_show",
        "runner.after_append",
        "runner.after_acknowledge",
        "store.before_commit",
        "store.after_commit",
    ];

    /// The place that is armed, and how often it has been reached.
    struct Failpoint {
        name: &'static str,
        fatal_hit: u64,
        hits: AtomicU64,
    }

    static ARMED: LazyLock<Option<Failpoint>> = LazyLock::new(|| {
        let text = std::env::var(VARIABLE).ok()?;
        let failpoint = Failpoint::parse(&text);
        if failpoint.is_none() {
            // A campaign that kills nothing would show nothing.
            tracing::error!("{VARIABLE}={text} is not <name>:<n> of a known name");
            std::process::abort();
        }
        failpoint
    });

    impl Failpoint {
        fn parse(text: &str) -> Option<Self> {
            let (name, fatal_hit) = text.split_once(':')?;
            let name = NAMES.into_iter().find(|known| *known == name)?;
            let fatal_hit = fatal_hit.parse().ok().filter(|hit| *hit > 0)?;
            Some(Self { name, fatal_hit, hits: AtomicU64::new(0) })
        }

        /// Whether this is the hit to die at.
        fn is_fatal(&self, name: &str) -> bool {
            self.name == name && self.hits.fetch_add(1, Ordering::Relaxed) + 1 == self.fatal_hit
        }
    }

    /// The place `name` is reached: ends the process if it is armed and this is the hit.
    pub(crate) fn hit(name: &'static str) {
        debug_assert!(NAMES.contains(&name), "{name} is missing in the list");
        if ARMED.as_ref().is_some_and(|failpoint| failpoint.is_fatal(name)) {
            std::process::abort();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_the_named_place_counts_and_only_the_nth_hit_kills() {
            let failpoint = Failpoint::parse("log.after_commit:2").expect("a name and a number");
            let hits = ["log.after_commit", "log.before_commit", "log.after_commit"];
            assert_eq!(hits.map(|name| failpoint.is_fatal(name)), [false, false, true]);
        }

        #[test]
        fn what_names_no_place_or_no_hit_is_refused() {
            for text in ["", "log.after_commit", "log.after_commit:0", "log.nowhere:1", "x:y"] {
                assert!(Failpoint::parse(text).is_none(), "{text}");
            }
        }
    }
}
