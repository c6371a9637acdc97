//! Binding suites to a backend.

/// Makes one test of each suite of a group, against the stores of a factory: `conformance!(log, factory)`.
///
/// Groups: `log`, `partitions` (consumers that several workers share), `lives` (consumers that are retired, renamed, come back, or change what they read), `outcomes`, `flow`, `work`,
/// `retention`, `read`, `tables`, `jobs`, and `guard` for stores that can tell whose tables a statement touches. The factory is an expression, evaluated
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
    (partitions, $factory:expr $(, if $condition:expr)?) => {
        $crate::suites!(partitions, $factory, [$($condition)?] =>
            each_message_is_in_one_partition,
            a_waiter_hears_of_its_partition,
            the_first_registration_says_how_many,
            a_live_holder_is_not_displaced,
            what_a_lost_worker_held_is_taken,
            a_void_worker_holds_nothing,
            partitions_are_apart,
            everybody_is_told_who_works,
            the_version_that_was_started_last_works,
            nothing_is_lost_or_doubled_while_holders_change,
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
    (jobs, $factory:expr $(, if $condition:expr)?) => {
        $crate::suites!(jobs, $factory, [$($condition)?] =>
            enqueueing::a_job_is_enqueued_if_and_only_if_its_transaction_commits,
            enqueueing::every_field_of_a_job_comes_back,
            claiming::jobs_are_claimed_by_priority_and_then_in_order,
            claiming::a_claim_keeps_its_limit_and_says_whether_there_is_more,
            claiming::jobs_of_other_names_stay_where_they_are,
            claiming::a_delayed_job_waits_until_it_is_due,
            claiming::attempts_are_counted_from_one,
            ending::a_completed_job_is_done,
            ending::a_failed_attempt_is_counted_and_followed_by_another,
            ending::a_snooze_counts_no_failure,
            ending::the_newest_attempts_of_a_job_are_kept,
            ending::a_dead_job_says_why_and_waits_for_a_person,
            ending::what_is_given_back_can_be_claimed_at_once,
            ending::a_void_lease_ends_nothing,
            ending::what_was_taken_over_is_not_ended_by_its_first_worker,
            ending::an_attempt_ends_with_its_effects,
            ending::ends_and_claims_share_a_transaction,
            ending::ends_and_a_claim_may_be_one_call,
            ending::many_end_and_claim_at_the_same_time,
            ending::a_lease_of_a_deleted_job_ends_no_other,
            ending::a_takeover_and_an_end_exclude_each_other,
            workers::only_lost_workers_are_taken_over,
            workers::a_void_worker_gets_nothing,
            workers::a_late_heartbeat_is_good_until_somebody_took_over,
            workers::running_jobs_outlive_their_process,
            workers::a_dismissed_worker_gives_back_what_it_has,
            workers::suspects_are_claimed_alone,
            workers::losses_are_counted_until_an_attempt_ends_by_itself,
            workers::of_many_takers_one_takes_each_job,
            progress::progress_is_kept_for_the_next_attempt,
            progress::progress_is_fenced,
            unique::a_unique_key_is_taken_once,
            unique::a_unique_key_goes_with_its_transaction,
            unique::a_unique_key_is_free_when_its_job_has_ended,
            unique::a_unique_key_may_be_taken_until_a_time,
            unique::what_keeps_a_key_is_not_counted,
            unique::a_revived_job_takes_its_key_back_or_is_refused,
            unique::a_revived_job_waits_for_a_key_that_is_kept,
            keys::jobs_of_a_key_run_one_by_one_in_order,
            keys::a_head_holds_its_key_until_it_is_done,
            keys::a_dead_head_holds_its_key_unless_it_releases_it,
            keys::a_cancelled_job_leaves_its_place_in_the_key,
            keys::a_revived_job_does_not_run_beside_another_of_its_key,
            keys::a_key_is_free_when_its_last_job_has_ended,
            queues::a_paused_queue_gives_nothing_out,
            queues::a_queue_without_jobs_may_be_paused,
            queues::a_queue_is_on_record_for_what_is_known_of_it,
            queues::jobs_move_to_the_queue_of_their_name,
            queues::names_that_are_no_more_are_told_with_their_jobs,
            queues::a_key_parts_with_its_queue,
            queues::a_key_joins_with_its_queue,
            queues::jobs_that_a_joined_queue_found_running_run_again_one_by_one,
            queues::a_dead_job_of_a_joined_queue_holds_its_key,
            queues::lost_jobs_of_a_joined_queue_run_again_in_their_order,
            queues::a_worker_gives_back_jobs_of_a_joined_queue_in_their_order,
            rates::no_period_sees_more_starts_than_its_limit,
            rates::it_is_told_when_the_limit_allows_another,
            rates::a_limit_is_its_queue_s_own_and_may_change,
            rates::a_limit_is_not_used_up_by_looking,
            limits::a_queue_runs_no_more_than_its_limit,
            limits::each_claim_obeys_its_own_limit,
            limits::a_lost_worker_counts_until_it_is_taken_over,
            limits::suspects_obey_the_limit,
            limits::a_limit_goes_with_a_rate,
            limits::a_limit_goes_with_keys,
            limits::what_moves_counts_where_it_is,
            limits::who_waits_for_room_hears_of_it,
            limits::many_workers_keep_the_limit,
            shares::shares_take_turns,
            shares::a_newcomer_is_served_within_one_round,
            shares::priorities_rank_before_shares,
            shares::a_claim_of_shares_says_whether_there_is_more,
            shares::a_delayed_job_takes_its_turn_when_it_is_due,
            shares::what_waits_for_its_key_takes_no_turn,
            shares::a_share_is_kept,
            shares::what_is_tried_again_takes_its_turn,
            shares::a_round_goes_with_its_transaction,
            shares::rounds_of_queues_are_apart,
            shares::shares_are_what_their_bytes_are,
            shares::limits_hold_for_shares,
            waking::who_waits_for_a_queue_hears_of_what_can_be_claimed,
            waking::who_waits_for_a_queue_hears_of_a_head_that_a_person_removed,
            waking::a_waiter_hears_of_its_own_queue_only,
            deciding::a_waiting_job_is_cancelled_at_once,
            deciding::a_running_job_is_asked_to_stop,
            deciding::a_cancel_that_came_late_changes_nothing,
            deciding::who_was_asked_to_stop_is_not_tried_again,
            deciding::a_revived_job_starts_again,
            deciding::people_decide_only_what_is_theirs,
            crons::a_recurring_job_keeps_its_time_while_its_expression_stays,
            crons::a_recurring_job_does_not_wait_for_a_clock_that_was_ahead,
            crons::a_recurring_job_is_moved_once,
            keeping::only_jobs_that_have_ended_go,
            keeping::the_number_of_ended_jobs_is_bounded,
            inspecting::jobs_are_listed_by_queue_name_and_state,
            inspecting::the_jobs_of_a_flow_are_told,
            inspecting::a_time_that_never_comes_is_kept,
            inspecting::queues_count_their_jobs,
            concurrent::no_job_is_given_out_twice,
            concurrent::those_who_come_while_others_take_over_lose_nothing,
            concurrent::keys_keep_their_order_among_many_workers,
            faults::jobs_are_done_once_whatever_fails,
            model::random_lives_of_jobs_match_the_model,
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
