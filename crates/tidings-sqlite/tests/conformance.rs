//! The conformance suites against real files, and against twins of the store with a planted bug.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use tidings_core::store::Store;
use tidings_sqlite::{LeaseClock, SqliteConfig, SqliteStore};
use tidings_testkit::clock::ManualLeaseClock;
use tidings_testkit::factory::{LayeredFactory, StoreFactory, TestDatabase};
use tidings_testkit::layer::Layer;
use tidings_testkit::suite::{self, assert_catches};
use tidings_testkit::twins;

struct Fresh;

#[async_trait]
impl StoreFactory for Fresh {
    async fn fresh(&self) -> Box<dyn TestDatabase> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log.db");
        let leases = ManualLeaseClock::new();
        Box::new(Database { store: open(&path, &leases).await, path, folder, leases, crashed: Vec::new() })
    }
}

struct Database {
    folder: TempDir,
    path: PathBuf,
    store: Arc<dyn Store>,
    leases: ManualLeaseClock,
    /// Stores that "crashed": they go on, on a file that nobody looks at any more.
    crashed: Vec<Arc<dyn Store>>,
}

/// A small queue, so that the suite of overload need not start thousands of works.
const QUEUE_MAX: usize = 256;

async fn open(path: &Path, leases: &ManualLeaseClock) -> Arc<dyn Store> {
    let lease_clock = LeaseClock(leases.source());
    let config = SqliteConfig { queue_max: QUEUE_MAX, lease_clock, ..SqliteConfig::new(path) };
    Arc::new(SqliteStore::open(config).await.expect("the file opens"))
}

#[async_trait]
impl TestDatabase for Database {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(&mut self) -> Arc<dyn Store> {
        // The suite may have closed it already; that is no error.
        let _ = self.store.close().await;
        self.store = open(&self.path, &self.leases).await;
        self.store()
    }

    /// Opens a copy of the files as they are now: what a process that is killed at this moment leaves behind.
    async fn crash(&mut self) -> Arc<dyn Store> {
        let number = self.crashed.len() + 1;
        let copy = self.folder.path().join(format!("crash-{number}.db"));
        for suffix in ["", "-wal"] {
            let (from, to) = (with_suffix(&self.path, suffix), with_suffix(&copy, suffix));
            if from.exists() {
                std::fs::copy(from, to).expect("a file is copied");
            }
        }
        let next = open(&copy, &self.leases).await;
        self.crashed.push(std::mem::replace(&mut self.store, next));
        self.path = copy;
        self.store()
    }

    fn waiting_max(&self) -> Option<usize> {
        Some(QUEUE_MAX)
    }

    fn lapse(&self, by: Duration) -> bool {
        self.leases.advance(by);
        true
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

tidings_testkit::conformance!(log, Fresh);
tidings_testkit::conformance!(partitions, Fresh);
tidings_testkit::conformance!(lives, Fresh);
tidings_testkit::conformance!(outcomes, Fresh);
tidings_testkit::conformance!(flow, Fresh);
tidings_testkit::conformance!(work, Fresh);
tidings_testkit::conformance!(retention, Fresh);
tidings_testkit::conformance!(read, Fresh);
tidings_testkit::conformance!(tables, Fresh);
tidings_testkit::conformance!(guard, Fresh);
tidings_testkit::conformance!(jobs, Fresh);

/// The same with every work on the typed driver.
mod on_sqlx {
    use tidings_testkit::on_driver::OnDriver;

    use super::*;

    fn typed() -> LayeredFactory<Fresh> {
        LayeredFactory::new(Fresh, || Arc::new(OnDriver("sqlx")))
    }

    tidings_testkit::conformance!(log, typed());
    tidings_testkit::conformance!(lives, typed());
    tidings_testkit::conformance!(outcomes, typed());
    tidings_testkit::conformance!(flow, typed());
    tidings_testkit::conformance!(work, typed());
    tidings_testkit::conformance!(retention, typed());
    tidings_testkit::conformance!(read, typed());
    tidings_testkit::conformance!(tables, typed());
    tidings_testkit::conformance!(guard, typed());
    tidings_testkit::conformance!(jobs, typed());
}

/// Each planted bug, a suite that must see it, and the promise that it must name.
macro_rules! caught {
    ($($name:ident: $twin:ty, $($suite:ident)::+, $promise:literal;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            let twin = || Arc::new(<$twin>::default()) as Arc<dyn Layer>;
            let factory = LayeredFactory::new(Fresh, twin);
            assert_catches(async move { $($suite)::+(&factory).await }, $promise).await;
        }
    )+};
}

mod caught {
    use super::*;

    caught! {
        a_cursor_apart: twins::CursorApart, suite::log::fencing::the_cursor_moves_with_the_effects,
            "a cursor does not move without its effects";
        a_cursor_apart_under_faults: twins::CursorApart, suite::log::fencing::effects_happen_once_whatever_fails,
            "effects happen exactly once";
        no_fence: twins::NoFence, suite::log::fencing::a_void_lease_writes_nothing, "under a void lease answers Fenced";
        no_fence_between_holders: twins::NoFence, suite::log::fencing::a_new_holder_voids_earlier_leases,
            "under a void lease answers Fenced";
        a_displaced_holder: twins::Displaces, suite::partitions::a_live_holder_is_not_displaced,
            "a live holder is not displaced";
        any_version: twins::AnyGeneration, suite::partitions::the_version_that_was_started_last_works,
            "another version than was started last holds nothing";
        no_parts: twins::NoParts, suite::partitions::each_message_is_in_one_partition,
            "a message is in the partition of its slot";
        no_fence_while_holders_change: twins::NoFence,
            suite::partitions::nothing_is_lost_or_doubled_while_holders_change, "while holders change";
        an_early_acknowledgement: twins::EarlyAck, suite::log::visibility::what_is_acknowledged_survives_a_crash,
            "what is acknowledged survives a crash";
        a_reader_that_skips: twins::SkipsSome, suite::log::concurrent::no_reader_skips_or_repeats_a_committed_message,
            "no reader skips a committed message";
        a_reader_in_reverse: twins::Reversed, suite::log::reading::messages_come_in_the_order_of_their_appending,
            "messages are read in the order of their appending";
        an_effect_before_its_cause: twins::Reversed, suite::log::concurrent::no_consumer_sees_an_effect_before_its_cause,
            "no consumer sees an effect before its cause";
        forgotten_followers: twins::ForgetsBehind, suite::log::parking::a_parked_head_holds_its_key,
            "head first, then what waits behind it";
        a_receipt_for_the_parked: twins::CoversParked, suite::log::receipts::receipts_cover_exactly_what_was_handled,
            "receipts cover exactly the handled";
        what_is_unread_taken_for_handled: twins::ClaimsUnread, suite::flow::each_handling_is_told_as_it_stands,
            "what is ahead of a consumer is not read yet";
        a_flow_of_two_moments: twins::AsksTwice, suite::flow::a_flow_is_read_as_of_one_moment,
            "a flow is read as of one moment";
        ends_without_a_fence: twins::jobs::NoFence,
            suite::jobs::ending::what_was_taken_over_is_not_ended_by_its_first_worker,
            "what was taken over is not ended by its first worker, while it is under way again";
        ends_apart: twins::jobs::EndsApart, suite::jobs::ending::an_attempt_ends_with_its_effects,
            "an attempt does not end without its effects";
        ends_apart_under_faults: twins::jobs::EndsApart, suite::jobs::faults::jobs_are_done_once_whatever_fails,
            "what ends with a job is there exactly once";
        jobs_enqueued_apart: twins::jobs::EnqueuesApart,
            suite::jobs::enqueueing::a_job_is_enqueued_if_and_only_if_its_transaction_commits,
            "a job goes with the transaction that enqueued it";
        a_claim_that_repeats: twins::jobs::ClaimsTwice, suite::jobs::concurrent::no_job_is_given_out_twice,
            "no job is given out twice";
        a_claim_ahead_of_time: twins::jobs::ClaimsEarly, suite::jobs::claiming::a_delayed_job_waits_until_it_is_due,
            "a delayed job is not claimed before it is due";
        a_claim_in_reverse: twins::jobs::ClaimsReversed,
            suite::jobs::claiming::jobs_are_claimed_by_priority_and_then_in_order,
            "jobs are claimed by priority, and then in the order of their enqueueing";
        suspects_with_the_others: twins::jobs::ClaimsSuspects, suite::jobs::workers::suspects_are_claimed_alone,
            "suspects are claimed alone";
        no_rate: twins::jobs::NoRate, suite::jobs::rates::no_period_sees_more_starts_than_its_limit,
            "no period sees more starts than its limit";
        no_limit: twins::jobs::NoLimit, suite::jobs::limits::a_queue_runs_no_more_than_its_limit,
            "a queue runs no more than its limit";
        no_limit_of_many: twins::jobs::NoLimit, suite::jobs::limits::many_workers_keep_the_limit,
            "no more run at once than the limit says";
        no_limit_at_random: twins::jobs::NoLimit, suite::jobs::model::random_lives_of_jobs_match_the_model,
            "what is claimed from";
        suspects_beyond_the_limit: twins::jobs::SuspectsBeyond, suite::jobs::limits::suspects_obey_the_limit,
            "a suspect obeys the limit of its queue";
        no_shares: twins::jobs::NoShares, suite::jobs::shares::shares_take_turns, "shares take turns";
        no_shares_for_a_newcomer: twins::jobs::NoShares,
            suite::jobs::shares::a_newcomer_is_served_within_one_round, "a newcomer is served within one round";
        shares_of_their_own: twins::jobs::SharesOfTheirOwn, suite::jobs::shares::shares_take_turns,
            "shares take turns";
        no_keys: twins::jobs::NoKeys, suite::jobs::keys::jobs_of_a_key_run_one_by_one_in_order,
            "one of each key runs";
        no_unique_keys: twins::jobs::NoUnique, suite::jobs::unique::a_unique_key_is_taken_once,
            "a unique key is taken once per name";
        a_takeover_from_the_living: twins::jobs::TakesTheLiving, suite::jobs::workers::only_lost_workers_are_taken_over,
            "a takeover takes nothing from those whose lease is good";
        a_cancel_told_once: twins::jobs::TellsOnce, suite::jobs::deciding::a_running_job_is_asked_to_stop,
            "a worker hears of it until the attempt has ended";
        a_snooze_that_fails: twins::jobs::SnoozeFails, suite::jobs::ending::a_snooze_counts_no_failure,
            "a snooze counts no failure";
        a_snooze_that_fails_at_random: twins::jobs::SnoozeFails,
            suite::jobs::model::random_lives_of_jobs_match_the_model, "attempts, failures and worker of a job";
        lost_progress: twins::jobs::LosesProgress, suite::jobs::progress::progress_is_kept_for_the_next_attempt,
            "progress is listed";
        a_recurring_job_moved_by_all: twins::jobs::MovesBlindly, suite::jobs::crons::a_recurring_job_is_moved_once,
            "moves nothing";
        forgotten_dead: twins::jobs::ForgetsTheDead, suite::jobs::keeping::only_jobs_that_have_ended_go,
            "a job to which something may still happen stays";
    }
}
