//! Binding suites to a backend.

/// Makes one test of each suite of a group, against the stores of a factory: `conformance!(log, factory)`.
///
/// Groups: `log`, `lives` (consumers that are retired, renamed, come back, or change what they read), `outcomes`, `flow`, `work`,
/// `retention`, `read`, `tables`, and `guard` for stores that can tell whose tables a statement touches. The factory is an expression, evaluated
/// once per test. A condition may follow, for backends that need a server: `conformance!(log, factory, if there())`;
/// where it is false the tests pass without running, so the condition must say so itself. The calling crate needs `tokio` with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! conformance {
    (log, $factory:expr $(, if $condition:expr)?) => {
        $crate::suites!(log, $factory, [$($condition)?] =>
            visibility::only_what_is_committed_is_visible,
            visibility::failed_work_leaves_nothing,
            visibility::dropped_work_leaves_nothing,
            visibility::undone_steps_leave_nothing,
            visibility::what_is_acknowledged_survives_a_crash,
            visibility::a_closed_store_says_so,
            visibility::closing_lets_running_work_finish,
            reading::messages_come_in_the_order_of_their_appending,
            reading::a_reader_may_go_on_from_every_cursor,
            reading::a_filter_takes_its_kind_and_names_only,
            reading::the_end_is_told_and_is_not_final,
            reading::every_field_of_an_envelope_comes_back,
            reading::a_waiter_hears_of_every_append,
            fencing::a_new_holder_voids_earlier_leases,
            fencing::a_void_lease_writes_nothing,
            fencing::nothing_commits_under_a_lease_after_it_is_void,
            fencing::the_cursor_moves_with_the_effects,
            fencing::effects_happen_once_whatever_fails,
            parking::a_parked_head_holds_its_key,
            parking::a_settled_head_lets_the_next_one_run,
            parking::a_retry_waits_for_its_time,
            parking::a_dead_head_holds_its_key_until_a_person_acts,
            parking::only_dead_letters_are_discarded,
            parking::a_dead_head_may_release_its_key,
            parking::a_revived_message_starts_again,
            parking::messages_without_a_key_wait_for_nobody,
            parking::keys_of_different_kinds_do_not_mix,
            parking::parking_commits_or_vanishes_with_its_work,
            parking::due_messages_come_in_order_and_within_the_limit,
            receipts::receipts_cover_exactly_what_was_handled,
            receipts::a_settled_message_has_its_own_receipt,
            receipts::receipts_go_with_their_transaction,
            holding::a_clean_end_is_told_from_a_crash,
            holding::what_was_begun_is_found_after_a_crash,
            holding::a_mark_is_cleared_by_what_follows,
            holding::a_holder_finds_keys_and_due_times,
            registration::a_consumer_starts_where_it_says,
            registration::registering_again_changes_no_cursor,
            registration::an_alias_hands_over_everything,
            registration::a_retired_consumer_stays_on_record,
            registration::an_unknown_consumer_is_not_found,
            inspecting::messages_flows_and_counts,
            inspecting::lag_counts_matching_messages,
            concurrent::no_reader_skips_or_repeats_a_committed_message,
            concurrent::no_consumer_sees_an_effect_before_its_cause,
            concurrent::many_works_commit_or_fail_one_by_one,
            model::random_histories_match_the_model,
        );
    };
    (lives, $factory:expr $(, if $condition:expr)?) => {
        $crate::suites!(lives, $factory, [$($condition)?] =>
            a_returning_consumer_repeats_nothing,
            receipts_do_not_span_two_lives,
            an_alias_beside_its_consumer_is_told_or_retired,
            of_two_aliases_the_second_is_told_or_retired,
            receipts_follow_what_was_read_at_the_time,
            discarded_messages_are_forgotten_and_never_claimed,
        );
    };
    (outcomes, $factory:expr $(, if $condition:expr)?) => {
        $crate::suites!(outcomes, $factory, [$($condition)?] =>
            an_outcome_comes_back_as_it_was_stored,
            a_key_is_used_once_per_caller_and_command,
            a_key_is_free_again_after_it_expired,
            an_outcome_goes_with_its_work,
            a_command_ends_with_its_messages_and_its_outcome,
            outcomes_are_counted_by_command,
            rejections_without_a_handler_are_listed,
            of_many_with_one_key_one_commits,
        );
    };
    (flow, $factory:expr $(, if $condition:expr)?) => {
        $crate::suites!(flow, $factory, [$($condition)?] =>
            a_flow_is_found_by_whatever_belongs_to_it,
            the_messages_of_a_flow_come_whole_and_in_order,
            each_handling_is_told_as_it_stands,
            every_consumer_of_a_message_is_told,
            what_a_retired_consumer_gave_up_is_told,
            the_outcomes_of_a_flow_are_told,
            the_jobs_of_a_flow_come_with_their_attempts,
            a_trace_leads_to_its_flows,
            a_flow_is_read_as_of_one_moment,
        );
    };
    (work, $factory:expr $(, if $condition:expr)?) => {
        $crate::suites!(work, $factory, [$($condition)?] =>
            savepoints_nest,
            undo_keeps_the_transaction_open,
            an_error_undoes_only_its_own_work,
            a_panic_takes_only_its_own_work,
            a_dropped_work_takes_only_itself,
            a_swallowed_error_is_never_a_lost_commit,
            a_work_over_its_budget_is_named,
            a_work_that_waits_too_long_writes_nothing,
            overload_is_refused_and_passes,
            a_key_counter_counts_each_acknowledged_work_once,
        );
    };
    (retention, $factory:expr $(, if $condition:expr)?) => {
        $crate::suites!(retention, $factory, [$($condition)?] =>
            old_messages_go_when_everyone_has_passed,
            retention_never_passes_a_cursor,
            retention_never_passes_parked_or_dead_messages,
            a_retired_consumer_holds_nothing_back,
            the_number_of_messages_is_bounded,
            positions_are_never_used_again,
            at_the_hard_limit_publishing_is_refused,
            the_hard_limit_holds_between_two_rounds,
            expired_outcomes_go,
            receipts_are_bounded_and_stay_exact,
        );
    };
    (read, $factory:expr $(, if $condition:expr)?) => {
        $crate::suites!(read, $factory, [$($condition)?] =>
            a_read_sees_one_snapshot,
            a_read_cannot_write,
        );
    };
    (tables, $factory:expr $(, if $condition:expr)?) => {
        $crate::suites!(tables, $factory, [$($condition)?] =>
            migrations_apply_once_and_in_order,
            a_changed_migration_is_refused,
            a_failed_migration_leaves_nothing,
            values_come_back_as_they_were_bound,
        );
    };
    (guard, $factory:expr $(, if $condition:expr)?) => {
        $crate::suites!(guard, $factory, [$($condition)?] =>
            a_module_touches_only_its_own_tables,
        );
    };
}

/// Makes a test of each named suite of a group; [`conformance!`](crate::conformance!) names them all.
#[macro_export]
#[doc(hidden)]
macro_rules! suites {
    ($group:ident, $factory:expr, $condition:tt => $($($path:ident)::+),+ $(,)?) => {
        mod $group {
            #[allow(unused_imports)]
            use super::*;
            $($crate::suite_test!($group, $factory, $condition, [$($path)::+] $($path)::+);)+
        }
    };
}

/// One test, named after the last segment of the suite's path.
#[macro_export]
#[doc(hidden)]
macro_rules! suite_test {
    ($group:ident, $factory:expr, [$($condition:expr)?], [$($path:ident)::+] $name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            $(if !$condition { return; })?
            $crate::suite::within_patience($crate::suite::$group::$($path)::+(&$factory)).await;
        }
    };
    ($group:ident, $factory:expr, $condition:tt, [$($path:ident)::+] $first:ident :: $($rest:ident)::+) => {
        $crate::suite_test!($group, $factory, $condition, [$($path)::+] $($rest)::+);
    };
}
