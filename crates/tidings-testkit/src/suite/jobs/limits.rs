//! Queues of which so many jobs may run at once, over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidings_core::store::{Claimed, JobEnd};
use tokio::task::JoinSet;

use super::support::*;
use crate::random::Random;

const WORKERS: usize = 5;

/// What is left has to wait for an end: there is nothing to claim now, and no time to look again.
fn assert_full(claimed: &Claimed, jobs: usize, of: &str) {
    let told = (claimed.jobs.len(), claimed.more, claimed.next_at);
    assert_eq!(told, (jobs, false, None), "a queue runs no more than its limit, {of}");
}

/// Of a queue with a limit no more run at once than it says, whoever claims; whatever an attempt ends with makes room for another.
pub async fn a_queue_runs_no_more_than_its_limit(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let one = Worker::enlist(store).await.at_most(3);
    let other = Worker::enlist(store).await.at_most(3);
    enqueue(store, &jobs(30)).await;
    enqueue(store, &[of_queue("other", job())]).await;
    let first = one.claim(store, 2, 1).await;
    assert!(first.jobs.len() == 2 && first.more, "there is room for one more");
    let mut held = first.jobs;
    let last = other.claim(store, 10, 1).await;
    assert_full(&last, 1, "by two workers");
    held.extend(last.jobs);
    assert_full(&one.claim(store, 10, 2).await, 0, "for who has some");
    assert_full(&other.claim(store, 10, 2).await, 0, "for another");
    assert_eq!(other.at("other").claim(store, 10, 2).await.jobs.len(), 1, "another queue has its own");
    let cancelled = JobEnd::Cancelled { reason: "no more".to_owned() };
    let ends = [JobEnd::Completed, retry(100), snoozed(100), dead(false), cancelled, JobEnd::GivenBack];
    for how in ends {
        end(store, &held.remove(0), how.clone(), 3).await;
        let mut claimed = other.claim(store, 10, 4).await;
        // What waits for its time is told, whatever the limit says.
        claimed.next_at = claimed.next_at.filter(|at_time| *at_time != at(100));
        assert_full(&claimed, 1, &format!("after an end: {how:?}"));
        held.extend(claimed.jobs);
    }
    let ends = held.iter().take(2).map(|job| (job.lease, JobEnd::Completed)).collect();
    assert_eq!(end_all(store, ends, 5).await, [true; 2]);
    let undone = run(store, [Op::Claim(one.claiming(10, at(6))), Op::Fail]).await;
    assert!(undone.is_err());
    assert_eq!(one.claim(store, 10, 7).await.jobs.len(), 2, "a claim that was undone runs nothing");
}

/// Each claim obeys the limit that it names itself, and counts what all have claimed.
pub async fn each_claim_obeys_its_own_limit(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let worker = Worker::enlist(store).await;
    enqueue(store, &jobs(30)).await;
    assert_full(&worker.at_most(2).claim(store, 10, 1).await, 2, "with a limit of 2");
    assert_full(&worker.at_most(3).claim(store, 10, 1).await, 1, "with a limit of 3");
    assert_eq!(worker.claim(store, 5, 1).await.jobs.len(), 5, "without a limit there is none");
    assert_full(&worker.at_most(8).claim(store, 10, 1).await, 0, "with a limit of 8");
    assert_full(&worker.at_most(1).claim(store, 10, 1).await, 0, "with a limit of 1");
    assert_full(&worker.at_most(10).claim(store, 2, 1).await, 2, "where it is used up to the last");
    assert_full(&worker.at_most(10).claim(store, 2, 1).await, 0, "where it was");
}

/// What a worker that is killed, or hangs, has claimed counts until it is taken over.
pub async fn a_lost_worker_counts_until_it_is_taken_over(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let lost = Worker::enlist(store.as_ref()).await.at_most(3);
    enqueue(store.as_ref(), &jobs(10)).await;
    assert_full(&lost.claim(store.as_ref(), 3, 1).await, 3, "all by one");
    let store = crash(database.as_mut()).await;
    let store = store.as_ref();
    let next = Worker::enlist(store).await.at_most(3);
    assert_full(&next.claim(store, 10, 2).await, 0, "while nobody has taken over what a lost worker had");
    assert_eq!(next.take_over(store, 3).await, 3);
    let claimed = next.claim(store, 10, 4).await;
    assert_full(&claimed, 2, "and one slot is kept for the suspects, once it is taken over");
    let suspect = next.claim_suspect(store, 5).await.expect("a suspect has its slot");
    assert_full(&next.claim(store, 10, 6).await, 0, "with a suspect that runs");
    complete(store, &suspect, 7).await;
    assert_full(&next.claim(store, 10, 8).await, 0, "while other suspects wait");
    let second = next.claim_suspect(store, 9).await.expect("a suspect has the slot");
    complete(store, &second, 10).await;
    let third = next.claim_suspect(store, 11).await.expect("a suspect has the slot");
    complete(store, &third, 12).await;
    assert_full(&next.claim(store, 10, 13).await, 1, "when no suspect waits");
}

/// A suspect is claimed only where there is room, and the limits of other queues say nothing of it. One that the worker cannot
/// do keeps nobody waiting.
pub async fn suspects_obey_the_limit(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let lost = Worker::enlist(store).await;
    lost.begin(store, job(), 1).await;
    lost.for_names(&["suite.print"]).begin(store, named("suite.print"), 1).await;
    lapse(database.as_ref()).await;
    let next = Worker::enlist(store).await;
    assert_eq!(next.take_over(store, 2).await, 2);
    enqueue(store, &jobs(5)).await;
    let running = next.claim(store, 2, 3).await.jobs;
    assert!(
        next.at_most(2).claim_suspect(store, 4).await.is_none(),
        "a suspect obeys the limit of its queue"
    );
    assert!(next.at_most(1).claim_suspect(store, 4).await.is_none(), "whatever it is");
    complete(store, &running[0], 5).await;
    assert_full(&next.at_most(2).claim(store, 5, 6).await, 0, "while a suspect waits");
    let suspect = next.at_most(2).claim_suspect(store, 7).await.expect("there is room for a suspect");
    assert_full(&next.at_most(2).claim(store, 5, 8).await, 0, "with a suspect that runs");
    complete(store, &suspect, 9).await;
    assert_full(&next.at_most(2).claim(store, 5, 10).await, 1, "where the suspect is nobody's concern");
    let (full, open) = ((Arc::from(QUEUE), Some(1)), (Arc::from("other"), None));
    let both = Op::ClaimSuspect(next.id, vec![open, full], vec!["suite.print".into()], at(11));
    let answers = ask(store, [both]).await.expect("a claim is answered");
    assert!(
        matches!(&answers[..], [Answer::Suspect(None)]),
        "a full queue gives out no suspect: {answers:?}"
    );
}

/// A limit of how many run and one of how many start go together: the narrower of the two is told.
pub async fn a_limit_goes_with_a_rate(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    // Two at once, and one more each second and a half.
    let worker = Worker::enlist(store).await.limited(40, Duration::from_secs(60)).at_most(3);
    enqueue(store, &jobs(20)).await;
    let claimed = worker.claim(store, 10, 0).await;
    assert_eq!(claimed.jobs.len(), 2, "the rate is the narrower one");
    assert!(!claimed.more && claimed.next_at.is_some(), "it is told when it allows another: {claimed:?}");
    let last = worker.claim(store, 10, 100).await;
    assert_full(&last, 1, "where its rate would allow more");
    complete(store, &last.jobs[0], 101).await;
    assert_full(&worker.claim(store, 10, 200).await, 1, "after an end");
    let starts = store.queues().await.expect("queues are listed");
    assert_eq!(starts.len(), 1);
    end(store, &claimed.jobs[0], JobEnd::Completed, 200).await;
    let both = worker.claim(store, 10, 200).await;
    assert_full(&both, 1, "where the rate allows as many");
}

/// A limit counts jobs with keys like others, and a head that makes room for the next of its key makes room for it here, too.
pub async fn a_limit_goes_with_keys(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let worker = Worker::enlist(store).await.at_most(2);
    let all = [keyed("a"), keyed("a"), keyed("b"), keyed("c"), job()];
    enqueue(store, &all).await;
    let mut running = worker.claim(store, 10, 1).await;
    assert_full(&running, 2, "of three keys");
    assert_eq!(ids(&running.jobs), [all[0].id, all[2].id], "the first of two keys");
    for expected in [1, 3, 4] {
        complete(store, &running.jobs.remove(0), 2).await;
        let next = worker.claim(store, 10, 3).await;
        assert_eq!(ids(&next.jobs), [all[expected].id], "one ends, and one begins");
        running.jobs.extend(next.jobs);
    }
}

/// What runs counts in the queue that its name has now.
pub async fn what_moves_counts_where_it_is(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let place = async |queue: &str| {
        store.place_jobs(&[(NAME.into(), queue.into())]).await.expect("jobs are placed");
    };
    place(QUEUE).await;
    let worker = Worker::enlist(store).await.at_most(2);
    enqueue(store, &jobs(10)).await;
    let running = worker.claim(store, 10, 1).await;
    assert_full(&running, 2, "before they move");
    place("other").await;
    enqueue(store, &[named("suite.print")]).await;
    let stays = worker.for_names(&["suite.print"]).claim(store, 10, 2).await;
    assert_eq!(stays.jobs.len(), 1, "what has moved takes no room where it was");
    assert_full(&worker.at("other").claim(store, 10, 3).await, 0, "to which they have moved");
    for (round, queue) in [QUEUE, "other", QUEUE, "other"].into_iter().enumerate() {
        place(queue).await;
        assert_full(&worker.at(queue).claim(store, 10, 4).await, 0, &format!("move {round}"));
    }
    complete(store, &running.jobs[0], 5).await;
    assert_full(&worker.at("other").claim(store, 10, 6).await, 1, "when one of them has ended");
}

/// Whoever waits for room hears of an end that makes some, also of one in a transaction of its own.
pub async fn who_waits_for_room_hears_of_it(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let worker = Worker::enlist(store).await.at_most(2);
    enqueue(store, &jobs(10)).await;
    let mut running = worker.claim(store, 2, 1).await.jobs;
    let mut watch = store.watch_queue(QUEUE);
    complete(store, &running.remove(0), 2).await;
    assert_heard(watch.as_mut(), "an attempt that has completed its job").await;
    running.extend(worker.claim(store, 1, 3).await.jobs);
    let mut watch = store.watch_queue(QUEUE);
    let ends = running.iter().map(|job| (job.lease, JobEnd::Completed)).collect();
    assert_eq!(end_all(store, ends, 4).await, [true; 2]);
    assert_heard(watch.as_mut(), "attempts that have completed their jobs together").await;
    let running = worker.claim(store, 2, 5).await.jobs;
    let mut watch = store.watch_queue(QUEUE);
    run(store, [Op::Finish(running[0].lease, at(6))]).await.expect("a job finishes");
    assert_heard(watch.as_mut(), "a job that finishes by itself").await;
    if let Some(at_once) = store.at_once() {
        let mut watch = store.watch_queue(QUEUE);
        let ends = [(running[1].lease, JobEnd::Completed)];
        let (good, _) = at_once.end_and_claim(&ends, at(7), None).await.expect("an end is answered");
        assert_eq!(good, [true]);
        assert_heard(watch.as_mut(), "an end without a claim").await;
        let running = worker.claim(store, 2, 8).await.jobs;
        let mut watch = store.watch_queue(QUEUE);
        let ends = running.iter().map(|job| (job.lease, JobEnd::Completed)).collect::<Vec<_>>();
        let claiming = worker.claiming(1, at(9));
        let (good, claimed) =
            at_once.end_and_claim(&ends, at(9), Some(&claiming.claim())).await.expect("it is answered");
        assert_eq!((good.len(), claimed.jobs.len()), (2, 1));
        assert_heard(watch.as_mut(), "a claim that leaves room which its ends have made").await;
    }
}

/// However many claim and end at the same time, and although some claims are undone: no more run at once than the limit says,
/// and each job is done.
pub async fn many_workers_keep_the_limit(factory: &dyn StoreFactory) {
    const LIMIT: usize = 4;
    let database = factory.fresh().await;
    let store = database.store();
    let seed = Random::seed(11);
    enqueue(store.as_ref(), &jobs(120)).await;
    let (running, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for number in 0..WORKERS as u64 {
        let (store, running, done) = (store.clone(), running.clone(), done.clone());
        tasks.spawn(async move {
            let worker = Worker::enlist(store.as_ref()).await.at_most(LIMIT as u32);
            let mut random = Random::new(seed.wrapping_add(number));
            while done.load(Ordering::SeqCst) < 120 {
                let mut ops = vec![Op::Claim(worker.claiming(1 + random.below(4), at(1)))];
                ops.extend(random.chance(15).then_some(Op::Fail));
                let Ok(answers) = ask(store.as_ref(), ops).await else { continue };
                let [Answer::Claimed(claimed)] = &answers[..] else { panic!("one answer: {answers:?}") };
                let now = running.fetch_add(claimed.jobs.len(), Ordering::SeqCst) + claimed.jobs.len();
                assert!(now <= LIMIT, "no more run at once than the limit says: {now}, seed {seed}");
                for job in &claimed.jobs {
                    running.fetch_sub(1, Ordering::SeqCst);
                    let completes = random.chance(70);
                    let how = if completes { JobEnd::Completed } else { JobEnd::GivenBack };
                    end(store.as_ref(), job, how, 1).await;
                    done.fetch_add(usize::from(completes), Ordering::SeqCst);
                }
            }
        });
    }
    tasks.join_all().await;
}
