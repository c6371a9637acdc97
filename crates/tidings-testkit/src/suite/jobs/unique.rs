//! Jobs that are the only ones of their name with a key.

use std::time::Duration;

use tidings_core::ids::MessageId;
use tidings_core::store::{Enqueued, JobEnd, JobState, NewJob, Retention, Store, StoreError, UniqueKey};

use super::support::*;

/// A unique key that is taken: the same payload finds the job that is there, another is told as a conflict, and neither
/// concerns other jobs of the call, other names or other keys.
pub async fn a_unique_key_is_taken_once(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let first = unique("k", 1);
    assert_eq!(enqueue(store.as_ref(), std::slice::from_ref(&first)).await, [Enqueued::New]);
    let call = [
        job(),
        unique("k", 1),
        unique("k", 2),
        unique("other", 2),
        NewJob { name: "suite.print".into(), ..unique("k", 2) },
        unique("twice", 1),
        unique("twice", 1),
        unique("twice", 9),
        of_queue("other", unique("k", 1)),
        unique("K", 1),
    ];
    let expected = [
        Enqueued::New,
        Enqueued::Existing(first.id),
        Enqueued::Conflict(first.id),
        Enqueued::New,
        Enqueued::New,
        Enqueued::New,
        Enqueued::Existing(call[5].id),
        Enqueued::Conflict(call[5].id),
        Enqueued::Existing(first.id),
        Enqueued::New,
    ];
    let done = enqueue(store.as_ref(), &call).await;
    assert_eq!(done, expected, "a unique key is taken once per name, and concerns its own row alone");
    for (job, done) in call.iter().zip(&done) {
        let found = store.job(job.id).await.expect("a job is looked up").is_some();
        assert_eq!(found, *done == Enqueued::New, "what is not new is not enqueued");
    }
    assert_eq!(row(store.as_ref(), first.id).await.data, first.data, "the job that is there stays as it is");
}

/// A unique key goes with the transaction that took it.
pub async fn a_unique_key_goes_with_its_transaction(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let undone = run(store.as_ref(), [Op::Enqueue(vec![unique("k", 1)]), Op::Fail]).await;
    assert!(undone.is_err());
    let inner = Op::Undone(vec![Op::Enqueue(vec![unique("k", 2)])]);
    let kept = unique("k", 3);
    let answers = ask(store.as_ref(), [inner, Op::Enqueue(vec![kept.clone()])]).await.expect("it commits");
    let Some(Answer::Enqueued(done)) = answers.last() else { panic!("an answer: {answers:?}") };
    assert_eq!(done[..], [Enqueued::New], "a key that was undone is free");
    assert_eq!(enqueue(store.as_ref(), &[unique("k", 3)]).await, [Enqueued::Existing(kept.id)]);
}

async fn is_taken(store: &dyn Store, by: MessageId, what: &str) {
    assert_eq!(
        enqueue(store, &[unique("k", 1)]).await,
        [Enqueued::Existing(by)],
        "a unique key is taken {what}"
    );
    assert_eq!(
        enqueue(store, &[unique("k", 2)]).await,
        [Enqueued::Conflict(by)],
        "a unique key is taken {what}"
    );
}

/// A unique key is taken in every state but those in which a job has ended: a dead one waits for a person, and keeps it.
pub async fn a_unique_key_is_free_when_its_job_has_ended(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    for ending in 0..5 {
        let id = enqueue_one(store.as_ref(), unique("k", 1)).await;
        is_taken(store.as_ref(), id, "while its job is ready").await;
        let job = worker.claim_one(store.as_ref(), 1).await;
        is_taken(store.as_ref(), id, "while its job runs").await;
        end(store.as_ref(), &job, retry(5), 2).await;
        is_taken(store.as_ref(), id, "while its job waits for another attempt").await;
        let job = worker.claim_one(store.as_ref(), 5).await;
        let (cancelled, expected) = (JobEnd::Cancelled { reason: "no more".to_owned() }, [Enqueued::New]);
        match ending {
            0 => complete(store.as_ref(), &job, 6).await,
            1 => end(store.as_ref(), &job, cancelled, 6).await,
            2 => {
                end(store.as_ref(), &job, JobEnd::GivenBack, 6).await;
                store.cancel_job(id, "no more", at(6)).await.expect("a job is cancelled");
            }
            _ => {
                end(store.as_ref(), &job, dead(ending == 4), 6).await;
                is_taken(store.as_ref(), id, "while its job is dead").await;
                store.discard_job(id, "given up", at(7)).await.expect("a job is discarded");
            }
        }
        let next = unique("k", 3);
        assert_eq!(
            enqueue(store.as_ref(), std::slice::from_ref(&next)).await,
            expected,
            "an ended job's key is free"
        );
        complete(store.as_ref(), &worker.claim_one(store.as_ref(), 8).await, 8).await;
    }
}

fn until(seconds: i64, key: &str, payload: u8, now: i64) -> NewJob {
    let job = unique(key, payload);
    let unique = job.unique.clone().map(|unique| UniqueKey { until: Some(at(seconds)), ..unique });
    NewJob { unique, at: at(now), ..job }
}

/// A key that is to be taken until a time is taken until then, also after its job has ended; it is free later only
/// if the job has not ended. So long no retention deletes its record.
pub async fn a_unique_key_may_be_taken_until_a_time(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let first = until(100, "k", 1, 0);
    let held = worker.begin(store.as_ref(), first.clone(), 1).await;
    complete(store.as_ref(), &held, 2).await;
    let store = reopen(database.as_mut()).await;
    let worker = Worker::enlist(store.as_ref()).await;
    let done = enqueue(store.as_ref(), &[until(200, "k", 1, 99), until(200, "k", 2, 99)]).await;
    assert_eq!(
        done,
        [Enqueued::Existing(first.id), Enqueued::Conflict(first.id)],
        "a key is taken until its time"
    );
    let second = until(200, "k", 2, 100);
    assert_eq!(
        enqueue(store.as_ref(), std::slice::from_ref(&second)).await,
        [Enqueued::New],
        "and free from then on"
    );
    let done = enqueue(store.as_ref(), &[until(900, "k", 2, 500)]).await;
    assert_eq!(
        done,
        [Enqueued::Existing(second.id)],
        "a job that has not ended keeps its key beyond the time"
    );
    let held = worker.claim_one(store.as_ref(), 500).await;
    complete(store.as_ref(), &held, 501).await;
    let third = until(10_000, "k", 2, 502);
    assert_eq!(
        enqueue(store.as_ref(), std::slice::from_ref(&third)).await,
        [Enqueued::New],
        "its time is over"
    );
    let held = worker.claim_one(store.as_ref(), 503).await;
    complete(store.as_ref(), &held, 504).await;
    enqueue_one(store.as_ref(), delayed(90_000)).await;
    let by_age = Retention { jobs_age_max: Duration::from_secs(10), ..Retention::default() };
    let by_count = Retention { jobs_max: 0, ..Retention::default() };
    for retention in [&by_age, &by_count] {
        store.maintain(retention, at(600)).await.expect("maintenance runs");
        assert_eq!(
            enqueue(store.as_ref(), &[until(10_000, "k", 3, 601)]).await,
            [Enqueued::Conflict(third.id)],
            "a record whose key is taken is not deleted"
        );
    }
    for retention in [&by_age, &by_count] {
        store.maintain(retention, at(10_000)).await.expect("maintenance runs");
    }
    assert!(
        store.job(third.id).await.expect("a job is looked up").is_none(),
        "a record whose time is over is deleted"
    );
    assert_eq!(enqueue(store.as_ref(), &[until(20_000, "k", 3, 10_001)]).await, [Enqueued::New]);
}

/// Those that keep their keys are beyond the bound, and drive no other out.
pub async fn what_keeps_a_key_is_not_counted(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let mut kept = Vec::new();
    for index in 0..8 {
        let keeps = index % 2 == 0;
        let new = if keeps { until(100, &format!("k{index}"), 1, 0) } else { job() };
        let held = worker.begin(store.as_ref(), new, 1).await;
        complete(store.as_ref(), &held, 2 + index).await;
        if keeps || index > 3 {
            kept.push(held.lease.id);
        }
    }
    enqueue_one(store.as_ref(), delayed(90_000)).await;
    let retention = Retention { jobs_max: 2, ..Retention::default() };
    let done = store.maintain(&retention, at(50)).await.expect("maintenance runs");
    assert_eq!(done.jobs_deleted, 2, "the oldest of those that keep nothing go: {done:?}");
    for id in kept {
        assert_eq!(
            state(store.as_ref(), id).await,
            JobState::Completed,
            "what keeps a key drives nobody out"
        );
    }
}

/// A cancelled job that is revived takes its key back, unless another has it by now: then it is refused, and stays as it
/// is. There are never two jobs of one key.
pub async fn a_revived_job_takes_its_key_back_or_is_refused(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let first = enqueue_one(store.as_ref(), unique("k", 1)).await;
    store.cancel_job(first, "no more", at(1)).await.expect("a job is cancelled");
    let second = enqueue_one(store.as_ref(), unique("k", 2)).await;
    let refused = store.revive_job(first, at(2)).await;
    assert!(
        matches!(&refused, Err(StoreError::UniqueTaken { id, taken_by }) if (*id, *taken_by) == (first, second)),
        "whose key is taken is not revived, and is told by whom: {refused:?}"
    );
    assert_eq!(states(store.as_ref(), &[first, second]).await, [JobState::Cancelled, JobState::Ready]);
    let taken = enqueue(store.as_ref(), &[unique("k", 1)]).await;
    assert_eq!(taken, [Enqueued::Conflict(second)], "the key stays where it is");
    let store = reopen(database.as_mut()).await;
    let worker = Worker::enlist(store.as_ref()).await;
    let held = worker.claim_one(store.as_ref(), 3).await;
    assert_eq!(held.lease.id, second);
    let refused = store.revive_job(first, at(3)).await;
    assert!(matches!(refused, Err(StoreError::UniqueTaken { .. })), "nor while the other runs: {refused:?}");
    complete(store.as_ref(), &held, 4).await;
    store.revive_job(first, at(5)).await.expect("a cancelled job whose key is free is revived");
    is_taken(store.as_ref(), first, "by a job that is revived").await;
    let held = worker.claim_one(store.as_ref(), 6).await;
    assert_eq!(held.lease.id, first);
    complete(store.as_ref(), &held, 7).await;
    enqueue_one(store.as_ref(), unique("k", 3)).await;
}

/// What an ended job keeps until a time is in the way of a revived one until then, and what a cancelled one kept itself is
/// its own again.
pub async fn a_revived_job_waits_for_a_key_that_is_kept(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let first = enqueue_one(store.as_ref(), unique("k", 1)).await;
    store.cancel_job(first, "no more", at(1)).await.expect("a job is cancelled");
    let second = until(100, "k", 2, 1);
    let held = worker.begin(store.as_ref(), second.clone(), 2).await;
    complete(store.as_ref(), &held, 3).await;
    let refused = store.revive_job(first, at(99)).await;
    assert!(
        matches!(refused, Err(StoreError::UniqueTaken { taken_by, .. }) if taken_by == second.id),
        "a key that is kept is in the way: {refused:?}"
    );
    store.revive_job(first, at(100)).await.expect("a key whose time is over is not");
    is_taken(store.as_ref(), first, "by a job that is revived").await;
    let third = enqueue_one(store.as_ref(), until(500, "own", 3, 100)).await;
    store.cancel_job(third, "no more", at(101)).await.expect("a job is cancelled");
    store.revive_job(third, at(102)).await.expect("a job's own key is not in its way");
    let taken = enqueue(store.as_ref(), &[unique("own", 4)]).await;
    assert_eq!(taken, [Enqueued::Conflict(third)]);
}
