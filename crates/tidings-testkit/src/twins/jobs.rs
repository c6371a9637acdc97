//! Planted bugs in how jobs are kept.
//!
//! | twin | the bug | caught by |
//! |---|---|---|
//! | [`NoFence`] | the lease of an attempt is ignored | `ending::what_was_taken_over_is_not_ended_by_its_first_worker` |
//! | [`EndsApart`] | attempts end in a transaction of their own | `ending::an_attempt_ends_with_its_effects`, `faults::jobs_are_done_once_whatever_fails` |
//! | [`EnqueuesApart`] | jobs are enqueued in a transaction of their own | `enqueueing::a_job_is_enqueued_if_and_only_if_its_transaction_commits` |
//! | [`ClaimsTwice`] | a claim repeats what an earlier one gave out | `concurrent::no_job_is_given_out_twice` |
//! | [`ClaimsEarly`] | a claim looks a while ahead | `claiming::a_delayed_job_waits_until_it_is_due` |
//! | [`ClaimsReversed`] | a claim gives out its jobs last first | `claiming::jobs_are_claimed_by_priority_and_then_in_order` |
//! | [`ClaimsSuspects`] | a claim gives out suspects, too | `workers::suspects_are_claimed_alone` |
//! | [`NoRate`] | the limit of a queue is ignored | `rates::no_period_sees_more_starts_than_its_limit` |
//! | [`NoLimit`] | the limit of how many run is ignored | `limits::a_queue_runs_no_more_than_its_limit`, `limits::many_workers_keep_the_limit`, `model::random_lives_of_jobs_match_the_model` |
//! | [`SuspectsBeyond`] | suspects run beyond the limit | `limits::suspects_obey_the_limit` |
//! | [`NoShares`] | shares are ignored | `shares::shares_take_turns`, `shares::a_newcomer_is_served_within_one_round` |
//! | [`SharesOfTheirOwn`] | each job has a share of its own | `shares::shares_take_turns` |
//! | [`NoKeys`] | the order per key is ignored | `keys::jobs_of_a_key_run_one_by_one_in_order`, `concurrent::keys_keep_their_order_among_many_workers` |
//! | [`NoUnique`] | unique keys are ignored | `unique::a_unique_key_is_taken_once` |
//! | [`TakesTheLiving`] | a takeover takes from the living | `workers::only_lost_workers_are_taken_over` |
//! | [`TellsOnce`] | a worker hears once that a job is to be cancelled | `deciding::a_running_job_is_asked_to_stop` |
//! | [`SnoozeFails`] | a snooze counts as a failure | `ending::a_snooze_counts_no_failure`, `model::random_lives_of_jobs_match_the_model` |
//! | [`LosesProgress`] | progress is not kept | `progress::progress_is_kept_for_the_next_attempt` |
//! | [`MovesBlindly`] | every mover of a recurring job is told that it was the one | `crons::a_recurring_job_is_moved_once` |
//! | [`ForgetsTheDead`] | retention takes dead jobs | `keeping::only_jobs_that_have_ended_go` |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tidings_core::ids::MessageId;
use tidings_core::store::{
    Claim, Claimed, ClaimedJob, Enqueued, Heartbeat, JobEnd, JobFilter, JobLease, JobState, Limits,
    Maintenance, NewJob, Retention, Store, StoreError, Tx, Work, WorkerId,
};

use crate::layer::Layer;
use crate::script::{Op, Script};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ignores leases: shows the store the newest lease of the job, whoever asks.
#[derive(Default)]
pub struct NoFence {
    newest: Mutex<BTreeMap<MessageId, JobLease>>,
}

#[async_trait]
impl Layer for NoFence {
    async fn claim_jobs(&self, tx: &mut dyn Tx, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let claimed = tx.claim_jobs(claim).await?;
        lock(&self.newest).extend(claimed.jobs.iter().map(|job| (job.lease.id, job.lease)));
        Ok(claimed)
    }

    fn suspected(&self, suspect: &ClaimedJob) {
        lock(&self.newest).insert(suspect.lease.id, suspect.lease);
    }

    async fn end_attempts(
        &self,
        tx: &mut dyn Tx,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        let shown: Vec<_> = {
            let newest = lock(&self.newest);
            ends.iter().map(|(lease, end)| (*newest.get(&lease.id).unwrap_or(lease), end.clone())).collect()
        };
        tx.end_attempts(&shown, at).await
    }
}

/// What is done after the transaction that asked for it, whatever became of that one.
#[derive(Default)]
struct Afterwards(Mutex<Vec<Op>>);

impl Afterwards {
    fn push(&self, op: Op) {
        lock(&self.0).push(op);
    }

    async fn transact(
        &self,
        inner: &dyn Store,
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> Result<(), StoreError> {
        let result = inner.transact(work, limits).await;
        let ops = std::mem::take(&mut *lock(&self.0));
        if !ops.is_empty() {
            inner.transact(Arc::new(Script::named("afterwards", ops)), limits).await?;
        }
        result
    }
}

/// Ends attempts in a transaction of their own, whatever becomes of their effects.
#[derive(Default)]
pub struct EndsApart {
    ends: Afterwards,
}

#[async_trait]
impl Layer for EndsApart {
    async fn end_attempts(
        &self,
        _tx: &mut dyn Tx,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        self.ends.push(Op::End(ends.to_vec(), at));
        Ok(vec![true; ends.len()])
    }

    async fn transact(
        &self,
        inner: &dyn Store,
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> Result<(), StoreError> {
        self.ends.transact(inner, work, limits).await
    }
}

/// Enqueues jobs in a transaction of their own.
#[derive(Default)]
pub struct EnqueuesApart {
    jobs: Afterwards,
}

#[async_trait]
impl Layer for EnqueuesApart {
    async fn enqueue(&self, _tx: &mut dyn Tx, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        self.jobs.push(Op::Enqueue(jobs.to_vec()));
        Ok(vec![Enqueued::New; jobs.len()])
    }

    async fn transact(
        &self,
        inner: &dyn Store,
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> Result<(), StoreError> {
        self.jobs.transact(inner, work, limits).await
    }
}

/// Gives a job out again in the claim after: a claim that reads first and marks later.
#[derive(Default)]
pub struct ClaimsTwice {
    last: Mutex<Option<ClaimedJob>>,
}

#[async_trait]
impl Layer for ClaimsTwice {
    async fn claim_jobs(&self, tx: &mut dyn Tx, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let mut claimed = tx.claim_jobs(claim).await?;
        let last = std::mem::replace(&mut *lock(&self.last), claimed.jobs.first().cloned());
        if claimed.jobs.len() < claim.limit {
            claimed.jobs.extend(last.map(|job| {
                let lease = JobLease { worker: claim.worker, ..job.lease };
                ClaimedJob { lease, ..job }
            }));
        }
        Ok(claimed)
    }
}

/// A claim that asks for something else than it was asked.
macro_rules! asks_for {
    ($(#[$doc:meta])+ $twin:ident, |$claim:ident| $asked:expr) => {
        $(#[$doc])+
        #[derive(Default)]
        pub struct $twin;

        #[async_trait]
        impl Layer for $twin {
            async fn claim_jobs(&self, tx: &mut dyn Tx, $claim: &Claim<'_>) -> Result<Claimed, StoreError> {
                tx.claim_jobs(&$asked).await
            }
        }
    };
}

asks_for!(
    /// Looks half a minute ahead.
    ClaimsEarly,
    |claim| Claim { now: claim.now + SignedDuration::from_secs(30), ..*claim }
);

asks_for!(
    /// Ignores the limit of the queue.
    NoRate,
    |claim| Claim { rate: None, ..*claim }
);

asks_for!(
    /// Ignores how many may run at once.
    NoLimit,
    |claim| Claim { running_max: None, ..*claim }
);

/// Gives out suspects whatever runs.
#[derive(Default)]
pub struct SuspectsBeyond;

#[async_trait]
impl Layer for SuspectsBeyond {
    async fn claim_suspect(
        &self,
        tx: &mut dyn Tx,
        worker: WorkerId,
        queues: &[(Arc<str>, Option<u32>)],
        names: &[Arc<str>],
        now: Timestamp,
    ) -> Result<Option<ClaimedJob>, StoreError> {
        let queues: Vec<_> = queues.iter().map(|(queue, _)| (queue.clone(), None)).collect();
        tx.claim_suspect(worker, &queues, names, now).await
    }
}

/// Gives out what it claimed last first.
#[derive(Default)]
pub struct ClaimsReversed;

#[async_trait]
impl Layer for ClaimsReversed {
    async fn claim_jobs(&self, tx: &mut dyn Tx, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let mut claimed = tx.claim_jobs(claim).await?;
        claimed.jobs.reverse();
        Ok(claimed)
    }
}

/// Gives out suspects with the others.
#[derive(Default)]
pub struct ClaimsSuspects;

#[async_trait]
impl Layer for ClaimsSuspects {
    async fn claim_jobs(&self, tx: &mut dyn Tx, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let mut claimed = tx.claim_jobs(claim).await?;
        let queues = [(claim.queue.into(), claim.running_max)];
        let suspect = tx.claim_suspect(claim.worker, &queues, claim.names, claim.now).await?;
        claimed.jobs.extend(suspect);
        Ok(claimed)
    }
}

/// A job that is enqueued otherwise than was asked.
macro_rules! enqueues {
    ($(#[$doc:meta])+ $twin:ident, |$job:ident| $enqueued:expr) => {
        $(#[$doc])+
        #[derive(Default)]
        pub struct $twin;

        #[async_trait]
        impl Layer for $twin {
            async fn enqueue(&self, tx: &mut dyn Tx, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
                let jobs: Vec<_> = jobs.iter().map(|$job| $enqueued).collect();
                tx.enqueue(&jobs).await
            }
        }
    };
}

enqueues!(
    /// Ignores shares.
    NoShares,
    |job| NewJob { share: None, ..job.clone() }
);

enqueues!(
    /// Gives each job a share of its own.
    SharesOfTheirOwn,
    |job| NewJob { share: job.share.as_ref().map(|share| format!("{share} {}", job.id).into()), ..job.clone() }
);

enqueues!(
    /// Ignores keys.
    NoKeys,
    |job| NewJob { key: None, ..job.clone() }
);

enqueues!(
    /// Ignores unique keys.
    NoUnique,
    |job| NewJob { unique: None, ..job.clone() }
);

/// Takes over from everybody but the one who asks.
#[derive(Default)]
pub struct TakesTheLiving {
    workers: Mutex<BTreeSet<WorkerId>>,
}

#[async_trait]
impl Layer for TakesTheLiving {
    fn enlisted(&self, worker: WorkerId) {
        lock(&self.workers).insert(worker);
    }

    async fn take_over(
        &self,
        inner: &dyn Store,
        worker: WorkerId,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let workers = lock(&self.workers).clone();
        let running = JobFilter { state: Some(JobState::Running), ..JobFilter::default() };
        let taken =
            inner.jobs(&running, 10_000).await?.iter().filter(|row| row.worker != Some(worker)).count();
        for other in workers.into_iter().filter(|other| *other != worker) {
            inner.dismiss(other, now).await?;
        }
        Ok(taken as u64)
    }
}

/// Tells a worker once that a job is to be cancelled.
#[derive(Default)]
pub struct TellsOnce {
    told: Mutex<BTreeSet<MessageId>>,
}

impl Layer for TellsOnce {
    fn told(&self, mut heartbeat: Heartbeat) -> Heartbeat {
        heartbeat.cancelled.retain(|(id, ..)| lock(&self.told).insert(*id));
        heartbeat
    }
}

/// Counts a snooze as a failure.
#[derive(Default)]
pub struct SnoozeFails;

#[async_trait]
impl Layer for SnoozeFails {
    async fn end_attempts(
        &self,
        tx: &mut dyn Tx,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        let failing = |end: &JobEnd| match end {
            JobEnd::Snoozed { due } => JobEnd::Retry { due: *due, error: String::new() },
            other => other.clone(),
        };
        let ends: Vec<_> = ends.iter().map(|(lease, end)| (*lease, failing(end))).collect();
        tx.end_attempts(&ends, at).await
    }
}

/// Keeps no progress.
#[derive(Default)]
pub struct LosesProgress;

#[async_trait]
impl Layer for LosesProgress {
    async fn report_progress(
        &self,
        _tx: &mut dyn Tx,
        _lease: &JobLease,
        _progress: &str,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Tells everybody that it was the one who moved a recurring job.
#[derive(Default)]
pub struct MovesBlindly;

#[async_trait]
impl Layer for MovesBlindly {
    async fn move_cron(
        &self,
        tx: &mut dyn Tx,
        name: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<bool, StoreError> {
        tx.move_cron(name, from, to).await.map(|_| true)
    }
}

/// Gives dead jobs up when it maintains.
#[derive(Default)]
pub struct ForgetsTheDead;

#[async_trait]
impl Layer for ForgetsTheDead {
    async fn maintain(
        &self,
        inner: &dyn Store,
        retention: &Retention,
        now: Timestamp,
    ) -> Result<Maintenance, StoreError> {
        let dead = JobFilter { state: Some(JobState::Dead), ..JobFilter::default() };
        for row in inner.jobs(&dead, 10_000).await? {
            inner.discard_job(row.id, "a planted bug", now).await?;
        }
        inner.maintain(retention, now).await
    }
}
