//! Jobs where the server has forgotten its last commits, because a standby was promoted that had not heard of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::ids::MessageId;
use tidings_core::store::{
    ClaimedJob, Inspect as _, JobEnd, JobLease, JobState, JobStore as _, Member, NewJob, Store, StoreError,
    WorkerId,
};
use tidings_core::trace::TraceContext;
use tidings_postgres::PostgresStore;
use tidings_testkit::script::{Answer, Claiming, Op, ask, run};

use crate::log::{at, open};
use crate::proxy::Proxy;
use crate::server::{Programs, Server};
use crate::standby::{catch_up, part};

const QUEUE: &str = "mail";
const NAME: &str = "suite.send";
const LEASE: Duration = Duration::from_secs(600);

/// More than the numbers that a sequence draws ahead and that are on the standby already.
const MANY: usize = 80;

pub(crate) fn new_job() -> NewJob {
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

async fn enqueue(store: &dyn Store, count: usize) -> Vec<MessageId> {
    let jobs: Vec<_> = (0..count).map(|_| new_job()).collect();
    let ids = jobs.iter().map(|job| job.id).collect();
    run(store, [Op::Enqueue(jobs)]).await.expect("jobs are enqueued");
    ids
}

async fn claim(store: &dyn Store, worker: WorkerId, limit: usize) -> Vec<ClaimedJob> {
    let claiming = Claiming {
        queue: QUEUE.into(),
        worker,
        names: vec![NAME.into()],
        limit,
        now: at(1),
        rate: None,
        running_max: None,
    };
    let answers = ask(store, [Op::Claim(claiming)]).await.expect("a claim is answered");
    let [Answer::Claimed(claimed)] = &answers[..] else { panic!("one answer: {answers:?}") };
    claimed.jobs.clone()
}

/// Claims so many jobs one by one: each has a claim of its own.
async fn claim_each(store: &dyn Store, worker: WorkerId, count: usize) -> Vec<JobLease> {
    let mut leases = Vec::new();
    while leases.len() < count {
        leases.extend(claim(store, worker, 1).await.into_iter().map(|job| job.lease));
    }
    leases
}

async fn complete(store: &dyn Store, lease: &JobLease) -> bool {
    let end = Op::End(vec![(*lease, JobEnd::Completed)], at(2));
    let answers = ask(store, [end]).await.expect("an end is answered");
    matches!(&answers[..], [Answer::Ended(good)] if good[..] == [true])
}

async fn state(store: &PostgresStore, id: MessageId) -> Option<JobState> {
    store.job(id).await.expect("a job is looked up").map(|job| job.state)
}

/// A process that lives through the failover: what it had, and what the new primary makes of it.
struct FailedOver {
    _servers: [Server; 2],
    _proxy: Proxy,
    store: Arc<PostgresStore>,
    worker: WorkerId,
    /// Its claim is on the new primary, and its end is not.
    end_lost: JobLease,
    /// Neither the jobs nor the claims are on the new primary.
    all_lost: Vec<JobLease>,
}

async fn fail_over(programs: &Programs, planted: &str) -> FailedOver {
    let primary = Server::start(programs);
    primary.database("shop").await;
    let proxy = Proxy::to(primary.port()).await;
    let store = open(&format!("postgres://tidings@127.0.0.1:{}/shop", proxy.port())).await;
    primary.execute("shop", planted).await;
    let worker = store.enlist(&Member::named("a test"), LEASE).await.expect("a worker is entered");
    store.heartbeat(worker).await.expect("its lease is renewed");
    enqueue(store.as_ref(), 1).await;
    let end_lost = claim_each(store.as_ref(), worker, 1).await.remove(0);
    let standby = Server::standby_of(&primary);
    catch_up(&primary, &standby).await;

    part(&primary, &standby).await;
    assert!(complete(store.as_ref(), &end_lost).await);
    enqueue(store.as_ref(), MANY).await;
    let all_lost = claim_each(store.as_ref(), worker, MANY).await;
    standby.promote();
    primary.stop("immediate");
    proxy.turn_to(standby.port());
    FailedOver { _servers: [primary, standby], _proxy: proxy, store, worker, end_lost, all_lost }
}

/// The first statements after the failover meet connections that were cut.
async fn until_there(store: &PostgresStore) {
    for _ in 0..100 {
        if store.suspects(&[], &[]).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the new primary does not answer");
}

/// Of new jobs, which take the places of those that were lost, how many an old attempt has completed though nobody has run them.
async fn completed_by_ghosts(over: &FailedOver) -> usize {
    let store = over.store.as_ref();
    until_there(store).await;
    let new = enqueue(store, MANY).await;
    let running = claim_each(store, over.worker, MANY).await;
    let places: BTreeSet<i64> = running.iter().map(|lease| lease.place).collect();
    assert!(
        over.all_lost.iter().any(|lease| places.contains(&lease.place)),
        "the test shows what it is to show: places are given out again"
    );
    for lease in &over.all_lost {
        complete(store, lease).await;
    }
    let mut completed = 0;
    for id in new {
        completed += usize::from(state(store, id).await == Some(JobState::Completed));
    }
    completed
}

/// The attempt of a job that is lost ends no other job, whatever number that has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_whose_claim_is_lost_ends_nothing() {
    let Some(programs) = Programs::find() else { return };
    let over = fail_over(&programs, "SELECT 1").await;
    assert_eq!(completed_by_ghosts(&over).await, 0, "no job is completed that nobody has run");
}

/// The twin: claims are counted, and the new primary counts on from where it stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_that_are_only_counted_are_caught() {
    let Some(programs) = Programs::find() else { return };
    let planted = "CREATE OR REPLACE FUNCTION tidings_claim_number() RETURNS bigint LANGUAGE sql
                   AS $$ SELECT nextval('tidings_claim_numbers') $$";
    let over = fail_over(&programs, planted).await;
    assert!(completed_by_ghosts(&over).await > 0, "jobs are lost, and the test sees it");
}

/// A worker is good for one life of the server. What it had is given back by itself, also an attempt that it has ended, which the new
/// primary does not know: else nobody would ever end that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_end_is_lost_runs_again() {
    let Some(programs) = Programs::find() else { return };
    let over = fail_over(&programs, "SELECT 1").await;
    let store = over.store.as_ref();
    until_there(store).await;
    assert_eq!(state(store, over.end_lost.id).await, Some(JobState::Running), "its end is lost");
    let beat = store.heartbeat(over.worker).await;
    assert!(matches!(beat, Err(StoreError::Fenced { .. })), "the worker hears that it is void: {beat:?}");
    // As the runtime does then.
    store.dismiss(over.worker, at(3)).await.expect("it goes in order");
    let worker = store.enlist(&Member::named("a test"), LEASE).await.expect("it is entered anew");
    store.heartbeat(worker).await.expect("and lives");
    let again = claim_each(store, worker, 1).await.remove(0);
    assert_eq!((again.id, again.attempt), (over.end_lost.id, 2), "the job runs again");
    assert!(!complete(store, &over.end_lost).await, "the old attempt is void");
    assert!(complete(store, &again).await, "the new one is not");
}

/// The twin: a life that never ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_outlive_a_failover_are_caught() {
    let Some(programs) = Programs::find() else { return };
    let planted = "CREATE OR REPLACE VIEW tidings_life_goes_on AS SELECT 1 AS yes, 'for ever' AS life";
    let over = fail_over(&programs, planted).await;
    until_there(&over.store).await;
    over.store.heartbeat(over.worker).await.expect("the planted bug lets it live on");
    assert_eq!(state(&over.store, over.end_lost.id).await, Some(JobState::Running), "nobody ever ends it");
}
