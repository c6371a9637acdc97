//! How attempts end, and who may end them.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::store::{
    ATTEMPTS_KEPT, AttemptEnd, AttemptRow, DeathReason, JobEnd, JobState, Retention, Store, WorkerId,
};

use super::support::*;
use crate::script::query;
use crate::suite::support::{events, everything};
use crate::suite::tables::make_account;

/// After a completion the job says so, and nothing is left to do.
pub async fn a_completed_job_is_done(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let job = worker.begin(store.as_ref(), job(), 3).await;
    let running = row(store.as_ref(), job.lease.id).await;
    assert_eq!(
        (running.state, running.worker, running.started_at, running.ended_at),
        (JobState::Running, Some(worker.id), Some(at(3)), None),
        "a running job says who is at it, and since when"
    );
    complete(store.as_ref(), &job, 7).await;
    let store = crash(database.as_mut()).await;
    let done = row(store.as_ref(), job.lease.id).await;
    assert_eq!(
        (done.state, done.worker, done.started_at, done.ended_at, done.attempts, done.failures),
        (JobState::Completed, None, Some(at(3)), Some(at(7)), 1, 0),
        "a completed job says when it was done"
    );
    assert_eq!((done.death, done.error, done.reason), (None, None, None), "and tells of no trouble");
    assert!(
        attempts(store.as_ref(), job.lease.id).await.is_empty(),
        "an attempt that completes its job is told by the job"
    );
    let worker = Worker::enlist(store.as_ref()).await;
    assert_eq!(worker.take_over(store.as_ref(), 8).await, 0, "nothing is left of it");
    assert!(worker.claim_ids(store.as_ref(), 1_000).await.is_empty(), "a completed job is not claimed again");
}

/// Of a job that is tried very often the newest attempts are kept, however they ended; how many there were is kept, too.
pub async fn the_newest_attempts_of_a_job_are_kept(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let (often, other) = (enqueue_one(store.as_ref(), job()).await, enqueue_one(store.as_ref(), job()).await);
    let beside = worker.claim(store.as_ref(), 2, 1).await.jobs;
    end(store.as_ref(), &beside[1], retry(1_000_000), 1).await;
    end(store.as_ref(), &beside[0], snoozed(1), 1).await;
    for attempt in 2..=ATTEMPTS_KEPT + 3 {
        let job = worker.claim_one(store.as_ref(), 1).await;
        assert_eq!(job.lease.attempt, attempt, "attempts are counted whether they are kept or not");
        let how = if attempt.is_multiple_of(2) { snoozed(1) } else { JobEnd::GivenBack };
        end(store.as_ref(), &job, how, 1).await;
    }
    let kept = async |store: &dyn Store| {
        let all = attempts(store, often).await;
        (all.len(), all.first().map(|row| row.attempt), all.last().map(|row| row.attempt))
    };
    let expected = |first: u32| (ATTEMPTS_KEPT as usize, Some(first), Some(first + ATTEMPTS_KEPT - 1));
    assert_eq!(kept(store.as_ref()).await, expected(4), "the newest attempts are kept");
    worker.claim_one(store.as_ref(), 2).await;
    let store = crash(database.as_mut()).await;
    let worker = Worker::enlist(store.as_ref()).await;
    assert_eq!(worker.take_over(store.as_ref(), 3).await, 1);
    assert_eq!(kept(store.as_ref()).await, expected(5), "also when the last one was lost");
    assert_eq!(attempts(store.as_ref(), other).await.len(), 1, "those of another job stay");
}

/// A failed attempt counts on the schedule, is listed with its error, and is followed by another when due; the one that
/// succeeds then leaves the list as it is.
pub async fn a_failed_attempt_is_counted_and_followed_by_another(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let first = worker.begin(store.as_ref(), job(), 1).await;
    let id = first.lease.id;
    end(store.as_ref(), &first, retry(20), 2).await;
    let waiting = row(store.as_ref(), id).await;
    assert_eq!(
        (waiting.state, waiting.due, waiting.failures, waiting.attempts, waiting.worker, waiting.ended_at),
        (JobState::Scheduled, at(20), 1, 1, None, None),
        "a job that failed waits for its time"
    );
    assert_eq!(waiting.error.as_deref(), Some("it failed\ncaused by: the suite"), "with its error");
    let listed = AttemptRow {
        attempt: 1,
        worker: worker.id,
        started_at: at(1),
        ended_at: at(2),
        end: AttemptEnd::Failed,
        error: "it failed\ncaused by: the suite".to_owned(),
    };
    assert_eq!(attempts(store.as_ref(), id).await, [listed], "a failed attempt is listed");
    let early = worker.claim(store.as_ref(), 10, 19).await;
    assert!(early.jobs.is_empty(), "the next attempt waits for its time");
    assert_eq!(early.next_at, Some(at(20)), "which is told");
    let second = worker.claim_one(store.as_ref(), 20).await;
    assert_eq!((second.lease.attempt, second.failures), (2, 1), "the next attempt knows of the failure");
    complete(store.as_ref(), &second, 21).await;
    assert_eq!(
        attempt_ends(store.as_ref(), id).await,
        [(1, AttemptEnd::Failed)],
        "and the list stays as it is"
    );
}

/// A snooze is no failure: nothing counts on the schedule, and there is no error.
pub async fn a_snooze_counts_no_failure(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let first = worker.begin(store.as_ref(), job(), 1).await;
    let id = first.lease.id;
    end(store.as_ref(), &first, retry(5), 2).await;
    let second = worker.claim_one(store.as_ref(), 5).await;
    end(store.as_ref(), &second, snoozed(100), 6).await;
    let waiting = row(store.as_ref(), id).await;
    assert_eq!(
        (waiting.state, waiting.due, waiting.failures, waiting.attempts),
        (JobState::Scheduled, at(100), 1, 2),
        "a snooze counts no failure"
    );
    let list = attempts(store.as_ref(), id).await;
    assert_eq!(
        (list[1].end, &*list[1].error),
        (AttemptEnd::Snoozed, ""),
        "a snooze is listed, without an error"
    );
    assert!(worker.claim_ids(store.as_ref(), 99).await.is_empty(), "a snoozed job waits for its time");
    assert_eq!(
        worker.claim_one(store.as_ref(), 100).await.failures,
        1,
        "a snooze counts no failure later either"
    );
}

/// A dead job says why, is kept, and is not claimed.
pub async fn a_dead_job_says_why_and_waits_for_a_person(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    for reason in [DeathReason::Exhausted, DeathReason::Permanent, DeathReason::Lethal] {
        let job = worker.begin(store.as_ref(), job(), 1).await;
        let error = format!("as the suite wished: {}", reason.as_str());
        end(store.as_ref(), &job, JobEnd::Dead { reason, error: error.clone(), releases_key: false }, 4)
            .await;
        let dead = row(store.as_ref(), job.lease.id).await;
        assert_eq!(
            (dead.state, dead.death, dead.ended_at, dead.worker),
            (JobState::Dead, Some(reason), Some(at(4)), None),
            "a dead job says why it is dead, and since when"
        );
        assert_eq!(dead.error, Some(error.clone()), "with its last error");
        let list = attempts(store.as_ref(), job.lease.id).await;
        assert_eq!(
            (list[0].end, &list[0].error),
            (AttemptEnd::Failed, &error),
            "its last attempt is listed as failed"
        );
        assert!(worker.claim_ids(store.as_ref(), 1_000).await.is_empty(), "a dead job is not claimed");
    }
}

/// An attempt that was given back says nothing about the job: it can be claimed at once, in its place, with its failures
/// as before.
pub async fn what_is_given_back_can_be_claimed_at_once(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let first = worker.begin(store.as_ref(), job(), 1).await;
    let id = first.lease.id;
    end(store.as_ref(), &first, retry(5), 2).await;
    let second = worker.claim_one(store.as_ref(), 5).await;
    let later = enqueue_one(store.as_ref(), job()).await;
    end(store.as_ref(), &second, JobEnd::GivenBack, 6).await;
    let back = row(store.as_ref(), id).await;
    assert_eq!(
        (back.state, back.failures, back.worker),
        (JobState::Ready, 1, None),
        "what is given back is ready"
    );
    let expected = [(1, AttemptEnd::Failed), (2, AttemptEnd::GivenBack)];
    assert_eq!(attempt_ends(store.as_ref(), id).await, expected, "an attempt that was given back is listed");
    assert_eq!(
        worker.claim_ids(store.as_ref(), 6).await,
        [id, later],
        "what is given back is in its place again"
    );
}

/// A void lease ends nothing and is told as void, while the others of the same call end.
pub async fn a_void_lease_ends_nothing(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let other = Worker::enlist(store.as_ref()).await;
    enqueue(store.as_ref(), &jobs(6)).await;
    let held = worker.claim(store.as_ref(), 6, 1).await.jobs;
    end(store.as_ref(), &held[5], retry(2), 1).await;
    let newer = other.claim_one(store.as_ref(), 2).await;
    let of_another = tidings_core::store::JobLease { worker: other.id, ..held[0].lease };
    let of_nobody = tidings_core::store::JobLease { worker: WorkerId(i64::MAX), ..held[0].lease };
    let next_attempt = tidings_core::store::JobLease { attempt: 2, ..held[0].lease };
    let older = held[5].lease;
    for how in [
        JobEnd::Completed,
        retry(50),
        snoozed(50),
        dead(true),
        JobEnd::GivenBack,
        JobEnd::Cancelled { reason: "x".to_owned() },
    ] {
        for lease in [of_another, of_nobody, next_attempt, older] {
            let ended = end_all(store.as_ref(), vec![(lease, how.clone())], 3).await;
            assert_eq!(ended, [false], "a void lease ends nothing: {lease:?}, {how:?}");
        }
    }
    for id in [held[0].lease.id, newer.lease.id] {
        assert_eq!(state(store.as_ref(), id).await, JobState::Running, "a void lease writes nothing");
    }
    assert!(attempts(store.as_ref(), held[0].lease.id).await.is_empty(), "a void lease lists no attempt");
    let ends = vec![
        (held[0].lease, JobEnd::Completed),
        (of_another, dead(false)),
        (held[1].lease, retry(9)),
        (held[2].lease, JobEnd::GivenBack),
        (older, JobEnd::Completed),
        (held[3].lease, dead(false)),
        (next_attempt, JobEnd::Completed),
    ];
    let ended = end_all(store.as_ref(), ends, 4).await;
    let expected = [true, false, true, true, false, true, false];
    assert_eq!(ended, expected, "of each attempt it is said whether its lease was good");
    let all: Vec<_> = ids(&held);
    let expected = [
        JobState::Completed,
        JobState::Scheduled,
        JobState::Ready,
        JobState::Dead,
        JobState::Running,
        JobState::Running,
    ];
    assert_eq!(
        states(store.as_ref(), &all).await,
        expected,
        "good leases end their attempts beside void ones"
    );
    let twice = vec![(held[4].lease, retry(9)), (held[4].lease, JobEnd::Completed)];
    let ended = end_all(store.as_ref(), twice, 4).await;
    let expected = match ended[..] {
        [true, false] => JobState::Scheduled,
        [false, true] => JobState::Completed,
        _ => panic!("an attempt that is named twice ends once: {ended:?}"),
    };
    assert_eq!(state(store.as_ref(), held[4].lease.id).await, expected, "and in the way that was told");
    let all = &all[..4];
    let expected = &[JobState::Completed, JobState::Scheduled, JobState::Ready, JobState::Dead];
    let again =
        end_all(store.as_ref(), held[..4].iter().map(|job| (job.lease, dead(false))).collect(), 5).await;
    assert_eq!(again, [false; 4], "what has ended is not ended twice");
    assert_eq!(states(store.as_ref(), all).await, expected, "and stays as it is");
    complete(store.as_ref(), &newer, 6).await;
}

/// After a takeover the earlier attempt ends nothing, also while the job is under way again.
pub async fn what_was_taken_over_is_not_ended_by_its_first_worker(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let slow = Worker::enlist(store.as_ref()).await;
    let job = slow.begin(store.as_ref(), job(), 1).await;
    lapse(database.as_ref()).await;
    let other = Worker::enlist(store.as_ref()).await;
    assert_eq!(other.take_over(store.as_ref(), 2).await, 1, "a lapsed worker's job is taken over");
    let late = |how: JobEnd| vec![(job.lease, how)];
    for how in [JobEnd::Completed, retry(9), dead(false)] {
        let ended = end_all(store.as_ref(), late(how), 3).await;
        assert_eq!(ended, [false], "what was taken over is not ended by its first worker");
    }
    assert_eq!(state(store.as_ref(), job.lease.id).await, JobState::Suspect);
    let second = other.claim_suspect(store.as_ref(), 4).await.expect("a suspect is claimed");
    let ended = end_all(store.as_ref(), late(JobEnd::Completed), 5).await;
    assert_eq!(
        ended,
        [false],
        "what was taken over is not ended by its first worker, while it is under way again"
    );
    assert_eq!(
        state(store.as_ref(), job.lease.id).await,
        JobState::Running,
        "a void lease ends no other attempt"
    );
    complete(store.as_ref(), &second, 6).await;
}

/// An attempt ends if and only if what was written and published beside it commits.
pub async fn an_attempt_ends_with_its_effects(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    let worker = Worker::enlist(store.as_ref()).await;
    let id = enqueue_one(store.as_ref(), keyed("a")).await;
    let behind = enqueue_one(store.as_ref(), keyed("a")).await;
    let job = worker.claim_one(store.as_ref(), 1).await;
    let insert = "INSERT INTO suite_account (id, note) VALUES ($1, $2)";
    let effects = |ending: Option<Op>| {
        let mut ops = vec![
            Op::Execute(insert, vec![1_i64.into(), "sent".into()]),
            Op::Append(events("orders.shipped", 1)),
            Op::End(vec![(job.lease, JobEnd::Completed)], at(2)),
            Op::Enqueue(vec![of_queue("other", super::support::job())]),
        ];
        ops.extend(ending);
        ops
    };
    for ending in [Op::Fail, Op::Panic("planned by the suite"), Op::Undo] {
        let _ended = run(store.as_ref(), effects(Some(ending))).await;
        assert_eq!(
            state(store.as_ref(), id).await,
            JobState::Running,
            "an attempt does not end without its effects"
        );
        assert_eq!(
            state(store.as_ref(), behind).await,
            JobState::Behind,
            "nor does the next of its key begin"
        );
    }
    let undone = [Op::Undone(effects(None))];
    run(store.as_ref(), undone).await.expect("a transaction commits");
    assert_eq!(
        state(store.as_ref(), id).await,
        JobState::Running,
        "an attempt does not end without its effects"
    );
    let rows = query(store.as_ref(), "SELECT id FROM suite_account").await.expect("a table is read");
    assert!(rows.is_empty(), "undone effects are not there");
    run(store.as_ref(), effects(None)).await.expect("the end and its effects commit");
    let store = crash(database.as_mut()).await;
    let expected = [JobState::Completed, JobState::Ready];
    assert_eq!(states(store.as_ref(), &[id, behind]).await, expected, "the end is there with its effects");
    let rows = query(store.as_ref(), "SELECT id FROM suite_account").await.expect("a table is read");
    assert_eq!(rows.len(), 1, "and the effects with the end");
    assert_eq!(everything(store.as_ref(), &["orders.shipped"]).await.len(), 1, "also what was published");
    let other = Worker::enlist(store.as_ref()).await.at("other");
    assert_eq!(other.claim_ids(store.as_ref(), 9).await.len(), 1, "and what was enqueued");
}

/// One transaction may end attempts and claim: it gets what its own ends have made free.
pub async fn ends_and_claims_share_a_transaction(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let all = [keyed("a"), keyed("a"), keyed("a"), job()];
    enqueue(store.as_ref(), &all).await;
    let first = worker.claim(store.as_ref(), 10, 1).await.jobs;
    assert_eq!(ids(&first), [all[0].id, all[3].id], "one of a key, and what has none");
    let ends = vec![(first[0].lease, JobEnd::Completed), (first[1].lease, retry(2))];
    let ops = [Op::End(ends, at(2)), Op::Claim(worker.claiming(10, at(2)))];
    let answers = ask(store.as_ref(), ops).await.expect("a transaction commits");
    let [Answer::Ended(ended), Answer::Claimed(claimed)] = &answers[..] else {
        panic!("two answers: {answers:?}")
    };
    assert_eq!(ended[..], [true, true]);
    assert_eq!(ids(&claimed.jobs), [all[1].id, all[3].id], "a claim gets what the ends before it made free");
}

/// Ends and a claim in one call do what they do in a transaction: of each end it is said whether its lease was good, in its
/// place, whatever stands beside it; and the claim gets what the ends have made free.
pub async fn ends_and_a_claim_may_be_one_call(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let Some(at_once) = store.at_once() else { return };
    let worker = Worker::enlist(store.as_ref()).await;
    let limited = worker.clone();
    let claim = limited.claiming(10, at(2));
    let claim = claim.claim();
    let all = [keyed("a"), keyed("a"), job(), job(), unique("k", 1), delayed(50), keyed("b"), keyed("b")];
    enqueue(store.as_ref(), &all).await;
    let (nothing, claimed) =
        at_once.end_and_claim(&[], at(1), Some(&claim)).await.expect("a claim is answered");
    worker.check(&claimed, 10, at(2));
    assert!(nothing.is_empty(), "nothing was ended");
    assert_eq!(claimed.next_at, Some(at(50)), "it is told when the next job is due");
    let held = claimed.jobs;
    let expected = [all[0].id, all[2].id, all[3].id, all[4].id, all[6].id];
    assert_eq!(ids(&held), expected, "a claim of its own gets what can be claimed");
    let void = tidings_core::store::JobLease { attempt: 2, ..held[1].lease };
    let ends = [
        (held[0].lease, JobEnd::Completed),
        (void, JobEnd::Completed),
        (held[1].lease, retry(2)),
        (held[2].lease, JobEnd::Completed),
        (held[2].lease, JobEnd::Completed),
        (held[4].lease, dead(true)),
    ];
    let (good, claimed) = at_once.end_and_claim(&ends, at(2), Some(&claim)).await.expect("it is answered");
    assert_eq!(
        (good[0], good[1], good[2], good[5]),
        (true, false, true, true),
        "a good lease is told as good"
    );
    assert!(good[3] != good[4], "an attempt that is named twice ends once: {good:?}");
    let expected = [all[1].id, all[2].id, all[7].id];
    assert_eq!(ids(&claimed.jobs), expected, "a claim gets what the ends before it made free");
    let (good, claimed) = at_once
        .end_and_claim(&[(held[3].lease, JobEnd::Completed)], at(3), None)
        .await
        .expect("it is answered");
    assert_eq!(good, [true], "ends without a claim");
    assert!(claimed.jobs.is_empty() && !claimed.more && claimed.next_at.is_none(), "claim nothing");
    let next = unique("k", 2);
    enqueue_one(store.as_ref(), next).await;
    let store = crash(database.as_mut()).await;
    let expected = [JobState::Completed, JobState::Running, JobState::Running, JobState::Completed];
    assert_eq!(states(store.as_ref(), &new_ids(&all[..4])).await, expected, "and it is durable");
}

/// While others do the same, with ends of every kind and workers that are taken over, no job is given out twice, and each is
/// completed once.
pub async fn many_end_and_claim_at_the_same_time(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    if store.at_once().is_none() {
        return;
    }
    let all: Vec<_> = (0..120)
        .map(|index| if index % 4 == 0 { keyed(["a", "b", "c"][index / 4 % 3]) } else { job() })
        .collect();
    enqueue(store.as_ref(), &all).await;
    let mut tasks = tokio::task::JoinSet::new();
    for seed in 0..4_u64 {
        let store = store.clone();
        tasks.spawn(async move {
            let at_once = store.at_once().expect("it said so");
            let worker = Worker::enlist(store.as_ref()).await;
            let mut random = crate::random::Random::new(seed);
            let mut ends: Vec<(tidings_core::store::JobLease, JobEnd)> = Vec::new();
            let (mut completed, mut idle) = (Vec::new(), 0);
            while idle < 20 {
                let claim = worker.claiming(1 + random.below(12), at(5));
                let claim = claim.claim();
                let (good, claimed) =
                    at_once.end_and_claim(&ends, at(5), Some(&claim)).await.expect("it is answered");
                assert!(good.iter().all(|good| *good), "a lease is good until it is taken over");
                completed.extend(
                    ends.iter().filter(|(_, how)| *how == JobEnd::Completed).map(|(lease, _)| lease.id),
                );
                idle = if claimed.jobs.is_empty() { idle + 1 } else { 0 };
                ends = claimed
                    .jobs
                    .iter()
                    .map(|job| {
                        let how = match random.below(6) {
                            0 => retry(1),
                            1 => JobEnd::GivenBack,
                            _ => JobEnd::Completed,
                        };
                        (job.lease, how)
                    })
                    .collect();
            }
            completed
        });
    }
    let mut completed: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    completed.sort();
    let mut expected = new_ids(&all);
    expected.sort();
    assert_eq!(completed, expected, "each job is completed once");
    assert_eq!(
        states(store.as_ref(), &expected).await,
        vec![JobState::Completed; expected.len()],
        "and says so"
    );
}

/// The lease of a job whose record is gone fits no other job.
pub async fn a_lease_of_a_deleted_job_ends_no_other(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let retention = Retention { jobs_age_max: Duration::ZERO, jobs_max: 0, ..Retention::default() };
    let mut earlier: Vec<tidings_core::store::JobLease> = Vec::new();
    for round in 0..4 {
        let job = worker.begin(store.as_ref(), job(), 10 * round).await;
        assert!(
            earlier.iter().all(|lease| lease.place < job.lease.place),
            "places are in the order of enqueueing"
        );
        for lease in &earlier {
            let ended = end_all(store.as_ref(), vec![(*lease, JobEnd::Completed)], 10 * round + 1).await;
            assert_eq!(ended, [false], "a lease of a deleted job ends no other");
        }
        assert_eq!(state(store.as_ref(), job.lease.id).await, JobState::Running);
        complete(store.as_ref(), &job, 10 * round + 2).await;
        earlier.push(job.lease);
        store.maintain(&retention, at(10 * round + 5)).await.expect("maintenance runs");
    }
}

/// While a transaction that ends an attempt is open, a takeover either waits and finds it ended, or voids it: it is never
/// both taken over and ended.
pub async fn a_takeover_and_an_end_exclude_each_other(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    for round in 0..3 {
        let slow = Worker::enlist(store.as_ref()).await;
        let job = slow.begin(store.as_ref(), job(), 1).await;
        let other = Worker::enlist(store.as_ref()).await;
        lapse(database.as_ref()).await;
        store.heartbeat(other.id).await.expect("a worker lives on");
        let gate = crate::script::Gate::new();
        let end = Op::End(vec![(job.lease, JobEnd::Completed)], at(2));
        let ops = if round % 2 == 0 {
            vec![end, Op::Gate(gate.clone())]
        } else {
            vec![Op::Gate(gate.clone()), end]
        };
        let ending = tokio::spawn({
            let store = store.clone();
            async move { ask(store.as_ref(), ops).await }
        });
        gate.reached().await;
        let mut taking = tokio::spawn({
            let store: Arc<dyn tidings_core::store::Store> = store.clone();
            async move { store.take_over(other.id, at(3)).await }
        });
        // Either answer is right; the time only gives a store that does not wait the chance to say so.
        let early = tokio::time::timeout(Duration::from_millis(100), &mut taking).await;
        gate.open();
        let ended = ending.await.expect("the work ends");
        let taken = match early {
            Ok(taken) => taken,
            Err(_) => tokio::time::timeout(PATIENCE, taking).await.expect("a takeover comes to its end"),
        };
        let taken = taken.expect("the taker ends").expect("a takeover is answered") == 1;
        let ended = matches!(ended.as_deref(), Ok([Answer::Ended(ended)]) if ended[..] == [true]);
        assert!(taken != ended, "a takeover and an end exclude each other: taken {taken}, ended {ended}");
        let expected = if ended { JobState::Completed } else { JobState::Suspect };
        assert_eq!(state(store.as_ref(), job.lease.id).await, expected, "and the job says which it was");
    }
}
