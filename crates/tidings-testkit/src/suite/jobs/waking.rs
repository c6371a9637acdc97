//! Who waits for a queue.

use tidings_core::store::JobEnd;

use super::support::*;

/// Whoever waits for a queue hears of everything that makes a job claimable, or that changes when the next one is: what is
/// enqueued, also for later; a head that makes room; what is tried again, given back, taken over, revived; a queue that
/// goes on.
pub async fn who_waits_for_a_queue_hears_of_what_can_be_claimed(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let store_ref = store.as_ref();

    let mut watch = store_ref.watch_queue(QUEUE);
    let first = enqueue_one(store_ref, keyed("a")).await;
    assert_heard(watch.as_mut(), "a job that is enqueued").await;
    let mut watch = store_ref.watch_queue(QUEUE);
    let late = enqueue_one(store_ref, delayed(90)).await;
    assert_heard(watch.as_mut(), "a job that is enqueued for later, because it may be the next").await;
    let second = enqueue_one(store_ref, keyed("a")).await;

    let head = worker.claim_one(store_ref, 1).await;
    assert_eq!(head.lease.id, first);
    let mut watch = store_ref.watch_queue(QUEUE);
    complete(store_ref, &head, 2).await;
    assert_heard(watch.as_mut(), "a completion that lets the next of its key run").await;
    let job = worker.claim_one(store_ref, 3).await;
    assert_eq!(job.lease.id, second);
    let mut watch = store_ref.watch_queue(QUEUE);
    end(store_ref, &job, retry(50), 4).await;
    assert_heard(watch.as_mut(), "a job that is to be tried again, because it may be the next").await;
    let mut watch = store_ref.watch_queue(QUEUE);
    store.revive_job(second, at(5)).await.expect("a job is revived");
    assert_heard(watch.as_mut(), "a job that a person revived").await;
    let job = worker.claim_one(store_ref, 6).await;
    let mut watch = store_ref.watch_queue(QUEUE);
    end(store_ref, &job, snoozed(50), 7).await;
    assert_heard(watch.as_mut(), "a job that snoozes").await;
    let job = worker.claim_one(store_ref, 50).await;
    let mut watch = store_ref.watch_queue(QUEUE);
    end(store_ref, &job, JobEnd::GivenBack, 51).await;
    assert_heard(watch.as_mut(), "a job that is given back").await;
    worker.claim_one(store_ref, 52).await;
    let mut watch = store_ref.watch_queue(QUEUE);
    store.dismiss(worker.id, at(53)).await.expect("a worker is dismissed");
    assert_heard(watch.as_mut(), "jobs of a worker that stops in order").await;

    let worker = Worker::enlist(store_ref).await;
    let head = worker.claim_one(store_ref, 54).await;
    enqueue_one(store_ref, keyed("a")).await;
    let mut watch = store_ref.watch_queue(QUEUE);
    end(store_ref, &head, dead(true), 55).await;
    assert_heard(watch.as_mut(), "a dead job that releases its key").await;

    let mut watch = store_ref.watch_queue(QUEUE);
    store.pause_queue(QUEUE, "a test", at(57)).await.expect("a queue is paused");
    store.resume_queue(QUEUE, at(58)).await.expect("a queue is resumed");
    assert_heard(watch.as_mut(), "a queue that goes on").await;
    worker.claim_one(store_ref, 59).await;
    lapse(database.as_ref()).await;
    let next = Worker::enlist(store_ref).await;
    let mut watch = store_ref.watch_queue(QUEUE);
    assert_eq!(next.take_over(store_ref, 60).await, 1);
    assert_heard(watch.as_mut(), "suspects").await;
    assert_eq!(next.claim_ids(store_ref, 90).await, [late]);
}

/// A cancelled or discarded head lets the next of its key run, and who waits for the queue hears of it.
pub async fn who_waits_for_a_queue_hears_of_a_head_that_a_person_removed(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let all: Vec<_> = (0..3).map(|_| keyed("a")).collect();
    enqueue(store.as_ref(), &all).await;
    let mut watch = store.watch_queue(QUEUE);
    store.cancel_job(all[0].id, "no more", at(1)).await.expect("a job is cancelled");
    assert_heard(watch.as_mut(), "a cancelled head").await;
    let job = worker.claim_one(store.as_ref(), 2).await;
    end(store.as_ref(), &job, dead(false), 3).await;
    let mut watch = store.watch_queue(QUEUE);
    store.discard_job(all[1].id, "given up", at(4)).await.expect("a job is discarded");
    assert_heard(watch.as_mut(), "a discarded head").await;
    assert_eq!(worker.claim_one(store.as_ref(), 5).await.lease.id, all[2].id);
}

/// A waiter hears of what was enqueued before it began to wait, and while it waits; and not of another queue, nor of what
/// was not committed.
pub async fn a_waiter_hears_of_its_own_queue_only(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut watch = store.watch_queue(QUEUE);
    for round in 0..3 {
        enqueue_one(store.as_ref(), job()).await;
        assert_heard(watch.as_mut(), &format!("what came before it began to wait, round {round}")).await;
    }
    for _ in 0..3 {
        let waiting = tokio::spawn(async move {
            watch.changed().await;
            watch
        });
        enqueue(store.as_ref(), &[of_queue("other", job()), job()]).await;
        let heard = tokio::time::timeout(PATIENCE, waiting).await;
        watch = heard.expect("a waiter hears of what comes while it waits").expect("the waiter ends");
    }
}
