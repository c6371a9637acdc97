//! Queues that are paused, and jobs that change their queue.

use std::sync::Arc;

use tidings_core::ids::MessageId;
use tidings_core::store::{ClaimedJob, JobEnd, JobState, NewJob, QueueStatus, Store};

use super::support::*;

async fn status(store: &dyn Store, name: &str) -> Option<QueueStatus> {
    let all = store.queues().await.expect("queues are listed");
    all.into_iter().find(|status| *status.name == *name)
}

/// From a paused queue nothing is claimed, suspects included, until it is resumed; what runs goes on, and the reason is
/// told, also after a crash.
pub async fn a_paused_queue_gives_nothing_out(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    enqueue(store.as_ref(), &[job(), delayed(5), of_queue("other", job())]).await;
    let running = worker.claim_one(store.as_ref(), 1).await;
    store.pause_queue(QUEUE, "the supplier is down", at(2)).await.expect("a queue is paused");
    let added = enqueue_one(store.as_ref(), job()).await;
    let claimed = worker.claim(store.as_ref(), 10, 10).await;
    assert!(claimed.jobs.is_empty() && !claimed.more, "from a paused queue nothing is claimed: {claimed:?}");
    assert_eq!(worker.at("other").claim_ids(store.as_ref(), 10).await.len(), 1, "other queues go on");
    let paused = status(store.as_ref(), QUEUE).await.expect("a queue is listed");
    assert_eq!(paused.paused.as_deref(), Some("the supplier is down"), "a paused queue says why");
    end(store.as_ref(), &running, retry(3), 3).await;
    assert_eq!(
        row(store.as_ref(), running.lease.id).await.failures,
        1,
        "what runs in a paused queue ends as ever"
    );
    store.resume_queue(QUEUE, at(11)).await.expect("a queue is resumed");
    let paused = status(store.as_ref(), QUEUE).await.expect("a queue is listed").paused;
    assert_eq!(paused, None, "a resumed queue is not paused");
    let first = worker.claim(store.as_ref(), 1, 12).await.jobs;
    assert_eq!(ids(&first), [running.lease.id], "a resumed queue goes on");

    store.pause_queue(QUEUE, "again", at(13)).await.expect("a queue is paused");
    let store = crash(database.as_mut()).await;
    let worker = Worker::enlist(store.as_ref()).await;
    assert_eq!(worker.take_over(store.as_ref(), 14).await, 2, "what ran in either queue is taken over");
    assert!(worker.claim_ids(store.as_ref(), 15).await.is_empty(), "a queue is paused after a crash, too");
    assert!(
        worker.claim_suspect(store.as_ref(), 15).await.is_none(),
        "no suspect is claimed from a paused queue"
    );
    store.resume_queue(QUEUE, at(16)).await.expect("a queue is resumed");
    assert!(worker.claim_suspect(store.as_ref(), 17).await.is_some(), "a resumed queue gives out suspects");
    assert!(worker.claim_ids(store.as_ref(), 17).await.contains(&added), "and the others");
}

/// A queue may be paused before there is anything in it, paused twice, and resumed without having been paused.
pub async fn a_queue_without_jobs_may_be_paused(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    store.resume_queue("quiet", at(0)).await.expect("a queue that is not paused may be resumed");
    for reason in ["first", "second"] {
        store.pause_queue("quiet", reason, at(1)).await.expect("a queue is paused");
        let paused =
            status(store.as_ref(), "quiet").await.expect("a paused queue is listed without jobs").paused;
        assert_eq!(paused.as_deref(), Some(reason), "the last reason counts");
    }
    let worker = Worker::enlist(store.as_ref()).await.at("quiet");
    enqueue_one(store.as_ref(), of_queue("quiet", job())).await;
    assert!(worker.claim_ids(store.as_ref(), 2).await.is_empty(), "what comes into a paused queue waits");
}

/// A queue is on record for a job of it, whatever its state, for a name of jobs that wait in it, or for a pause, by which it
/// is also listed.
pub async fn a_queue_is_on_record_for_what_is_known_of_it(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    enqueue(store.as_ref(), &[of_queue("ready", job()), of_queue("delayed", delayed(50))]).await;
    for queue in ["running", "done", "dead", "cancelled"] {
        let id = enqueue_one(store.as_ref(), of_queue(queue, job())).await;
        match queue {
            "cancelled" => drop(store.cancel_job(id, "no more", at(1)).await.expect("a job is cancelled")),
            _ => {
                let job = worker.at(queue).claim_one(store.as_ref(), 1).await;
                match queue {
                    "done" => complete(store.as_ref(), &job, 1).await,
                    "dead" => end(store.as_ref(), &job, dead(false), 1).await,
                    _ => {}
                }
            }
        }
    }
    store.pause_queue("empty", "a test", at(1)).await.expect("a queue is paused");
    place(store.as_ref(), &[("suite.fax", "named")]).await;
    let store = reopen(database.as_mut()).await;
    let known = ["ready", "delayed", "running", "done", "dead", "cancelled", "empty", "named"];
    for queue in known {
        assert!(store.is_queue(queue).await.expect("a queue is looked for"), "{queue} is on record");
        assert!(status(store.as_ref(), queue).await.is_some(), "{queue} is listed");
    }
    for queue in ["Ready", "read", ""] {
        assert!(!store.is_queue(queue).await.expect("a queue is looked for"), "`{queue}` is unknown");
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
    pairs.iter().map(|(name, queue)| (Arc::from(*name), Arc::from(*queue))).collect()
}

async fn place(store: &dyn Store, names: &[(&str, &str)]) -> Vec<(String, u64)> {
    let left = store.place_jobs(&pairs(names)).await.expect("jobs are placed");
    left.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_string(), count)).collect()
}

/// Jobs whose name is given another queue wait there, whatever they wait for: their time, a person, their worker's end.
pub async fn jobs_move_to_the_queue_of_their_name(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let before = [(NAME, QUEUE), ("suite.print", QUEUE)];
    assert!(place(store.as_ref(), &before).await.is_empty(), "at first there is nobody to tell of");
    let worker = Worker::enlist(store.as_ref()).await;
    let mut dead_one = worker.begin(store.as_ref(), job(), 1).await;
    end(store.as_ref(), &dead_one, dead(false), 1).await;
    let done = worker.begin(store.as_ref(), job(), 1).await;
    complete(store.as_ref(), &done, 1).await;
    let running = worker.begin(store.as_ref(), job(), 1).await;
    let cancelled = enqueue_one(store.as_ref(), job()).await;
    store.cancel_job(cancelled, "no more", at(1)).await.expect("a job is cancelled");
    let (ready, late) =
        (enqueue_one(store.as_ref(), job()).await, enqueue_one(store.as_ref(), delayed(50)).await);
    let stays = enqueue_one(store.as_ref(), named("suite.print")).await;
    let store = reopen(database.as_mut()).await;
    let after = [(NAME, "letters"), ("suite.print", QUEUE)];
    assert!(
        place(store.as_ref(), &after).await.is_empty(),
        "a name that is told again is no more to tell of"
    );
    let worker = Worker::enlist(store.as_ref()).await.at("letters").for_names(&[NAME, "suite.print"]);
    worker.take_over(store.as_ref(), 2).await;
    let suspect =
        worker.claim_suspect(store.as_ref(), 3).await.expect("what ran is a suspect of the new queue");
    assert_eq!(suspect.lease.id, running.lease.id, "what ran waits in the new queue");
    for id in [dead_one.lease.id, cancelled] {
        store.revive_job(id, at(4)).await.expect("a job is revived");
    }
    let got = worker.claim(store.as_ref(), 10, 5).await;
    let expected = [dead_one.lease.id, cancelled, ready];
    assert_eq!(ids(&got.jobs), expected, "jobs wait in the queue of their name, also those that are revived");
    assert_eq!(got.next_at, Some(at(50)), "and so do those that are not due");
    assert_eq!(worker.claim_ids(store.as_ref(), 50).await, [late], "also later");
    dead_one = got.jobs[0].clone();
    end(store.as_ref(), &dead_one, retry(60), 51).await;
    assert_eq!(
        worker.claim_ids(store.as_ref(), 60).await,
        [dead_one.lease.id],
        "and also when they are tried again"
    );
    assert_eq!(
        worker.at(QUEUE).claim_ids(store.as_ref(), 60).await,
        [stays],
        "other names stay where they are"
    );
    assert_eq!(&*row(store.as_ref(), ready).await.queue, "letters", "a job says in which queue it is");
}

/// Names that were told before and are not told now are told for as long as they have jobs that have not ended.
pub async fn names_that_are_no_more_are_told_with_their_jobs(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    place(store.as_ref(), &[(NAME, QUEUE), ("suite.print", QUEUE), ("suite.fax", QUEUE)]).await;
    let worker = Worker::enlist(store.as_ref()).await.for_names(&["suite.print"]);
    let print = |due| NewJob { name: "suite.print".into(), ..delayed(due) };
    enqueue(store.as_ref(), &[print(0), print(0), print(0), print(90), job()]).await;
    let held = worker.claim(store.as_ref(), 2, 1).await.jobs;
    complete(store.as_ref(), &held[0], 1).await;
    end(store.as_ref(), &held[1], dead(false), 1).await;
    for _ in 0..2 {
        let store = reopen(database.as_mut()).await;
        let left = place(store.as_ref(), &[(NAME, QUEUE)]).await;
        assert_eq!(
            left,
            [("suite.print".to_owned(), 3)],
            "a name that is no more is told with its jobs, dead ones among them"
        );
    }
    let store = database.store();
    let left = place(store.as_ref(), &[(NAME, QUEUE), ("suite.print", QUEUE)]).await;
    assert!(left.is_empty(), "a name that is there again is not told: {left:?}");
    let worker = Worker::enlist(store.as_ref()).await.for_names(&["suite.print"]);
    for job in worker.claim(store.as_ref(), 10, 90).await.jobs {
        complete(store.as_ref(), &job, 91).await;
    }
    store.discard_job(held[1].lease.id, "given up", at(92)).await.expect("a job is discarded");
    let left = place(store.as_ref(), &[(NAME, QUEUE)]).await;
    assert!(left.is_empty(), "a name whose jobs have all ended is nobody's concern: {left:?}");
}

/// Two names of one queue that part: what waited behind a job of the other name runs, because keys do not span queues.
pub async fn a_key_parts_with_its_queue(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let print = || NewJob { name: "suite.print".into(), ..keyed("a") };
    place(store.as_ref(), &[(NAME, QUEUE), ("suite.print", QUEUE)]).await;
    let all = [keyed("a"), print(), keyed("a"), print()];
    enqueue(store.as_ref(), &all).await;
    let worker = Worker::enlist(store.as_ref()).await.for_names(&[NAME, "suite.print"]);
    let head = worker.claim_one(store.as_ref(), 1).await;
    place(store.as_ref(), &[(NAME, QUEUE), ("suite.print", "printer")]).await;
    let at_printer = worker.at("printer");
    let next = at_printer.claim_one(store.as_ref(), 2).await;
    assert_eq!(next.lease.id, all[1].id, "who waited behind a job of another queue waits no more");
    assert!(worker.claim_ids(store.as_ref(), 2).await.is_empty(), "within a queue the order stays");
    complete(store.as_ref(), &head, 3).await;
    complete(store.as_ref(), &next, 3).await;
    assert_eq!(worker.claim_ids(store.as_ref(), 4).await, [all[2].id]);
    assert_eq!(at_printer.claim_ids(store.as_ref(), 4).await, [all[3].id]);
}

/// Two queues that become one: of each key still only one job runs at a time, those that have not begun in the order of
/// their enqueueing.
pub async fn a_key_joins_with_its_queue(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let print = || NewJob { name: "suite.print".into(), ..of_queue("printer", keyed("a")) };
    place(store.as_ref(), &[(NAME, QUEUE), ("suite.print", "printer")]).await;
    let all = [print(), keyed("a"), print(), keyed("a")];
    enqueue(store.as_ref(), &all).await;
    let worker = Worker::enlist(store.as_ref()).await.for_names(&[NAME, "suite.print"]);
    let head = worker.claim_one(store.as_ref(), 1).await;
    assert_eq!(head.lease.id, all[1].id);
    place(store.as_ref(), &[(NAME, QUEUE), ("suite.print", QUEUE)]).await;
    assert!(
        worker.claim_ids(store.as_ref(), 2).await.is_empty(),
        "while one of a key runs, none that joined it does"
    );
    complete(store.as_ref(), &head, 3).await;
    let mut got: Vec<MessageId> = Vec::new();
    for seconds in 4..7 {
        let job = worker.claim_one(store.as_ref(), seconds).await;
        got.push(job.lease.id);
        complete(store.as_ref(), &job, seconds).await;
    }
    assert_eq!(got, [all[0].id, all[2].id, all[3].id], "the others follow in the order of their enqueueing");
    assert_eq!(states(store.as_ref(), &new_ids(&all)).await, [JobState::Completed; 4]);
}

/// Two jobs of a key that ran, each in its queue, when their queues became one: they go on, but whichever is to be tried again
/// waits until the other has ended.
pub async fn jobs_that_a_joined_queue_found_running_run_again_one_by_one(factory: &dyn StoreFactory) {
    for how in [retry(3), snoozed(3), JobEnd::GivenBack, dead(false)] {
        for older_goes_on in [true, false] {
            let database = factory.fresh().await;
            let store = database.store();
            let both = join_two_running(store.as_ref()).await;
            let [goes_on, again] = if older_goes_on { [&both[0], &both[1]] } else { [&both[1], &both[0]] };
            let later = enqueue_one(store.as_ref(), keyed("a")).await;
            end(store.as_ref(), again, how.clone(), 3).await;
            if let JobEnd::Dead { .. } = how {
                store.revive_job(again.lease.id, at(3)).await.expect("a dead job is revived");
            }
            let worker = Worker { id: again.lease.worker, ..of_both(store.as_ref()).await };
            assert!(
                worker.claim_ids(store.as_ref(), 10).await.is_empty(),
                "while one of a key runs no other does: {how:?}, older {older_goes_on}"
            );
            assert_eq!(state(store.as_ref(), again.lease.id).await, JobState::Behind, "it waits: {how:?}");
            complete(store.as_ref(), goes_on, 11).await;
            for expected in [again.lease.id, later] {
                let next = worker.claim_one(store.as_ref(), 12).await;
                assert_eq!(next.lease.id, expected, "then it is the next one: {how:?}");
                complete(store.as_ref(), &next, 12).await;
            }
        }
    }
}

/// The same where the other one is dead and holds the key: a person decides first.
pub async fn a_dead_job_of_a_joined_queue_holds_its_key(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let [first, second] = join_two_running(store.as_ref()).await;
    let worker = of_both(store.as_ref()).await;
    end(store.as_ref(), &second, dead(false), 3).await;
    end(store.as_ref(), &first, retry(3), 3).await;
    assert!(worker.claim_ids(store.as_ref(), 10).await.is_empty(), "a dead job holds its key");
    store.discard_job(second.lease.id, "given up", at(11)).await.expect("a dead job is discarded");
    assert_eq!(worker.claim_ids(store.as_ref(), 12).await, [first.lease.id], "until somebody has decided");
}

/// Those that are lost together are run again one by one, the oldest first.
pub async fn lost_jobs_of_a_joined_queue_run_again_in_their_order(factory: &dyn StoreFactory) {
    for place_first in [true, false] {
        let mut database = factory.fresh().await;
        let store = database.store();
        let both = two_running(store.as_ref()).await;
        let both = both.map(|job| job.lease.id);
        if place_first {
            join(store.as_ref()).await;
        }
        let store = crash(database.as_mut()).await;
        let worker = of_both(store.as_ref()).await;
        assert_eq!(worker.take_over(store.as_ref(), 3).await, 2);
        if !place_first {
            join(store.as_ref()).await;
        }
        for (index, id) in both.into_iter().enumerate() {
            let suspect = worker.claim_suspect(store.as_ref(), 4).await.expect("a suspect");
            assert_eq!(suspect.lease.id, id, "the oldest is the first, placed first {place_first}");
            assert!(worker.claim_suspect(store.as_ref(), 5).await.is_none(), "one at a time");
            end(store.as_ref(), &suspect, retry(6), 5).await;
            assert!(
                worker.claim_suspect(store.as_ref(), 5).await.is_none(),
                "also when it is to be tried again"
            );
            let again = worker.claim_one(store.as_ref(), 7).await;
            assert_eq!(again.lease.id, id, "the first holds the key until it has ended, job {index}");
            complete(store.as_ref(), &again, 8).await;
        }
    }
}

/// And those that a worker gives back.
pub async fn a_worker_gives_back_jobs_of_a_joined_queue_in_their_order(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let both = join_two_running(store.as_ref()).await;
    store.dismiss(both[0].lease.worker, at(3)).await.expect("a worker is dismissed");
    let worker = of_both(store.as_ref()).await;
    for job in both {
        let next = worker.claim_one(store.as_ref(), 4).await;
        assert_eq!(next.lease.id, job.lease.id, "the oldest is the first");
        complete(store.as_ref(), &next, 5).await;
    }
}

async fn of_both(store: &dyn Store) -> Worker {
    Worker::enlist(store).await.for_names(&[NAME, "suite.print"])
}

/// Two jobs of one key, which one worker runs in two queues; the older one first.
async fn two_running(store: &dyn Store) -> [ClaimedJob; 2] {
    place(store, &[(NAME, QUEUE), ("suite.print", "printer")]).await;
    let print = NewJob { name: "suite.print".into(), ..of_queue("printer", keyed("a")) };
    enqueue(store, &[print, keyed("a")]).await;
    let worker = of_both(store).await;
    let first = worker.at("printer").claim_one(store, 1).await;
    [first, worker.claim_one(store, 1).await]
}

async fn join(store: &dyn Store) {
    place(store, &[(NAME, QUEUE), ("suite.print", QUEUE)]).await;
}

async fn join_two_running(store: &dyn Store) -> [ClaimedJob; 2] {
    let both = two_running(store).await;
    join(store).await;
    both
}
