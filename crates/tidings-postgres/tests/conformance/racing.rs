//! What only several processes on one database can do to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use tidings_core::key::Key;
use tidings_core::store::{
    Cancelled, Claim, ClaimedJob, Enqueued, JobEnd, JobFilter, JobLease, JobState, Member, NewJob,
    StoreError, UniqueKey, WorkerId,
};
use tidings_core::trace::TraceContext;
use tidings_testkit::random::Random;
use tidings_testkit::script::{Answer, Claiming, Gate, Op, ask, run};
use tokio::task::JoinSet;

use super::of_jobs::Jobs;
use super::*;

pub(super) const QUEUE: &str = "mail";
pub(super) const NAME: &str = "suite.send";
const LEASE: Duration = Duration::from_secs(30);
/// How long something may take that waits for nobody.
const AT_ONCE: Duration = Duration::from_secs(20);

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_000).expect("a time")
}

pub(super) fn job() -> NewJob {
    let id = MessageId::new();
    NewJob {
        id,
        name: NAME.into(),
        queue: QUEUE.into(),
        priority: 0,
        due: now(),
        key: None,
        share: None,
        unique: None,
        source: "suite".into(),
        correlation_id: id,
        causation_id: None,
        trace: TraceContext::default(),
        at: now(),
        data: "{}".to_owned(),
    }
}

pub(super) async fn enqueue(store: &dyn Store, jobs: Vec<NewJob>) -> Vec<Enqueued> {
    let answers = ask(store, [Op::Enqueue(jobs)]).await.expect("jobs are enqueued");
    let [Answer::Enqueued(done)] = &answers[..] else { panic!("one answer: {answers:?}") };
    done.clone()
}

pub(super) async fn enlist(store: &dyn Store) -> WorkerId {
    store.enlist(&Member::named("a race"), LEASE).await.expect("a worker is enlisted")
}

pub(super) async fn end_and_claim(
    store: &dyn Store,
    worker: WorkerId,
    ends: &[(JobLease, JobEnd)],
    limit: usize,
) -> (Vec<bool>, Vec<ClaimedJob>) {
    let names = [NAME.into()];
    let claim =
        Claim { queue: QUEUE, worker, names: &names, limit, now: now(), rate: None, running_max: None };
    let (good, claimed) = store
        .at_once()
        .expect("it has it")
        .end_and_claim(ends, now(), Some(&claim))
        .await
        .expect("it is answered");
    (good, claimed.jobs)
}

fn claiming(worker: WorkerId, limit: usize) -> Op {
    let (queue, names) = (QUEUE.into(), vec![NAME.into()]);
    Op::Claim(Claiming { queue, worker, names, limit, now: now(), rate: None, running_max: None })
}

fn completed(jobs: &[ClaimedJob]) -> Vec<(JobLease, JobEnd)> {
    jobs.iter().map(|job| (job.lease, JobEnd::Completed)).collect()
}

async fn state(store: &dyn Store, id: MessageId) -> JobState {
    store.job(id).await.expect("a job is looked up").expect("it is on record").state
}

/// Whoever claims, by whichever process, in a transaction or not: each job is given out once, also while claims are undone,
/// jobs come in, and rows that a claim has to pass are ended behind its back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_claimers_never_claim_a_job_twice() {
    if !server_is_there() {
        return;
    }
    let database = Jobs::fresh().await;
    let taken: Arc<Mutex<BTreeMap<MessageId, u32>>> = Arc::default();
    let mut tasks = JoinSet::new();
    let first = database.store();
    tasks.spawn(async move {
        for _ in 0..20 {
            enqueue(first.as_ref(), (0..25).map(|_| job()).collect()).await;
        }
    });
    for seed in 0..6 {
        let (store, taken) = (database.another().await, taken.clone());
        tasks.spawn(async move {
            let worker = enlist(store.as_ref()).await;
            let (mut random, mut held, mut idle) = (Random::new(seed), Vec::new(), 0);
            while idle < 30 {
                let jobs = if random.chance(30) {
                    let mut ops = vec![claiming(worker, 1 + random.below(9))];
                    let fails = random.chance(50);
                    if fails {
                        ops.push(Op::Fail);
                    }
                    match ask(store.as_ref(), ops).await {
                        Ok(answers) => match answers.into_iter().next() {
                            Some(Answer::Claimed(claimed)) => claimed.jobs,
                            other => panic!("one answer: {other:?}"),
                        },
                        Err(error) => {
                            assert!(fails, "a claim fails by itself only: {error}");
                            continue;
                        }
                    }
                } else {
                    let ends = completed(&std::mem::take(&mut held));
                    let (good, jobs) =
                        end_and_claim(store.as_ref(), worker, &ends, 1 + random.below(30)).await;
                    assert!(good.iter().all(|good| *good), "a lease is good until it is taken over");
                    jobs
                };
                idle = if jobs.is_empty() { idle + 1 } else { 0 };
                let mut taken = taken.lock().expect("a count");
                jobs.iter().for_each(|job| *taken.entry(job.lease.id).or_default() += 1);
                held.extend(jobs);
            }
            assert!(held.is_empty(), "all that was held has been ended");
        });
    }
    tasks.join_all().await;
    let taken = taken.lock().expect("a count").clone();
    assert!(taken.values().all(|times| *times == 1), "each job is given out once");
    let store = database.store();
    let filter = JobFilter { state: Some(JobState::Completed), ..JobFilter::default() };
    let done = store.jobs(&filter, 10_000).await.expect("jobs are listed");
    let (done, taken): (BTreeSet<_>, BTreeSet<_>) =
        (done.iter().map(|row| row.id).collect(), taken.keys().copied().collect());
    assert!(done == taken, "and each that was given out is done");
}

/// A takeover does not wait for a claim that is under way, and does not take its worker for lost: the claim counts, and the
/// next takeover finds all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_takeover_during_a_claim() {
    if !server_is_there() {
        return;
    }
    let database = Jobs::fresh().await;
    let (store, other) = (database.store(), database.another().await);
    let all: Vec<_> = (0..3).map(|_| job()).collect();
    enqueue(store.as_ref(), all.clone()).await;
    let (slow, taker) = (enlist(store.as_ref()).await, enlist(other.as_ref()).await);
    let gate = Gate::new();
    let ops = vec![claiming(slow, 2), Op::Gate(gate.clone())];
    let claim = tokio::spawn({
        let store = store.clone();
        async move { ask(store.as_ref(), ops).await }
    });
    gate.reached().await;
    database.lapse(LEASE + Duration::from_secs(1));
    let taken = tokio::time::timeout(AT_ONCE, other.take_over(taker, now())).await;
    let taken = taken.expect("a takeover does not wait for a claim").expect("a takeover is answered");
    assert_eq!(taken, 0, "what is not committed is not taken over");
    gate.open();
    let answers = claim.await.expect("the work ends").expect("a claim that was begun in time counts");
    let [Answer::Claimed(claimed), ..] = &answers[..] else { panic!("one answer: {answers:?}") };
    assert_eq!(claimed.jobs.len(), 2);
    assert_eq!(
        other.take_over(taker, now()).await.expect("a takeover is answered"),
        2,
        "the next one finds it"
    );
    let (good, jobs) = end_and_claim(store.as_ref(), slow, &completed(&claimed.jobs), 10).await;
    assert_eq!(good, [false, false], "its leases are void");
    assert!(jobs.is_empty(), "and a void worker claims nothing");
    let suspects = [state(store.as_ref(), all[0].id).await, state(store.as_ref(), all[1].id).await];
    assert_eq!(suspects, [JobState::Suspect; 2]);
}

/// A takeover does not wait for a transaction that ends an attempt, either: it leaves that job alone. If the end is undone the
/// next takeover has the job.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_takeover_during_an_end() {
    if !server_is_there() {
        return;
    }
    for commits in [true, false] {
        let database = Jobs::fresh().await;
        let (store, other) = (database.store(), database.another().await);
        let all: Vec<_> = (0..3).map(|_| job()).collect();
        enqueue(store.as_ref(), all.clone()).await;
        let (slow, taker) = (enlist(store.as_ref()).await, enlist(other.as_ref()).await);
        let (_, held) = end_and_claim(store.as_ref(), slow, &[], 10).await;
        let gate = Gate::new();
        let mut ops = vec![Op::End(completed(&held[..1]), now()), Op::Gate(gate.clone())];
        if !commits {
            ops.push(Op::Fail);
        }
        let end = tokio::spawn({
            let store = store.clone();
            async move { ask(store.as_ref(), ops).await }
        });
        gate.reached().await;
        database.lapse(LEASE + Duration::from_secs(1));
        let taken = tokio::time::timeout(AT_ONCE, other.take_over(taker, now())).await;
        let taken = taken.expect("a takeover does not wait for an end").expect("a takeover is answered");
        assert_eq!(taken, 2, "it takes the others");
        gate.open();
        let ended = end.await.expect("the work ends");
        assert_eq!(ended.is_ok(), commits);
        let rest = other.take_over(taker, now()).await.expect("a takeover is answered");
        assert_eq!(rest, u64::from(!commits), "what was not ended is taken over next");
        let expected = if commits { JobState::Completed } else { JobState::Suspect };
        assert_eq!(state(store.as_ref(), all[0].id).await, expected, "exactly one of the two counts");
        let again = [(held[0].lease, JobEnd::Completed)];
        let (good, _) = end_and_claim(store.as_ref(), slow, &again, 1).await;
        assert_eq!(good, [false], "the lease is void in either case");
    }
}

/// Of many who enqueue under one unique key one is new, and the others are told of it, also where some of them are undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_enqueue_under_one_unique_key() {
    if !server_is_there() {
        return;
    }
    let database = Jobs::fresh().await;
    let stores = [database.store(), database.another().await];
    for round in 0..8_u64 {
        let mut tasks = JoinSet::new();
        for number in 0..8_usize {
            let store = stores[number % 2].clone();
            tasks.spawn(async move {
                let of = |key: &str| NewJob {
                    unique: Some(UniqueKey { key: format!("{key} {round}"), hash: [1; 32], until: None }),
                    ..job()
                };
                // In either order: who waits for a key must not have what its owner waits for.
                let mut jobs = vec![of("a"), job(), of("b"), of("c")];
                if number % 4 > 1 {
                    jobs.reverse();
                }
                let fails = number < 2;
                let mut ops = vec![Op::Enqueue(jobs.clone())];
                ops.extend(fails.then_some(Op::Fail));
                match ask(store.as_ref(), ops).await {
                    Ok(answers) => {
                        let [Answer::Enqueued(done)] = &answers[..] else {
                            panic!("one answer: {answers:?}")
                        };
                        jobs.into_iter().zip(done.clone()).collect::<Vec<_>>()
                    }
                    Err(error) => {
                        assert!(fails, "nobody fails for another's sake: {error}");
                        Vec::new()
                    }
                }
            });
        }
        let told: Vec<(NewJob, Enqueued)> = tasks.join_all().await.into_iter().flatten().collect();
        for key in ["a", "b", "c"] {
            let of_key: Vec<_> = told
                .iter()
                .filter(|(job, _)| job.unique.as_ref().is_some_and(|unique| unique.key.starts_with(key)))
                .collect();
            assert_eq!(of_key.len(), 6);
            let new: Vec<_> = of_key.iter().filter(|(_, done)| *done == Enqueued::New).collect();
            let [(winner, _)] = new[..] else { panic!("one of them is new: {of_key:?}") };
            for (_, done) in of_key.iter().filter(|(_, done)| *done != Enqueued::New) {
                assert_eq!(*done, Enqueued::Existing(winner.id), "the others are told of it");
            }
        }
    }
}

/// While jobs of a few keys come in from everywhere: of a key one runs at a time, and what one caller enqueued one after the
/// other runs in that order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_keep_their_order_while_jobs_come_in() {
    if !server_is_there() {
        return;
    }
    const EACH: usize = 30;
    let database = Jobs::fresh().await;
    let journal: Arc<Mutex<Vec<(String, String, bool)>>> = Arc::default();
    let mut tasks = JoinSet::new();
    for caller in 0..3_u64 {
        let store = database.another().await;
        tasks.spawn(async move {
            let mut random = Random::new(caller);
            for number in 0..EACH {
                let key = Key::new("order", ["a", "b"][number % 2]);
                let new = NewJob { key: Some(key), data: format!("[{caller},{number}]"), ..job() };
                let gap = random.below(3);
                run(store.as_ref(), [Op::Enqueue(vec![new])]).await.expect("a job is enqueued");
                tokio::time::sleep(Duration::from_millis(gap as u64)).await;
            }
        });
    }
    for seed in 0..4 {
        let (store, journal) = (database.another().await, journal.clone());
        tasks.spawn(async move {
            let worker = enlist(store.as_ref()).await;
            let (mut random, mut ends) = (Random::new(seed), Vec::new());
            let is_done = |journal: &Vec<(String, String, bool)>| {
                journal.iter().filter(|(.., begins)| !*begins).count() >= 3 * EACH
            };
            while !ends.is_empty() || !is_done(&journal.lock().expect("a journal")) {
                let (good, jobs) = end_and_claim(store.as_ref(), worker, &ends, 1 + random.below(4)).await;
                assert!(good.iter().all(|good| *good), "a lease is good until it is taken over");
                let mut journal = journal.lock().expect("a journal");
                ends.clear();
                for job in jobs {
                    let key = job.key.clone().expect("each has a key").as_str().to_owned();
                    journal.push((key.clone(), job.data.clone(), true));
                    let gives_back = random.chance(20);
                    if !gives_back {
                        journal.push((key, job.data.clone(), false));
                    }
                    let how = if gives_back { JobEnd::GivenBack } else { JobEnd::Completed };
                    ends.push((job.lease, how));
                }
            }
        });
    }
    tasks.join_all().await;
    let journal = journal.lock().expect("a journal").clone();
    for key in ["order:a", "order:b"] {
        let done: Vec<&str> = journal
            .iter()
            .filter(|(of, _, begins)| of == key && !begins)
            .map(|(_, data, _)| data.as_str())
            .collect();
        assert_eq!(done.len(), 3 * EACH / 2, "each is done once");
        for caller in 0..3 {
            let of_caller: Vec<usize> = done
                .iter()
                .filter_map(|data| data.strip_prefix(&format!("[{caller},"))?.strip_suffix(']')?.parse().ok())
                .collect();
            assert!(
                of_caller.is_sorted(),
                "jobs of a key run in the order of their enqueueing: {of_caller:?}"
            );
        }
        // Once a job has begun, no other of its key begins before it is done.
        let mut under_way: Option<&str> = None;
        for (_, data, begins) in journal.iter().filter(|(of, ..)| of == key) {
            match (under_way, begins) {
                (None, true) => under_way = Some(data),
                (Some(job), true) => assert_eq!(job, data, "of a key one job runs at a time"),
                (Some(job), false) => {
                    assert_eq!(job, data, "of a key one job runs at a time");
                    under_way = None;
                }
                (None, false) => panic!("{data} is done without having begun"),
            }
        }
    }
}

/// Of a cancel and a claim that meet one is first: what is cancelled at once is given out no more, and what is out is asked to
/// stop, or has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cancel_and_a_claim_meet() {
    if !server_is_there() {
        return;
    }
    let database = Jobs::fresh().await;
    let all: Vec<_> = (0..150).map(|_| job()).collect();
    enqueue(database.store().as_ref(), all.clone()).await;
    let given: Arc<Mutex<BTreeSet<MessageId>>> = Arc::default();
    let mut tasks = JoinSet::new();
    for seed in 0..3 {
        let (store, given) = (database.another().await, given.clone());
        tasks.spawn(async move {
            let worker = enlist(store.as_ref()).await;
            let (mut random, mut ends) = (Random::new(seed), Vec::new());
            loop {
                let (good, jobs) = end_and_claim(store.as_ref(), worker, &ends, 1 + random.below(3)).await;
                assert!(good.iter().all(|good| *good), "a lease is good until it is taken over");
                if jobs.is_empty() {
                    return BTreeMap::new();
                }
                given.lock().expect("a set").extend(jobs.iter().map(|job| job.lease.id));
                ends = jobs
                    .iter()
                    .map(|job| {
                        (job.lease, if random.chance(50) { JobEnd::Completed } else { JobEnd::GivenBack })
                    })
                    .collect();
            }
        });
    }
    let (store, ids): (_, Vec<_>) = (database.another().await, all.iter().map(|job| job.id).collect());
    tasks.spawn(async move {
        let mut answers = BTreeMap::new();
        for id in ids.into_iter().rev() {
            answers.insert(id, store.cancel_job(id, "no more", now()).await);
        }
        answers
    });
    let answers: BTreeMap<_, _> = tasks.join_all().await.into_iter().flatten().collect();
    let (store, given) = (database.store(), given.lock().expect("a set").clone());
    for (id, answer) in answers {
        let found = state(store.as_ref(), id).await;
        match answer {
            Ok(Cancelled::AtOnce) => assert_eq!(found, JobState::Cancelled, "what is cancelled is"),
            Ok(Cancelled::Asked) => {
                assert!(given.contains(&id), "only what was given out is asked to stop");
                assert!(matches!(found, JobState::Completed | JobState::Cancelled), "it ends: {found:?}");
            }
            Err(StoreError::NotFound { .. }) => assert_eq!(found, JobState::Completed, "it was too late"),
            Err(error) => panic!("a cancel is answered: {error}"),
        }
    }
}
