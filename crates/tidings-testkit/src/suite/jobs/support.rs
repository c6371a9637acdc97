//! What the suites of jobs share: jobs, workers, and what is on record.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{
    AttemptEnd, AttemptRow, Claimed, ClaimedJob, DeathReason, Enqueued, JobEnd, JobFilter, JobLease, JobRow,
    JobState, NewJob, RateLimit, Store, UniqueKey, Watch, WorkerId,
};
use tidings_core::trace::TraceContext;

pub(super) use crate::factory::{StoreFactory, TestDatabase};
pub(super) use crate::script::{Answer, Claiming, Op, ask, run};
pub(super) use crate::suite::support::{PATIENCE, at};

/// The queue in which the suites' jobs wait, and their name, where it does not matter.
pub(super) const QUEUE: &str = "mail";
pub(super) const NAME: &str = "suite.send";
/// How long a worker's lease lasts.
pub(super) const LEASE: Duration = Duration::from_secs(5);

pub(super) fn job() -> NewJob {
    let id = MessageId::new();
    NewJob {
        id,
        name: NAME.into(),
        queue: QUEUE.into(),
        priority: 0,
        due: at(0),
        key: None,
        share: None,
        unique: None,
        source: "suite".into(),
        correlation_id: id,
        causation_id: None,
        trace: TraceContext::default(),
        at: at(0),
        data: "{}".to_owned(),
    }
}

pub(super) fn jobs(count: usize) -> Vec<NewJob> {
    (0..count).map(|_| job()).collect()
}

pub(super) fn named(name: &str) -> NewJob {
    NewJob { name: name.into(), ..job() }
}

pub(super) fn prior(priority: i16) -> NewJob {
    NewJob { priority, ..job() }
}

pub(super) fn delayed(seconds: i64) -> NewJob {
    NewJob { due: at(seconds), ..job() }
}

/// A job that is ordered by a key.
pub(super) fn keyed(key: &str) -> NewJob {
    NewJob { key: Some(Key::new("order", key)), ..job() }
}

pub(super) fn of_queue(queue: &str, job: NewJob) -> NewJob {
    NewJob { queue: queue.into(), ..job }
}

/// A job that is to be the only one with this key; `payload` stands for what it says.
pub(super) fn unique(key: &str, payload: u8) -> NewJob {
    let unique = UniqueKey { key: key.to_owned(), hash: [payload; 32], until: None };
    NewJob { unique: Some(unique), data: payload.to_string(), ..job() }
}

pub(super) fn new_ids(jobs: &[NewJob]) -> Vec<MessageId> {
    jobs.iter().map(|job| job.id).collect()
}

pub(super) fn ids<'a>(jobs: impl IntoIterator<Item = &'a ClaimedJob>) -> Vec<MessageId> {
    jobs.into_iter().map(|job| job.lease.id).collect()
}

/// Enqueues in one transaction of its own.
pub(super) async fn enqueue(store: &dyn Store, jobs: &[NewJob]) -> Vec<Enqueued> {
    let answers = ask(store, [Op::Enqueue(jobs.to_vec())]).await.expect("jobs are enqueued");
    let [Answer::Enqueued(done)] = &answers[..] else { panic!("one step has one answer: {answers:?}") };
    assert_eq!(done.len(), jobs.len(), "it is said of each job what became of it");
    done.clone()
}

/// Enqueues one job, which is new.
pub(super) async fn enqueue_one(store: &dyn Store, job: NewJob) -> MessageId {
    assert_eq!(enqueue(store, std::slice::from_ref(&job)).await, [Enqueued::New], "a job is new");
    job.id
}

/// One who works on jobs of one queue.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) queue: Arc<str>,
    pub(super) names: Vec<Arc<str>>,
    pub(super) rate: Option<RateLimit>,
    pub(super) running_max: Option<u32>,
}

impl Worker {
    pub(super) async fn enlist(store: &dyn Store) -> Self {
        let id = store
            .enlist(&tidings_core::store::Member::named("a suite"), LEASE)
            .await
            .expect("a worker is enlisted");
        Self { id, queue: QUEUE.into(), names: vec![NAME.into()], rate: None, running_max: None }
    }

    pub(super) fn at(&self, queue: &str) -> Self {
        Self { queue: queue.into(), ..self.clone() }
    }

    pub(super) fn for_names(&self, names: &[&str]) -> Self {
        Self { names: names.iter().map(|name| Arc::from(*name)).collect(), ..self.clone() }
    }

    pub(super) fn limited(&self, count: u32, per: Duration) -> Self {
        Self { rate: Some(RateLimit { count, per }), ..self.clone() }
    }

    /// One who lets so many jobs of the queue run at once.
    pub(super) fn at_most(&self, running_max: u32) -> Self {
        Self { running_max: Some(running_max), ..self.clone() }
    }

    pub(super) fn claiming(&self, limit: usize, now: Timestamp) -> Claiming {
        let Self { id, queue, names, rate, running_max } = self.clone();
        Claiming { queue, worker: id, names, limit, now, rate, running_max }
    }

    /// Claims, and checks what holds for every claim.
    pub(super) async fn claim_at(&self, store: &dyn Store, limit: usize, now: Timestamp) -> Claimed {
        let answers = ask(store, [Op::Claim(self.claiming(limit, now))]).await.expect("a claim is answered");
        let [Answer::Claimed(claimed)] = &answers[..] else { panic!("one answer: {answers:?}") };
        self.check(claimed, limit, now);
        claimed.clone()
    }

    pub(super) async fn claim(&self, store: &dyn Store, limit: usize, seconds: i64) -> Claimed {
        self.claim_at(store, limit, at(seconds)).await
    }

    pub(super) fn check(&self, claimed: &Claimed, limit: usize, now: Timestamp) {
        assert!(claimed.jobs.len() <= limit, "a claim keeps within its limit of {limit}");
        assert!(
            claimed.next_at.is_none_or(|next| next > now),
            "the time to look again is not over already, or who waits for it turns in a circle: {:?} at {now}",
            claimed.next_at
        );
        for job in &claimed.jobs {
            assert_eq!(job.queue, self.queue, "a claim takes from its own queue");
            assert!(
                self.names.contains(&job.name),
                "a claim takes only what the worker can do: {}",
                job.name
            );
            assert_eq!(job.lease.worker, self.id, "a claim is for its worker");
            assert!(job.lease.attempt > 0, "attempts are counted from 1");
        }
    }

    /// The one job that can be claimed.
    pub(super) async fn claim_one(&self, store: &dyn Store, seconds: i64) -> ClaimedJob {
        let mut jobs = self.claim(store, 10, seconds).await.jobs;
        assert_eq!(jobs.len(), 1, "there is one job to claim at {seconds}: {:?}", ids(&jobs));
        jobs.remove(0)
    }

    /// What can be claimed, by id, in order.
    pub(super) async fn claim_ids(&self, store: &dyn Store, seconds: i64) -> Vec<MessageId> {
        ids(&self.claim(store, 1_000, seconds).await.jobs)
    }

    pub(super) async fn claim_suspect(&self, store: &dyn Store, seconds: i64) -> Option<ClaimedJob> {
        let queues = vec![(self.queue.clone(), self.running_max)];
        let op = Op::ClaimSuspect(self.id, queues, self.names.clone(), at(seconds));
        let answers = ask(store, [op]).await.expect("a claim is answered");
        let [Answer::Suspect(suspect)] = &answers[..] else { panic!("one answer: {answers:?}") };
        suspect.clone().map(|suspect| *suspect)
    }

    pub(super) async fn take_over(&self, store: &dyn Store, seconds: i64) -> u64 {
        store.take_over(self.id, at(seconds)).await.expect("a takeover is answered")
    }

    /// Enqueues a job, and begins an attempt of it.
    pub(super) async fn begin(&self, store: &dyn Store, job: NewJob, seconds: i64) -> ClaimedJob {
        let id = enqueue_one(store, job).await;
        let claimed = self.claim_one(store, seconds).await;
        assert_eq!(claimed.lease.id, id, "the job is the one to claim");
        claimed
    }
}

/// Lets the leases of workers lapse that are not renewed afterwards.
pub(super) async fn lapse(database: &dyn TestDatabase) {
    let by = LEASE + Duration::from_millis(1);
    if !database.lapse(by) {
        // A store whose lease time is that of the world.
        tokio::time::sleep(by).await;
    }
}

/// Opens what a killed process left behind, at a time when its workers' leases have lapsed.
pub(super) async fn crash(database: &mut dyn TestDatabase) -> Arc<dyn Store> {
    let store = database.crash().await;
    lapse(database).await;
    store
}

/// Ends the store in order and opens it again, when the leases of workers that were not dismissed have lapsed.
pub(super) async fn reopen(database: &mut dyn TestDatabase) -> Arc<dyn Store> {
    let store = database.reopen().await;
    lapse(database).await;
    store
}

/// Ends attempts, and says of each whether its lease was good.
pub(super) async fn end_all(store: &dyn Store, ends: Vec<(JobLease, JobEnd)>, seconds: i64) -> Vec<bool> {
    let count = ends.len();
    let answers = ask(store, [Op::End(ends, at(seconds))]).await.expect("attempts are ended");
    let [Answer::Ended(ended)] = &answers[..] else { panic!("one answer: {answers:?}") };
    assert_eq!(ended.len(), count, "it is said of each attempt whether it was ended");
    ended.clone()
}

/// Ends an attempt whose lease is good.
pub(super) async fn end(store: &dyn Store, job: &ClaimedJob, how: JobEnd, seconds: i64) {
    let ended = end_all(store, vec![(job.lease, how.clone())], seconds).await;
    assert_eq!(ended, [true], "an attempt is ended under a good lease: {how:?}");
}

pub(super) async fn complete(store: &dyn Store, job: &ClaimedJob, seconds: i64) {
    end(store, job, JobEnd::Completed, seconds).await;
}

pub(super) fn retry(seconds: i64) -> JobEnd {
    JobEnd::Retry { due: at(seconds), error: "it failed\ncaused by: the suite".to_owned() }
}

pub(super) fn snoozed(seconds: i64) -> JobEnd {
    JobEnd::Snoozed { due: at(seconds) }
}

pub(super) fn dead(releases_key: bool) -> JobEnd {
    JobEnd::Dead { reason: DeathReason::Permanent, error: "it cannot be done".to_owned(), releases_key }
}

pub(super) async fn row(store: &dyn Store, id: MessageId) -> JobRow {
    store.job(id).await.expect("a job is looked up").expect("the job is on record")
}

pub(super) async fn state(store: &dyn Store, id: MessageId) -> JobState {
    row(store, id).await.state
}

pub(super) async fn states(store: &dyn Store, ids: &[MessageId]) -> Vec<JobState> {
    let mut states = Vec::new();
    for id in ids {
        states.push(state(store, *id).await);
    }
    states
}

pub(super) async fn attempts(store: &dyn Store, id: MessageId) -> Vec<AttemptRow> {
    store.attempts(id).await.expect("attempts are listed")
}

pub(super) async fn attempt_ends(store: &dyn Store, id: MessageId) -> Vec<(u32, AttemptEnd)> {
    attempts(store, id).await.into_iter().map(|row| (row.attempt, row.end)).collect()
}

pub(super) async fn listed(store: &dyn Store, filter: &JobFilter) -> Vec<MessageId> {
    let rows = store.jobs(filter, 10_000).await.expect("jobs are listed");
    rows.into_iter().map(|row| row.id).collect()
}

/// Asserts that a waiter returns, because of what has been done already.
pub(super) async fn assert_heard(watch: &mut dyn Watch, of: &str) {
    let heard = tokio::time::timeout(PATIENCE, watch.changed()).await;
    assert!(heard.is_ok(), "who waits for a queue hears of {of}");
}
