//! Order per key: one at a time, in the order of enqueueing.

use tidings_core::ids::MessageId;
use tidings_core::store::{JobEnd, JobState, NewJob, Store};

use super::support::*;

async fn three(store: &dyn Store) -> Vec<MessageId> {
    let all: Vec<_> = (0..3).map(|_| keyed("a")).collect();
    enqueue(store, &all).await;
    new_ids(&all)
}

/// Of the jobs of one queue and key one runs at a time, in the order of their enqueueing, whatever their names, priorities
/// and times; its completion lets the next one run.
pub async fn jobs_of_a_key_run_one_by_one_in_order(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let names = [NAME, "suite.print"];
    let all = [
        keyed("a"),
        NewJob { name: "suite.print".into(), ..keyed("a") },
        NewJob { priority: -100, ..keyed("a") },
        NewJob { due: at(50), ..keyed("a") },
        keyed("a"),
        keyed("b"),
        keyed("b"),
        of_queue("other", keyed("a")),
        job(),
        job(),
    ];
    for job in &all {
        enqueue_one(store.as_ref(), job.clone()).await;
    }
    let worker = Worker::enlist(store.as_ref()).await.for_names(&names);
    let first = worker.claim(store.as_ref(), 100, 1).await.jobs;
    let expected = [all[0].id, all[5].id, all[8].id, all[9].id];
    assert_eq!(ids(&first), expected, "one of each key runs, and what has none waits for nobody");
    assert_eq!(
        worker.at("other").claim_ids(store.as_ref(), 1).await,
        [all[7].id],
        "a key of another queue is another key"
    );
    assert_eq!(
        states(store.as_ref(), &new_ids(&all[1..5])).await,
        [JobState::Behind; 4],
        "the others wait behind it"
    );
    assert!(
        worker.claim_ids(store.as_ref(), 100).await.is_empty(),
        "while the head runs nothing of its key does"
    );
    complete(store.as_ref(), &first[0], 2).await;
    let store = reopen(database.as_mut()).await;
    let worker = Worker::enlist(store.as_ref()).await.for_names(&names);
    for (index, seconds) in [(1, 3), (2, 4), (3, 50), (4, 51)] {
        let before = worker.claim(store.as_ref(), 100, seconds - 1).await;
        if index == 3 {
            assert!(before.jobs.is_empty(), "a head that is not due holds its key");
            assert_eq!(before.next_at, Some(at(50)), "and it is told when it is");
            let job = worker.claim_one(store.as_ref(), seconds).await;
            assert_eq!(job.lease.id, all[index].id, "jobs of a key run in the order of their enqueueing");
            complete(store.as_ref(), &job, seconds).await;
        } else {
            assert_eq!(
                ids(&before.jobs),
                [all[index].id],
                "jobs of a key run in the order of their enqueueing"
            );
            complete(store.as_ref(), &before.jobs[0], seconds - 1).await;
        }
    }
    assert_eq!(states(store.as_ref(), &new_ids(&all[..5])).await, [JobState::Completed; 5]);
}

/// A head that failed, snoozes, was given back or lost holds its key until it is done.
pub async fn a_head_holds_its_key_until_it_is_done(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut worker = Worker::enlist(store.as_ref()).await;
    let all = three(store.as_ref()).await;
    for (how, begun, checked) in [(retry(20), 1, 19), (snoozed(40), 20, 39)] {
        let head = worker.claim_one(store.as_ref(), begun).await;
        assert_eq!(head.lease.id, all[0], "the head runs until it is done");
        end(store.as_ref(), &head, how.clone(), begun).await;
        assert!(
            worker.claim_ids(store.as_ref(), checked).await.is_empty(),
            "while it waits it holds its key: {how:?}"
        );
        assert_eq!(
            states(store.as_ref(), &all[1..]).await,
            [JobState::Behind; 2],
            "the others wait: {how:?}"
        );
    }
    let head = worker.claim_one(store.as_ref(), 40).await;
    end(store.as_ref(), &head, JobEnd::GivenBack, 41).await;
    let head = worker.claim_one(store.as_ref(), 60).await;
    assert_eq!(head.lease.id, all[0]);
    lapse(database.as_ref()).await;
    worker = Worker::enlist(store.as_ref()).await;
    worker.take_over(store.as_ref(), 61).await;
    assert!(worker.claim_ids(store.as_ref(), 62).await.is_empty(), "a suspect holds its key");
    let head = worker.claim_suspect(store.as_ref(), 63).await.expect("the suspect");
    assert_eq!(head.lease.id, all[0]);
    assert!(worker.claim_ids(store.as_ref(), 64).await.is_empty(), "also while it runs");
    complete(store.as_ref(), &head, 65).await;
    assert_eq!(worker.claim_one(store.as_ref(), 66).await.lease.id, all[1], "then the next one runs");
}

/// A dead head holds its key until a person acts, or releases it.
pub async fn a_dead_head_holds_its_key_unless_it_releases_it(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let all = three(store.as_ref()).await;
    let head = worker.claim_one(store.as_ref(), 1).await;
    end(store.as_ref(), &head, dead(false), 2).await;
    assert!(worker.claim_ids(store.as_ref(), 1_000).await.is_empty(), "a dead head holds its key");
    let late = enqueue_one(store.as_ref(), keyed("a")).await;
    assert_eq!(state(store.as_ref(), late).await, JobState::Behind, "also against those that come later");
    store.revive_job(all[0], at(3)).await.expect("a dead job is revived");
    let head = worker.claim_one(store.as_ref(), 4).await;
    assert_eq!(head.lease.id, all[0], "a head that is revived is the head");
    end(store.as_ref(), &head, dead(true), 5).await;
    let next = worker.claim_one(store.as_ref(), 6).await;
    assert_eq!(next.lease.id, all[1], "a dead head that releases its key lets the next one run");
    end(store.as_ref(), &next, dead(false), 7).await;
    store.discard_job(all[1], "given up", at(8)).await.expect("a dead job is discarded");
    assert_eq!(
        worker.claim_one(store.as_ref(), 9).await.lease.id,
        all[2],
        "a discarded head lets the next one run"
    );
}

/// A head that is cancelled lets the next one run; one behind that is cancelled is left out, and changes nothing else.
pub async fn a_cancelled_job_leaves_its_place_in_the_key(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let all: Vec<_> = (0..6).map(|_| keyed("a")).collect();
    enqueue(store.as_ref(), &all).await;
    let all = new_ids(&all);
    let cancel = async |id| store.cancel_job(id, "no more", at(1)).await.expect("a job is cancelled");
    cancel(all[0]).await;
    assert_eq!(
        state(store.as_ref(), all[1]).await,
        JobState::Ready,
        "a cancelled head lets the next one run"
    );
    let head = worker.claim_one(store.as_ref(), 2).await;
    assert_eq!(head.lease.id, all[1]);
    cancel(all[2]).await;
    assert!(
        worker.claim_ids(store.as_ref(), 3).await.is_empty(),
        "to cancel one behind lets nothing else run"
    );
    complete(store.as_ref(), &head, 4).await;
    let head = worker.claim_one(store.as_ref(), 5).await;
    assert_eq!(head.lease.id, all[3], "one that was cancelled behind is left out");
    end(store.as_ref(), &head, JobEnd::Cancelled { reason: "no more".to_owned() }, 6).await;
    let head = worker.claim_one(store.as_ref(), 7).await;
    assert_eq!(head.lease.id, all[4], "a head that is cancelled while it runs lets the next one run");
    end(store.as_ref(), &head, retry(100), 8).await;
    cancel(all[4]).await;
    assert_eq!(
        worker.claim_one(store.as_ref(), 9).await.lease.id,
        all[5],
        "so does one that waits for another attempt"
    );
}

/// A job that had let go of its key and is revived waits for the one that moved up meanwhile, and is next.
pub async fn a_revived_job_does_not_run_beside_another_of_its_key(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    for cancelled in [true, false] {
        let all = three(store.as_ref()).await;
        if cancelled {
            store.cancel_job(all[0], "no more", at(1)).await.expect("a job is cancelled");
        } else {
            end(store.as_ref(), &worker.claim_one(store.as_ref(), 1).await, dead(true), 1).await;
        }
        let moved_up = worker.claim_one(store.as_ref(), 2).await;
        assert_eq!(moved_up.lease.id, all[1]);
        store.revive_job(all[0], at(3)).await.expect("a job is revived");
        assert!(
            worker.claim_ids(store.as_ref(), 4).await.is_empty(),
            "a revived job does not run beside one of its key"
        );
        assert_eq!(state(store.as_ref(), all[0]).await, JobState::Behind, "it waits behind it");
        let doomed = enqueue_one(store.as_ref(), keyed("a")).await;
        store.cancel_job(doomed, "no more", at(4)).await.expect("a job is cancelled");
        assert!(worker.claim_ids(store.as_ref(), 5).await.is_empty(), "whatever happens to those behind");
        end(store.as_ref(), &moved_up, retry(10), 6).await;
        assert!(
            worker.claim_ids(store.as_ref(), 7).await.is_empty(),
            "the one that moved up holds the key until it is done"
        );
        let moved_up = worker.claim_one(store.as_ref(), 10).await;
        assert_eq!(moved_up.lease.id, all[1]);
        complete(store.as_ref(), &moved_up, 11).await;
        for (index, seconds) in [(0, 12), (2, 14)] {
            let next = worker.claim_one(store.as_ref(), seconds).await;
            assert_eq!(next.lease.id, all[index], "the revived one is next, and then those behind it");
            complete(store.as_ref(), &next, seconds + 1).await;
        }
    }
}

/// A job that is enqueued behind another in the same call, or after its key has become free, is where it should be.
pub async fn a_key_is_free_when_its_last_job_has_ended(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    for round in 0..3 {
        let now = 10 * round;
        let all = three(store.as_ref()).await;
        let expected = [JobState::Ready, JobState::Behind, JobState::Behind];
        assert_eq!(
            states(store.as_ref(), &all).await,
            expected,
            "a key is free when its last job has ended, round {round}"
        );
        for id in all {
            let job = worker.claim_one(store.as_ref(), now).await;
            assert_eq!(job.lease.id, id);
            complete(store.as_ref(), &job, now).await;
        }
    }
}
