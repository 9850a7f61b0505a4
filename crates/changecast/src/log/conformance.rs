//! What every log promises, run over each of them: in memory, in SQLite, and in SQLite after it was
//! closed and opened again, so that every read comes from the file.

mod crash;
mod damage;
mod epochs;
mod faults;
mod order;
mod publishing;
mod random;
mod retention;
mod sqlite;
mod support;

use support::Kind;

/// Runs each property over every kind of log.
macro_rules! conformance {
    ($($file:ident::$property:ident as $name:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$file::$property(&super::Kind::memory()).await;
            })+
        }
        mod in_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$file::$property(&super::Kind::sqlite()).await;
            })+
        }
        mod in_sqlite_reopened {
            $(#[tokio::test]
            async fn $name() {
                super::$file::$property(&super::Kind::sqlite_reopened()).await;
            })+
        }
    };
}

conformance! {
    order::read_in_append_order as g1_entries_are_read_in_append_order_each_seq_one_more,
    order::sources_keep_order as g1_entries_of_concurrent_sources_are_all_there_once_in_their_order,
    order::entry_cap as g10_a_page_keeps_its_entry_cap_and_says_how_far_it_covers,
    order::byte_cap as g10_a_page_keeps_its_byte_cap_but_a_larger_entry_still_comes,
    order::patterns as a_reader_gets_exactly_what_its_patterns_choose,
    order::full_merged_pages as pages_of_a_few_topics_join_without_a_hole,
    order::quiet_coverage as g6_a_page_covers_what_does_not_concern_its_reader,
    order::gaps_concern_overlapping as g2_a_gap_is_seen_by_those_whose_topics_it_may_concern,
    order::places_of_last as place_of_last_counts_back_over_what_the_patterns_choose,
    order::after_the_tail as reading_at_or_after_the_tail_gives_an_empty_page,
    order::positions as g7_a_position_is_kept_set_or_cleared_with_its_batch,
    order::tail as g7_the_tail_moves_only_to_what_can_be_read,
    order::closed as a_closed_log_refuses_to_append,
    order::oversized as g8_an_oversized_entry_is_refused_and_others_are_not,
    publishing::once as g3_a_message_is_there_once_under_its_key,
    publishing::twins as g3_concurrent_messages_under_one_key_are_one_entry,
    publishing::forgotten as g10_a_key_is_kept_as_long_as_its_entry,
    retention::by_count as g10_retention_by_count_forgets_the_oldest,
    retention::by_bytes as g10_retention_by_bytes_forgets_the_oldest,
    retention::by_age as g10_retention_by_age_forgets_the_oldest,
    retention::by_age_while_quiet as g10_retention_by_age_forgets_while_nobody_appends,
    retention::quiet_topic as g2_a_quiet_topic_reports_no_loss_and_a_trimmed_one_does,
    retention::trimmed_gap as g2_a_trimmed_gap_counts_as_loss_for_everybody,
}
