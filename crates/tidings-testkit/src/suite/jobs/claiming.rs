//! Who gets which job, and when.

use std::collections::BTreeSet;

use tidings_core::store::{JobState, NewJob};

use super::support::*;

/// Jobs are claimed lowest priority first, and within one priority in the order of their enqueueing, also across
/// transactions and after a delay or a failure.
pub async fn jobs_are_claimed_by_priority_and_then_in_order(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let priorities: [i16; 12] = [5, 0, -3, 0, i16::MAX, i16::MIN, 5, -3, 0, 1, -1, 0];
    let mut all: Vec<NewJob> = priorities.into_iter().map(prior).collect();
    // Delayed ones come in the place of their enqueueing, not of their time.
    all[1].due = at(20);
    all[3].due = at(10);
    for some in all.chunks(5) {
        enqueue(store.as_ref(), some).await;
    }
    let mut expected: Vec<usize> = (0..all.len()).collect();
    expected.sort_by_key(|index| (priorities[*index], *index));
    let expected: Vec<_> = expected.into_iter().map(|index| all[index].id).collect();
    let claimed = worker.claim(store.as_ref(), 100, 30).await;
    assert_eq!(
        ids(&claimed.jobs),
        expected,
        "jobs are claimed by priority, and then in the order of their enqueueing"
    );
    let again: Vec<_> = claimed.jobs.iter().rev().map(|job| (job.lease, retry(40))).collect();
    end_all(store.as_ref(), again, 31).await;
    let later = enqueue_one(store.as_ref(), job()).await;
    let claimed = worker.claim_ids(store.as_ref(), 40).await;
    let place = expected.iter().rposition(|id| *id == all[11].id).expect("the last of its priority") + 1;
    let mut with_later = expected.clone();
    with_later.insert(place, later);
    assert_eq!(claimed, with_later, "one that is tried again comes in the place of its enqueueing");
}

/// A claim takes as many as it may and says whether there may be more; who goes on while there may be gets all of them, and
/// comes to an end.
pub async fn a_claim_keeps_its_limit_and_says_whether_there_is_more(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let empty = worker.claim(store.as_ref(), 10, 0).await;
    assert!(empty.jobs.is_empty() && !empty.more, "in an empty queue there is no more: {empty:?}");
    assert_eq!(empty.next_at, None, "and no time to look again");
    let all = jobs(25);
    enqueue(store.as_ref(), &all).await;
    enqueue(store.as_ref(), &[of_queue("other", job())]).await;
    for limit in [1, 4, 10, 100] {
        let (mut got, mut calls, mut leases) = (Vec::new(), 0, Vec::new());
        loop {
            let claimed = worker.claim(store.as_ref(), limit, 0).await;
            calls += 1;
            got.extend(ids(&claimed.jobs));
            leases.extend(claimed.jobs.iter().map(|job| (job.lease, tidings_core::store::JobEnd::GivenBack)));
            if got.len() < all.len() {
                assert!(claimed.more, "a claim that its limit cut off says that there is more");
            }
            if !claimed.more {
                break;
            }
            assert!(calls <= all.len() + 1, "claims come to an end");
        }
        assert_eq!(got, new_ids(&all), "claims get all of them, each once, limit {limit}");
        end_all(store.as_ref(), leases, 0).await;
    }
}

/// Jobs that a worker cannot do stay where they are, for another, and hold up nobody.
pub async fn jobs_of_other_names_stay_where_they_are(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let all: Vec<_> =
        (0..30).map(|index| named(["suite.send", "suite.print", "suite.fax"][index % 3])).collect();
    let overdue = NewJob { due: at(5), ..named("suite.print") };
    enqueue(store.as_ref(), &all).await;
    enqueue(store.as_ref(), std::slice::from_ref(&overdue)).await;
    let of = |name: &str| new_ids(&all.iter().filter(|job| *job.name == *name).cloned().collect::<Vec<_>>());
    let mut got = Vec::new();
    for _ in 0..4 {
        let claimed = worker.claim(store.as_ref(), 3, 10).await;
        got.extend(ids(&claimed.jobs));
    }
    assert_eq!(got, of("suite.send"), "a worker gets all that it can do, and nothing else");
    let nothing = worker.claim(store.as_ref(), 3, 10).await;
    assert!(nothing.jobs.is_empty() && !nothing.more, "what others can do is not more to claim: {nothing:?}");
    let nobody = worker.for_names(&[]).claim_ids(store.as_ref(), 10).await;
    assert!(nobody.is_empty(), "who can do nothing gets nothing");
    let others = worker.for_names(&["suite.fax", "suite.print"]).claim_ids(store.as_ref(), 10).await;
    let expected: Vec<_> =
        all.iter().filter(|job| &*job.name != NAME).map(|job| job.id).chain([overdue.id]).collect();
    assert_eq!(others, expected, "jobs of other names stay where they are");
}

/// A delayed job is claimed when it is due and not before, and it is told when that is.
pub async fn a_delayed_job_waits_until_it_is_due(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let (late, early) = (delayed(60), delayed(30));
    enqueue(store.as_ref(), &[late.clone(), early.clone()]).await;
    enqueue(store.as_ref(), &[of_queue("other", delayed(10))]).await;
    assert_eq!(states(store.as_ref(), &[late.id, early.id]).await, [JobState::Scheduled; 2]);
    let store = reopen(database.as_mut()).await;
    let worker = Worker::enlist(store.as_ref()).await;
    let micro = jiff::SignedDuration::from_micros(1);
    for (due, job, next) in [(at(30), &early, Some(at(60))), (at(60), &late, None)] {
        let before = worker.claim_at(store.as_ref(), 10, due - micro).await;
        assert!(before.jobs.is_empty() && !before.more, "a delayed job is not claimed before it is due");
        assert_eq!(before.next_at, Some(due), "it is told when the next job is due");
        let claimed = worker.claim_at(store.as_ref(), 10, due).await;
        assert_eq!(ids(&claimed.jobs), [job.id], "a delayed job is claimed when it is due");
        assert_eq!(claimed.next_at, next, "it is told when the one after that is due");
    }
    let other = worker.at("other").claim_ids(store.as_ref(), 10).await;
    assert_eq!(other.len(), 1, "delays of one queue say nothing of another");
}

/// Each attempt of a job has the next number, counted from 1, whatever became of the one before.
pub async fn attempts_are_counted_from_one(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let mut store = database.store();
    let id = enqueue_one(store.as_ref(), job()).await;
    let mut places = BTreeSet::new();
    for attempt in 1..=6_u32 {
        let worker = Worker::enlist(store.as_ref()).await;
        worker.take_over(store.as_ref(), 0).await;
        let job = match worker.claim_suspect(store.as_ref(), 0).await {
            Some(suspect) => suspect,
            None => worker.claim_one(store.as_ref(), 0).await,
        };
        assert_eq!((job.lease.id, job.lease.attempt), (id, attempt), "each attempt has the next number");
        assert_eq!(row(store.as_ref(), id).await.attempts, attempt, "attempts that were begun are counted");
        places.insert(job.lease.place);
        match attempt {
            1 => end(store.as_ref(), &job, retry(0), 0).await,
            2 => end(store.as_ref(), &job, snoozed(0), 0).await,
            3 => end(store.as_ref(), &job, tidings_core::store::JobEnd::GivenBack, 0).await,
            4 => store = crash(database.as_mut()).await,
            5 => {
                end(store.as_ref(), &job, dead(false), 0).await;
                store.revive_job(id, at(0)).await.expect("a dead job is revived");
            }
            _ => complete(store.as_ref(), &job, 0).await,
        }
    }
    assert_eq!(places.len(), 1, "a job stays in its place");
}
