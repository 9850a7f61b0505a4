//! What every source promises, shown by the same tests for each, through the real binary.
//!
//! A [`Bed`] is a database to lie on: it knows how to write numbers and how changecast is told to
//! watch it. A new driver adds a bed and a line at the end of this file.

mod beds;
mod suite;

use std::ops::Range;

use crate::support::TestServer;

/// A database with one table or collection of numbers.
pub(crate) trait Bed {
    /// One of its own.
    async fn new() -> Self;

    /// What changecast is started with to watch it.
    fn arguments(&self) -> Vec<String>;

    /// Says where the server keeps its data: for a store that lies there.
    fn attach(&mut self, server: &TestServer) {
        let _ = server;
    }

    /// Writes the numbers, each in its transaction, however often the database goes away meanwhile.
    async fn write(&self, numbers: Range<i64>);

    /// Writes them in one transaction, if the database knows what that is.
    async fn write_at_once(&self, numbers: Range<i64>) {
        self.write(numbers).await;
    }
}

/// A bed whose database can be ended as by a power cut, and started again.
pub(crate) trait MortalBed: Bed {
    /// One in a server of its own.
    async fn mortal() -> Self;

    async fn kill(&mut self);

    async fn start_again(&mut self);
}

macro_rules! conformance {
    ($module:ident, $bed:ty) => {
        mod $module {
            use super::{beds, suite};

            #[tokio::test]
            async fn g1_changes_come_in_commit_order_to_all() {
                suite::order::<$bed>().await;
            }

            #[tokio::test]
            async fn g1_a_transaction_comes_as_a_whole_and_in_order() {
                suite::transactions::<$bed>().await;
            }

            #[tokio::test]
            async fn g3_g5_g7_crashes_in_the_midst_of_writes_lose_and_repeat_nothing() {
                suite::crashes::<$bed>().await;
            }

            #[tokio::test]
            async fn g3_g4_crashes_in_the_midst_of_large_transactions_lose_and_repeat_nothing() {
                suite::crashes_inside_transactions::<$bed>().await;
            }

            #[tokio::test]
            async fn g5_what_is_written_while_it_is_away_comes_when_it_is_back() {
                suite::absence::<$bed>().await;
            }

            #[tokio::test]
            async fn g5_live_and_replay_are_equal() {
                suite::replay::<$bed>().await;
            }

            #[tokio::test]
            async fn g7_a_position_is_stored_with_the_entry() {
                suite::position::<$bed>().await;
            }
        }
    };
    ($module:ident, $bed:ty, mortal: $mortal:ident) => {
        conformance!($module, $bed);

        mod $mortal {
            use super::{beds, suite};

            #[tokio::test]
            async fn g9_a_database_that_crashes_costs_nothing() {
                suite::database_crash::<$bed>().await;
            }
        }
    };
}

conformance!(embedded, beds::Embedded);
conformance!(mongodb, beds::Mongo, mortal: mongodb_restarted);
conformance!(postgres, beds::PostgreSql, mortal: postgres_restarted);
conformance!(redis, beds::RedisStream, mortal: redis_restarted);
conformance!(sqlite_file, beds::SqliteFile);
