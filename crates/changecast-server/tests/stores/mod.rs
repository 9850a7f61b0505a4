//! The faults of the tutorial's document stores, one test for each, over every store of ours.
//!
//! The rows are of the original's `GET /name` and `POST /name` over MongoDB and Redis. What holds for
//! one store holds for all.

mod beds;
mod faults;

use beds::{Bed, Kind};

/// The tests, as a module for each store.
macro_rules! over_every_store {
    ($($fault:ident)*) => {
        over_every_store! { @store embedded Embedded, $($fault)* }
        over_every_store! { @store mongodb Mongo, $($fault)* }
        over_every_store! { @store postgres Postgres, $($fault)* }
        over_every_store! { @store redis Redis, $($fault)* }
        over_every_store! { @store sqlite Sqlite, $($fault)* }
    };
    (@store $store:ident $kind:ident, $($fault:ident)*) => {
        mod $store {
            use super::{Bed, Kind, faults};
            $(
                #[tokio::test]
                async fn $fault() {
                    faults::$fault(&Bed::open(Kind::$kind).await).await;
                }
            )*
        }
    };
}

over_every_store! {
    s3_06_lists_and_numbers_are_served_and_are_no_failure
    s3_06_text_is_never_served_as_a_page
    s3_06_what_is_no_json_is_400
    s3_06_the_text_of_a_404_reaches_the_client
    s3_06_post_inserts_and_replaces_with_204
    s3_06_no_key_and_no_table_is_run
    s3_07_a_body_has_a_cap
    s3_07_a_content_type_is_asked_for_and_kept
}
