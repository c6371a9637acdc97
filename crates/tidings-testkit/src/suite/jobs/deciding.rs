//! What people decide: to cancel, to try again, to give up.

use tidings_core::ids::MessageId;
use tidings_core::store::{AttemptEnd, Cancelled, DeathReason, JobEnd, JobState, Store, StoreError};

use super::support::*;

async fn cancel(store: &dyn Store, id: MessageId, seconds: i64) -> Cancelled {
    store.cancel_job(id, "no more wanted", at(seconds)).await.expect("a job is cancelled")
}

fn assert_not_found<T: std::fmt::Debug>(answer: Result<T, StoreError>, what: &str) {
    assert!(matches!(answer, Err(StoreError::NotFound { .. })), "{what} is not found: {answer:?}");
}

/// A job that is not running is cancelled at once, and says so; it is never claimed.
pub async fn a_waiting_job_is_cancelled_at_once(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let lost = Worker::enlist(store.as_ref()).await;
    let suspect = lost.begin(store.as_ref(), job(), 1).await.lease.id;
    lapse(database.as_ref()).await;
    let worker = Worker::enlist(store.as_ref()).await;
    worker.take_over(store.as_ref(), 2).await;
    let tried = worker.begin(store.as_ref(), job(), 2).await;
    end(store.as_ref(), &tried, retry(5), 2).await;
    let (ready, late) =
        (enqueue_one(store.as_ref(), job()).await, enqueue_one(store.as_ref(), delayed(9)).await);
    for id in [suspect, tried.lease.id, ready, late] {
        assert_eq!(
            cancel(store.as_ref(), id, 3).await,
            Cancelled::AtOnce,
            "a waiting job is cancelled at once"
        );
        let row = row(store.as_ref(), id).await;
        assert_eq!(
            (row.state, row.reason.as_deref(), row.ended_at, row.worker),
            (JobState::Cancelled, Some("no more wanted"), Some(at(3)), None),
            "a cancelled job says why, and since when"
        );
        assert_not_found(store.cancel_job(id, "again", at(4)).await, "a job that is cancelled already");
    }
    let claimed = worker.claim(store.as_ref(), 10, 1_000).await;
    assert!(claimed.jobs.is_empty(), "a cancelled job is not claimed");
    assert_eq!(claimed.next_at, None, "nor waited for");
    assert!(worker.claim_suspect(store.as_ref(), 1_000).await.is_none(), "also if it was suspect");
}

/// A running job is asked to stop: its worker hears of it with each heartbeat until the attempt has ended, and nobody else
/// does.
pub async fn a_running_job_is_asked_to_stop(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (worker, other) = (Worker::enlist(store.as_ref()).await, Worker::enlist(store.as_ref()).await);
    enqueue(store.as_ref(), &jobs(3)).await;
    let held = worker.claim(store.as_ref(), 2, 1).await.jobs;
    other.claim_one(store.as_ref(), 1).await;
    assert_eq!(cancel(store.as_ref(), held[0].lease.id, 2).await, Cancelled::Asked, "a running job is asked");
    let asked = row(store.as_ref(), held[0].lease.id).await;
    assert_eq!(
        (asked.state, asked.reason.as_deref()),
        (JobState::Running, Some("no more wanted")),
        "it is running, and is to be cancelled"
    );
    for _ in 0..3 {
        let beat = store.heartbeat(worker.id).await.expect("a worker lives");
        let expected = [(held[0].lease.id, held[0].lease.attempt, "no more wanted".to_owned())];
        assert_eq!(beat.cancelled, expected, "a worker hears of it until the attempt has ended");
        let beat = store.heartbeat(other.id).await.expect("a worker lives");
        assert!(beat.cancelled.is_empty(), "another worker does not");
    }
    assert_eq!(cancel(store.as_ref(), held[0].lease.id, 2).await, Cancelled::Asked, "it may be asked twice");
    end(store.as_ref(), &held[0], JobEnd::Cancelled { reason: "no more wanted".to_owned() }, 5).await;
    let row = row(store.as_ref(), held[0].lease.id).await;
    assert_eq!(
        (row.state, row.reason.as_deref(), row.ended_at),
        (JobState::Cancelled, Some("no more wanted"), Some(at(5))),
        "a job that was cancelled while it ran says why"
    );
    assert_eq!(
        attempt_ends(store.as_ref(), row.id).await,
        [(1, AttemptEnd::Cancelled)],
        "its attempt is listed"
    );
    let beat = store.heartbeat(worker.id).await.expect("a worker lives");
    assert!(beat.cancelled.is_empty(), "what has ended is not to be cancelled: {beat:?}");
}

/// A job that is done, or dead, before it hears that it is to be cancelled is done, or dead.
pub async fn a_cancel_that_came_late_changes_nothing(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    for (how, expected) in [(JobEnd::Completed, JobState::Completed), (dead(false), JobState::Dead)] {
        let job = worker.begin(store.as_ref(), keyed("a"), 1).await;
        assert_eq!(cancel(store.as_ref(), job.lease.id, 2).await, Cancelled::Asked);
        end(store.as_ref(), &job, how, 3).await;
        let row = row(store.as_ref(), job.lease.id).await;
        assert_eq!((row.state, row.reason), (expected, None), "a cancel that came late changes nothing");
        assert_not_found(
            store.cancel_job(job.lease.id, "again", at(4)).await,
            "a job that has ended, or is dead,",
        );
    }
}

/// A job that was asked to stop is not tried again, however its attempt ends otherwise.
pub async fn who_was_asked_to_stop_is_not_tried_again(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    for ending in 0..5 {
        let worker = Worker::enlist(store.as_ref()).await;
        let all = [keyed("a"), keyed("a")];
        enqueue(store.as_ref(), &all).await;
        let job = worker.claim_one(store.as_ref(), 1).await;
        assert_eq!(cancel(store.as_ref(), job.lease.id, 2).await, Cancelled::Asked);
        let listed = match ending {
            0 => (retry(5), AttemptEnd::Failed),
            1 => (snoozed(5), AttemptEnd::Snoozed),
            _ => (JobEnd::GivenBack, AttemptEnd::GivenBack),
        };
        let mut next = worker.clone();
        match ending {
            0..3 => end(store.as_ref(), &job, listed.0, 3).await,
            3 => store.dismiss(worker.id, at(3)).await.expect("a worker is dismissed"),
            _ => lapse(database.as_ref()).await,
        }
        if ending > 2 {
            next = Worker::enlist(store.as_ref()).await;
            next.take_over(store.as_ref(), 3).await;
        }
        let row = row(store.as_ref(), job.lease.id).await;
        assert_eq!(
            (row.state, row.reason.as_deref(), row.ended_at),
            (JobState::Cancelled, Some("no more wanted"), Some(at(3))),
            "who was asked to stop is cancelled when its attempt ends, way {ending}"
        );
        let expected = if ending == 4 { AttemptEnd::Lost } else { listed.1 };
        assert_eq!(
            attempt_ends(store.as_ref(), row.id).await,
            [(1, expected)],
            "the attempt is listed as it ended"
        );
        assert!(next.claim_suspect(store.as_ref(), 10).await.is_none(), "it is not tried again");
        let behind = next.claim_one(store.as_ref(), 10).await;
        assert_eq!(behind.lease.id, all[1].id, "and lets the next of its key run");
        complete(store.as_ref(), &behind, 11).await;
    }
}

/// A job that is revived runs at once, as if it had never been tried: with all its retries before it, and no suspicion.
pub async fn a_revived_job_starts_again(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let mut worker = Worker::enlist(store.as_ref()).await;
    let id = worker.begin(store.as_ref(), job(), 1).await.lease.id;
    lapse(database.as_ref()).await;
    worker = Worker::enlist(store.as_ref()).await;
    worker.take_over(store.as_ref(), 2).await;
    let job = worker.claim_suspect(store.as_ref(), 3).await.expect("a suspect");
    let lethal =
        JobEnd::Dead { reason: DeathReason::Lethal, error: "it kills".to_owned(), releases_key: false };
    end(store.as_ref(), &job, lethal, 3).await;
    let store = crash(database.as_mut()).await;
    worker = Worker::enlist(store.as_ref()).await;
    for (round, ending) in
        [retry(1_000), snoozed(1_000), JobEnd::Cancelled { reason: "x".to_owned() }, dead(true)]
            .into_iter()
            .enumerate()
    {
        let now = 10 * (round as i64 + 1);
        store.revive_job(id, at(now)).await.expect("a dead, scheduled or cancelled job is revived");
        let revived = row(store.as_ref(), id).await;
        assert_eq!(
            (
                revived.state,
                revived.failures,
                revived.losses,
                revived.death,
                revived.reason,
                revived.ended_at
            ),
            (JobState::Ready, 0, 0, None, None, None),
            "a revived job starts again, round {round}"
        );
        let job = worker.claim_one(store.as_ref(), now).await;
        let attempt = u32::try_from(round).expect("small") + 3;
        assert_eq!(
            (job.lease.attempt, job.failures, job.losses),
            (attempt, 0, 0),
            "its attempts are counted on"
        );
        end(store.as_ref(), &job, ending, now + 1).await;
    }
    let late = enqueue_one(store.as_ref(), delayed(90_000)).await;
    store.revive_job(late, at(100)).await.expect("a delayed job may be run now");
    assert_eq!(worker.claim_ids(store.as_ref(), 100).await, [late], "it does not wait for its time");
}

/// Only what is dead, scheduled or cancelled is revived, and only what is dead is discarded.
pub async fn people_decide_only_what_is_theirs(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let lost = Worker::enlist(store.as_ref()).await;
    let suspect = lost.begin(store.as_ref(), job(), 1).await.lease.id;
    lapse(database.as_ref()).await;
    let worker = Worker::enlist(store.as_ref()).await;
    worker.take_over(store.as_ref(), 2).await;
    let done = worker.begin(store.as_ref(), job(), 2).await;
    complete(store.as_ref(), &done, 2).await;
    let discarded = worker.begin(store.as_ref(), job(), 2).await;
    end(store.as_ref(), &discarded, dead(false), 2).await;
    let discard = async |id| store.discard_job(id, "given up", at(3)).await;
    discard(discarded.lease.id).await.expect("a dead job is discarded");
    let row_of = row(store.as_ref(), discarded.lease.id).await;
    assert_eq!(
        (row_of.state, row_of.reason.as_deref(), row_of.ended_at),
        (JobState::Discarded, Some("given up"), Some(at(3))),
        "a discarded job says why, and since when"
    );
    let running = worker.begin(store.as_ref(), keyed("a"), 2).await;
    let behind = enqueue_one(store.as_ref(), keyed("a")).await;
    let ready = enqueue_one(store.as_ref(), job()).await;
    for (id, what) in [
        (suspect, "a suspect"),
        (done.lease.id, "a completed job"),
        (discarded.lease.id, "a discarded job"),
        (running.lease.id, "a running job"),
        (behind, "a job behind another"),
        (ready, "a ready job"),
        (MessageId::new(), "a job that nobody knows"),
    ] {
        let before = store.job(id).await.expect("a job is looked up").map(|row| row.state);
        assert_not_found(store.revive_job(id, at(4)).await, &format!("to be revived {what}"));
        assert_not_found(discard(id).await, &format!("to be discarded {what}"));
        let after = store.job(id).await.expect("a job is looked up").map(|row| row.state);
        assert_eq!(after, before, "and stays as it is");
    }
    let late = enqueue_one(store.as_ref(), delayed(50)).await;
    assert_not_found(discard(late).await, "to be discarded a scheduled job");
    for id in [done.lease.id, discarded.lease.id, MessageId::new()] {
        assert_not_found(store.cancel_job(id, "x", at(5)).await, "to be cancelled a job that has ended");
    }
}
