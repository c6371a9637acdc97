//! What people are told of jobs.

use std::sync::Arc;

use jiff::Timestamp;
use tidings_core::ids::MessageId;
use tidings_core::store::{CronSpec, JobEnd, JobFilter, JobState, NewJob, UniqueKey};

use super::support::*;

/// Jobs are listed oldest first, within the limit, by queue, name and state in any combination.
pub async fn jobs_are_listed_by_queue_name_and_state(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (queues, names) = (["mail", "letters"], ["suite.send", "suite.print"]);
    let all: Vec<_> = (0..24)
        .map(|index| NewJob {
            priority: -(index as i16),
            due: at(if index % 3 == 0 { 50 } else { 0 }),
            ..of_queue(queues[index % 2], named(names[index / 2 % 2]))
        })
        .collect();
    enqueue(store.as_ref(), &all).await;
    let states = [JobState::Ready, JobState::Scheduled, JobState::Dead];
    let queues = queues.map(|queue| Some(Arc::from(queue)));
    let names = names.map(|name| Some(Arc::from(name)));
    for queue in [None].iter().chain(&queues) {
        for name in [None].iter().chain(&names) {
            for state in [None].into_iter().chain(states.map(Some)) {
                let filter = JobFilter { queue: queue.clone(), name: name.clone(), state };
                let fits = |job: &&NewJob| {
                    let is = if job.due > job.at { JobState::Scheduled } else { JobState::Ready };
                    queue.as_ref().is_none_or(|queue| *queue == job.queue)
                        && name.as_ref().is_none_or(|name| *name == job.name)
                        && state.is_none_or(|state| state == is)
                };
                let expected: Vec<_> = all.iter().filter(fits).map(|job| job.id).collect();
                assert_eq!(listed(store.as_ref(), &filter).await, expected, "jobs are listed by {filter:?}");
                let few = store.jobs(&filter, 3).await.expect("jobs are listed");
                let few: Vec<_> = few.iter().map(|row| row.id).collect();
                assert_eq!(few, expected[..expected.len().min(3)], "oldest first, within the limit");
            }
        }
    }
}

/// The jobs of a flow are told in the order of their enqueueing, ended ones among them, and those of no other flow.
pub async fn the_jobs_of_a_flow_are_told(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let (flow, cause) = (MessageId::new(), MessageId::new());
    let of_flow = |priority| NewJob { correlation_id: flow, causation_id: Some(cause), ..prior(priority) };
    let all = [of_flow(5), job(), of_flow(1), job(), of_flow(3)];
    enqueue(store.as_ref(), &all).await;
    let first = worker.claim(store.as_ref(), 1, 1).await.jobs;
    complete(store.as_ref(), &first[0], 2).await;
    let rows = store.flow_jobs(flow).await.expect("the jobs of a flow are told");
    let found: Vec<_> = rows.iter().map(|row| row.id).collect();
    assert_eq!(
        found,
        [all[0].id, all[2].id, all[4].id],
        "the jobs of a flow are told in the order of their enqueueing"
    );
    assert!(rows.iter().all(|row| row.causation_id == Some(cause)), "with their cause");
    let nothing = store.flow_jobs(MessageId::new()).await.expect("a flow is asked for");
    assert!(nothing.is_empty(), "a flow without jobs has none");
    assert!(store.job(flow).await.expect("a job is looked up").is_none(), "nobody takes a flow for a job");
    assert!(attempts(store.as_ref(), MessageId::new()).await.is_empty(), "an unknown job has no attempts");
}

/// A queue tells how many of its jobs are in which state, since when the oldest that may run waits, and when the next is
/// due.
pub async fn queues_count_their_jobs(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    assert!(store.queues().await.expect("queues are listed").is_empty(), "at first there is no queue");
    let worker = Worker::enlist(store.as_ref()).await;
    let done = worker.begin(store.as_ref(), job(), 1).await;
    complete(store.as_ref(), &done, 1).await;
    let died = worker.begin(store.as_ref(), job(), 1).await;
    end(store.as_ref(), &died, dead(false), 1).await;
    worker.begin(store.as_ref(), keyed("a"), 1).await;
    let new = |seconds: i64, due: i64, job: NewJob| NewJob { at: at(seconds), due: at(due), ..job };
    let waiting =
        [new(7, 7, prior(-1)), new(5, 5, job()), new(3, 60, job()), new(4, 50, job()), new(1, 1, keyed("a"))];
    enqueue(store.as_ref(), &waiting).await;
    enqueue(store.as_ref(), &[of_queue("letters", new(9, 9, job()))]).await;
    let all = store.queues().await.expect("queues are listed");
    let names: Vec<_> = all.iter().map(|queue| &*queue.name).collect();
    assert_eq!(names, ["letters", QUEUE], "queues are listed by name");
    let mail = &all[1];
    let mut counts = mail.jobs.clone();
    counts.sort();
    let expected = [
        (JobState::Scheduled, 2),
        (JobState::Ready, 2),
        (JobState::Behind, 1),
        (JobState::Running, 1),
        (JobState::Completed, 1),
        (JobState::Dead, 1),
    ];
    assert_eq!(counts, expected, "a queue counts its jobs by state, and leaves out what it has not");
    assert_eq!(
        (mail.oldest_ready, mail.next_due),
        (Some(at(5)), Some(at(50))),
        "its oldest, and its next time"
    );
    assert_eq!(mail.paused, None);
    assert_eq!((all[0].oldest_ready, all[0].next_due), (Some(at(9)), None), "each queue counts its own");
    assert_eq!(all[0].count(JobState::Ready), 1);
}

/// A time beyond all that a store can keep is no time that it fails at: jobs that are never due are listed, and the others
/// are claimed beside them.
pub async fn a_time_that_never_comes_is_kept(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let never = Timestamp::MAX;
    let mut ids = Vec::new();
    for end in [JobEnd::Snoozed { due: never }, JobEnd::Retry { due: never, error: "x".to_owned() }] {
        let job = worker.begin(store.as_ref(), job(), 1).await;
        super::support::end(store.as_ref(), &job, end, 2).await;
        ids.push(job.lease.id);
    }
    let unique = UniqueKey { until: Some(never), ..unique("k", 1).unique.expect("a unique job") };
    ids.push(enqueue_one(store.as_ref(), NewJob { due: never, unique: Some(unique), ..job() }).await);
    let ready = enqueue_one(store.as_ref(), job()).await;
    let spec =
        CronSpec { name: "suite.never".into(), expression: "@".to_owned(), next: never, latest: never };
    store.register_crons(std::slice::from_ref(&spec), at(0)).await.expect("a recurring job is entered");
    let store = reopen(database.as_mut()).await;
    store.register_crons(&[spec], at(0)).await.expect("a recurring job that never comes is there again");
    for id in &ids {
        let waiting = row(store.as_ref(), *id).await;
        assert_eq!(waiting.state, JobState::Scheduled, "a job that is never due waits");
        assert!(waiting.due > at(200_000_000_000), "for a time that is far off: {}", waiting.due);
    }
    ids.push(ready);
    let mut all = listed(store.as_ref(), &JobFilter::default()).await;
    all.sort();
    ids.sort();
    assert_eq!(all, ids, "jobs that are never due are listed");
    assert!(!store.queues().await.expect("queues are listed").is_empty());
    let worker = Worker::enlist(store.as_ref()).await;
    assert_eq!(worker.claim_ids(store.as_ref(), 9).await, [ready], "and hold nobody back");
}
