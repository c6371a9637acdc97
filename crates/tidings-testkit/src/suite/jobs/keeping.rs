//! How long jobs are kept.

use std::time::Duration;

use tidings_core::ids::MessageId;
use tidings_core::store::{JobEnd, JobFilter, JobState, Maintenance, Retention, Store};

use super::support::*;

/// When the suites maintain: long after everything ended.
const LATE: i64 = 10_000;

fn by_age() -> Retention {
    Retention { jobs_age_max: Duration::from_secs(1_000), ..Retention::default() }
}

async fn maintain(store: &dyn Store, retention: &Retention) -> Maintenance {
    store.maintain(retention, at(LATE)).await.expect("maintenance runs")
}

/// Ends a job in one of the ways after which nothing happens to it, after a failed attempt.
async fn ended(store: &dyn Store, worker: &Worker, way: usize, seconds: i64) -> MessageId {
    let job = worker.begin(store, job(), 1).await;
    end(store, &job, retry(1), 1).await;
    let job = worker.claim_one(store, 1).await;
    let id = job.lease.id;
    match way % 3 {
        0 => complete(store, &job, seconds).await,
        1 => end(store, &job, JobEnd::Cancelled { reason: "x".to_owned() }, seconds).await,
        _ => {
            end(store, &job, dead(false), 1).await;
            store.discard_job(id, "x", at(seconds)).await.expect("a dead job is discarded");
        }
    }
    id
}

/// One job in each state in which something may still happen to it, ready ones last.
async fn one_of_each_that_lives(
    database: &dyn TestDatabase,
    store: &dyn Store,
) -> Vec<(MessageId, JobState)> {
    let lost = Worker::enlist(store).await;
    let suspect = lost.begin(store, job(), 1).await.lease.id;
    lapse(database).await;
    let worker = Worker::enlist(store).await;
    worker.take_over(store, 1).await;
    let died = worker.begin(store, job(), 1).await;
    end(store, &died, dead(true), 1).await;
    let failed = worker.begin(store, job(), 1).await;
    end(store, &failed, retry(2), 1).await;
    let running = worker.begin(store, keyed("a"), 1).await;
    let behind = enqueue_one(store, keyed("a")).await;
    let ready = enqueue_one(store, job()).await;
    vec![
        (suspect, JobState::Suspect),
        (died.lease.id, JobState::Dead),
        (failed.lease.id, JobState::Scheduled),
        (running.lease.id, JobState::Running),
        (behind, JobState::Behind),
        (ready, JobState::Ready),
    ]
}

async fn is_there(store: &dyn Store, id: MessageId) -> bool {
    store.job(id).await.expect("a job is looked up").is_some()
}

/// Jobs that ended longer ago than the bound go, with their attempts; those that ended later stay, and so does every job to
/// which something may still happen, however old.
pub async fn only_jobs_that_have_ended_go(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let mut old = Vec::new();
    let mut young = Vec::new();
    for way in 0..6 {
        old.push(ended(store.as_ref(), &worker, way, LATE - 1_001).await);
        young.push(ended(store.as_ref(), &worker, way, LATE - 999).await);
    }
    let living = one_of_each_that_lives(database.as_ref(), store.as_ref()).await;
    let done = maintain(store.as_ref(), &by_age()).await;
    assert_eq!(done.jobs_deleted, 6, "what ended long ago goes: {done:?}");
    for id in old {
        assert!(!is_there(store.as_ref(), id).await, "what ended long ago goes");
        assert!(attempts(store.as_ref(), id).await.is_empty(), "attempts go with their job");
    }
    for id in young {
        assert!(is_there(store.as_ref(), id).await, "what ended not so long ago stays");
        assert!(!attempts(store.as_ref(), id).await.is_empty(), "with its attempts");
    }
    let nothing = Retention { jobs_age_max: Duration::ZERO, jobs_max: 0, ..Retention::default() };
    maintain(store.as_ref(), &nothing).await;
    for (id, state) in &living {
        let found = store.job(*id).await.expect("a job is looked up").map(|row| row.state);
        assert_eq!(found, Some(*state), "a job to which something may still happen stays, however old");
    }
    assert_eq!(
        listed(store.as_ref(), &JobFilter::default()).await.len(),
        living.len(),
        "and nothing else does"
    );
    assert_eq!(attempts(store.as_ref(), living[0].0).await.len(), 1, "it keeps its attempts");
    let next = Worker::enlist(store.as_ref()).await;
    assert!(next.claim_suspect(store.as_ref(), LATE).await.is_some(), "and can be claimed");
    assert_eq!(next.claim_ids(store.as_ref(), LATE).await.len(), 2);
}

/// Of more ended jobs than the bound the oldest go, however young; others are not counted.
pub async fn the_number_of_ended_jobs_is_bounded(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let mut all = Vec::new();
    for way in 0..9 {
        // Not in the order of their enqueueing: what counts is when they ended.
        all.push(ended(store.as_ref(), &worker, way, LATE - 10 + (way as i64 * 4) % 9).await);
    }
    let living = one_of_each_that_lives(database.as_ref(), store.as_ref()).await;
    let retention = Retention { jobs_max: 4, ..by_age() };
    let done = maintain(store.as_ref(), &retention).await;
    assert_eq!(done.jobs_deleted, 5, "the number of ended jobs is bounded: {done:?}");
    for (way, id) in all.iter().enumerate() {
        let stays = (way * 4) % 9 >= 5;
        assert_eq!(is_there(store.as_ref(), *id).await, stays, "those that ended first go, {way}");
    }
    for (id, _) in living {
        assert!(is_there(store.as_ref(), id).await, "what has not ended is not counted");
    }
    assert_eq!(maintain(store.as_ref(), &retention).await.jobs_deleted, 0, "a second round finds nothing");
}
