//! The group of jobs.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::*;

struct WithLeases;

#[async_trait]
impl StoreFactory for WithLeases {
    async fn fresh(&self) -> Box<dyn TestDatabase> {
        Box::new(Jobs::fresh().await)
    }
}

pub(super) struct Jobs {
    config: PostgresConfig,
    store: Arc<dyn Store>,
}

impl Jobs {
    pub(super) async fn fresh() -> Self {
        let url = url().expect("the suites run only when there is a server");
        let config = PostgresConfig {
            schema: Some(format!("suite_{}", MessageId::new().0.simple())),
            poll_interval: Duration::from_secs(60), // who hears nothing is seen not to
            ..PostgresConfig::new(url)
        };
        Self { store: open(&config).await, config }
    }

    /// What another process has.
    pub(super) async fn another(&self) -> Arc<dyn Store> {
        open(&self.config).await
    }

    /// A connection of nobody's.
    pub(super) async fn connect(&self) -> PgConnection {
        connect(&self.config).await
    }
}

#[async_trait]
impl TestDatabase for Jobs {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(&mut self) -> Arc<dyn Store> {
        // The suite may have closed it already; that is no error.
        let _ = self.store.close().await;
        self.store = open(&self.config).await;
        self.store()
    }

    /// The server outlives its clients: one that was killed said no goodbye, and its leases have not lapsed.
    async fn crash(&mut self) -> Arc<dyn Store> {
        self.store = open(&self.config).await;
        self.store()
    }

    /// Lease time is the server's clock, which nobody moves: so the leases are.
    fn lapse(&self, by: Duration) -> bool {
        let by = i64::try_from(by.as_micros()).expect("a short time");
        let sql = "UPDATE tidings_workers SET expires_at = expires_at - $1 * interval '1 microsecond'";
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let mut connection = connect(&self.config).await;
                sqlx::query(sql).bind(by).execute(&mut connection).await.expect("leases are moved");
                connection.close().await.expect("a connection ends");
            });
        });
        true
    }
}

async fn connect(config: &PostgresConfig) -> PgConnection {
    let options: PgConnectOptions = config.url.expose().parse().expect("a URL");
    let schema = config.schema.clone().expect("a schema of its own");
    options.options([("search_path", schema)]).connect().await.expect("the server is there")
}

tidings_testkit::conformance!(jobs, WithLeases, if server_is_there());

/// Each planted bug, a suite that must see it, and the promise that it must name.
macro_rules! caught {
    ($($name:ident: $twin:ty, $($suite:ident)::+, $promise:literal;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            if server_is_there() {
                let twin = || Arc::new(<$twin>::default()) as Arc<dyn Layer>;
                let factory = LayeredFactory::new(WithLeases, twin);
                assert_catches(async move { $($suite)::+(&factory).await }, $promise).await;
            }
        }
    )+};
}

mod caught {
    use tidings_testkit::factory::LayeredFactory;
    use tidings_testkit::layer::Layer;
    use tidings_testkit::twins;

    use super::*;

    caught! {
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
